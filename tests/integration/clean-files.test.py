#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What is good raises nothing: files of this machine (documents, libraries,
programs, fonts, images, archives of all kinds) and archives made of them, each
scanned completely. `tolsey-scan --scan` by hand, with tolsey's own signatures.
"""
import bz2
import gzip
import io
import lzma
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import zipfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import samples
import tolsey
from tap import case, check, eq, main, note, skip

tolsey.REFERENCE and sys.exit("not for the reference server")

PLACES = ("/usr/share/doc", "/usr/share/fonts", "/usr/share/icons",
          "/usr/share/pixmaps", "/usr/share/man", "/usr/share/java",
          "/usr/share/info", "/usr/lib/x86_64-linux-gnu", "/usr/lib/python3",
          "/usr/bin", "/usr/include", "/var/cache/apt/archives",
          "/usr/share/perl", "/usr/share/zoneinfo", "/usr/share/locale")
ARCHIVES = (".gz", ".bz2", ".xz", ".zip", ".jar", ".whl", ".deb", ".a",
            ".tar", ".tgz", ".zst", ".lzma", ".lz", ".cpio", ".egg")
LARGEST = 2 << 20
ALL = 40 << 20
# They are what they are meant to be: audio, or broken on purpose.
NOT_GOOD = ("/test/", "/tests/", "/testing/", "testdata", "test_data",
            "testfiles", ".mp3", ".ogg")


def good_files():
    """Some of every ending, the archives first; always the same ones."""
    by_ending = {}
    for place in PLACES:
        for folder, _, names in os.walk(place):
            for name in names:
                path = os.path.join(folder, name)
                if any(x in path for x in NOT_GOOD) or os.path.islink(path):
                    continue
                end = os.path.splitext(name)[1][:6].lower()
                by_ending.setdefault(end, []).append(path)
    out, left = [], ALL
    chance = random.Random(7)
    for end in sorted(by_ending, key=lambda e: (e not in ARCHIVES, e)):
        some = sorted(by_ending[end])
        chance.shuffle(some)
        taken = 0
        for path in some:
            try:
                size = os.path.getsize(path)
            except OSError:
                continue
            if 0 < size <= LARGEST and size <= left and os.access(
                    path, os.R_OK):
                out.append(path)
                left -= size
                taken += 1
            if taken == (60 if end in ARCHIVES else 20):
                break
        if len(out) > 2500:
            break
    return out


def scan(paths):
    """The lines of those that are not clean; it takes long names, and many."""
    bad, seen = [], 0
    program = os.path.join(tolsey.find_build(), "src", "tolsey-scan")
    for i in range(0, len(paths), 500):
        r = subprocess.run(
            [program, "--scan", "--database", "embedded"] +
            paths[i:i + 500], capture_output=True, timeout=120, text=True,
            errors="replace")
        check(r.returncode in (0, 1), r.stderr[-2000:])
        lines = r.stdout.splitlines()[1:]
        seen += sum(": clean " in x for x in lines)
        bad += [x for x in lines if ": clean " not in x]
    return seen, bad


@case(150)
def of_this_machine():
    files = good_files()
    if len(files) < 50:
        skip("only %d files" % len(files))
    seen, bad = scan(files)
    note("%d files, %d archives" % (
        len(files), sum(x.endswith(ARCHIVES) for x in files)))
    check(not bad, "\n".join(bad[:20]))
    eq(seen, len(files), "clean files")


def tarred(files, mode="w"):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as t:
        for path in files:
            t.add(path, recursive=False)
    return out.getvalue()


def zip_of(files, how=zipfile.ZIP_DEFLATED, **rest):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how, **rest) as z:
        z.writestr("folder/", b"")
        z.writestr("empty", b"")
        for path in files:
            z.write(path)
    return out.getvalue()


def streamed_zip(files):
    """As a server writes it that knows no sizes before."""
    class Pipe(io.RawIOBase):
        data = b""

        def writable(self):
            return True

        def write(self, some):
            self.data += bytes(some)
            return len(some)
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as z:
        for path in files:
            with open(path, "rb") as f, z.open(
                    zipfile.ZipInfo(path), "w", force_zip64=True) as m:
                m.write(f.read())
    return pipe.data


def made(files):
    tar = tarred(files)
    plain = zip_of(files)
    with open("/bin/true", "rb") as f:
        program = f.read()
    yield "tar", tar
    yield "tar.gz", gzip.compress(tar)
    yield "tar.bz2", bz2.compress(tar)
    yield "tar.xz", lzma.compress(tar)
    yield "tar.lzma", lzma.compress(tar, lzma.FORMAT_ALONE)
    yield "two.bz2", bz2.compress(tar[:5120]) + bz2.compress(tar[5120:])
    yield "two.gz", gzip.compress(tar[:5120]) + gzip.compress(tar[5120:])
    yield "two.xz", lzma.compress(tar[:5120]) + lzma.compress(tar[5120:])
    yield "pax.tar", tarred(files, "w")
    yield "empty.gz", gzip.compress(b"")
    yield "empty.bz2", bz2.compress(b"")
    yield "empty.xz", lzma.compress(b"")
    yield "empty.tar", tarred([])
    yield "empty.zip", zip_of([])
    yield "plain.zip", plain
    yield "stored.zip", zip_of(files, zipfile.ZIP_STORED)
    yield "bzip2.zip", zip_of(files, zipfile.ZIP_BZIP2)
    yield "lzma.zip", zip_of(files, zipfile.ZIP_LZMA)
    yield "streamed.zip", streamed_zip(files)
    yield "sfx.exe", program + plain
    yield "sfx-streamed.exe", program + streamed_zip(files)
    yield "zip.zip", zip_of_bytes(plain, gzip.compress(tar))
    yield "comment.zip", with_comment(plain, b"a comment " * 5000)
    yield "tail.zip", plain + b"\n" * 100
    yield "ar.a", ar_of(files)


def zip_of_bytes(*members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as z:
        for i, data in enumerate(members):
            z.writestr("m%d" % i, data)
    return out.getvalue()


def with_comment(data, comment):
    return data[:-2] + len(comment).to_bytes(2, "little") + comment


def ar_of(files):
    out = b"!<arch>\n"
    for path in files:
        with open(path, "rb") as f:
            data = f.read()
        out += b"%-16s%-12d%-6d%-6d%-8s%-10d`\n" % (
            os.path.basename(path)[:14].encode() + b"/", 0, 0, 0, b"100644",
            len(data)) + data + b"\n" * (len(data) % 2)
    return out


@case(60)
def made_of_them():
    files = [x for x in good_files() if os.path.getsize(x) < 30000 and
             x.isascii() and os.path.isfile(x)]
    files = files[::max(1, len(files) // 25)][:25]
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for name, data in made(files):
            paths.append(os.path.join(folder, name))
            with open(paths[-1], "wb") as f:
                f.write(data)
        paths.append(os.path.join(folder, "tar.zst"))
        with open(paths[-1], "wb") as f:
            f.write(samples.zstded(tarred(files)))
        seen, bad = scan(paths)
    check(not bad, "\n".join(bad[:20]))
    eq(seen, len(paths), "clean archives")


main()
