#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What the transcripts of tests/replay do not show: answers of other services
and settings, memory, time limits, and clients of the field."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import time

import icap
import samples
import tolsey
from icap import chunked, reqmod, respmod
from tap import case, check, eq, main, not_through_cicap, shared

server = shared(lambda: tolsey.server("HeadTimeout 3s\nBodyTimeout 3s"))

CLEAN = b"hello"
SMALL = chunked(CLEAN)


def options():
    return b"OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h\r\n\r\n"


def answers(client, expected):
    """What came, as far as was expected: a number, with "!" when it is the
    last answer; "drop" for the end without one."""
    got = []
    for want in expected.split():
        if want in ("drop", "end"):
            left = client.read_eof()
            got.append(want if not left else "%r" % left)
            continue
        try:
            answer = client.read()
        except icap.Closed:
            got.append("drop")
            break
        text = "blocked" if answer.infected else str(answer.status)
        if want.endswith("!"):
            text += "!" if not client.read_eof() else "+"
            if answer.headers.get("Connection") != "close":
                text += " without Connection: close"
            if "Encapsulated" in answer.headers:
                text += " with Encapsulated"
        check(not answer.cut, "cut: %r" % answer)
        got.append(text)
    return " ".join(got)


@case()
@not_through_cicap("c-icap answers OPTIONS itself")
def options_answer():
    with server().client() as c:
        answer = c.options()
        eq(answer.status, 200, "status")
        if tolsey.REFERENCE:
            return
        lines = answer.raw_head.decode().split("\r\n")
        eq(lines[-3], "Encapsulated: null-body=0", "last line")
        eq(answer.headers["Transfer-Preview"], "*", "Transfer-Preview")
        eq(answer.headers["Preview"], "16384", "Preview")
        eq(answer.headers["Allow"].split(", ")[0], "204", "Allow")
        eq(set(answer.headers["Methods"].split(", ")), {"RESPMOD", "REQMOD"},
           "Methods")
        eq(answer.headers["X-Allow-Out"], "X-Infection-Found", "X-Allow-Out")
        check(answer.headers["ISTag"].strip('"').replace("-", "").replace(
            ".", "").replace("_", "").isalnum(), "ISTag")
        check(len(answer.headers["ISTag"]) <= 34, "ISTag is too long")
        # Every answer has the same tag.
        eq(c.scan_response(CLEAN).headers["ISTag"], answer.headers["ISTag"],
           "ISTag of 204")


@case()
def aliases():
    tolsey.only_tolsey()
    names = ("avscan virus_scan srv_clamav squidclamav scan respmod reqmod "
             "RESPMOD REQMOD request response SYMCScanResp-AV SYMCScanReq-AV")
    if not tolsey.THROUGH_CICAP:  # its names have a case, it has its own echo
        names += " AVSCAN echo"
    for name in names.split():
        with server().client() as c:
            eq(c.options(name).status, 200, name)


@case()
def infection_headers():
    with server().client() as c:
        answer = c.scan_response(samples.EICAR)
        found = answer.headers["X-Infection-Found"]
        check(found.startswith("Type=0; Resolution=2; Threat=") and
              found.endswith(";"), found)
        if tolsey.REFERENCE:
            return
        eq(answer.headers["X-Virus-ID"],
           found.split("Threat=")[1].rstrip(";"), "X-Virus-ID")
        eq(answer.http_line, b"HTTP/1.1 403 Forbidden", "status line")
        check(b"ICAP/1.0" not in answer.http + answer.body, "ICAP/1.0 inside")
        check(b"\r\nConnection:" not in answer.http, "hop-by-hop field")
        eq(list(answer.sections), ["res-hdr"], "sections")
        answer = c.scan_request(samples.EICAR)
        eq(list(answer.sections), ["res-hdr"], "sections of REQMOD")
        eq(answer.headers.get("Cache-Control"), "no-store", "Cache-Control")
        clean = c.scan_response(CLEAN)
        eq((clean.status, "X-Infection-Found" in clean.headers),
           (204, False), "clean answer")


@case()
def half_close_is_answered():
    with server().client() as c:
        c.send(respmod(allow="204") + SMALL)
        c.half_close()
        eq(c.read().status, 204, "status")
        eq(c.read_eof(), b"", "rest")


@case()
@not_through_cicap("c-icap answers 400 itself")
def end_inside_a_request_is_no_answer():
    tolsey.only_tolsey()
    whole = respmod(allow="204") + SMALL
    for cut in (10, 60, len(whole) - len(SMALL) - 5, len(whole) - 8,
                len(whole) - 2):
        with server().client() as c:
            c.send(whole[:cut])
            c.half_close()
            eq(c.read_eof(), b"", "answer after %d bytes" % cut)


