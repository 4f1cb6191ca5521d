#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The preview machine, when 204 may be sent, and that what passes is the same
bytes: directly, without a proxy."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import hashlib


import origin
import samples
import tolsey
from icap import GET, OK, PUT, chunked, reqmod, respmod
from tap import (add_case, case, check, eq, main, not_through_cicap, note,
                 shared)

server = shared(tolsey.server)
PREVIEW = 4096


def digest(data):
    return hashlib.sha256(data).hexdigest()


def permission(allow, preview, size, modify):
    """PV-12: 204 iff the preview is answered, or Allow has it."""
    def run():
        data = samples.filler(size)
        with server().client() as c:
            if modify == "resp":
                answer = c.scan_response(data, preview=preview, allow=allow)
            else:
                answer = c.scan_request(data, preview=preview, allow=allow)
            whole = preview is not None and size <= preview
            eq(answer.continued, preview is not None and not whole,
               "100 Continue")
            may = whole or (allow is not None and "204" in allow)
            eq(answer.status, 204 if may else 200, "status")
            if not may:
                if not tolsey.REFERENCE:
                    eq(answer.http, OK if modify == "resp" else PUT, "head")
                eq(digest(answer.body), digest(data), "body")
            # The connection goes on.
            eq(c.options().status, 200, "next request")
    return run


for _allow in (None, "204", "204, 206, trailers", "206, trailers"):
    for _preview in (None, 0, 1024, PREVIEW):
        for _size in (1, 1024, 1025, 100000):
            for _modify in ("resp", "req"):
                add_case("%smod-allow-%s-preview-%s-size-%d" % (
                    _modify, (_allow or "none").replace(", ", "+"), _preview,
                    _size), permission(_allow, _preview, _size, _modify))


@case()
def sizes_around_the_preview():
    for size in (0, 1, PREVIEW - 1, PREVIEW, PREVIEW + 1, 2 * PREVIEW):
        with server().client() as c:
            data = samples.filler(size)
            answer = c.scan_response(data, preview=PREVIEW, allow=None)
            eq(answer.status, 204 if size <= PREVIEW else 200, "%d" % size)
            if answer.status == 200:
                eq(digest(answer.body), digest(data), "body of %d" % size)


@case()
def exact_preview_without_ieof_means_more():
    with server().client() as c:
        data = samples.filler(PREVIEW)
        c.send(respmod(preview=PREVIEW) + chunked(data))
        eq(c.read().status, 100, "answer to the preview")
        c.send(b"0\r\n\r\n")
        answer = c.read()
        eq((answer.status, digest(answer.body)), (200, digest(data)), "echo")


@case()
def silence_until_the_preview_is_whole():
    with server().client() as c:
        c.send(respmod(preview=10) + b"5\r\nhello\r\n")
        check(c.silent(0.4), "an answer before the end of the preview")
        c.send(b"5\r\nworld\r\n0\r\n")
        check(c.silent(0.4), "an answer before the blank line")
        c.send(b"\r\n")
        eq(c.read().status, 100, "answer to the preview")
        c.send(b"1\r\n!\r\n0\r\n\r\n")
        eq(c.read().body, b"helloworld!", "echo")


@case()
def infected_preview_is_blocked_without_100():
    tolsey.only_tolsey()
    with server().client() as c:
        for data in (samples.MARKER + samples.text(5000),
                     samples.text(2000) + samples.MARKER + samples.text(9000)):
            for make in (respmod, reqmod):
                c.send(make(preview=PREVIEW, allow="204") +
                       chunked(data[:PREVIEW]))
                answer = c.read()
                check(answer.infected, "not blocked: %r" % answer)
        eq(c.options().status, 200, "the connection goes on")


@case()
def last_bytes_of_a_preview_are_scanned():
    """As large as OPTIONS asks for, whatever is announced to follow."""
    tolsey.only_tolsey()
    with server().client() as c:
        size = int(c.options().headers["Preview"])
        data = samples.text(size - len(samples.MARKER)) + samples.MARKER
        for length in (None, size + 1000, size + 10000000):
            head = OK if length is None else OK[:-2] + (
                b"Content-Length: %d\r\n\r\n" % length)
            c.send(respmod(head, preview=size, allow="204") +
                   chunked(data))
            answer = c.read()
            check(answer.infected, "%s: not blocked: %r" % (length, answer))


