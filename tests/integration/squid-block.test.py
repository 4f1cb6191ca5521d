#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Through Squid, what is infected is blocked wherever it hides."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import select
import time

import origin
import samples
import squid
import tolsey
from tap import add_case, case, check, eq, main, shared

server = shared(tolsey.server)
web = shared(origin.Origin)
proxy = shared(lambda: squid.Squid(server().uri))

MARKED = b"first line\n" + samples.MARKER + b"\nlast line\n"
LATE = samples.filler(20000) + samples.MARKER + samples.filler(3000, 2)
DOWNLOADS = {
    "eicar": (samples.EICAR, "application/octet-stream", ()),
    "eicar-as-image": (samples.EICAR, "image/png", ()),
    "marker-at-start": (MARKED, "text/plain", ()),
    "marker-after-preview": (LATE, "application/octet-stream", ()),
    "marker-across-preview": (samples.filler(4090) + samples.MARKER +
                              samples.filler(500, 2), "text/plain", ()),
    "eicar-in-zip": (samples.zipped(samples.EICAR), "application/zip", ()),
    "marker-in-zip": (samples.zipped(MARKED, before=30000),
                      "application/zip", ()),
    "eicar-in-gz-file": (samples.gzipped(samples.EICAR), "application/gzip",
                         ()),
    "eicar-content-encoding": (samples.gzipped(samples.EICAR), "text/plain",
                               [("Content-Encoding", "gzip")]),
    "marker-content-encoding": (samples.gzipped(LATE), "text/html",
                                [("Content-Encoding", "gzip")]),
}


def download(name):
    def run():
        data, type_, headers = DOWNLOADS[name]
        url = web().serve("/" + name, data, type_, headers=headers)
        got = proxy().fetch(url)
        check(got.blocked, "not blocked: %r" % got)
        check(data not in got.body, "the object is in the page")
        eq(got.header("Content-Encoding"), None, "Content-Encoding")
    return run


def upload(method, name, chunked):
    def run():
        data = DOWNLOADS[name][0]
        web().routes["/take"] = lambda h, p, b: h.answer(200, b"taken\n")
        before = len(web().seen)
        headers = [("Content-Type", "application/octet-stream")]
        body = data
        if chunked:
            headers.append(("Transfer-Encoding", "chunked"))
            body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)
        got = proxy().fetch(web().url("/take"), method=method,
                            headers=headers, body=body)
        check(got.blocked, "not blocked: %r" % got)
        eq([s for s in web().seen[before:] if s[3]], [],
           "bodies that reached the origin")
    return run


for _name in DOWNLOADS:
    add_case("download-" + _name, download(_name))
for _method in ("POST", "PUT"):
    for _name in ("eicar", "marker-after-preview", "marker-in-zip",
                  "eicar-in-gz-file"):
        for _chunked in (False, True):
            add_case("%s-%s%s" % (_method.lower(), _name,
                                  "-chunked" if _chunked else ""),
                     upload(_method, _name, _chunked))


@case()
def clean_uploads_arrive():
    web().routes["/take"] = lambda h, p, b: h.answer(
        200, b"%d bytes\n" % len(b))
    for size in (0, 1, 4095, 4096, 4097, 16383, 16384, 16385, 65536,
                 100000, 3000000):
        data = samples.filler(size)
        got = proxy().fetch(web().url("/take"), method="POST", body=data)
        eq((got.status, got.body), (200, b"%d bytes\n" % size), "answer")
        eq(web().seen[-1][3] == data, True, "%d bytes arrived unchanged" % size)


@case()
def clean_expect_upload_arrives():
    data = samples.filler(50000)
    web().routes["/take"] = lambda h, p, b: h.answer(200, b"taken\n")
    got = proxy().fetch(web().url("/take"), method="POST", body=data,
                        headers=[("Expect", "100-continue")])
    eq((got.status, got.body), (200, b"taken\n"), "answer")
    check(web().seen[-1][3] == data, "the body changed")


@case()
def expect_upload_refused_at_the_preview():
    """The client waits for 100 as curl does (1 s), then sends its first part:
    the preview is refused, and the rest was never asked for."""
    web().routes["/take"] = lambda h, p, b: h.answer(200, b"taken\n")
    before = len(web().seen)
    first = MARKED + samples.filler(40000)
    conn = squid.Connection(proxy().address, 20)
    try:
        conn.send(("POST %s HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                   "Content-Length: 1000000\r\n\r\n" % web().url("/take")
                   ).encode())
        select.select([conn.sock], [], [], 1)
        conn.send(first)
        got = conn.read_body(conn.read_head())
        eq(got.status, 403, "status before the rest was sent")
    finally:
        conn.close()
    eq([s for s in web().seen[before:] if s[3]], [], "seen by the origin")


