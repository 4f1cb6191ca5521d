#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Every outcome that a client can bring about, with each of its actions: what
is answered, what stands in the log, and what is counted."""
import gzip
import io
import os
import sys
import tarfile
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import documents
import icap
import samples
import tolsey
from icap import GET, OK, PUT, chunked, reqmod, respmod
from tap import (add_case, case, check, eq, main, not_through_cicap, shared,
                 wait_for)

ACTIONS = ("pass", "block", "error", "monitor")
NAMES = {"infected": "Infected", "failed": "Failed", "timeout": "Timeout",
         "undecodable": "Undecodable", "limit": "Limit",
         "too-large": "TooLarge", "encrypted": "Encrypted", "pua": "Pua",
         "suspicious": "Suspicious", "partial": "Partial",
         "streamed": "Streamed", "exempt": "Exempt", "policy": "Policy",
         "opaque-archive": "OpaqueArchive", "opaque-media": "OpaqueMedia",
         "not-ready": "NotReady", "overload": "Overload"}
PUA = b"TOLSEY-TEST-" + b"UNWANTED-4711-5d22e8"
OTHER = b"TOLSEY-TEST-" + b"OTHER-4711-c0ffee99"
COMMON = """
DetectPUA yes
AlertBrokenExecutables yes
AlertBrokenMedia yes
AlertOLE2Macros yes
StructuredDataDetection yes
MaxFiles 50
MaxRecursion 5
MaxObjectSize 20M
MaxDecodedSize 8M
WorkerTempSize 100M
"""


def service(action):
    lines = ["<Service %s>" % action]
    if action == "block":
        lines.append("Alias avscan")
    if action == "monitor":
        lines += ["On%s block" % n for n in NAMES.values()] + ["Monitor on"]
    else:
        lines += ["On%s %s" % (n, action) for n in NAMES.values()]
    return "\n".join(lines + ["</Service>", ""])


def start():
    tolsey.only_tolsey()
    s = tolsey.Tolsey(
        COMMON, wait=False, database=False, services="".join(service(a) for a in ACTIONS) +
        "<Service quick>\nScanTimeout 300ms\nScanTimeoutMax 300ms\n"
        "OnTimeout error\n</Service>\n"
        "<Service silent>\nOnEncrypted block\nOnPua block\n"
        "IgnoreSignature Tests.Marker tests.eicar.*\n</Service>\n"
        "<Service streams>\nOnStreamed block\n</Service>\n"
        "<Service ranges>\nStripRange large\nStripRangeAbove 64K\n"
        "</Service>\n")
    with open(os.path.join(s.db, "pua.ndu"), "w") as f:
        f.write("PUA.Tests.Unwanted:0:*:%s\nTests.Other:0:*:%s\n" % (
            PUA.hex(), OTHER.hex()))
    os.chmod(os.path.join(s.db, "pua.ndu"), 0o644)
    s.restore_database()
    s.load_now()
    return s


server = shared(start)


def status_of(answer):
    if answer.status == 200 and "X-Infection-Found" in answer.headers:
        return "block"
    if answer.status == 500:
        return "error"
    if answer.status == 204 or (answer.status == 200 and not answer.cut):
        return "pass"
    return repr(answer)


def found(service_name, outcome, before):
    """The new access line of the service, which must have the outcome."""
    def look():
        lines = [x for x in server().access()[before:]
                 if " service=%s " % service_name in x]
        return lines
    line = wait_for(look, 10, "no access line")[-1]
    check(" outcome=%s " % outcome in line, "%s: %s" % (outcome, line))
    return line


def send(name, body, response=OK, request=GET, method="RESPMOD",
         preview=None, timeout=60):
    with server().client(timeout) as c:
        if method == "REQMOD":
            return c.scan_request(body, request, preview, service=name)
        return c.scan_response(body, response, request, preview,
                               service=name)


def with_each_action(outcome, body, threat=None, actions=ACTIONS, **rest):
    def run():
        data = body() if callable(body) else body
        for action in actions:
            before = len(server().access())
            counted = server().metric("outcomes_total", '"%s" "%s"' % (
                outcome, action))
            answer = send(action, data, **rest)
            want = "pass" if action == "monitor" else action
            eq(status_of(answer), want, "%s with %s" % (outcome, action))
            line = found(action, outcome, before)
            check(" action=%s" % want in line, line)
            eq(" monitor_would=block" in line, action == "monitor", line)
            if threat is not None:
                check(threat in line, "%s is not in %s" % (threat, line))
            if want == "block" and threat is not None:
                check(threat in answer.headers["X-Infection-Found"],
                      answer.headers["X-Infection-Found"])
            if want == "block":
                code = b"503" if outcome == "timeout" else b"403"
                eq(answer.http_line[:12], b"HTTP/1.1 " + code, "page")
            wait_for(lambda: server().metric("outcomes_total", '"%s" "%s"' % (
                outcome, action)) == counted + 1, 5, "not counted")
    return run


def response(*lines, status=b"200 OK"):
    return (b"HTTP/1.1 " + status + b"\r\nContent-Type: "
            b"application/octet-stream\r\n" +
            b"".join(x + b"\r\n" for x in lines) + b"\r\n")


def archive(*names_and_data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in names_and_data:
            z.writestr(name, data)
    return out.getvalue()


def tar_gz(name, data):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as t:
        info = tarfile.TarInfo(name)
        info.size = len(data)
        t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def cut_program():
    with open("/bin/sh", "rb") as f:
        return f.read(20000)


CARDS = (b"name, number\na, 4111 1111 1111 1111\nb, 5500 0000 0000 0004\n"
         b"c, 4012 8888 8888 1881\nd, 5555 5555 5555 4444\n")
PNG = (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\0\0\0\0:\x98"
       b"\xa0\xbd\0\0\x10\0IDATxxxxxxxx")

add_case("infected", with_each_action("infected", samples.EICAR,
                                      "Tests.Eicar"))
add_case("infected-upload", with_each_action(
    "infected", samples.EICAR, "Tests.Eicar", method="REQMOD", request=PUT))
add_case("pua", with_each_action("pua", b"some " + PUA + b" here",
                                 "PUA.Tests.Unwanted"))
add_case("pua-in-archive", with_each_action(
    "pua", archive(("a.txt", b"some " + PUA)), "PUA.Tests.Unwanted"))

for _name, _data in documents.ENCRYPTED.items():
    add_case("encrypted-" + _name, with_each_action(
        "encrypted", _data, ".Encrypted."))
    add_case("encrypted-%s-in-archives" % _name, with_each_action(
        "encrypted", tar_gz("x", archive(("y." + _name, _data))),
        ".Encrypted.", actions=("block", "pass")))

MP3 = (b"\xff\xfb\x90\x00" + samples.filler(413, 5)) * 40
add_case("opaque-archive", with_each_action(
    "opaque-archive", b"ZOO 2.10 Archive.\x1a..\xdc\xa7\xc4\xfd" + bytes(40),
    "Tolsey.OpaqueArchive"))
add_case("opaque-archive-in-zip", with_each_action(
    "opaque-archive", archive(("a.zoo", b"ZOO 2.10 Archive.\x1a..\xdc\xa7"
                               b"\xc4\xfd" + bytes(40))),
    "Tolsey.OpaqueArchive", actions=("block", "pass")))
add_case("opaque-media", with_each_action("opaque-media", MP3,
                                          "Tolsey.OpaqueMedia"))
add_case("macros", with_each_action(
    "suspicious", documents.excel_macros(), "Heuristics.OLE2.ContainsMacros"))
add_case("macros-in-archive", with_each_action(
    "suspicious", archive(("x.xls", documents.excel_macros())),
    "Heuristics.OLE2.ContainsMacros", actions=("block",)))
add_case("broken-program", with_each_action(
    "suspicious", cut_program, "Heuristics.Broken.Executable"))
add_case("broken-picture", with_each_action(
    "suspicious", PNG, "Heuristics.Broken.Media.PNG"))
add_case("card-numbers", with_each_action(
    "suspicious", CARDS, "Heuristics.Structured.CreditCardNumber"))

add_case("limit-files", with_each_action(
    "limit", lambda: archive(*[("f%d" % i, b"text %d" % i)
                               for i in range(60)])))


def nested():
    data = b"text"
    for i in range(8):
        data = archive(("inner%d.zip" % i, data))
    return data


add_case("limit-depth", with_each_action("limit", nested))
add_case("limit-decoded", with_each_action(
    "limit", lambda: gzip.compress(bytes(9 << 20)),
    response=response(b"Content-Encoding: gzip")))
add_case("failed-temporary-space", with_each_action(
    "failed", lambda: archive(("zeros", os.urandom(8) + bytes(120 << 20))),
    actions=("block", "pass")))
add_case("undecodable", with_each_action(
    "undecodable", b"this is no gzip, and it is scanned as it is",
    response=response(b"Content-Encoding: gzip")))
add_case("undecodable-unknown", with_each_action(
    "undecodable", b"something", response=response(
        b"Content-Encoding: x-squeezed")))
add_case("undecodable-upload", with_each_action(
    "undecodable", b"this is no gzip", method="REQMOD",
    request=PUT[:-2] + b"Content-Encoding: gzip\r\n\r\n"))

LARGE = 20 * 1048576 + 1


def large():
    return bytes(LARGE)


add_case("too-large", with_each_action("too-large", large))
add_case("too-large-announced", with_each_action(
    "too-large", large, response=response(b"Content-Length: %d" % LARGE),
    preview=4096))
add_case("too-large-preview", with_each_action("too-large", large,
                                               preview=1024))


@case()
def as_large_as_permitted():
    answer = send("block", bytes(LARGE - 1))
    eq(status_of(answer), "pass", "20 MiB")


@case()
def larger_than_the_engine_can():
    """3 GiB are announced: refused at the preview, nothing more is asked."""
    head = response(b"Content-Length: 3221225472")
    before = len(server().access())
    answer = send("block", bytes(10000), head, preview=4096)
    eq((status_of(answer), answer.continued), ("block", False), "answer")
    found("block", "too-large", before)


@case()
def timeout_of_the_scan():
    page = b"<html><body>" + b"<p class=x>text <b>and</b> more</p>" * 150000
    before = len(server().access())
    answer = send("quick", archive(*[("%d.html" % i, page)
                                     for i in range(30)]))
    found("quick", "timeout", before)
    eq(status_of(answer), "error", "answer")


# ---- partial ----
DATA = samples.text(1000)


def part(*lines, status=b"206 Partial Content", **rest):
    return with_each_action("partial", DATA, response=response(
        *lines, status=status), **rest)


add_case("partial-range", part(b"Content-Range: bytes 0-999/2000"))
add_case("partial-unknown-total", part(b"Content-Range: bytes 0-999/*",
                                       actions=("block",)))
add_case("partial-without-content-range", part(actions=("block",)))
add_case("partial-short", part(b"Content-Length: 2000", status=b"200 OK"))
add_case("partial-coded-middle", part(
    b"Content-Range: bytes 500-1499/2000", b"Content-Encoding: gzip"))
add_case("partial-unknown-coding", part(
    b"Content-Range: bytes 500-1499/2000", b"Content-Encoding: x-squeezed",
    actions=("block",)))
add_case("partial-byteranges", with_each_action(
    "partial", b"--B\r\nContent-Range: bytes 0-4/100\r\n\r\nhello\r\n--B\r\n"
    b"Content-Range: bytes 50-54/100\r\n\r\nworld\r\n--B--\r\n",
    response=b"HTTP/1.1 206 Partial Content\r\n"
    b"Content-Type: multipart/byteranges; boundary=B\r\n\r\n"))
add_case("partial-upload", with_each_action(
    "partial", DATA, method="REQMOD",
    request=PUT[:-2] + b"Content-Range: bytes 0-999/2000\r\n\r\n"))


@case()
def a_coded_range_from_the_start():
    """What can be decoded of it is scanned; that it ends is no fault."""
    data = gzip.compress(samples.filler(5000) + samples.MARKER +
                         samples.filler(50000, 2))
    head = response(b"Content-Range: bytes 0-19999/%d" % len(data),
                    b"Content-Encoding: gzip", status=b"206 Partial Content")
    answer = send("block", data[:20000], head)
    check("Tests.Marker" in answer.headers["X-Infection-Found"], "not found")
    clean = gzip.compress(samples.filler(50000))
    head = response(b"Content-Range: bytes 0-19999/%d" % len(clean),
                    b"Content-Encoding: gzip", status=b"206 Partial Content")
    before = len(server().access())
    eq(status_of(send("block", clean[:20000], head)), "block", "clean part")
    found("block", "partial", before)


@case()
def a_range_of_everything_is_whole():
    before = len(server().access())
    answer = send("block", DATA, response(
        b"Content-Range: bytes 0-999/1000", b"Content-Length: 1000",
        status=b"206 Partial Content"))
    eq(answer.status, 204, "answer")
    found("block", "clean", before)
    before = len(server().access())
    answer = send("block", gzip.compress(DATA, mtime=0), response(
        b"Content-Range: bytes 0-%d/%d" % ((len(gzip.compress(
            DATA, mtime=0)) - 1, len(gzip.compress(DATA, mtime=0)))),
        b"Content-Encoding: gzip", status=b"206 Partial Content"))
    eq(answer.status, 204, "coded")
    found("block", "clean", before)


@case()
def longer_than_announced_is_whole():
    for n in (1, 0, 999):
        before = len(server().access())
        answer = send("block", DATA, response(b"Content-Length: %d" % n))
        eq(answer.status, 204, "announced %d" % n)
        found("block", "clean", before)
    answer = send("block", samples.text(5000) + samples.MARKER,
                  response(b"Content-Length: 1"))
    check(answer.infected, "a threat behind the announced length")


@case()
def infected_ranges_are_infected():
    for head in (response(b"Content-Range: bytes 0-999/2000",
                          status=b"206 Partial Content"),
                 response(b"Content-Length: 99999")):
        before = len(server().access())
        check(send("block", DATA + samples.MARKER, head).infected, "passed")
        found("block", "infected", before)
    # BP-10
    answer = send("block", samples.EICAR, response(
        b"Content-Range: bytes 0-67/2000", status=b"206 Partial Content"))
    check(b"Content-Range" not in answer.http, "the page is no range")


# ---- several at once ----
@case()
def the_strictest_action_counts():
    """silent: encrypted and pua block, broken programs pass."""
    both = archive(("a.txt", b"x " + PUA), ("b.zip", documents.ZIP))
    for order in (both, archive(("b.zip", documents.ZIP),
                                ("a.txt", b"x " + PUA))):
        before = len(server().access())
        eq(status_of(send("silent", order)), "block", "answer")
        line = found("silent", "encrypted", before)
        check("PUA.Tests.Unwanted" in line and "Encrypted.Zip" in line, line)
    before = len(server().access())
    data = archive(("a", samples.MARKER), ("b.zip", documents.ZIP))
    check(send("block", data).infected, "not infected")
    found("block", "infected", before)


@case()
def ignored_signatures():
    before = len(server().access())
    for data in (samples.EICAR, b"x" + samples.MARKER,
                 archive(("a", samples.MARKER))):
        eq(send("silent", data).status, 204, "an ignored signature")
    wait_for(lambda: len([
        x for x in server().access()[before:]
        if "service=silent" in x and "outcome=clean" in x]) == 3, 10,
             "not clean")
    before = len(server().access())
    # the others count, also in the same object
    data = b"x" + samples.MARKER + b" and " + OTHER
    answer = send("silent", data)
    check("Threat=Tests.Other" in answer.headers["X-Infection-Found"],
          "not found")
    found("silent", "infected", before)
    check("finding-ignored" in server().events(), "nothing in the log")
    # and in a preview
    data = samples.MARKER + samples.text(20000)
    answer = send("silent", data, preview=4096)
    eq((answer.continued, answer.status), (True, 204), "preview")
    data = OTHER + samples.text(20000)
    answer = send("silent", data, preview=4096)
    eq((answer.continued, answer.status), (False, 200), "other, preview")


@case()
def plain_documents_are_clean():
    for name, data in documents.PLAIN.items():
        before = len(server().access())
        eq(send("block", data).status, 204, name)
        found("block", "clean", before)


# ---- streams ----
@case()
@not_through_cicap("c-icap has no timer, what is endless is held")
def streams_by_their_action():
    head = (b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
    body = b"data: hello\n\n" * 10
    for name, want in (("pass", "pass"), ("streams", "block"),
                       ("block", "block"), ("error", "error"),
                       ("monitor", "pass")):
        before = len(server().access())
        eq(status_of(send(name, body, head)), want, name)
        found(name, "streamed", before)




@case()
def ranges_are_stripped():
    """StripRange large: what resumes or splits a download arrives whole."""
    for value, kept in ((b"bytes=0-", True), (b"bytes=0-65535", True),
                        (b"bytes=100-", False), (b"bytes=0-65536", False)):
        head = (GET[:-2] + b"Range: " + value + b"\r\nIf-Range: \"v1\"\r\n"
                b"\r\n")
        with server().client() as c:
            c.send(icap.head("REQMOD", "ranges", [("req-hdr", head)],
                             "null-body", allow="204"))
            answer = c.read()
        eq(answer.status, 204 if kept else 200, value)
        if not kept:
            check(b"Range" not in answer.http, answer.http)
            check(answer.http.startswith(b"GET http://origin.test/object "),
                  answer.http)


@case()
def every_outcome_has_its_row_in_the_metrics():
    text = server().http("/metrics")[1]
    for word in list(NAMES) + ["clean"]:
        check('outcome="%s"' % word in text, word)


main()