@case()
@not_through_cicap("c-icap has a Timeout of its own")
def slow_head_and_body_are_408():
    tolsey.only_tolsey()
    for data in (b"OPT", respmod() + b"5\r\nhe", respmod() + b"0\r\n",
                 respmod() + b"5\r\nhello\r\n"):
        with server().client(20) as c:
            c.send(data)
            eq(answers(c, "408!"), "408!", repr(data[-20:]))


@case()
def no_connection_header_games():
    """What names the hop is honoured, what pretends to frame is not."""
    with server().client() as c:
        answer = c.scan_response(CLEAN, extra=[
            "Transfer-Encoding: chunked", "Content-Length: 3"])
        eq(answer.status, 204, "status")
        eq(c.scan_response(CLEAN).status, 204, "next")


@case()
@not_through_cicap("it ends c-icap 0.5.10, with its own echo as well")
def announced_chunk_of_2_gib_costs_nothing():
    tolsey.only_tolsey()

    def resident():
        total = 0
        for pid in server().nets():
            with open("/proc/%d/status" % pid) as f:
                total += sum(int(x.split()[1]) for x in f
                             if x.startswith(("VmRSS", "RssShmem")))
        return total
    before = resident()
    clients = [server().client() for _ in range(20)]
    for c in clients:
        c.send(respmod() + b"7fffffff\r\n0123456789")
    check(resident() - before < 30000, "%d KB more" % (resident() - before))
    for c in clients:
        c.close()


@case()
def announced_preview_of_2_gb_is_taken():
    tolsey.only_tolsey()
    with server().client() as c:
        c.send(respmod(preview=2000000000) + SMALL)
        eq(c.read().status, 100, "status")


@case()
def clients_of_the_field():
    """Requests as well-known clients write them."""
    req = b"PUT /file.bin HTTP/1.0\r\nHost: h\r\n\r\n"
    base = (b"REQMOD icap://h/avscan ICAP/1.0\r\nAllow: 204\r\nHost: h\r\n"
            b"X-Client-IP: \r\nTransfer-Encoding: chunked\r\n"
            b"Connection: close\r\nEncapsulated: req-hdr=0, req-body=%d\r\n"
            b"\r\n" % len(req)) + req
    for body, want in ((chunked(samples.EICAR), "blocked"),
                       (chunked(CLEAN), "204"),
                       (b"0\r\n\r\n0\r\n\r\n", "204")):
        with server().client() as c:
            c.send(base + body)
            answer = c.read()
            eq("blocked" if answer.infected else str(answer.status), want,
               "as Nextcloud")
            eq(c.read_eof(), b"", "rest")
    # rspamd: no heads at all, the body as one chunk.
    with server().client() as c:
        eq(c.options().status, 200, "OPTIONS")
        c.send(b"RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\nAllow: 204\r\n"
               b"Encapsulated: res-body=0\r\n\r\n" + chunked(samples.EICAR))
        check(c.read().infected, "as rspamd")
    if tolsey.THROUGH_CICAP:
        return  # it serves nothing without a name
    # FortiGate: the root path.
    with server().client() as c:
        c.send(respmod(service="") + chunked(samples.EICAR))
        check(c.read().infected, "as FortiGate")


@case()
@not_through_cicap("connections are c-icap's")
def connections_above_the_limit():
    tolsey.only_tolsey()
    small = tolsey.Tolsey("MaxConnections 5")
    try:
        time.sleep(0.3)
        clients = [small.client() for _ in range(5)]
        for c in clients:
            eq(c.options().status, 200, "within the limit")
        extra = small.client()
        try:
            extra.send(options())
        except OSError:
            pass
        eq(extra.read().status, 503, "above the limit")
        extra.close()
        clients.pop().close()
        time.sleep(0.3)
        eq(small.options_status(), 200, "after one has gone")
        for c in clients:
            c.close()
    finally:
        small.close()


@case()
@not_through_cicap("c-icap takes both methods for every name")
def method_not_of_the_service():
    tolsey.only_tolsey()
    one = tolsey.Tolsey(services="<Service only>\nMethods respmod\n"
                        "Alias avscan\n</Service>")
    try:
        with one.client() as c:
            c.send(reqmod() + SMALL)
            eq(answers(c, "405!"), "405!", "REQMOD")
        with one.client() as c:
            eq(c.options("only").headers["Methods"], "RESPMOD", "Methods")
    finally:
        one.close()


main()
