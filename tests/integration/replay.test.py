#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Every transcript of tests/replay, whole, byte by byte and cut at every
boundary. Transcripts that ask for the same settings share a server."""
import os
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import replay
import tolsey
from tap import add_case, main, only, shared

BASE = ["HeadTimeout 2s", "BodyTimeout 2s", "KeepAliveTimeout 3s",
        "LingerTimeout 3s", "PreviewScanTimeout 5s"]
THREADS = 16
servers = {}
pool = ThreadPoolExecutor(THREADS)


def settings(transcript):
    own = {line.split()[0].lower() for line in transcript.conf}
    conf = [x for x in BASE if x.split()[0].lower() not in own]
    return "\n".join(conf + transcript.conf), "\n".join(transcript.services)


def server_of(transcript):
    key = settings(transcript)
    if key not in servers:
        servers[key] = shared(
            lambda: tolsey.Tolsey(key[0], services=key[1], workers=4,
                                  over_tls=True))
    return servers[key]


def transports(server):
    """Name and way to connect of each."""
    yield "plain", lambda: server.client(20)
    if server.tls_port:
        yield "TLS", lambda: server.tls_client(20)


def start(transcript):
    """All its cases begin at once; the results, in order."""
    server = server_of(transcript)()
    return [(name, case, pool.submit(replay.play, connect, case))
            for name, connect in transports(server)
            for case in transcript.cases]


def run(transcript, begun):
    def work():
        for name, case, future in begun.get(transcript.rule) or start(
                transcript):
            try:
                future.result()
            except AssertionError as error:
                raise AssertionError("%s: %s" % (name, error))
    return work


def begin_all(transcripts):
    """Most of the time is waiting: cases run beside each other."""
    return {t.rule: start(t) for t in transcripts}


everything = replay.load()
wanted = [t for t in everything if not only() or t.rule in only()]
begun = {}


def begin():
    begun.update(begin_all(wanted))


add_case("begin", begin, 120)
for t in everything:
    add_case(t.rule, run(t, begun), 120)
main()
