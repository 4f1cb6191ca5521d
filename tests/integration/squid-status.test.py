#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Through Squid, what an origin answers arrives as it was; what is infected
is blocked whatever its status."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))
import origin
import samples
import squid
import tolsey
from tap import add_case, case, check, eq, main, shared

server = shared(tolsey.server)
web = shared(origin.Origin)
plain = shared(lambda: squid.Squid())
proxy = shared(lambda: squid.Squid(server().uri))

CODES = [200, 201, 204, 206, 302, 304, 307, 400, 401, 403, 404, 407, 416, 500,
         502, 503, 504]
CARRIERS = [200, 206, 302, 307, 400, 401, 403, 404, 407, 500, 502, 503, 504]


def same(path, **rest):
    want = plain().fetch(web().url(path), **rest)
    got = proxy().fetch(web().url(path), **rest)
    eq(got.status, want.status, "status")
    eq(got.body, want.body, "body")
    # Squid itself frames an answer of unknown length as it likes.
    drop = ("content-length",) if want.header("Content-Length") is None else ()
    eq([h for h in got.end_to_end() if h[0] not in drop], want.end_to_end(),
       "headers")
    # Squid 5.7 cuts a 206 without Content-Length, with ICAP or without.
    eq(got.cut, want.cut, "cut")
    return got


def unchanged(code, framing):
    def run():
        path = "/status/%d/clean/%s" % (code, framing)
        headers = [("Range", "bytes=0-25")] if code == 206 else []
        got = same(path, headers=headers)
        eq(got.status, code, "status")
        if code != 407:
            eq(got.header("X-Origin"), "kept", "header of the origin")
    return run


def blocked(code, body):
    def run():
        got = proxy().fetch(web().url("/status/%d/%s" % (code, body)))
        check(got.blocked, "not blocked: %r" % got)
        check(origin.BODIES[body] not in got.body, "the object is in the page")
        for name in ("Location", "Set-Cookie", "WWW-Authenticate",
                     "Content-Range", "ETag"):
            eq(got.header(name), None, name)
    return run


for _code in CODES:
    for _framing in ("length", "chunked", "http10"):
        add_case("%d-%s" % (_code, _framing), unchanged(_code, _framing))
for _code in CARRIERS:
    for _body in ("eicar", "marker"):
        add_case("%d-%s-blocked" % (_code, _body), blocked(_code, _body))


@case()
def head_unchanged():
    for code in (200, 302, 404, 503):
        got = same("/status/%d/clean" % code, method="HEAD")
        eq(got.body, b"", "body")
        eq(got.header("Content-Length"), str(len(origin.BODIES["clean"])),
           "Content-Length of HEAD")


@case()
def head_of_infected_passes():
    eq(proxy().fetch(web().url("/status/200/eicar"), method="HEAD").status,
       200, "status")


@case()
def empty_bodies():
    for code in (200, 404, 500):
        same("/status/%d/none" % code)


@case()
def body_that_a_304_must_not_have():
    def route(handler, _path, _body):
        handler.wfile.write(b"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n" +
                            samples.EICAR)
        handler.close_connection = True
    web().routes["/304-eicar"] = route
    for code in (204, 304):
        got = proxy().fetch(web().url("/304-eicar"),
                            headers=[("If-None-Match", '"v1"')])
        check(samples.EICAR not in got.body, "%d carried EICAR" % code)


@case()
def etag_and_if_none_match():
    def route(handler, _path, _body):
        if handler.headers.get("If-None-Match") == '"v1"':
            handler.answer(304, headers=[("ETag", '"v1"')])
        else:
            handler.answer(200, b"version one\n", [("ETag", '"v1"')])
    web().routes["/etag"] = route
    eq(same("/etag").body, b"version one\n", "body")
    eq(same("/etag", headers=[("If-None-Match", '"v1"')]).status, 304,
       "status")


@case()
def ranges():
    data = samples.filler(100000)

    def route(handler, _path, _body):
        first, last = handler.headers["Range"].split("=")[1].split("-")
        part = data[int(first):int(last) + 1]
        handler.answer(206, part, [("Content-Range", "bytes %s-%s/%d" % (
            first, last, len(data)))])
    web().routes["/range"] = route
    got = same("/range", headers=[("Range", "bytes=5000-64999")])
    eq(got.body, data[5000:65000], "part")


@case()
def content_coding_kept():
    packed = samples.gzipped(samples.text(5000))
    web().serve("/gz", packed, "text/plain",
                headers=[("Content-Encoding", "gzip")])
    eq(same("/gz").body, packed, "packed body")


@case()
def status_407_of_a_parent_proxy():
    port = web().port
    extra = ("cache_peer 127.0.0.1 parent %d 0 no-query no-digest default\n"
             "never_direct allow all" % port)
    alone = squid.Squid(None, extra)
    child = squid.Squid(server().uri, extra)
    try:
        url = "http://elsewhere.test/status/407/%s"
        want = alone.fetch(url % "clean")
        got = child.fetch(url % "clean")
        eq((want.status, got.status), (407, 407), "status")
        eq(got.end_to_end(), want.end_to_end(), "headers")
        eq(got.body, want.body, "body")
        check(child.fetch(url % "eicar").blocked, "407 with EICAR passed")
    finally:
        child.close()
        alone.close()


@case()
def status_407_of_squid_itself():
    extra = ("auth_param basic program /usr/lib/squid/basic_fake_auth\n"
             "auth_param basic realm tests\nauth_param basic children 1")
    access = ("acl known proxy_auth REQUIRED\nhttp_access allow known\n"
              "http_access deny all")
    access = extra + "\n" + access
    guarded = squid.Squid(server().uri, access=access)
    try:
        got = guarded.fetch(web().url("/status/200/clean"))
        eq(got.status, 407, "status without a password")
        check(got.header("Proxy-Authenticate"), "no Proxy-Authenticate")
        login = [("Proxy-Authorization", "Basic bWFyeTpwYXNz")]
        got = guarded.fetch(web().url("/status/200/clean"), headers=login)
        eq((got.status, got.body), (200, origin.BODIES["clean"]), "answer")
        got = guarded.fetch(web().url("/status/200/eicar"), headers=login)
        check(got.blocked, "EICAR passed: %r" % got)
    finally:
        guarded.close()


main()
