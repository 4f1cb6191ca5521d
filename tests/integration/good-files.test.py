#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""No false alarm at the preview: 500 good files of at least 12 kinds, each with
a signature of its own that matches its beginning and not the whole, cut at 1
and at 4 KB. Nothing is blocked; what is found in the whole is."""
import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import sys
import tarfile
import zipfile
import zlib

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import documents
import samples
import tolsey
from icap import OK, chunked, respmod
from tap import case, check, eq, main, note, shared

CUTS = (1024, 4096)
WANTED = 500
BIGGEST = 300000
SMALLEST = 5000
CONFIG = """
HeuristicAlerts yes
AlertEncrypted yes
AlertBrokenExecutables yes
AlertBrokenMedia yes
AlertOLE2Macros yes
AlertPhishingCloak yes
AlertPhishingSSLMismatch yes
AlertPartitionIntersection yes
StructuredDataDetection yes
StructuredSSNFormatStripped yes
DetectPUA yes
PreviewScanTimeout 10s
OnSuspicious block
OnEncrypted block
OnPua block
"""


# ---- the files ----
PLACES = ("/usr/share/common-licenses", "/usr/include", "/usr/bin",
          "/usr/lib/python3.11", "/usr/lib/python3", "/usr/share/perl",
          "/usr/lib/x86_64-linux-gnu", "/usr/share/man/man1",
          "/usr/share/icons", "/usr/share/fonts", "/usr/share/locale",
          "/usr/share/zoneinfo", "/usr/share/mime", "/usr/share/doc")
ENDINGS = {".h": "header", ".py": "script", ".pm": "script", ".js": "script",
           ".pl": "script", ".html": "html", ".gz": "gzip", ".a": "library",
           ".so": "elf", ".pyc": "bytecode", ".png": "picture",
           ".gif": "picture", ".svg": "svg", ".jpg": "picture",
           ".ttf": "font", ".otf": "font", ".xml": "xml", ".json": "json",
           ".pdf": "pdf", ".mo": "translation", ".txt": "text",
           "": "program or text"}
OF_A_KIND = 42


def of_machine():
    """Kind -> files that are installed. What a heuristic of the whole would
    find (a broken picture, say) is sorted out later."""
    out, seen = {}, 0
    for place in PLACES:
        for folder, _, names in os.walk(place):
            for name in sorted(names):
                path = os.path.join(folder, name)
                ending = ".so" if ".so." in name else os.path.splitext(name)[1]
                kind = ENDINGS.get(ending)
                seen += 1
                if kind and len(out.setdefault(kind, [])) < OF_A_KIND and (
                        not os.path.islink(path) and os.path.isfile(path) and
                        SMALLEST <= os.path.getsize(path) <= BIGGEST):
                    out[kind].append(read(path))
            if seen > 30000:
                break
    return out


def read(name):
    with open(name, "rb") as f:
        return f.read()


def words(seed, size):
    r = random.Random(seed)
    with open("/usr/share/common-licenses/GPL-2") as f:
        known = f.read().split()
    return " ".join(r.choice(known) for _ in range(size // 5)).encode()


def pdf(seed):
    data = zlib.compress(words(seed, 30000))
    parts = [b"<</Type/Catalog/Pages 2 0 R>>",
             b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
             b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]"
             b"/Contents 4 0 R>>",
             b"<</Length %d/Filter/FlateDecode>>stream\n%s\nendstream" % (
                 len(data), data)]
    out, at = b"%PDF-1.4\n", []
    for i, part in enumerate(parts, 1):
        at.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (i, part)
    table = len(out)
    return out + b"xref\n0 5\n0000000000 65535 f \n" + b"".join(
        b"%010d 00000 n \n" % x for x in at) + (
            b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % table)


def png(seed):
    def chunk(kind, data):
        return (len(data).to_bytes(4, "big") + kind + data +
                zlib.crc32(kind + data).to_bytes(4, "big"))
    rows = b"".join(b"\0" + samples.filler(100, seed * 1000 + i)
                    for i in range(100))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0\0\0\x64\0\0\0\x64\x08"
                                         b"\0\0\0\0") +
            chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))


def mail(seed):
    import base64
    body = base64.encodebytes(samples.filler(9000, seed))
    return (b"From: a@example.org\r\nTo: b@example.org\r\nSubject: report\r\n"
            b"Date: Tue, 18 Nov 2025 10:00:00 +0000\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=\"=b%d\"\r\n\r\n"
            b"--=b%d\r\nContent-Type: text/plain\r\n\r\n%s\r\n"
            b"--=b%d\r\nContent-Type: application/octet-stream\r\n"
            b"Content-Transfer-Encoding: base64\r\n\r\n%s\r\n--=b%d--\r\n" % (
                seed, seed, words(seed, 3000), seed,
                body.replace(b"\n", b"\r\n"), seed))


def tar(seed):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for i in range(4):
            data = words(seed * 10 + i, 3000)
            info = tarfile.TarInfo("f%d.txt" % i)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def office(seed):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("[Content_Types].xml", "<Types/>")
        z.writestr("word/document.xml", b"<w:document>" + words(seed, 20000) +
                   b"</w:document>")
        z.writestr("word/media/image1.png", png(seed))
    return out.getvalue()


def html(seed):
    r = random.Random(seed)
    return (b"<!DOCTYPE html><html><head><title>%d</title><script>var x = %d;"
            b"</script></head><body>" % (seed, r.getrandbits(30)) +
            b"".join(b"<p class=c%d>%s <a href=\"https://example.org/%d\">"
                     b"more</a></p>\n" % (i, words(seed * 100 + i, 300), i)
                     for i in range(30)) + b"</body></html>\n")


def random_bytes(seed):
    return samples.filler(9000, seed)


def word_document(seed):
    return documents.compound([("WordDocument", b"\xec\xa5\xc1\0" + bytes(8) +
                                random_bytes(seed))])


def table(seed):
    return b"\n".join(b"%d,%d,%s" % (k, k * seed, words(seed * 1000 + k, 20))
                      for k in range(400))


def generated(wanted):
    """No two of them are made of the same bytes."""
    makers = (("made pdf", pdf), ("made png", png), ("mail", mail),
              ("tar", tar), ("office", office), ("made html", html),
              ("zip", lambda n: samples.zipped(random_bytes(n))),
              ("bzip2", lambda n: bz2.compress(random_bytes(n))),
              ("xz", lambda n: lzma.compress(random_bytes(n))),
              ("doc", word_document), ("csv", table),
              ("binary", random_bytes))
    each = max(22, wanted // len(makers) + 1)
    return {kind: [make(1000 * k + i) for i in range(each)]
            for k, (kind, make) in enumerate(makers, 1)}


def collect():
    out, seen = [], set()
    kinds = of_machine()
    kinds.update(generated(WANTED + 60 - sum(map(len, kinds.values()))))
    for kind, files in kinds.items():
        for data in files:
            digest = hashlib.sha256(data).digest()
            if len(data) >= SMALLEST and digest not in seen:
                seen.add(digest)
                out.append((kind, data))
    random.Random(2).shuffle(out)
    return out


# ---- the signatures: what is in the beginning is not meant by itself ----
def pattern_at(data, at):
    return data[at:at + 24].hex()


patterns = {}


def own_pattern(data, cut):
    """Bytes of the beginning that no other file has."""
    key = (id(data), cut)
    if key not in patterns:
        patterns[key] = next((pattern_at(data, at) for at in range(
            cut - 300, 40, -97) if everything.count(data[at:at + 24]) == 1),
                             None)
    return patterns[key]


def from_the_end(name, data, cut):
    """As many bytes before the end as the cut file has there."""
    return "ndb", "%s:0:EOF-60:%s" % (name, pattern_at(data, cut - 60))


def range_from_the_end(name, data, cut):
    return "ndb", "%s:0:EOF-200,150:%s" % (name, pattern_at(data, cut - 100))


def size_of_the_cut(name, data, cut):
    return "ldb", "%s;Engine:81-255,FileSize:%d-%d,Target:0;0;%s" % (
        name, cut - 10, cut + 10, own_pattern(data, cut))


def negation(name, data, cut):
    return "ldb", "%s;Engine:81-255,Target:0;0&(1=0);%s;%s" % (
        name, own_pattern(data, cut), pattern_at(data, len(data) - 40))


def hash_of_the_cut(name, data, cut):
    return "hdb", "%s:%d:%s" % (hashlib.md5(data[:cut]).hexdigest(), cut, name)


def listed(name, data, cut):
    """Found anywhere, but the file as a whole is excepted by its hash."""
    return "ndb+sfp", ("%s:0:*:%s" % (name, own_pattern(data, cut)),
                       "%s:%d:excepted" % (hashlib.sha256(data).hexdigest(),
                                           len(data)))


KINDS = (from_the_end, range_from_the_end, size_of_the_cut, negation,
         hash_of_the_cut, listed)


everything = b""


def unusable(data, cut):
    """Patterns must be of bytes that tell the files apart."""
    return len(data) < cut + 400 or own_pattern(data, cut) is None or min(
        len(set(data[a:a + 24])) for a in (cut - 100, cut - 60,
                                           len(data) - 40)) < 6


def write_signatures(folder, files):
    global everything
    everything = b"".join(data for _, data in files)
    rows = {"ndb": [], "ldb": [], "hdb": [], "sfp": []}
    for i, (_, data) in enumerate(files):
        for k, cut in enumerate(CUTS):
            if unusable(data, cut):
                continue
            make = KINDS[(i + 3 * k) % len(KINDS)]
            where, row = make("Good.%s-%d" % (make.__name__, i), data, cut)
            for part, text in zip(where.split("+"),
                                  row if isinstance(row, tuple) else (row,)):
                rows[part].append(text)
    for kind, lines in rows.items():
        path = os.path.join(folder, "good." + kind)
        with open(path, "w") as f:
            f.write("\n".join(lines) + "\n")
        os.chmod(path, 0o644)
    return {k: len(v) for k, v in rows.items()}


def start():
    tolsey.only_tolsey()
    s = tolsey.Tolsey(CONFIG, wait=False, database=False)
    s.restore_database()
    s.files = collect()
    s.rows = write_signatures(s.db, s.files)
    s.load_now()
    return s


server = shared(start)


def head_of(data, announced):
    return (b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n" +
            (b"Content-Length: %d\r\n" % len(data) if announced else b"") +
            b"\r\n")


def good_files():
    """Those in whose whole nothing is found: with them it is counted."""
    if not hasattr(server(), "good"):
        good, bad = [], []
        with server().client(60) as c:
            for kind, data in server().files:
                answer = c.scan_response(data, head_of(data, True))
                (good if answer.status == 204 else bad).append((kind, data))

        server().good = good
        note("%d good files of %d kinds; %d where the whole is found: %s" % (
            len(good), len({k for k, _ in good}), len(bad),
            sorted({k for k, _ in bad})))
        note("signatures: %r" % server().rows)
    return server().good


@case(timeout=150)
def the_files_are_enough():
    good = good_files()
    check(len(good) >= WANTED, "%d good files" % len(good))
    check(len({k for k, _ in good}) >= 12, "fewer than 12 kinds")


def no_alarm(cut, announced):
    def looked_at():
        return (server().metric("prefix_scans_total") +
                server().metric("prefix_repeats_total"))

    blocked, scans = [], looked_at()
    with server().client(60) as c:
        for i, (kind, data) in enumerate(good_files()):
            answer = c.scan_response(data, head_of(data, announced),
                                     preview=cut)
            if answer.status != 204 or not answer.continued:
                blocked.append((kind, i, answer.headers.get("X-Virus-ID")))
    eq(blocked, [], "blocked")
    eq(looked_at() - scans, len(good_files()), "scans of previews")


@case(timeout=150)
def cut_at_1_KB():
    no_alarm(1024, True)


@case(timeout=150)
def cut_at_4_KB():
    no_alarm(4096, True)


@case(timeout=150)
def of_unknown_size():
    no_alarm(4096, False)


@case(timeout=150)
def scanned_by_hand_the_beginnings_are_found():
    """The signatures are dangerous: nearly all match what is cut."""
    found = 0
    with server().client(60) as c:
        for _, data in good_files()[:150]:
            for cut in CUTS:
                answer = c.scan_response(data[:cut])
                found += answer.status == 200
    note("%d of 300 beginnings are found when they are whole files" % found)
    check(found >= 150, "only %d" % found)


@case(timeout=60)
def what_is_there_is_found_at_once():
    """And with all these exceptions a plain hit is still final."""
    for cut in CUTS:
        data = samples.text(300) + samples.MARKER + samples.text(30000)
        with server().client() as c:
            answer = c.scan_response(data, head_of(data, True), preview=cut)
            eq((answer.continued, answer.infected), (False, True), "cut")
        # nothing is known of the whole: it is asked for, and then found
        with server().client() as c:
            answer = c.scan_response(data, head_of(data, False), preview=cut)
            eq((answer.continued, answer.infected), (True, True), "unknown")


def container(files):
    """A .cud file, as sigtool makes it; official sets are alike."""
    head = "ClamAV-VDB:28 Nov 2025 02-28 +0000:1:2:90:X:X:tests:1764297000"
    info = head + "\n" + "".join("%s:%d:%s\n" % (
        name, len(text), hashlib.sha256(text).hexdigest())
        for name, text in files)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz",
                      format=tarfile.USTAR_FORMAT) as t:
        for name, text in [("COPYING", b"x"),
                           ("tests.info", info.encode())] + files:
            member = tarfile.TarInfo(name)
            member.size = len(text)
            t.addfile(member, io.BytesIO(text))
    return head.encode().ljust(512) + out.getvalue()


@case(timeout=60)
def rows_inside_a_container():
    """The confined loader reads them; only their sizes ask for the rest."""
    tolsey.only_tolsey()
    s = tolsey.Tolsey(wait=False, database=False)
    try:
        path = os.path.join(s.db, "tests.cud")
        with open(path, "wb") as f:
            f.write(container([
                ("tests.ndb", b"Tests.Marker:0:*:%s\n" %
                 samples.MARKER.hex().encode()),
                ("tests.fp", b"0" * 32 + b":30000:listed\n")]))
        os.chmod(path, 0o644)
        s.load_now()
        for size, asked in ((30000, True), (30001, False)):
            data = (samples.text(300) + samples.MARKER +
                    samples.text(40000))[:size]
            with s.client() as c:
                answer = c.scan_response(data, head_of(data, True),
                                         preview=4096)
                eq((answer.continued, answer.infected), (asked, True), size)
    finally:
        s.close()


main()
