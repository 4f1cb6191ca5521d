#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""gendb.py FOLDER [MEGABYTES [SEED]]: a signature set of about that size in
memory, of rows as real sets have them: patterns with and without wildcards,
logical ones, hashes of files and of sections. The same for the same numbers;
nothing in it matches anything but by chance, and the chance is nil.

As a module: database(megabytes) is a folder with such a set, made once and
removed at the end; TOLSEY_GENDB names a folder in which they are kept."""
import atexit
import os
import random
import shutil
import sys
import tempfile

# Bytes in memory that one row costs (libclamav 1.4).
NDB, LDB, HDB, MDB = 2450, 7150, 125, 110
# Shares of the memory.
SHARES = (("ndb", NDB, 0.58), ("ldb", LDB, 0.34), ("hdb", HDB, 0.05),
          ("mdb", MDB, 0.03))
TARGETS = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12)


def ndb(dice, i):
    body = dice.randbytes(dice.randrange(20, 61)).hex()
    if i % 4 == 0:
        cut = 2 * dice.randrange(8, len(body) // 2 - 6)
        wild = dice.choice(("*", "??", "{1-40}"))
        body = body[:cut] + wild + body[cut:]
    return "Gen.Pattern-%d:%d:*:%s" % (i, TARGETS[i % len(TARGETS)], body)


def ldb(dice, i):
    parts = [dice.randbytes(dice.randrange(10, 25)).hex() for _ in range(3)]
    # Few of those that every object is held against.
    target = TARGETS[1:][i % (len(TARGETS) - 1)] if i % 50 else 0
    return "Gen.Logical-%d;Engine:51-255,Target:%d;0&1&2;%s" % (
        i, target, ";".join(parts))


def hdb(dice, i):
    return "%s:%d:Gen.Hash-%d" % (dice.randbytes(16).hex(),
                                  dice.randrange(100, 5000000), i)


def mdb(dice, i):
    return "%d:%s:Gen.Section-%d" % (dice.randrange(512, 1000000),
                                     dice.randbytes(16).hex(), i)


ROWS = {"ndb": ndb, "ldb": ldb, "hdb": hdb, "mdb": mdb}


def write(folder, megabytes, seed=1):
    for kind, cost, share in SHARES:
        dice = random.Random("%d %s" % (seed, kind))
        count = int(megabytes * 1e6 * share / cost)
        path = os.path.join(folder, "generated." + kind)
        with open(path, "w") as f:
            for i in range(count):
                f.write(ROWS[kind](dice, i) + "\n")
        os.chmod(path, 0o644)


_own = []


def base():
    kept = os.environ.get("TOLSEY_GENDB")
    if kept:
        return kept
    if not _own:
        _own.append(tempfile.mkdtemp(prefix="tolsey-gendb-"))
        os.chmod(_own[0], 0o755)
        atexit.register(shutil.rmtree, _own[0], True)
    return _own[0]


def database(megabytes, seed=1):
    """A folder that is not to be written to: link or copy its files."""
    folder = os.path.join(base(), "%d-%d" % (megabytes, seed))
    if os.path.isdir(folder):
        return folder
    new = tempfile.mkdtemp(dir=base())
    os.chmod(new, 0o755)
    write(new, megabytes, seed)
    try:
        os.rename(new, folder)
    except OSError:  # another one was quicker
        shutil.rmtree(new)
    return folder


def link_into(folder, megabytes, seed=1):
    """The files of such a set in another folder, without copying them."""
    source = database(megabytes, seed)
    for name in os.listdir(source):
        os.symlink(os.path.join(source, name), os.path.join(folder, name))


if __name__ == "__main__":
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    os.makedirs(sys.argv[1], exist_ok=True)
    write(sys.argv[1], *(int(x) for x in sys.argv[2:] or ["400"]))
