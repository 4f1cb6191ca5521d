# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Objects to scan and the signatures that find them.

EICAR is put together at run time, so that no scanner objects to these files.
"""
import gzip
import hashlib
import io
import os
import random
import zipfile

EICAR = (rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$EIC" +
         b"AR-STANDARD-ANTI" + b"VIRUS-TEST-FILE!$H+H*")
# Digits and capitals only: found wherever it stands, in any type of file.
MARKER = b"TOLSEY-TEST-" + b"MARKER-4711-8c1f02aa97"


def write_database(folder):
    """EICAR at the start of a file and by hash; the marker anywhere."""
    with open(os.path.join(folder, "tests.ndb"), "w") as f:
        f.write("Tests.Eicar.Pattern:0:0:%s\n" % EICAR.hex())
        f.write("Tests.Marker:0:*:%s\n" % MARKER.hex())
    with open(os.path.join(folder, "tests.hdb"), "w") as f:
        f.write("%s:%d:Tests.Eicar.Hash\n" % (
            hashlib.md5(EICAR).hexdigest(), len(EICAR)))
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
