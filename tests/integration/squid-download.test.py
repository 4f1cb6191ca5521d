#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Clean downloads of every size arrive through Squid byte for byte, in time:
Debian 12's Squid stalls behind 64 KiB when nothing comes back meanwhile."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import hashlib

import threading
import time

import origin
import samples
import squid
import tolsey
from tap import add_case, case, check, eq, main, note, shared

server = shared(tolsey.server)
web = shared(origin.Origin)
plain = shared(lambda: squid.Squid())
proxy = shared(lambda: squid.Squid(server().uri))

KB, MB = 1000, 1000000
SIZES = [("0", 0), ("1", 1), ("4095", 4095), ("4096", 4096), ("4097", 4097),
         ("16383", 16383), ("16384", 16384), ("16385", 16385),
         ("60-kb", 60 * KB), ("65535", 65535), ("65536", 65536),
         ("65537", 65537), ("100-kb", 100 * KB), ("1-mb", MB),
         ("4-mb", 4 * MB), ("20-mb", 20 * MB), ("100-mb", 100 * MB)]


def timed(through, url, data):
    got = through().fetch(url, timeout=200)
    eq(got.status, 200, "status")
    check(not got.cut, "cut after %d bytes" % len(got.body))
    eq(len(got.body), len(data), "length")
    check(hashlib.sha256(got.body).digest() == hashlib.sha256(data).digest(),
          "the bytes changed")
    return got.seconds


def download(name, size, framing):
    def run():
        data = samples.filler(size)
        url = web().serve("/%s-%s" % (name, framing), data, framing=framing)
        without = timed(plain, url, data)
        took = timed(proxy, url, data)
        note("%s %s: %.2f s, without ICAP %.2f s" % (name, framing, took,
                                                     without))
        check(took - without < max(5, size / (4 * MB)),
              "%.2f s longer than without ICAP" % (took - without))
    return run


for _name, _size in SIZES:
    for _framing in ("length", "chunked"):
        if _size <= 4 * MB or _framing == "length":
            add_case("clean-%s-%s" % (_name, _framing),
                     download(_name, _size, _framing), 240)


@case(timeout=100)
def clean_300_mb():
    """Squid stalls some 60 times on the way."""
    tolsey.only_tolsey()
    part = samples.filler(10 * MB)

    def route(handler, _path, _body):
        handler.begin(200, [("Content-Type", "application/octet-stream")],
                      length=30 * len(part))
        for _ in range(30):
            handler.put(part)
    web().routes["/300-mb"] = route
    start = time.monotonic()
    got = proxy().fetch(web().url("/300-mb"), timeout=90)
    took = time.monotonic() - start
    eq((got.status, got.cut, len(got.body)), (200, False, 300 * MB), "answer")
    check(got.body == part * 30, "the bytes changed")
    note("300 MB in %.1f s" % took)
    check(took < 60, "took %.1f s" % took)


@case(timeout=120)
def median_of_4_mb_at_most_half_a_second_longer():
    tolsey.only_tolsey()
    data = samples.filler(4 * MB)
    url = web().serve("/4mb-median", data)
    with_, without = [], []
    for _ in range(9):
        without.append(timed(plain, url, data))
        with_.append(timed(proxy, url, data))
    with_.sort()
    without.sort()
    note("4 MB: median %.2f s (%.2f to %.2f), without ICAP %.2f s" % (
        with_[4], with_[0], with_[8], without[4]))
    check(with_[4] - without[4] <= 0.5, "median %.2f s longer" % (
        with_[4] - without[4]))


@case(timeout=120)
def twenty_at_once():
    data = samples.filler(2 * MB)
    url = web().serve("/at-once", data)
    bad = []

    def one():
        try:
            timed(proxy, url, data)
        except Exception as error:
            bad.append(str(error))
    threads = [threading.Thread(target=one) for _ in range(20)]
    start = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    eq(bad, [], "failures")
    note("20 x 2 MB: %.1f s" % (time.monotonic() - start))


@case()
def slow_origin():
    data = samples.filler(300 * KB)
    web().routes["/slow"] = origin.drip(20 * KB, 0.1, 0, data)
    timed(proxy, web().url("/slow"), data)


@case()
def up_to_60_kb_is_never_poked():
    tolsey.only_tolsey()
    before = server().metric("stall_pokes_total")
    data = samples.filler(60 * KB)
    web().routes["/slow60"] = origin.drip(10 * KB, 0.15, 0, data)
    timed(proxy, web().url("/slow60"), data)
    eq(server().metric("stall_pokes_total"), before, "pokes")


@case()
def zip_and_gzip_arrive_unchanged():
    for name, data, headers in (
            ("a.zip", samples.zipped(samples.text(200000)), ()),
            ("b.txt", samples.gzipped(samples.text(900000)),
             [("Content-Encoding", "gzip")])):
        url = web().serve("/" + name, data, headers=headers)
        timed(proxy, url, data)


@case()
def files_of_clamav_testfiles_do_not_arrive():
    """A hash of what all of them hold is among the signatures."""
    folder = "/usr/share/clamav-testfiles"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    if not names:
        tolsey.skip("clamav-testfiles is not installed")
    bad = []
    for name in names:
        with open(os.path.join(folder, name), "rb") as f:
            data = f.read()
        got = proxy().fetch(web().serve("/tf/" + name, data))
        if not got.blocked and not got.cut:
            bad.append(name)
    note("%d of %d blocked" % (len(names) - len(bad), len(names)))
    eq(bad, [], "arrived")


main()
