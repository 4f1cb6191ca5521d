#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Content codings, both ways: what is inside is found, what cannot be undone
is never clean, and a bomb costs little."""
import gzip
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import threading
import time
import zlib

import samples
import tolsey
from tap import add_case, case, check, eq, main, note, shared

tolsey.REFERENCE and sys.exit("not for the reference server")
server = shared(tolsey.server)

TEXT = samples.text(5000)
LATE = samples.filler(20000) + samples.MARKER + samples.filler(3000, 2)
CODINGS = {
    "gzip": ("gzip", samples.gzipped),
    "x-gzip": ("X-GZip", samples.gzipped),
    "zlib": ("deflate", zlib.compress),
    "raw-deflate": ("deflate", samples.raw_deflated),
    "br": ("br", samples.brotlied),
    "zstd": ("zstd", samples.zstded),
}


def response(coding, more=""):
    return ("HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
            "%s%s\r\n" % ("Content-Encoding: %s\r\n" % coding if coding
                          else "", more)).encode()


def request(coding, more=""):
    return ("PUT http://origin.test/o HTTP/1.1\r\nHost: origin.test\r\n"
            "Content-Type: application/octet-stream\r\n%s%s\r\n" % (
                "Content-Encoding: %s\r\n" % coding if coding else "", more)
            ).encode()


def scan(data, coding, upload=False, more="", service="avscan", **rest):
    """The answer, with the outcome that the log has for it."""
    with server().client(60) as c:
        before = len(server().access())
        if upload:
            answer = c.scan_request(data, request(coding, more),
                                    service=service, **rest)
        else:
            answer = c.scan_response(data, response(coding, more),
                                     service=service, **rest)
    end = time.monotonic() + 10
    while len(server().access()) <= before:
        check(time.monotonic() < end, "no line in the log")
        time.sleep(0.01)
    answer.line = server().access()[-1]
    answer.outcome = answer.line.split(" outcome=")[1].split()[0]
    return answer


def gives(outcome, data, coding, **rest):
    for upload in (False, True):
        answer = scan(data, coding, upload, **rest)
        eq(answer.outcome, outcome, "upload" if upload else "response")
        eq(answer.status, 204 if outcome == "clean" else 200, "status")


def inside(name):
    def run():
        coding, pack = CODINGS[name]
        gives("infected", pack(samples.EICAR), coding)
        gives("infected", pack(LATE), coding)
        gives("infected", pack(samples.zipped(samples.EICAR)), coding)
        gives("clean", pack(TEXT), coding)
        # coded as it may be, the beginning of it is in the preview
        answer = scan(pack(samples.MARKER + samples.filler(60000)), coding,
                      preview=4096)
        check(answer.infected, "not blocked: %r" % answer)
        # it is what it says
        gives("undecodable", TEXT, coding)
        gives("infected", samples.MARKER + TEXT, coding)
        whole = pack(samples.filler(9000).hex().encode())
        gives("undecodable", whole[:-20], coding)
        gives("infected", pack(samples.MARKER + samples.filler(9000))[:-20],
              coding)
    return run


for _name in CODINGS:
    add_case("inside-" + _name, inside(_name))


@case()
def stacked():
    pack = samples.gzipped
    data = samples.brotlied(pack(zlib.compress(samples.EICAR)))
    gives("infected", data, "deflate, gzip, br")
    gives("infected", data, "deflate", more="Content-Encoding: gzip,\r\n br"
          "\r\n")
    gives("infected", pack(pack(pack(pack(samples.EICAR)))),
          "gzip, gzip,gzip ,gzip")
    gives("undecodable", pack(pack(pack(pack(pack(TEXT))))),
          "gzip,gzip,gzip,gzip,gzip")
    gives("undecodable", data, "gzip, deflate, br")


@case()
def unknown():
    gives("undecodable", TEXT, "compress")
    gives("infected", samples.EICAR, "compress")
    gives("infected", samples.gzipped(samples.MARKER), "own, gzip")
    gives("clean", TEXT, "identity")


@case()
def members_and_what_follows():
    one, two = samples.gzipped(TEXT), samples.gzipped(samples.MARKER)
    gives("infected", one + two, "gzip")
    gives("clean", one + samples.gzipped(TEXT), "gzip")
    # a client may stop behind the first
    gives("infected", samples.gzipped(samples.EICAR) + one, "gzip")
    gives("clean", one + bytes(512), "gzip")
    gives("undecodable", one + b"left over", "gzip")
    gives("infected", one + samples.EICAR, "gzip")
    gives("infected", one + b"left over " + samples.MARKER, "gzip")
    gives("undecodable", zlib.compress(TEXT) + b"left over", "deflate")
    gives("undecodable", samples.brotlied(TEXT) + b"left over", "br")


@case()
def zstd_frames():
    skippable = b"\x5a\x2a\x4d\x18\x05\0\0\0hello"
    one, two = samples.zstded(TEXT), samples.zstded(samples.EICAR)
    gives("infected", skippable + two + skippable, "zstd")
    gives("infected", samples.zstded(TEXT) + samples.zstded(samples.MARKER),
          "zstd")
    gives("clean", skippable + one + skippable + one, "zstd")
    gives("undecodable", one + b"left over", "zstd")
    data = samples.filler(9 << 20) + samples.MARKER
    gives("infected", samples.zstded(data, "--long=27"), "zstd")


@case()
def hidden_beside_the_content():
    """In a file name of gzip, in a frame to be skipped: uploads are kept by
    some as they come."""
    named = (b"\x1f\x8b\x08\x08\0\0\0\0\0\x03" + samples.MARKER + b"\0" +
             samples.gzipped(TEXT)[10:])
    eq(gzip.decompress(named), TEXT, "with a name")
    eq(scan(named, "gzip", upload=True).outcome, "infected", "upload")
    skippable = (b"\x50\x2a\x4d\x18" + len(samples.MARKER).to_bytes(
        4, "little") + samples.MARKER)
    eq(scan(samples.zstded(TEXT) + skippable, "zstd", upload=True).outcome,
       "infected", "frame")


SIGNED = ";chunk-signature=" + "0" * 64


@case()
def aws_chunked():
    def put(data, outcome, coding="aws-chunked", more=""):
        answer = scan(data, coding, upload=True, more=more)
        eq(answer.outcome, outcome, "outcome")

    def s3(kind):
        return ("x-amz-content-sha256: STREAMING-%s\r\n"
                "x-amz-decoded-content-length: 68\r\n" % kind)
    eicar = samples.EICAR
    put(samples.chunked(eicar, 30, SIGNED), "infected")
    put(samples.chunked(eicar, 30, SIGNED), "infected", None,
        s3("AWS4-HMAC-SHA256-PAYLOAD"))
    trailers = "x-amz-checksum-crc32:AAAAAA==\r\n"
    put(samples.chunked(eicar, 30, "", trailers), "infected", None,
        s3("UNSIGNED-PAYLOAD-TRAILER"))
    put(samples.chunked(eicar, 30, SIGNED, trailers +
                        "x-amz-trailer-signature:00\r\n"), "infected",
        "aws-chunked", s3("AWS4-HMAC-SHA256-PAYLOAD-TRAILER"))
    put(samples.chunked(samples.gzipped(eicar), 30, SIGNED), "infected",
        "aws-chunked,gzip")
    put(samples.chunked(samples.gzipped(eicar), 30, SIGNED), "infected",
        "gzip, aws-chunked")
    put(samples.chunked(TEXT, 1000, SIGNED), "clean")
    put(samples.chunked(samples.filler(300000), 65536, SIGNED), "clean")
    put(samples.chunked(TEXT, 1000, SIGNED)[:-200], "undecodable")
    put(TEXT, "undecodable")
    put(samples.MARKER + TEXT, "infected")


@case()
def chunked_in_chunked():
    te = "Transfer-Encoding: chunked\r\n"
    gives("infected", samples.chunked(samples.EICAR, 20), None, more=te)
    gives("infected", samples.chunked(samples.gzipped(samples.EICAR), 20),
          "gzip", more=te)
    gives("infected", samples.chunked(samples.filler(90000) + samples.EICAR +
                                      samples.MARKER, 4096), None, more=te)
    gives("clean", samples.chunked(TEXT, 20), None, more=te)
    gives("clean", samples.chunked(samples.gzipped(TEXT), 20), "gzip",
          more=te)
    # as it normally is
    gives("infected", samples.EICAR, None, more=te)
    gives("clean", TEXT, None, more=te)
    gives("clean", samples.gzipped(TEXT), "gzip", more=te)
    gives("undecodable", samples.chunked(TEXT, 20), "gzip", more=te)


class Watch:
    """The most private memory that a worker had meanwhile, in KiB."""

    def __enter__(self):
        self.peak, self.end = 0, False
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def _run(self):
        while not self.end:
            for pid in server().scan_workers():
                try:
                    with open("/proc/%d/status" % pid) as f:
                        for line in f:
                            if line.startswith("RssAnon:"):
                                self.peak = max(self.peak,
                                                int(line.split()[1]))
                except (OSError, ValueError):
                    pass
            time.sleep(0.02)

    def __exit__(self, *_):
        self.end = True
        self.thread.join()


def zeros(pack, size):
    return pack(bytes(size))


@case(timeout=120)
def bombs():
    """2 GB and more in a few KB to MB."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = squeeze.compress(bytes(16 << 20)) + squeeze.flush()
    tests = {
        "gzip": ("gzip", block * 200),
        "10 GB of gzip": ("gzip", block * 640),
        "gzip twice": ("gzip, gzip", samples.gzipped(block * 200)),
        "br": ("br", samples.brotlied(bytes(300 << 20))),
        "zstd": ("zstd", samples.zstded(bytes(300 << 20))),
        "zstd in gzip": ("zstd, gzip", samples.gzipped(
            samples.zstded(bytes(300 << 20)))),
        "gzip of one": ("gzip", block * 13),
    }
    for name, (coding, data) in tests.items():
        with Watch() as w:
            start = time.monotonic()
            answer = scan(data, coding)
            seconds = time.monotonic() - start
        note("%s: %d bytes, %s after %.2f s, %d MiB" % (
            name, len(data), answer.outcome, seconds, w.peak >> 10))
        eq(answer.outcome, "limit", name)
        check(seconds < 10, "%s: %.1f s" % (name, seconds))
        check(w.peak < 300 << 10, "%s: %d KiB" % (name, w.peak))
    gives("clean", samples.gzipped(bytes(15 << 20)), "gzip")


@case(timeout=120)
def large_content_in_bounded_memory():
    size = 60 << 20
    data = samples.filler(1 << 20).hex().encode() * (size >> 21)
    for last, outcome in ((b"", "clean"), (samples.MARKER, "infected")):
        packed = samples.zstded(data + last, "-1", "--long=22")
        with Watch() as w:
            answer = scan(packed, "zstd", more="X: y\r\n")
        note("%d bytes of %d: %s, %d MiB" % (
            len(packed), len(data), answer.outcome, w.peak >> 10))
        eq(answer.outcome, outcome, "outcome")
        check(w.peak < 56 << 10, "%d KiB of memory" % w.peak)


main()
