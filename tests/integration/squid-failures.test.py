#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Squid with its *default* failure limit (10 in 30 s, then the service is
suspended for everybody): what happens after cuts, under load, at a restart."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import socket
import threading
import time

import origin
import samples
import squid
import tolsey
from tap import case, check, eq, main, note, wait_for

if tolsey.REFERENCE:
    print("skip squid-failures: not for the reference server")
    sys.exit(0)


class Lab:
    """tolseyd, an origin and a Squid with the default limit."""

    def __init__(self, config="", limit="10", held=None):
        """held: a listening socket that outlives the server."""
        passed = [("icap", held)] if held else []
        self.server = tolsey.Tolsey(
            config + "\nListen systemd:icap" if held else config,
            wait=not held, passed=passed)
        if held:
            self.server.port = held.getsockname()[1]
            self.server.address = held.getsockname()
            self.server.ready_or_end()
        self.web = origin.Origin()
        self.squid = squid.Squid(self.server.uri, limit=limit)
        self.clean = self.web.serve("/clean", b"clean\n")

    def passes(self):
        try:
            return self.squid.fetch(self.clean, timeout=20).status == 200
        except (OSError, AssertionError):
            return False

    def suspended(self):
        return "suspended" in self.squid.log("cache.log")

    def close(self):
        self.squid.close()
        self.server.close()
        self.web.close()


@case(timeout=120)
def twelve_late_cuts():
    lab = Lab()
    try:
        data = samples.filler(2000000) + samples.MARKER
        cuts = 0
        start = time.monotonic()
        for i in range(12):
            got = lab.squid.fetch(lab.web.serve("/late-%d" % i, data))
            check(got.blocked or got.cut, "passed: %r" % got)
            cuts += got.cut
        note("12 detections after the release began: %d cuts in %.1f s, "
             "suspended: %s" % (cuts, time.monotonic() - start,
                                lab.suspended()))
        first = time.monotonic()
        wait_for(lab.passes, 60, "no clean object passes", 0.5)
        note("%.1f s until a clean object passed" % (
            time.monotonic() - first))
        got = lab.squid.fetch(lab.web.serve("/eicar", samples.EICAR))
        check(got.status != 200, "EICAR passed: %r" % got)
    finally:
        lab.close()


# By hand: CLIENTS=300 SECONDS=60
CLIENTS = int(os.environ.get("CLIENTS", "100"))
SECONDS = int(os.environ.get("SECONDS", "15"))


@case(timeout=180)
def parallel_downloads_on_two_workers():
    lab = Lab()
    stop = threading.Event()
    counts, lock = {}, threading.Lock()
    small = lab.web.serve("/small", samples.text(20000))
    large = lab.web.serve("/large", samples.filler(300000))

    def work(number):
        while not stop.is_set():
            try:
                got = lab.squid.fetch(small if number % 3 else large,
                                      timeout=60)
                word = "cut" if got.cut else got.status
            except (OSError, AssertionError) as error:
                word = type(error).__name__
            with lock:
                counts[word] = counts.get(word, 0) + 1
    threads = [threading.Thread(target=work, args=(i,))
               for i in range(CLIENTS)]
    try:
        for t in threads:
            t.start()
        time.sleep(SECONDS)
        stop.set()
        for t in threads:
            t.join()
        note("%d clients for %d s: %r, suspended: %s" % (
            CLIENTS, SECONDS, counts, lab.suspended()))
        eq(set(counts), {200}, "answers")
        check(not lab.suspended(), "Squid suspended the service")
    finally:
        stop.set()
        lab.close()


def restart(limit, longest, held=None):
    """TERM and a new start, while 20 clients go on. How many failed."""
    lab = Lab(limit=limit, held=held)
    stop = threading.Event()
    bad, done = [], []

    def work():
        while not stop.is_set():
            try:
                status = lab.squid.fetch(lab.clean, timeout=30).status
            except (OSError, AssertionError) as error:
                status = type(error).__name__
            (done if status == 200 else bad).append(status)
            time.sleep(0.02)
    threads = [threading.Thread(target=work) for _ in range(20)]
    try:
        for t in threads:
            t.start()
        time.sleep(2)
        start = time.monotonic()
        check(lab.server.end(20), "did not end on TERM")
        lab.server.start()
        lab.server.wait_ready()
        ready = time.monotonic() - start
        wait_for(lab.passes, longest, "nothing passes after the restart", 0.2)
        note("ready after %.1f s, first pass after %.1f s; %d failures, "
             "suspended: %s" % (ready, time.monotonic() - start, len(bad),
                                lab.suspended()))
        time.sleep(1)
        stop.set()
        for t in threads:
            t.join()
        got = lab.squid.fetch(lab.web.serve("/eicar", samples.EICAR))
        check(got.status != 200, "EICAR passed: %r" % got)
        return len(bad), lab.suspended()
    finally:
        stop.set()
        lab.close()


@case(timeout=180)
def restart_under_load():
    """At worst Squid suspends the service for icap_service_revival_delay."""
    restart("10", 40)


@case(timeout=60)
def restart_under_load_without_a_limit():
    restart("-1", 5)


@case(timeout=60)
def restart_under_load_with_a_socket_of_systemd():
    """Connections wait in the socket meanwhile: the default limit will do."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen(512)
        failures, suspended = restart("10", 5, held)
    check(not suspended, "suspended")
    check(failures < 10, "%d failures" % failures)


main()
