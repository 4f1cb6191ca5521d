#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What else a Squid may be configured to: partial content (206), connections
that are not kept, a set of services of which one is down, a chain of two."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import re
import threading

import origin
import samples
import squid
import tolsey
from tap import case, check, eq, main, shared

COMMON = """icap_enable on
icap_preview_enable on
icap_preview_size 4096
icap_service_failure_limit -1
icap_service_revival_delay 30
icap_connect_timeout 2 seconds
icap_io_timeout 60 seconds
adaptation_send_client_ip on
"""
ACCEPT = [("Accept-Encoding", "gzip, sdch, br")]

server = shared(lambda: tolsey.Tolsey(
    "Allow206 on", services="<Service avscan>\n</Service>\n"
    "<Service pass>\nUseModule echo\n</Service>"))
web = shared(origin.Origin)


def both(name, uri, more=""):
    return ("icap_service %s_q reqmod_precache %s bypass=off %s\n"
            "icap_service %s_s respmod_precache %s bypass=off %s\n" % (
                name, uri, more, name, uri, more))


def with_206():
    return squid.Squid(extra=COMMON + "icap_206_enable on\n"
                       "icap_persistent_connections on\n" +
                       both("av", server().uri) +
                       "adaptation_access av_q allow all\n"
                       "adaptation_access av_s allow all\n")


def not_kept():
    return squid.Squid(extra=COMMON + "icap_persistent_connections off\n" +
                       both("av", server().uri) +
                       "adaptation_access av_q allow all\n"
                       "adaptation_access av_s allow all\n")


def in_a_set(first, second):
    return squid.Squid(
        extra=COMMON + both("one", first) + both("two", second) +
        "adaptation_service_set set_q one_q two_q\n"
        "adaptation_service_set set_s one_s two_s\n"
        "adaptation_access set_q allow all\n"
        "adaptation_access set_s allow all\n")


def in_a_chain():
    return squid.Squid(
        extra=COMMON + both("echo", server().uri.replace("avscan", "pass")) +
        both("av", server().uri) +
        "adaptation_service_chain chain_q echo_q av_q\n"
        "adaptation_service_chain chain_s echo_s av_s\n"
        "adaptation_access chain_q allow all\n"
        "adaptation_access chain_s allow all\n")


partial = shared(with_206)
closing = shared(not_kept)
chain = shared(in_a_chain)


def dead_uri():
    return "icap://127.0.0.1:%d/avscan" % origin.dead_port()


def passes_and_blocks(proxy, size=3000000):
    """Downloads and uploads of several sizes, clean and infected."""
    web().routes["/take"] = lambda h, p, b: h.answer(200, b"taken\n")
    for n in (0, 68, 5000, 70000, size):
        data = samples.filler(n)
        got = proxy.fetch(web().serve("/clean", data), headers=ACCEPT)
        eq((got.status, got.cut), (200, False), "download of %d" % n)
        check(got.body == data, "download of %d changed" % n)
        got = proxy.fetch(web().url("/take"), method="POST", body=data,
                          headers=ACCEPT)
        eq(got.status, 200, "upload of %d" % n)
        check(web().seen[-1][3] == data, "upload of %d changed" % n)
        eq(web().seen[-1][2].get("Accept-Encoding"), "gzip, br",
           "Accept-Encoding at the origin")
    for data in (samples.EICAR, samples.filler(20000) + samples.MARKER):
        got = proxy.fetch(web().serve("/bad", data))
        check(got.blocked, "download not blocked: %r" % got)
        before = len(web().seen)
        got = proxy.fetch(web().url("/take"), method="POST", body=data)
        check(got.blocked, "upload not blocked: %r" % got)
        eq(len(web().seen), before, "requests that reached the origin")


@case()
def partial_content():
    passes_and_blocks(partial())
    if tolsey.THROUGH_CICAP:
        return  # c-icap offers none
    statuses = re.findall(r"/(\d{3}) ", partial().log("icap.log"))
    check("206" in statuses, "no 206 among %r" % sorted(set(statuses)))
    check(server().metric("icap_206_total") > 0, "206 is not counted")


@case()
def connections_that_are_not_kept():
    passes_and_blocks(closing())


@case()
def chain_of_two_services():
    passes_and_blocks(chain())


@case()
def set_whose_first_service_is_down():
    proxy = in_a_set(dead_uri(), server().uri)
    try:
        passes_and_blocks(proxy, 200000)
    finally:
        proxy.close()


@case()
def set_whose_services_are_all_down():
    """bypass=off: nothing passes."""
    proxy = in_a_set(dead_uri(), dead_uri())
    try:
        for data in (samples.EICAR, b"clean"):
            got = proxy.fetch(web().serve("/x", data))
            eq(got.status, 500, "status")
            check(data not in got.body, "delivered")
    finally:
        proxy.close()


@case()
def connections_are_used_again():
    before = server().metric("connections_total")
    url = web().serve("/again", samples.filler(500))

    def work():
        for _ in range(20):
            eq(partial().fetch(url).status, 200, "status")
    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    made = server().metric("connections_total") - before
    check(made <= 20, "%d connections for 160 transactions" % made)


main()
