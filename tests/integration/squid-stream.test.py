#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Endless types are released as they arrive; what only claims to be one is not."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import time

import origin
import samples
import squid
import tolsey
from tap import case, check, eq, main, not_through_cicap, shared

server = shared(tolsey.server)
web = shared(origin.Origin)
proxy = shared(lambda: squid.Squid(server().uri))


@case(timeout=40)
@not_through_cicap("c-icap has no timer, what is endless is held")
def events_reach_the_client_within_a_second():
    """Server-sent events of 30 bytes, one each second."""
    tolsey.only_tolsey()
    sent, came = [], []

    def route(handler, _path, _body):
        handler.begin(200, [("Content-Type", "text/event-stream")],
                      chunked=True)
        for i in range(8):
            sent.append(time.monotonic())
            handler.put(b"data: event number %03d ......\n\n" % i)
            time.sleep(1)
        handler.finish_chunks()
    web().routes["/events"] = route
    got = proxy().fetch(web().url("/events"), each=lambda data: came.extend(
        [time.monotonic()] * data.count(b"\n\n")))
    eq((got.status, len(came)), (200, 8), "status, events")
    late = max(c - s for s, c in zip(sent, came))
    check(late < 1, "an event came %.2f s late" % late)
    server().wait_access("/events", "outcome=streamed")


@case()
def zip_labelled_event_stream_is_blocked():
    for name, data in (("z", samples.zipped(samples.EICAR)),
                       ("m", samples.zipped(samples.MARKER, before=200000)),
                       ("s", samples.zipped(samples.MARKER, before=20000)),
                       ("e", samples.EICAR)):
        # with a Content-Length it is no stream; without it may be one
        for framing in ("length", "chunked", "http10"):
            url = web().serve("/fake-%s-%s" % (name, framing), data,
                              "text/event-stream", framing=framing)
            got = proxy().fetch(url, timeout=20)
            check(got.blocked or (got.cut and not tolsey.REFERENCE),
                  "%s passed: %r" % (framing, got))
            check(data not in got.body, "arrived whole")


@case()
def clean_zip_labelled_event_stream_arrives():
    for before in (100, 20000, 200000):
        data = samples.zipped(b"clean", before=before)
        url = web().serve("/clean-fake-%d" % before, data,
                          "text/event-stream", framing="chunked")
        got = proxy().fetch(url, timeout=20)
        eq((got.status, got.cut), (200, False), "answer")
        check(got.body == data, "the bytes changed")


@case(timeout=30)
def marker_in_a_stream_is_cut():
    tolsey.only_tolsey()

    def route(handler, _path, _body):
        handler.begin(200, [("Content-Type", "text/event-stream")],
                      chunked=True)
        for i in range(3):
            handler.put(b"data: event number %03d ......\n\n" % i)
            time.sleep(0.3)
        handler.put(b"data: " + samples.MARKER[:11])
        time.sleep(0.3)
        handler.put(samples.MARKER[11:] + b"\n\n")
        time.sleep(0.3)
        handler.put(b"data: never seen\n\n")
        handler.finish_chunks()
    web().routes["/marked-events"] = route
    got = proxy().fetch(web().url("/marked-events"))
    check(samples.MARKER not in got.body, "arrived: %r" % got.body)
    check(b"never seen" not in got.body, "the rest arrived")
    check(got.cut or got.blocked, "not cut")
    server().wait_access("/marked-events", "outcome=infected")


main()
