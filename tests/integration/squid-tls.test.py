#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The same through ssl-bump: HTTPS is scanned."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import shutil
import tempfile

import origin
import samples
import squid
import tolsey
from tap import case, check, eq, main, shared


class Certificates:
    name = "certificates"

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tolsey-ca-")
        os.chmod(self.dir, 0o755)
        self.files = squid.make_certificates(self.dir)
        for path in self.files.values():
            os.chmod(path, 0o644)

    def close(self):
        shutil.rmtree(self.dir)


certificates = shared(Certificates)
server = shared(tolsey.server)
web = shared(lambda: origin.Origin((certificates().files["origin-cert"],
                                    certificates().files["origin-key"])))
proxy = shared(lambda: squid.Squid(server().uri, bump=certificates().files))


def fetch(url, **rest):
    return proxy().fetch(url, cafile=certificates().files["ca-cert"], **rest)


@case()
def clean_https():
    for size in (0, 100, 5000, 60000, 100000, 3000000):
        data = samples.filler(size)
        got = fetch(web().serve("/clean", data))
        eq((got.status, got.cut), (200, False), "answer for %d bytes" % size)
        check(got.body == data, "%d bytes changed" % size)


@case()
def infected_https():
    for data in (samples.EICAR, samples.zipped(samples.EICAR),
                 samples.filler(30000) + samples.MARKER):
        got = fetch(web().serve("/infected", data))
        check(got.blocked, "not blocked: %r" % got)


@case()
def infected_https_upload():
    web().routes["/take"] = lambda h, p, b: h.answer(200, b"taken\n")
    before = len(web().seen)
    got = fetch(web().url("/take"), method="POST", body=samples.EICAR)
    check(got.blocked, "not blocked: %r" % got)
    eq(len(web().seen), before, "requests that reached the origin")


@case()
def late_marker_over_https():
    data = samples.filler(5000000 - len(samples.MARKER)) + samples.MARKER
    got = fetch(web().serve("/late", data))
    check(samples.MARKER not in got.body, "arrived")
    check(got.blocked or got.cut, "neither page nor cut: %r" % got)


main()
