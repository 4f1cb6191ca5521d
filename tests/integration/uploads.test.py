#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What is in uploads: parts of forms, base64 in JSON, data: URLs; also as
nobody should write them. And all clamav-testfiles in each form."""
import base64
import os
import quopri
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import json
import time
import urllib.parse

import samples
import tolsey
from samples import EICAR, multipart, part
from tap import add_case, case, check, eq, main, note, shared, skip

tolsey.REFERENCE and sys.exit("not for the reference server")
server = shared(tolsey.server)

FORM = 'multipart/form-data; boundary="----xyz"'
TEXT = samples.text(300)
CLEAN = part(TEXT, "comment")
EVIL = part(EICAR, "file", "evil.com")
# What cannot be opened completely, and why; no file may be clean.
NOT_OPENED = {"clam_cache_emax.tgz": "limit"}


def send(client, data, type_, more=""):
    head = ("POST http://origin.test/up HTTP/1.1\r\nHost: origin.test\r\n"
            "%s%s\r\n" % ("Content-Type: %s\r\n" % type_ if type_ else "",
                          more)).encode()
    return client.scan_request(data, head)


def post(data, type_=FORM, more=""):
    """The answer, and the line that the log has for it."""
    with server().client(60) as c:
        before = len(server().access())
        answer = send(c, data, type_, more)
    end = time.monotonic() + 10
    while len(server().access()) <= before:
        check(time.monotonic() < end, "no line in the log")
        time.sleep(0.01)
    answer.line = server().access()[-1]
    answer.outcome = answer.line.split(" outcome=")[1].split()[0]
    return answer


def found(data, type_=FORM, name="evil.com"):
    answer = post(data, type_)
    eq(answer.outcome, "infected", "outcome")
    check(answer.infected, "not blocked: %r" % answer)
    if name is not None:
        check(' part="%s"' % name in answer.line, answer.line)
        check(b"<dd>%s</dd>" % name.encode() in answer.body,
              "%r is not on the page" % name)
    return answer


def clean(data, type_=FORM):
    answer = post(data, type_)
    eq((answer.outcome, answer.status), ("clean", 204), "outcome")


@case()
def forms():
    clean(multipart(CLEAN, part(TEXT, "file", "a.txt")))
    found(multipart(EVIL))
    found(multipart(CLEAN, EVIL, CLEAN))
    found(multipart(CLEAN, part(EICAR)), name="file")
    found(multipart(b"\r\n" + EICAR), name="part 1")
    found(multipart(EVIL), 'Multipart/Form-Data; Boundary=----xyz')
    found(b"preamble\r\n" + multipart(CLEAN, EVIL) + b"epilogue")
    found(multipart(part(samples.zipped(EICAR), "f", "a.zip")),
          name="a.zip/object.bin")
    for kind in ("mixed", "related", "alternative", "x-own", "byteranges"):
        found(multipart(EVIL), "multipart/%s; boundary=----xyz" % kind)


@case()
def file_names():
    for raw, shown in (
            ('a&b <i>.exe', "a&#38;b &#60;i&#62;.exe"),
            ('Rechnung \u00e4\u20ac.exe', "Rechnung &#228;&#8364;.exe"),
            ('"; x="y', None),
            ('\\"q\\".exe', "&#34;q&#34;.exe"),
            ("C:\\dir\\a.exe", "C:&#92;dir&#92;a.exe")):
        answer = found(multipart(part(EICAR, "f", raw)), name=None)
        check(b"<i>" not in answer.body, "not escaped")
        if shown:
            check(b"<dd>%s</dd>" % shown.encode() in answer.body,
                  "%s: %r" % (shown, answer.body[-1500:]))
    name = "<script>alert(1)</script>"
    answer = found(multipart(part(EICAR, "f", name)), name=None)
    check(b"<script>" not in answer.body, "a script is on the page")
    check(b"alert" in answer.body, "no name on the page")
    line = "Content-Disposition: form-data; name=f; filename*=%s\r\n\r\n"
    answer = found(multipart((line % "UTF-8''%e2%82%ac%0d%0aX.exe").encode() +
                             EICAR), name=None)
    check(b"<dd>&#8364;__X.exe</dd>" in answer.body, "decoded")


@case()
def encoded_parts():
    b64, qp = base64.encodebytes(EICAR), quopri.encodestring(EICAR)

    def one(data, *fields):
        return multipart(CLEAN, part(data, "f", "evil.com", fields))
    cte = "Content-Transfer-Encoding"
    found(one(b64, (cte, "base64")))
    found(one(b64.replace(b"\n", b"\r\n"), (cte, "BASE64")))
    found(one(b64.strip().rstrip(b"="), (cte, "base64")))
    found(one(qp, (cte, "quoted-printable")))
    found(one(EICAR, (cte, "8bit")))
    found(one(EICAR, (cte, "binary")))
    found(one(EICAR, (cte, "base64")))
    found(one(b64, (cte, "8bit"), (cte, "base64")))
    found(one(samples.gzipped(EICAR), ("Content-Encoding", "gzip")))
    found(one(samples.raw_deflated(EICAR), ("Content-Encoding", "deflate")))
    found(one(base64.b64encode(samples.gzipped(EICAR)), (cte, "base64"),
              ("Content-Encoding", "gzip")))
    eq(post(one(TEXT, (cte, "x-own"))).outcome, "undecodable", cte)
    eq(post(one(TEXT, ("Content-Encoding", "own"))).outcome, "undecodable",
       "Content-Encoding")
    eq(post(one(TEXT, ("Content-Encoding", "gzip"))).outcome, "undecodable",
       "broken")


@case()
def coded_as_a_whole():
    for coding, pack in (("gzip", samples.gzipped), ("br", samples.brotlied),
                         ("zstd", samples.zstded)):
        answer = post(pack(multipart(CLEAN, EVIL)), FORM,
                      "Content-Encoding: %s\r\n" % coding)
        eq(answer.outcome, "infected", coding)
        check('part="evil.com"' in answer.line, answer.line)


def nest(depth, data):
    for i in range(depth):
        data = multipart(
            b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n" % i + data,
            boundary="b%d" % (i + 1))
    return data


@case()
def nested():
    inner = multipart(EVIL, boundary="b0")
    found(nest(1, inner), "multipart/mixed; boundary=b1", "part 1/evil.com")
    found(nest(3, inner), "multipart/mixed; boundary=b3",
          "part 1/part 1/part 1/evil.com")
    start = time.monotonic()
    for depth in (40, 5000):
        answer = post(nest(depth, inner),
                      "multipart/mixed; boundary=b%d" % depth)
        eq(answer.outcome, "limit", "outcome of %d levels" % depth)
    check(time.monotonic() - start < 10, "slow")


@case()
def as_nobody_should_write_it():
    body = multipart(CLEAN, EVIL)
    found(multipart(CLEAN, EVIL, end=False))
    found(multipart(CLEAN, EVIL, end=False)[:-2])
    found(body.replace(b"\r\n", b"\n"))
    found(body.replace(b"------xyz\r\n", b"------xyz  \t\r\n"))
    found(body, "multipart/form-data; boundary=nope; boundary=----xyz")
    found(body, "multipart/form-data; boundary=----xyz; boundary=nope")
    found(body, "multipart/form-data; xboundary=----xyz; boundary=nope")
    found(body, "multipart/form-data; boundary=----xyz, text/plain")
    found(body, "multipart/form-data; boundary*0=----; boundary*1=xyz")
    found(body, "multipart/form-data")
    found(body, "multipart/form-data; boundary=")
    found(body, "multipart/form-data; boundary=other")
    found(body, "text/plain")
    found(body, None)
    found(body, 'multipart/form-data;\r\n\tBoUnDaRy="----xyz"')
    found(body, "text/plain\r\nContent-Type: multipart/form-data; "
          "boundary=----xyz")
    long = "b" * 200
    found(multipart(EVIL, boundary=long), "multipart/form-data; boundary=" +
          long)
    # a head that is none, or without end
    found(multipart(EICAR), name="part 1")
    found(multipart(EICAR + b"\r\n\r\nmore"), name="part 1")
    found(multipart(b"Content-Disposition : form-data;\r\n filename=evil.com"
                    b"\r\n\r\n" + EICAR))
    found(multipart(b"X: " + b"y" * 20000 + b"\r\n\r\n" + EICAR),
          name="part 1")
    # it says multipart and is none
    answer = post(EICAR)
    eq(answer.outcome, "infected", "no part")
    clean(TEXT)
    clean(b"")


@case()
def json_members():
    b64 = base64.b64encode(EICAR).decode()
    url = base64.urlsafe_b64encode(EICAR).decode().rstrip("=")
    type_ = "application/json"
    found(json.dumps({"id": 1, "file": b64}).encode(), type_, "file")
    found(json.dumps({"a": {"b": ["x", {"content": url}]}},
                     indent=2).encode(), type_, "content")
    found(json.dumps([b64]).encode(), type_, "base64")
    found(json.dumps({"file": base64.encodebytes(EICAR).decode()}).encode(),
          type_, "file")
    # as PHP and .NET write it
    binary = b"\xff\xff\xfe" + samples.MARKER + b"\xff\xff\xfe\xfb\xef\xbe" * 99
    b64 = base64.b64encode(binary).decode()
    check("/" in b64 and "+" in b64, b64)
    found(b'{"f":"%s"}' % b64.replace("/", "\\/").encode(), type_, "f")
    found(b'{"f":"%s"}' % b64.replace("+", "\\u002B").encode(), type_, "f")
    zipped = base64.b64encode(samples.zipped(EICAR)).decode()
    found(json.dumps({"doc": zipped}).encode(), type_, "doc/object.bin")
    found(json.dumps({"doc": zipped}).encode(), "application/octet-stream",
          "doc/object.bin")
    found(b"<a><data>%s</data></a>" % zipped.encode(), "text/xml",
          "data/object.bin")
    clean(json.dumps({"file": base64.b64encode(TEXT).decode()}).encode(),
          type_)
    # in a field of a form, in a response
    found(multipart(part(b64.encode(), "avatar")), name="avatar")
    with server().client() as c:
        answer = c.scan_response(json.dumps({"x": zipped}).encode())
        check(answer.infected, "response: %r" % answer)


@case()
def many_hashes_are_no_files():
    """The metadata of a package with thousands of versions."""
    rows = {"v%d" % i: {"integrity": "sha512-" + base64.b64encode(
        samples.filler(64, i)).decode(), "signature": base64.b64encode(
            samples.filler(71, i)).decode()} for i in range(15000)}
    data = json.dumps(rows).encode()
    start = time.monotonic()
    clean(data, "application/json")
    note("%d bytes in %.2f s" % (len(data), time.monotonic() - start))


@case()
def data_urls():
    b64 = base64.b64encode(EICAR).decode()
    found(b'<img src="data:image/png;base64,%s">' % b64.encode(), "text/html",
          "data:image/png")
    found(json.dumps({"a": "data:image/png;base64," + b64}).encode(),
          "application/json", "data:image/png")
    found(b'{"a":"data:image\\/png;base64,%s"}' % b64.replace(
        "/", "\\/").encode(), "application/json", "data:image/png")
    found(b"<a href='data:,%s'>" % urllib.parse.quote(
        EICAR, safe="").encode(), "text/html", "data:")


@case()
def form_fields():
    type_ = "application/x-www-form-urlencoded"
    zipped = base64.b64encode(samples.zipped(EICAR))
    for value in (EICAR, base64.b64encode(EICAR), zipped):
        name = "file/object.bin" if value == zipped else "file"
        data = urllib.parse.urlencode([("a", "b"), ("file", value),
                                       ("c", "d")]).encode()
        check(EICAR not in data, "encoded")
        found(data, type_, name)
        found(data, None, name)
    b64 = base64.b64encode(EICAR)
    found(b"a=b&file=" + b64, type_, "file")
    found(urllib.parse.urlencode([("u", b"data:image/png;base64," + b64)]
                                 ).encode(), type_, "u/data:image/png")
    # curl -d '{...}'
    found(json.dumps({"k": b64.decode()}).encode(), type_, "k")
    clean(urllib.parse.urlencode([("a", TEXT), ("b", "c")]).encode(), type_)


@case()
def in_the_preview():
    """A file at the beginning of a form is refused before the rest."""
    head = ("POST http://origin.test/up HTTP/1.1\r\nHost: origin.test\r\n"
            "Content-Type: %s\r\n\r\n" % FORM).encode()
    later = part(samples.filler(100000), "f", "big.bin")
    for first in (EVIL, part(base64.encodebytes(EICAR), "f", "evil.com", [
            ("Content-Transfer-Encoding", "base64")])):
        with server().client() as c:
            answer = c.scan_request(multipart(first, later), head,
                                    preview=4096)
        check(answer.infected and not answer.continued,
              "not refused at the preview: %r" % answer)
        check(b"<dd>evil.com</dd>" in answer.body, "no name on the page")
    with server().client() as c:
        answer = c.scan_request(multipart(later, EVIL), head, preview=4096)
        check(answer.infected and answer.continued, "behind the preview")


@case(timeout=90)
def a_million_parts():
    one = b"--b\r\n\r\nx\r\n"
    start = time.monotonic()
    answer = post(one * 1000000 + b"--b--", "multipart/form-data; boundary=b")
    note("%.2f s" % (time.monotonic() - start))
    eq(answer.outcome, "limit", "outcome")
    check(time.monotonic() - start < 20, "slow")
    fields = b"&".join(b"f=" + b"x" * 40 for _ in range(100000))
    answer = post(fields, "application/x-www-form-urlencoded")
    eq(answer.outcome, "limit", "fields")
    clean(one * 5000 + b"--b--", "multipart/form-data; boundary=b")


@case()
def large_upload():
    data = multipart(CLEAN, part(samples.filler(20 << 20), "f", "big.bin"),
                     part(base64.encodebytes(samples.filler(20 << 20, 2)),
                          "g", "b.bin",
                          [("Content-Transfer-Encoding", "base64")]))
    clean(data)
    found(data[:-12] + b"\r\n" + multipart(EVIL))


# ---- clamav-testfiles ----

def form(name, data):
    return {}, multipart(CLEAN, part(data, "f", name)), FORM


def form_base64(name, data):
    return {}, multipart(part(base64.encodebytes(data), "f", name, [
        ("Content-Transfer-Encoding", "base64")])), FORM


def form_nested(name, data):
    inner = multipart(part(data, "f", name), boundary="in")
    return {}, multipart(CLEAN, b"Content-Disposition: form-data; name=x\r\n"
                         b"Content-Type: multipart/mixed; boundary=in\r\n\r\n"
                         + inner), FORM


def in_json(name, data):
    return {}, json.dumps({name: base64.b64encode(data).decode()}
                          ).encode(), "application/json"


def coded(coding, pack):
    def make(_name, data):
        return coding, pack(data), "application/octet-stream"
    return make


def plain(_name, data):
    return {}, data, "application/octet-stream"


FORMS = {"plain": plain, "form": form, "form-base64": form_base64,
         "form-nested": form_nested, "json": in_json,
         "gzip": coded("gzip", samples.gzipped),
         "br": coded("br", samples.brotlied),
         "zstd": coded("zstd", samples.zstded)}


def testfiles(how):
    def run():
        if not os.path.isdir(samples.TESTFILES):
            skip("clamav-testfiles is not installed")
        wrong = []
        names = sorted(os.listdir(samples.TESTFILES))
        with server().client() as c:
            for name in names:
                with open(os.path.join(samples.TESTFILES, name), "rb") as f:
                    coding, data, type_ = FORMS[how](name, f.read())
                more = "Content-Encoding: %s\r\n" % coding if coding else ""
                answer = send(c, data, type_, more)
                ok = answer.infected
                if name in NOT_OPENED:
                    ok = answer.blocked
                if not ok:
                    wrong.append(name)
        eq(wrong, [], "not found of %d" % len(names))
        check(len(names) >= 40, "%d files" % len(names))
    return run


for _how in FORMS:
    add_case("testfiles-" + _how, testfiles(_how))


def good_files(each=4, look_at=60000):
    """Some of each kind that this machine has, none larger than 1 MB."""
    kinds = {k: [] for k in (".gz", ".so", "", ".png", ".ttf", ".html",
                             ".json", ".xml", ".js", ".py", ".a", ".jpg",
                             ".svg", ".css", ".pdf", ".txt")}
    for top in ("/usr/share/doc", "/usr/bin", "/usr/lib", "/usr/share"):
        for base, folders, names in os.walk(top):
            folders.sort()
            for name in sorted(names):
                path = os.path.join(base, name)
                some = kinds.get(os.path.splitext(name)[1].lower())
                if (some is not None and len(some) < each * 8 and
                        os.path.isfile(path) and not os.path.islink(path) and
                        100 < os.path.getsize(path) < 1 << 20):
                    some.append(path)
            look_at -= len(names)
            if look_at < 0:
                break
    return [n for some in kinds.values() for n in some[::8]]


@case(timeout=120)
def good_files_stay_clean():
    """Whatever is clean as it is, is clean in every form, and in a preview."""
    names, wrong, count = good_files(), [], 0
    check(len(names) > 20, "%d files" % len(names))
    inner = samples.text(2000)
    extra = {"a.zip": samples.zipped(inner, before=3000),
             "a.gz": samples.gzipped(inner), "a.zst": samples.zstded(inner)}
    with server().client() as c:
        for name in names + sorted(extra):
            data = extra.get(name)
            if data is None:
                with open(name, "rb") as f:
                    data = f.read()
            if send(c, data, "application/octet-stream").status != 204:
                continue
            count += 1
            base = os.path.basename(name)
            for how in sorted(FORMS):
                coding, body, type_ = FORMS[how](base, data)
                more = ("Content-Encoding: %s\r\n" % coding if coding
                        else "")
                head = ("POST http://origin.test/up HTTP/1.1\r\n"
                        "Host: origin.test\r\nContent-Type: %s\r\n%s\r\n" % (
                            type_, more)).encode()
                if c.scan_request(body, head, preview=4096).status != 204:
                    wrong.append((how, name))
    note("%d files" % count)
    eq([(w, server().access()[-1]) for w in wrong], [], "not clean")
    check(count * 10 >= len(names) * 9, "%d of %d" % (count, len(names)))

main()