@case()
def page_is_complete():
    tolsey.only_tolsey()
    url = web().serve("/page", samples.EICAR, headers=[
        ("Content-Disposition", "attachment; filename=x.exe")])
    got = proxy().fetch(url)
    eq(got.status, 403, "status")
    check("text/html" in got.header("Content-Type"), "Content-Type")
    eq(got.header("Cache-Control"), "no-store", "Cache-Control")
    eq(got.header("Content-Disposition"), None, "Content-Disposition")
    eq(int(got.header("Content-Length")), len(got.body), "Content-Length")
    for word in (b"Eicar", b"<title>", b"</html>", b"/page", b"avscan"):
        check(word in got.body, "the page lacks %r" % word)
    for word in (b"src=", b"<script", b"ICAP/1.0"):
        check(word not in got.body, "the page has %r" % word)


@case()
def page_escapes_what_others_wrote():
    tolsey.only_tolsey()
    web().prefixes["/x/"] = lambda h, p, b: h.answer(200, samples.EICAR)
    got = proxy().fetch(web().url('/x/"><script>alert(1)</script>&amp;'))
    eq(got.status, 403, "status")
    check(b"<script>alert" not in got.body, "a URL's script is in the page")


@case()
def id_of_the_page_is_in_the_log():
    tolsey.only_tolsey()
    url = web().serve("/with-id", samples.EICAR)
    page = proxy().fetch(url).body.decode()
    line = server().wait_access("/with-id", "RESPMOD")[-1]
    words = dict(w.split("=", 1) for w in line.split() if "=" in w)
    check(words.get("id"), "no id in " + line)
    check(words["id"] in page, "id %s is not in the page" % words["id"])
    check("Eicar" in line and "infected" in line, "no detection in " + line)


@case(timeout=90)
def marker_as_last_byte_of_5_mb():
    """Never arrives whole: the page, or a cut where something was released."""
    data = samples.filler(5000000 - len(samples.MARKER)) + samples.MARKER
    for framing in ("length", "chunked", "http10"):
        path = "/late-" + framing
        url = web().serve(path, data, framing=framing)
        got = proxy().fetch(url)
        check(samples.MARKER not in got.body, framing + ": arrived")
        check(got.blocked or got.cut, framing + ": neither page nor cut: %r" %
              got)
        if not tolsey.REFERENCE:
            server().wait_access(path, "outcome=infected")


def slow_late(length, version):
    """1 MB/s with pauses, one of them right after 64 KiB; the marker is last.
    What is cut must look cut: by Content-Length, or by the missing end of the
    chunks."""
    def run():
        tolsey.only_tolsey()
        data = samples.filler(1500000 - len(samples.MARKER)) + samples.MARKER

        def route(handler, _path, _body):
            handler.begin(200, [("Content-Type", "application/octet-stream")],
                          length=len(data) if length else None,
                          chunked=not length)
            handler.put(data[:65536])
            time.sleep(0.3)
            for i in range(65536, len(data), 100000):
                handler.put(data[i:i + 100000])
                time.sleep(0.1)
            if not length:
                handler.finish_chunks()
        path = "/slow-late-%s-%s" % (length, version[-1])
        web().routes[path] = route
        got = proxy().fetch(web().url(path), version=version)
        check(samples.MARKER not in got.body, "arrived")
        server().wait_access(path, "outcome=infected")
        if got.blocked:
            return
        check(len(got.body) <= 64, "%d bytes were released" % len(got.body))
        if not tolsey.THROUGH_CICAP:  # there it is srv_tolsey that cuts
            line = server().wait_access(path, "cut=1")[-1]
            check("trickled=%d " % len(got.body) in line, line)
        # Squid itself closes without a mark where HTTP/1.0 has none.
        if length or version != "HTTP/1.0":
            check(got.cut, "the end looks regular: %r" % got)
    return run


for _length in (True, False):
    for _version in ("HTTP/1.1", "HTTP/1.0"):
        add_case("slow-late-%s-length-%s" % (
            "with" if _length else "without", _version[-3:]),
            slow_late(_length, _version), 60)


@case()
def late_cut_as_the_icap_client_sees_it():
    """A reset, and no last chunk: nobody takes it for the whole."""
    tolsey.only_tolsey()
    from icap import chunked, respmod
    with server().client() as c:
        c.send(respmod(allow="trailers") + chunked(samples.filler(70000),
                                                   last=b""))
        time.sleep(0.3)
        c.send(chunked(samples.MARKER))
        answer = c.read()
        check(answer.cut and "X-Infection-Found" not in answer.headers,
              "not cut: %r" % answer)
        check(len(answer.body) <= 32, "%d bytes" % len(answer.body))


main()
