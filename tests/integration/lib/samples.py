# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Objects to scan and the signatures that find them.

EICAR is put together at run time, so that no scanner objects to these files.
"""
import gzip
import hashlib
import io
import os
import random
import shutil
import subprocess
import zipfile
import zlib

from tap import skip

EICAR = (rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EIC" +
         b"AR-STANDARD-ANTI" + b"VIRUS-TEST-FILE!$H+H*")
# Digits and capitals only: found wherever it stands, in any type of file.
MARKER = b"TOLSEY-TEST-" + b"MARKER-4711-8c1f02aa97"


TESTFILES = "/usr/share/clamav-testfiles"
SIGNATURES = 4  # as write_database() makes them


def write_database(folder):
    """EICAR at the start of a file and by hash; the marker anywhere; the file
    that all clamav-testfiles hold, by hash."""
    with open(os.path.join(folder, "tests.ndb"), "w") as f:
        f.write("Tests.Eicar.Pattern:0:0:%s\n" % EICAR.hex())
        f.write("Tests.Marker:0:*:%s\n" % MARKER.hex())
    with open(os.path.join(folder, "tests.hdb"), "w") as f:
        f.write("%s:%d:Tests.Eicar.Hash\n" % (
            hashlib.md5(EICAR).hexdigest(), len(EICAR)))
        f.write("aa15bcf478d165efd2065190eb473bcb:544:Tests.Clam\n")
    for name in os.listdir(folder):
        os.chmod(os.path.join(folder, name), 0o644)


def filler(size, seed=1):
    """Bytes in which no signature is found and that do not compress."""
    return random.Random(seed).randbytes(size)


def text(size):
    line = b"The quick brown fox jumps over the lazy dog, and again.\n"
    return (line * (size // len(line) + 1))[:size]


def zipped(data, name="object.bin", before=0):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        if before:
            z.writestr("before.bin", filler(before))
        z.writestr(name, data)
    return out.getvalue()


def gzipped(data):
    return gzip.compress(data, mtime=0)


def raw_deflated(data):
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    return squeeze.compress(data) + squeeze.flush()


def _through(program, args, data):
    if not shutil.which(program):
        skip(program + " is not installed")
    return subprocess.run([program] + args, input=data, check=True,
                          capture_output=True, timeout=60).stdout


def brotlied(data):
    return _through("brotli", ["-c", "-q", "5", "-"], data)


def zstded(data, *args):
    return _through("zstd", ["-q", "-c"] + list(args), data)


def chunked(data, size=1000, extension="", trailers=""):
    """As chunks; extension and trailers as an S3 client writes them."""
    out = b""
    for i in range(0, len(data), size):
        part = data[i:i + size]
        out += b"%x%s\r\n%s\r\n" % (len(part), extension.encode(), part)
    return out + b"0%s\r\n%s\r\n" % (extension.encode(), trailers.encode())


def part(data, name="file", filename=None, fields=()):
    """One part of a form without its delimiter."""
    disposition = 'form-data; name="%s"' % name
    if filename is not None:
        disposition += '; filename="%s"' % filename
    lines = ["Content-Disposition: " + disposition]
    lines += ["%s: %s" % f for f in fields]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def multipart(*parts, boundary="----xyz", end=True):
    out = b"".join(b"--%s\r\n%s\r\n" % (boundary.encode(), p) for p in parts)
    return out + (b"--%s--\r\n" % boundary.encode() if end else b"")
