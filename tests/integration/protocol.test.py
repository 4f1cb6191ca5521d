#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Right and wrong requests on a plain socket, sent whole and byte by byte: the
answer is the one that the protocol demands, and the same both ways."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import time

import icap
import samples
import tolsey
from icap import GET, IEOF, PUT, chunked, reqmod, respmod
from tap import add_case, case, check, eq, main, shared

server = shared(lambda: tolsey.server("HeadTimeout 3s\nBodyTimeout 3s"))

CLEAN = b"hello"
SMALL = chunked(CLEAN)
R = b"RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
Q = b"REQMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
P1 = b"HTTP/1.1 200 OK\r\n\r\n"
O = b"OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h\r\n"


def options(line=b"OPTIONS icap://h/avscan ICAP/1.0", more=b"Host: h\r\n"):
    return line + b"\r\n" + more + b"\r\n"


def encapsulated(value, base=R, rest=b"", more=b""):
    return base + more + b"Encapsulated: " + value + b"\r\n\r\n" + rest


def plain(more=b"", body=SMALL):
    """A RESPMOD with the short head."""
    return encapsulated(b"res-hdr=0, res-body=19", rest=P1 + body, more=more)


A204 = b"Allow: 204\r\n"

# name: (bytes, expected): a number: that status; with "!": and then the end
# of the connection; "drop": the end without a byte; several: in this order.
VECTORS = {
    # request line and head
    "options": (options(), "200"),
    "scheme-any-case": (options(b"OPTIONS ICAPS://[::1]:1344/avscan ICAP/1.0"),
                        "200"),
    "foreign-host": (options(more=b"Host: laptop.local\r\n"), "200"),
    "no-host": (options(more=b""), "200"),
    "empty-path": (options(b"OPTIONS icap://h ICAP/1.0"), "200"),
    "slash-path": (options(b"OPTIONS icap://h/ ICAP/1.0"), "200"),
    "upper-case-path": (options(b"OPTIONS icap://h/AVSCAN ICAP/1.0"), "200"),
    "path-with-slash": (options(b"OPTIONS icap://h/avscan/ ICAP/1.0"), "200"),
    "query": (options(b"OPTIONS icap://h/avscan?x=%0d%0aA:b ICAP/1.0"), "200"),
    "unknown-service": (options(b"OPTIONS icap://h/nope ICAP/1.0"), "404!"),
    "unknown-method": (options(b"LOG icap://h/avscan ICAP/1.0"), "501!"),
    "lower-case-method": (options(b"options icap://h/avscan ICAP/1.0"),
                          "501!"),
    "no-scheme": (options(b"OPTIONS /avscan ICAP/1.0"), "400!"),
    "http-scheme": (options(b"OPTIONS http://h/avscan ICAP/1.0"), "400!"),
    "http-request": (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "400!"),
    "version-2": (options(b"OPTIONS icap://h/avscan ICAP/2.0"), "505!"),
    "version-1-1": (options(b"OPTIONS icap://h/avscan ICAP/1.1"), "200"),
    "version-x": (options(b"OPTIONS icap://h/avscan ICAP/x"), "400!"),
    "long-uri": (options(b"OPTIONS icap://h/" + b"a" * 9216 + b" ICAP/1.0"),
                 "414!"),
    "101-fields": (options(more=b"X-A: b\r\n" * 101), "400!"),
    "33-kib-head": (options(more=(b"X-A: " + b"b" * 1000 + b"\r\n") * 33),
                    "400!"),
    "space-before-colon": (options(more=b"Host : h\r\n"), "400!"),
    "line-without-colon": (options(more=b"garbage\r\n"), "400!"),
    "empty-name": (options(more=b": x\r\n"), "400!"),
    "nul-in-head": (options(more=b"Host: a\0b\r\n"), "400!"),
    "bare-cr-in-head": (options(more=b"Host: a\rb\r\n"), "400!"),
    "bare-lf-head": (b"OPTIONS icap://h/avscan ICAP/1.0\nHost: h\n\n", "400!"),
    "blank-lines-before": (b"\r\n\r\n" + options(), "200"),
    "tls-hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "drop"),
    "upgrade-ignored": (options(more=b"Upgrade: TLS/1.0\r\n"), "200"),
    "opt-body": (encapsulated(b"opt-body=0", O, b"3\r\nabc\r\n0\r\n\r\n"),
                 "200"),
    "misspelt-encapsulated": (options(more=b"Encapuslated: null-body=0\r\n"),
                              "200"),
    "forty-unknown-fields": (plain(A204 + b"X-Un: known\r\n" * 40), "204"),
    "no-space-after-colon": (plain(b"Allow:204\r\nX-Client-IP: \r\n"), "204"),
    # Encapsulated
    "no-encapsulated": (R + b"\r\n", "400!"),
    "two-encapsulated": (R + b"Encapsulated: res-hdr=0, res-body=19\r\n"
                         b"Encapsulated: res-hdr=0, res-body=19\r\n\r\n" + P1 +
                         SMALL, "400!"),
    "empty-encapsulated": (encapsulated(b""), "400!"),
    "first-not-zero": (encapsulated(b"res-hdr=5, res-body=24"), "400!"),
    "decreasing": (encapsulated(b"req-hdr=0, res-hdr=40, res-body=20"),
                   "400!"),
    "body-not-last": (encapsulated(b"res-body=0, res-hdr=0"), "400!"),
    "no-body-token": (encapsulated(b"res-hdr=0"), "400!"),
    "huge-offset": (encapsulated(b"res-hdr=0, res-body=99999999999"), "400!"),
    "large-http-head": (encapsulated(b"res-hdr=0, res-body=200000"), "413!"),
    "negative-offset": (encapsulated(b"res-hdr=-1, res-body=19"), "400!"),
    "hex-offset": (encapsulated(b"res-hdr=0, res-body=0x13"), "400!"),
    "unknown-section": (encapsulated(b"foo=0, res-body=19"), "400!"),
    "res-body-in-reqmod": (encapsulated(b"req-hdr=0, res-body=19", Q),
                           "400!"),
    "req-body-in-respmod": (encapsulated(b"req-hdr=0, req-body=19"), "400!"),
    "folded-encapsulated": (R + b"Encapsulated: res-hdr=0,\r\n res-body=19"
                            b"\r\n\r\n" + P1 + SMALL, "400!"),
    "spaces-as-separator": (encapsulated(
        b"req-hdr=0 res-hdr=%d res-body=%d" % (len(GET), len(GET) + 19),
        rest=GET + P1 + SMALL, more=A204), "204"),
    "names-any-case": (R + A204 + b"ENCAPSULATED: Res-Hdr=0,Res-Body=19\r\n"
                       b"\r\n" + P1 + SMALL, "204"),
    "head-without-blank-line": (encapsulated(
        b"res-hdr=0, res-body=17", rest=P1[:17] + SMALL, more=A204), "204"),
    "equal-offsets": (encapsulated(b"res-hdr=0, res-body=0", rest=SMALL,
                                   more=A204), "204"),
    "body-only": (encapsulated(b"res-body=0", rest=SMALL, more=A204), "204"),
    "null-body": (encapsulated(b"res-hdr=0, null-body=19", rest=P1), "200"),
    "null-body-preview-0": (encapsulated(
        b"res-hdr=0, null-body=19", rest=P1, more=b"Preview: 0\r\n"), "204"),
    "null-body-then-garbage": (encapsulated(
        b"res-hdr=0, null-body=19", rest=P1 + b"0\r\n\r\n", more=A204),
        "204 end"),
    # Preview
    "preview-negative": (plain(b"Preview: -1\r\n"), "400!"),
    "preview-word": (plain(b"Preview: abc\r\n"), "400!"),
    "preview-overflow": (plain(b"Preview: 99999999999999999999\r\n"), "400!"),
    "two-previews": (plain(b"Preview: 4\r\nPreview: 4\r\n"), "400!"),
    "preview-larger-than-body": (plain(
        b"Preview: 10\r\n", chunked(b"hell", last=IEOF)), "204"),
    "preview-0": (plain(b"Preview: 0\r\n", b"0\r\n\r\n"), "100"),
    "preview-0-ieof": (plain(b"Preview: 0\r\n", IEOF), "204"),
    "preview-exceeded": (plain(b"Preview: 4\r\n",
                               chunked(b"ninebytes", last=IEOF)), "204"),
    "ieof-without-preview": (plain(A204, chunked(CLEAN, last=IEOF)), "204"),
    "continues-unasked": (plain(
        b"Preview: 5\r\n", SMALL + SMALL), "100 200"),
    # chunks
    "chunk-plus": (plain(body=b"+5\r\nhello\r\n0\r\n\r\n"), "400!"),
    "chunk-minus": (plain(body=b"-5\r\nhello\r\n0\r\n\r\n"), "400!"),
    "chunk-0x": (plain(body=b"0x5\r\nhello\r\n0\r\n\r\n"), "400!"),
    "chunk-space-first": (plain(body=b" 5\r\nhello\r\n0\r\n\r\n"), "400!"),
    "chunk-empty": (plain(body=b"\r\nhello\r\n0\r\n\r\n"), "400!"),
    "chunk-g": (plain(body=b"g\r\nhello\r\n0\r\n\r\n"), "400!"),
    "chunk-only-extension": (plain(body=b";ieof\r\n\r\n"), "400!"),
    "chunk-leading-zeros": (plain(A204, b"00000005\r\nhello\r\n0\r\n\r\n"),
                            "204"),
    "chunk-17-digits": (plain(body=b"10000000000000000\r\n"), "400!"),
    "chunk-2-to-the-64": (plain(body=b"ffffffffffffffff\r\n"), "400!"),
    "chunk-no-crlf": (plain(body=b"5\r\nhelloX\r\n0\r\n\r\n"), "400!"),
    "chunk-bare-lf": (plain(body=b"5\nhello\r\n0\r\n\r\n"), "400!"),
    "chunk-lf-in-extension": (plain(
        body=b"5;x=\ny\r\nhello\r\n0\r\n\r\n"), "400!"),
    "chunk-extensions": (plain(
        A204, b'5;a="q;1";b\r\nhello\r\n0\r\n\r\n'), "204"),
    "chunk-long-extension": (plain(
        body=b"5;a=" + b"x" * 2048 + b"\r\nhello\r\n0\r\n\r\n"), "400!"),
    "chunk-space-last": (plain(A204, b"5 \r\nhello\r\n0\r\n\r\n"), "204"),
    "trailers": (plain(body=b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"), "200"),
    # 204 or not
    "no-allow": (plain(), "200"),
    "allow-204": (plain(A204), "204"),
    "allow-2045": (plain(b"Allow: 2045\r\n"), "200"),
    "allow-1204": (plain(b"Allow: 1204\r\n"), "200"),
    "allow-trailers": (plain(b"Allow: trailers\r\n"), "200"),
    "allow-206-trailers": (plain(b"Allow: 206, trailers\r\n"), "200"),
    "allow-in-two-fields": (plain(b"Allow: 206\r\nAllow: 204\r\n"), "204"),
    # connection
    "pipelined": (plain(A204) + options() + plain(), "204 200 200"),
    "close": (plain(A204 + b"Connection: close\r\n") + b"garbage", "204 end"),
    "close-in-list": (plain(A204 + b"Connection:  X-a, Close\r\n"),
                      "204 end"),
    "empty-file-two-terminators": (plain(
        A204 + b"Connection: close\r\n", b"0\r\n\r\n0\r\n\r\n"), "204 end"),
    "garbage-after-an-answer": (plain(A204) + b"zzz\r\n", "204 end"),
    "http-after-an-answer": (
        plain(A204) + b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "204 end"),
    "inner-length-lies": (encapsulated(
        b"res-hdr=0, res-body=38", more=A204,
        rest=b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" +
        chunked(samples.EICAR)), "blocked"),
    "no-status-line": (encapsulated(
        b"res-hdr=0, res-body=21", more=A204,
        rest=b"Content-Length: 68\r\n\r\n"[:21] + chunked(samples.EICAR)),
        "blocked"),
    "two-heads-in-req-hdr": (encapsulated(
        b"req-hdr=0, req-body=%d" % (len(PUT) + len(P1)), Q, more=A204,
        rest=PUT + P1 + chunked(samples.EICAR)), "blocked"),
    "get-with-body": (encapsulated(
        b"req-hdr=0, req-body=%d" % len(GET), Q, more=A204,
        rest=GET + chunked(samples.EICAR)), "blocked"),
    "body-only-infected": (encapsulated(
        b"res-body=0", rest=chunked(samples.EICAR), more=A204), "blocked"),
    "infected-then-next": (plain(A204, chunked(samples.EICAR)) + plain(A204),
                           "blocked 204"),
    "infected-in-preview": (plain(
        b"Preview: 68\r\n", chunked(samples.EICAR)), "blocked"),
    "infected-in-preview-then-next": (plain(
        b"Preview: 68\r\n", chunked(samples.EICAR, last=IEOF)) + plain(A204),
        "blocked 204"),
}


def answers(client, expected):
    """What came, written as in VECTORS, as far as was expected."""
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


def vector(name):
    def run():
        data, expected = VECTORS[name]
        with server().client(15) as c:
            c.send(data)
            eq(answers(c, expected), expected, "whole")
        with server().client(15) as c:
            try:
                c.send_bytewise(data if len(data) < 6000 else data[:3000])
                if len(data) >= 6000:
                    c.send(data[3000:])
            except (BrokenPipeError, ConnectionResetError):
                pass
            eq(answers(c, expected), expected, "byte by byte")
    return run


def with_reference_skipped(name):
    run = vector(name)

    def wrapped():
        tolsey.only_tolsey()
        run()
    return wrapped


for _name in VECTORS:
    add_case(_name, with_reference_skipped(_name), 40)


@case()
def options_answer():
    with server().client() as c:
        answer = c.options()
        eq(answer.status, 200, "status")
        if tolsey.REFERENCE:
            return
        lines = answer.raw_head.decode().split("\r\n")
        eq(lines[-3], "Encapsulated: null-body=0", "last line")
        eq(answer.headers["Transfer-Preview"], "*", "Transfer-Preview")
        eq(answer.headers["Preview"], "4096", "Preview")
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
    for name in ("avscan AVSCAN virus_scan srv_clamav squidclamav scan respmod"
                 " reqmod RESPMOD REQMOD request response SYMCScanResp-AV"
                 " SYMCScanReq-AV echo").split():
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
    # FortiGate: the root path.
    with server().client() as c:
        c.send(respmod(service="") + chunked(samples.EICAR))
        check(c.read().infected, "as FortiGate")


@case()
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