@case()
@not_through_cicap("c-icap answers 400 before it closes")
def what_follows_a_block_at_the_preview_ends_the_connection():
    """FR-21: never parsed as a request."""
    tolsey.only_tolsey()
    with server().client() as c:
        data = samples.MARKER + samples.text(5000)
        c.send(respmod(preview=PREVIEW) + chunked(data[:PREVIEW]))
        check(c.read().infected, "not blocked")
        c.send(chunked(data[PREVIEW:]))
        eq(c.read_eof(), b"", "bytes after the answer")


@case()
def no_false_alarm_by_cutting():
    """EICAR is a signature of whole files: what goes on is another file."""
    tolsey.only_tolsey()
    with server().client() as c:
        data = samples.text(100) + samples.EICAR + samples.text(9000)
        answer = c.scan_response(data, preview=PREVIEW)
        eq((answer.continued, answer.status), (True, 204), "answer")


@case()
def marker_across_the_border():
    for before in range(PREVIEW - len(samples.MARKER), PREVIEW + 1, 7):
        with server().client() as c:
            data = (samples.filler(before) + samples.MARKER +
                    samples.filler(200, 2))
            answer = c.scan_response(data, preview=PREVIEW)
            check(answer.infected, "not blocked at %d: %r" % (before, answer))


@case(timeout=120)
def echo_is_exact():
    """Heads with every oddity that is legal in an origin, bodies of all
    sizes: the same bytes come back."""
    odd = (b"HTTP/1.0 200\r\nServer:x\r\nX-Empty:\r\nx-lower: 1\r\n"
           b"Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-Long: " + b"y" * 60000 +
           b"\r\nX-8bit: \xe9\xff\r\n\r\n")
    hostile = (b"HTTP/1.1 200 OK\r\nX: a\r\n folded\r\nContent-Length: 5\r\n"
               b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n"
               b"Host: a\0b\r\n\r\n")
    # RM-07: a Content-Length that disagrees with the body does not go on, and
    # SE-10: in a head that is written anew there are no control bytes.
    kept = hostile.replace(b"Content-Length: 5\r\nContent-Length: 7\r\n",
                           b"").replace(b"\0", b" ")
    for head_ in (OK, odd):
        for size in (0, 1, 4095, 4096, 4097, 32768, 32769, 65536, 1000000):
            data = samples.filler(size)
            with server().client() as c:
                answer = c.scan_response(data, head_, allow=None)
                eq(answer.status, 200, "status")
                eq(answer.http, head_, "head")
                eq(digest(answer.body), digest(data), "%d bytes" % size)
    with server().client() as c:
        eq(c.scan_response(b"hello", hostile, allow=None).http, kept,
           "hostile head")
        agrees = OK[:-2] + b"Content-Length: 5\r\n\r\n"
        eq(c.scan_response(b"hello", agrees, allow=None).http, agrees,
           "Content-Length that agrees")


@case(timeout=120)
def large_bodies():
    """50 MB: memory, sealed memory and file are all used on the way."""
    data = samples.filler(50000000)
    want = digest(data)
    for modify in ("scan_response", "scan_request"):
        with server().client(100) as c:
            answer = getattr(c, modify)(data, preview=PREVIEW, allow=None)
            eq((answer.status, answer.cut), (200, False), "answer")
            eq(digest(answer.body), want, "bytes")
        with server().client(100) as c:
            eq(getattr(c, modify)(data).status, 204, "with Allow: 204")
            note("%s of 50 MB" % modify)
    bad = data[:30000000] + samples.MARKER + data[:1000]
    with server().client(100) as c:
        check(c.scan_response(bad).infected, "a late marker passed")


