#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Real clients through Squid: forms sent by curl, codings agreed with an
origin."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import base64
import json
import shutil
import subprocess

import origin
import samples
import squid
import tolsey
from tap import case, check, eq, main, shared, skip

tolsey.REFERENCE and sys.exit("not for the reference server")
SERVICES = """
<Service avscan>
</Service>
<Service keep>
    AcceptEncoding keep
</Service>
"""
server = shared(lambda: tolsey.Tolsey(services=SERVICES))
web = shared(origin.Origin)
proxy = shared(lambda: squid.Squid(server().uri))


def curl(*args, url="/take"):
    """Status, body, what reached the origin."""
    if not shutil.which("curl"):
        skip("curl is not installed")
    web().routes["/take"] = lambda h, p, b: h.answer(200, b"taken\n")
    before = len(web().seen)
    got = subprocess.run(
        ["curl", "-s", "-S", "-m", "30", "-x",
         "http://127.0.0.1:%d" % proxy().port, "-w", "\n%{http_code}"] +
        list(args) + [web().url(url)], capture_output=True, timeout=40)
    check(got.returncode == 0, got.stderr.decode())
    body, _, status = got.stdout.rpartition(b"\n")
    return int(status), body, web().seen[before:]


def file(name, data):
    path = server().path(name)
    with open(path, "wb") as f:
        f.write(data)
    return path


def refused(name, *args):
    status, body, seen = curl(*args)
    eq(status, 403, "status")
    check(b"</html>" in body, "no page: %r" % body[:200])
    check(b"<dd>%s</dd>" % name.encode() in body,
          "%s is not on the page: %r" % (name, body[-1200:]))
    eq([s for s in seen if s[3]], [], "reached the origin")
    server().wait_access("part=", "outcome=infected")


@case()
def curl_form():
    clean = file("clean.txt", samples.text(3000))
    status, body, seen = curl("-F", "comment=hello", "-F", "a=@" + clean)
    eq((status, body), (200, b"taken\n"), "clean")
    check(samples.text(3000) in seen[0][3], "arrived unchanged")
    evil = file("evil.com", samples.EICAR)
    refused("evil.com", "-F", "comment=hello", "-F", "a=@" + evil)
    refused("evil.com", "-F", "a=@" + clean, "-F", "b=@" + evil, "-F",
            "c=@" + clean)
    refused("a&#38;b &#60;i&#62;.com", "-F",
            "a=@%s;filename=a&b <i>.com" % evil)
    refused("&#228;.com", "-F", "a=@%s;filename=\u00e4.com" % evil)
    refused("evil.com", "-F", "a=@%s;encoder=base64" % evil)
    refused("evil.com", "-F", "a=@%s;encoder=quoted-printable" % evil)
    refused("part 1/evil.com", "-F", "=(;type=multipart/mixed", "-F",
            "a=@" + evil, "-F", "=)")
    refused("evil.com", "-H", "Transfer-Encoding: chunked", "-F",
            "a=@" + evil)
    refused("evil.com", "-H", "Expect: 100-continue", "-F", "a=@" + evil)


@case()
def curl_form_after_the_preview():
    """The file begins behind what is in the preview, and is found only at its
    beginning."""
    filler = file("filler.bin", samples.filler(30000))
    evil = file("evil.com", samples.EICAR)
    refused("evil.com", "-F", "a=@" + filler, "-F", "b=@" + evil)
    big = file("big.bin", samples.filler(3000000))
    refused("evil.com", "-F", "a=@" + big, "-F", "b=@" + evil)
    status, _, seen = curl("-F", "a=@" + big)
    eq(status, 200, "clean")
    check(samples.filler(3000000) in seen[0][3], "arrived unchanged")


@case()
def curl_data():
    b64 = base64.b64encode(samples.EICAR).decode()
    refused("file", "-H", "Content-Type: application/json", "-d",
            json.dumps({"file": b64}))
    refused("file", "--data-urlencode", "file=" + samples.EICAR.decode())
    refused("file", "--data-urlencode", "file=" + b64)
    status, _, _ = curl("-d", "a=b&c=d")
    eq(status, 200, "clean")


# ---- codings ----

def have():
    out = subprocess.run([os.path.join(server().programs, "tolseyd"), "-V"],
                         capture_output=True, text=True, timeout=10).stdout
    return ["gzip", "deflate"] + [
        c for c in ("br", "zstd") if any(
            line.split() == ["content", "coding", c, "yes"]
            for line in out.splitlines())]


def asked(via, accept):
    """The Accept-Encoding fields with which the origin is asked."""
    web().routes["/ae"] = lambda h, p, b: h.answer(200, b"ok\n")
    headers = [("Accept-Encoding", a) for a in accept]
    eq(via.fetch(web().url("/ae"), headers=headers).status, 200, "status")
    got = web().seen[-1][2]
    return got.get("Accept-Encoding")


BROWSER = "gzip, deflate, br, zstd"


@case()
def only_what_can_be_undone_is_asked_for():
    eq(asked(proxy(), [BROWSER]), ", ".join(have()), "of a browser")
    eq(asked(proxy(), ["gzip"]), "gzip", "as it is")
    eq(asked(proxy(), ["gzip;q=0.5, dcb, sdch;q=0.9, *;q=0.1"]),
       "gzip;q=0.5", "unknown")
    eq(asked(proxy(), ["compress, bzip2"]), "identity", "nothing of it")
    eq(asked(proxy(), []), None, "none")


@case()
def kept_when_told_so():
    keep = squid.Squid(server().uri.replace("avscan", "keep"))
    try:
        eq(asked(keep, [BROWSER + ", dcb"]), BROWSER + ", dcb", "kept")
        url = web().serve("/own", b"x" * 100,
                          headers=[("Content-Encoding", "dcb")])
        got = keep.fetch(url, headers=[("Accept-Encoding", "dcb")])
        check(got.blocked, "not blocked: %r" % got)
        server().wait_access("/own", "outcome=undecodable")
    finally:
        keep.close()


def negotiated(handler, _path, _body):
    """As origins do it: the best coding of those that are accepted."""
    pack = {"zstd": samples.zstded, "br": samples.brotlied,
            "gzip": samples.gzipped}
    accept = handler.headers.get("Accept-Encoding", "")
    data = samples.EICAR if _path.endswith("evil") else samples.text(9000)
    for coding in pack:
        if coding in accept:
            handler.answer(200, pack[coding](data),
                           [("Content-Encoding", coding)])
            return
    handler.answer(200, data)


@case()
def what_was_agreed_is_undone():
    web().prefixes["/n/"] = negotiated
    for accept in (BROWSER, "br", "zstd", "gzip", "dcb", "br, dcb"):
        headers = [("Accept-Encoding", accept)]
        got = proxy().fetch(web().url("/n/evil"), headers=headers)
        check(got.blocked, "%s: %r" % (accept, got))
        eq(got.header("Content-Encoding"), None, "of the page")
        got = proxy().fetch(web().url("/n/good"), headers=headers)
        eq(got.status, 200, accept)
        coding = got.header("Content-Encoding")
        check(coding is None or coding in accept, "%s: %s" % (accept, coding))


main()
