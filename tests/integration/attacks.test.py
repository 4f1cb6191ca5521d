#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""EICAR against everything that might let it through: no signatures, broken
ones, a worker that crashes, time, limits, codings, containers that libclamav
does not open. It is never clean, and what is released is what the action of
its outcome says, no more."""
import bz2
import gzip
import io
import lzma
import os
import signal
import struct
import sys
import threading
import time
import zipfile
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import documents
import samples
import tolsey
from icap import OK, PUT
from samples import EICAR
from tap import add_case, case, check, eq, main, note, shared, skip, wait_for

tolsey.REFERENCE and sys.exit("not for the reference server")

# A quarter of EICAR that nothing else has: what must not come through.
SECRET = EICAR[30:55]
CONFIG = """
MaxObjectSize 8M
MaxFileSize 8M
MaxDecodedSize 8M
MaxFiles 40
MaxRecursion 6
ScanWorkers 2
"""
SERVICES = """
<Service avscan>
</Service>
<Service quick>
ScanTimeout 300ms
ScanTimeoutMax 300ms
</Service>
"""


def start():
    tolsey.only_tolsey()
    return tolsey.Tolsey(CONFIG, services=SERVICES)


server = shared(start)


def response(*lines):
    return (b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" +
            b"".join(x + b"\r\n" for x in lines) + b"\r\n")


def outcome_of(s, before):
    line = wait_for(lambda: s.access()[before:], 10, "no access line")[-1]
    return line.split(" outcome=")[1].split()[0], line


# What may be better in a minute.
LATER = ("timeout", "not-ready", "overload")


def blocked(answer, data, outcome):
    """A page, and not a byte of the object."""
    page = b"503" if outcome in LATER else b"403"
    eq(answer.status, 200, "ICAP status")
    check(answer.blocked, "no X-Infection-Found: %r" % answer)
    eq(answer.http_line[:12], b"HTTP/1.1 " + page, "page")
    check(SECRET not in answer.body, "a part of it came through")
    check(data[:64] not in answer.body, "a part of the object came through")


def passed(answer, data):
    """Unchanged: this outcome is configured to pass, and counted so."""
    check(answer.status == 204 or answer.body == data,
          "neither 204 nor the same: %r" % answer)


def against(s, want, data, service="avscan", **rest):
    """Sends it as a response and as a request; with a preview, and without."""
    for preview in (None, 1024):
        for upload in (False, True):
            if upload and "response" in rest:
                continue
            before = len(s.access())
            with s.client(60) as c:
                if upload:
                    answer = c.scan_request(data, preview=preview,
                                            service=service)
                else:
                    answer = c.scan_response(data, preview=preview,
                                             service=service, **rest)
            got, line = outcome_of(s, before)
            check(got in want.split("|"), "%s, not %s: %s" % (
                got, want, line))
            if " action=block " in line:
                blocked(answer, data, got)
            else:
                passed(answer, data)
                check(got in ("encrypted", "partial", "opaque-media"), line)


def attack(want, make, **rest):
    def run():
        against(server(), want, make() if callable(make) else make, **rest)
    return run


def zipped(*members, **how):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, **how) as z:
        for i, data in enumerate(members):
            z.writestr("m%d.bin" % i, data)
    return out.getvalue()


# ---- the engine's troubles ----
@case()
def no_signatures():
    s = tolsey.Tolsey("StartWait 1s", database=False, wait=False)
    try:
        wait_for(lambda: s.options_status() == 503, 20, "OPTIONS is not 503")
        against(s, "not-ready", EICAR)
    finally:
        s.close()


@case()
def broken_signatures():
    """Broken at the start: nothing is scanned. Broken later: the former ones
    go on finding it."""
    s = tolsey.Tolsey("StartWait 1s", database=False, wait=False)
    try:
        with open(os.path.join(s.db, "broken.ndb"), "w") as f:
            f.write("this is no signature\n")
        wait_for(lambda: s.options_status() == 503, 20, "OPTIONS is not 503")
        against(s, "not-ready", EICAR)
    finally:
        s.close()
    s = server()
    path = os.path.join(s.db, "broken.ndb")
    with open(path, "w") as f:
        f.write("this is no signature\n")
    try:
        check(s.control("reload-db").returncode != 0, "it was loaded")
        against(s, "infected", EICAR)
    finally:
        os.unlink(path)


@case()
def set_without_a_signature():
    """A YARA file that does not compile loads without an error."""
    s = tolsey.Tolsey("StartWait 1s", database=False, wait=False)
    try:
        with open(os.path.join(s.db, "broken.yar"), "w") as f:
            f.write("rule x { strings: $a = condition }\n")
        wait_for(lambda: s.options_status() == 503, 20, "OPTIONS is not 503")
        against(s, "not-ready", EICAR)
    finally:
        s.close()


SLOW = None


def slow():
    """Seconds of work before EICAR is come to: small on the wire."""
    global SLOW
    SLOW = SLOW or gzip.compress(zlib_bomb_of_pages())
    return SLOW


def zlib_bomb_of_pages():
    page = b"<html><body>" + b"<p class=x>text <b>and</b> more</p>" * 200000
    return zipped(*([page] * 20 + [EICAR]))


@case(90)
def a_worker_that_is_killed():
    s = tolsey.Tolsey("ScanTimeout 60s")
    answers = []

    def send():
        with s.client(60) as c:
            answers.append(c.scan_response(slow()))
    slow()
    try:
        idle = {p: ticks(p) for p in s.scan_workers()}
        before = len(s.access())
        thread = threading.Thread(target=send)
        thread.start()
        victim = wait_for(lambda: [p for p, t in idle.items()
                                   if ticks(p) > t + 10], 20, "none is busy")
        s.kill(victim[0], signal.SIGSEGV)
        thread.join(30)
        check(answers, "no answer")
        eq(outcome_of(s, before)[0], "failed", "outcome")
        blocked(answers[0], slow(), "failed")
        against(s, "infected", EICAR)
    finally:
        s.close()


def ticks(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rsplit(")", 1)[1].split()[11])
    except OSError:
        return 0


add_case("time", attack(
    # the same object is not tried a third time
    "timeout|failed", slow, service="quick"))

# ---- limits ----
add_case("too-many-files", attack(
    "limit", lambda: zipped(*([b"text of a file"] * 50 + [EICAR]))))


def nested(data, times):
    for _ in range(times):
        data = zipped(data)
    return data


add_case("too-deep", attack("limit", lambda: nested(EICAR, 10)))
add_case("deep-enough", attack("infected", lambda: nested(EICAR, 4)))
add_case("too-large", attack(
    "too-large", lambda: bytes(8 * 1048576 + 1) + EICAR))
add_case("member-too-large", attack(
    "limit", lambda: zipped(bytes(20 << 20) + samples.MARKER)))

# ---- codings and bodies ----
add_case("unknown-coding", attack(
    "undecodable", EICAR[:1] + b"x" + EICAR,
    response=response(b"Content-Encoding: x-squeezed")))
add_case("broken-coding", attack(
    "undecodable|infected", lambda: gzip.compress(EICAR)[:-9] + b"xxxxxxxxx",
    response=response(b"Content-Encoding: gzip")))
add_case("cut-body", attack(
    "partial", EICAR[:-3], response=response(b"Content-Length: 68")))
add_case("body-longer-than-announced", attack(
    "infected", EICAR, response=response(b"Content-Length: 1")))


@case()
def client_that_leaves():
    """What was not sent to its end is not answered, and never clean."""
    s = server()
    before = len(s.access())
    c = s.client(10)
    c.send(b"RESPMOD icap://localhost/avscan ICAP/1.0\r\nHost: localhost\r\n"
           b"Allow: 204\r\nEncapsulated: res-hdr=0, res-body=%d\r\n\r\n%s"
           b"%x\r\n%s" % (len(OK), OK, 1000, EICAR))
    time.sleep(0.2)
    c.close()
    time.sleep(0.3)
    for line in s.access()[before:]:
        check(" outcome=clean " not in line, line)


# ---- containers ----
add_case("encrypted-zip", attack(
    "encrypted", lambda: documents.ENCRYPTED["zip"]))


def no_directory(data):
    return zipped(data).split(b"PK\1\2")[0]


def zip64(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        with z.open(zipfile.ZipInfo("a.bin"), "w", force_zip64=True) as f:
            f.write(data)
    raw = out.getvalue()
    return raw


def lzma_zip(data):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as z:
        z.writestr("a.bin", data)
    return out.getvalue()


def vint(v):
    out = b""
    while v >= 128:
        out += bytes([v & 127 | 128])
        v >>= 7
    return out + bytes([v])


def rar5(data, encrypted=False, method=0):
    def header(h):
        h = vint(len(h)) + h
        return struct.pack("<I", zlib.crc32(h)) + h
    extra = b"\2\1\0" if encrypted else b""
    file = (vint(2) + vint(3 if encrypted else 2) +
            (vint(len(extra)) if encrypted else b"") + vint(len(data)) +
            vint(4) + vint(len(data)) + vint(0o644) +
            struct.pack("<I", zlib.crc32(data)) + vint(method << 7) +
            vint(1) + vint(5) + b"a.bin" + extra)
    return (b"Rar!\x1a\x07\1\0" + header(b"\1\0\0") + header(file) + data +
            header(b"\5\0\0"))


def ar(data):
    data = data + b"\n" * (len(data) % 2)
    return b"!<arch>\n%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (
        b"a.bin/", 0, 0, 0, b"100644", len(data)) + data


def png_like(data):
    return b"\x89PNG\r\n\x1a\n" + bytes(200) + data


HIDDEN = {
    "id3": lambda d: b"ID3" + d,
    "ogg": lambda d: b"OggS" + d,
    "zip-without-directory": no_directory,
    "zip64": zip64,
    "zip-lzma": lzma_zip,
    "zip-behind-image": lambda d: png_like(zipped(d)),
    "zip-behind-id3": lambda d: b"ID3" + zipped(d),
    "zip-stored-twice": lambda d: zipped(b"harmless text") + zipped(d),
    "rar5": rar5,
    "rar5-behind-program": lambda d: b"\x7fELF\2\1\1" + bytes(99) + rar5(d),
    "ar": ar,
    "lzma": lambda d: lzma.compress(d, lzma.FORMAT_ALONE),
    "bzip2-second-stream": lambda d: bz2.compress(b"") + bz2.compress(d),
    "zstd": samples.zstded,
    "ar-in-zstd-in-zip": lambda d: zipped(samples.zstded(ar(d))),
    "id3-in-gzip": lambda d: gzip.compress(b"ID3" + d),
}
for _name, _hide in HIDDEN.items():
    add_case("hidden-" + _name, attack("infected",
                                       lambda h=_hide: h(EICAR)))
add_case("encrypted-rar", attack("encrypted", rar5(EICAR, True)))
add_case("unknown-rar", attack("opaque-archive", rar5(b"x" + EICAR, method=6)))
add_case("ace", attack(
    "opaque-archive", b"\x8f1\x31\0\0\x10\2**ACE**\x14\x14\2\0" + EICAR))


@case()
def hidden_good_is_clean():
    """The same around a text raises nothing."""
    s = server()
    text = samples.text(300)
    for name, hide in HIDDEN.items():
        before = len(s.access())
        with s.client() as c:
            answer = c.scan_response(hide(text))
        got, line = outcome_of(s, before)
        eq((got, answer.status), ("clean", 204), "%s: %s" % (name, line))


@case()
def where_it_was():
    """Log and page name the member, however it was opened."""
    s = server()
    for data, part in ((rar5(EICAR), "a.bin"),
                       (zipped(ar(EICAR)), "m0.bin/a.bin"),
                       (gzip.compress(rar5(EICAR)), "a.bin")):
        before = len(s.access())
        with s.client() as c:
            answer = c.scan_response(data)
        line = outcome_of(s, before)[1]
        check('part="%s"' % part in line, line)
        check(b"<dd>%s</dd>" % part.encode() in answer.body, "not on the page")


main()