@case()
@not_through_cicap("c-icap closes where there are trailers")
def trailers_come_back():
    with server().client() as c:
        c.send(respmod() + b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-End: y\r\n\r\n")
        answer = c.read()
        eq((answer.status, answer.body), (200, b"hello"), "echo")
        if not tolsey.REFERENCE:
            eq(answer.trailers, b"X-Sum: 1\r\nX-End: y\r\n", "trailers")


@case()
def infected_body_with_every_status():
    for status in (200, 204, 206, 302, 304, 307, 400, 401, 403, 404, 407, 416,
                   500, 502, 503, 504):
        extra = "".join("%s: %s\r\n" % (n, v.format(last=67)) for n, v in
                        origin.STATUS_HEADERS.get(status, ()))
        response = ("HTTP/1.1 %d Reason\r\n%s\r\n" % (status, extra)).encode()
        with server().client() as c:
            answer = c.scan_response(samples.EICAR, response)
            check(answer.infected, "%d passed: %r" % (status, answer))
            for name in (b"Location", b"Content-Range", b"Set-Cookie",
                         b"Authenticate"):
                check(name not in answer.http, "%d: %r is in the page's head"
                      % (status, name))


@case()
def null_bodies():
    for line in (b"HTTP/1.1 204 No Content", b"HTTP/1.1 304 Not Modified",
                 b"HTTP/1.1 100 Continue", b"HTTP/1.1 200 OK"):
        response = line + b"\r\nContent-Length: 500\r\n\r\n"
        request = GET.replace(b"GET", b"HEAD")
        with server().client() as c:
            c.send(respmod(response, request, body="null-body"))
            answer = c.read()
            eq((answer.status, answer.http, answer.body),
               (200, response, None), "without Allow")
            c.send(respmod(response, request, body="null-body", allow="204"))
            eq(c.read().status, 204, "with Allow: 204")
    with server().client() as c:
        c.send(reqmod(GET, body="null-body"))
        answer = c.read()
        eq((answer.status, answer.sections), (200, {"req-hdr": GET}), "REQMOD")


@case()
def expect_upload_is_refused_at_the_preview():
    tolsey.only_tolsey()
    request = PUT[:-2] + b"Expect: 100-continue\r\nContent-Length: 90000\r\n\r\n"
    with server().client() as c:
        c.send(reqmod(request, preview=PREVIEW, allow="204") +
               chunked((samples.MARKER + samples.text(9000))[:PREVIEW]))
        check(c.read().infected, "not blocked at the preview")
    with server().client() as c:
        answer = c.scan_request(samples.text(90000), request, PREVIEW, None)
        eq((answer.status, answer.http), (200, request), "clean upload")


@case(timeout=90)
def content_codings():
    """What is packed is unpacked before it is scanned; broken is not clean."""
    import gzip
    import zlib
    late = samples.text(100000) + samples.MARKER + samples.text(100)
    raw = zlib.compressobj(wbits=-15)
    packings = [(b"gzip", gzip.compress(late)), (b"deflate",
                zlib.compress(late)), (b"deflate", raw.compress(late) +
                raw.flush()), (b"gzip, gzip", gzip.compress(gzip.compress(
                    late))), (b"x-gzip", gzip.compress(late))]
    for name, data in packings:
        response = OK[:-2] + b"Content-Encoding: " + name + b"\r\n\r\n"
        with server().client() as c:
            check(c.scan_response(data, response).infected, "%r passed" % name)
    if tolsey.REFERENCE:
        return
    for name, data in ((b"gzip", gzip.compress(late)[:-400]),
                       (b"gzip", b"not gzip at all"), (b"x-unknown", b"abc")):
        response = OK[:-2] + b"Content-Encoding: " + name + b"\r\n\r\n"
        with server().client() as c:
            answer = c.scan_response(data, response)
            eq((answer.status, answer.http_line[:12]),
               (200, b"HTTP/1.1 403"), "broken %r" % name)
    check(server().metric("transactions_total", "undecodable") >= 2 or
          [x for x in server().access() if "outcome=undecodable" in x],
          "no outcome undecodable")


@case()
def preview_is_decoded_as_far_as_it_goes():
    tolsey.only_tolsey()
    import zlib
    data = zlib.compress(samples.MARKER + samples.filler(50000).hex().encode())
    check(samples.MARKER not in data, "the marker is not packed")
    response = OK[:-2] + b"Content-Encoding: deflate\r\n\r\n"
    with server().client() as c:
        answer = c.scan_response(data, response, preview=PREVIEW)
        check(answer.infected and not answer.continued,
              "not blocked at the preview: %r" % answer)


@case()
def pipelined_mixture():
    data = [samples.text(10), samples.EICAR, samples.text(5000),
            samples.filler(3000) + samples.MARKER, b""]
    with server().client() as c:
        c.send(b"".join(respmod(allow="204") + chunked(d) for d in data))
        got = ["blocked" if a.infected else a.status
               for a in [c.read() for _ in data]]
        eq(got, [204, "blocked", 204, "blocked", 204], "answers in order")


@case()
def any_segmentation():
    """A preview exchange cut at every byte."""
    tolsey.only_tolsey()
    first = respmod(preview=8, allow=None) + chunked(b"12345678")
    rest = chunked(b"and the rest", 5)
    for cut in range(1, len(first), 3):
        with server().client() as c:
            c.send(first[:cut])
            c.send(first[cut:])
            eq(c.read().status, 100, "preview cut at %d" % cut)
            at = min(cut, len(rest) - 1)
            c.send(rest[:at])
            c.send(rest[at:])
            eq(c.read().body, b"12345678and the rest", "cut at %d" % cut)


main()
