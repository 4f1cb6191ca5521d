#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The sandbox loses nothing: the same objects through confined workers,
through unconfined ones, and through clamscan.

MUTANTS=2000 for the long form.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import random
import re
import shutil
import subprocess
import tempfile
import threading

import samples
import tolsey
from tap import case, check, eq, main, note, skip, wait_for

if tolsey.REFERENCE:
    print("skip sandbox-diff: not for the reference server")
    sys.exit(0)

MUTANTS = int(os.environ.get("MUTANTS", "200"))
# As the workers have it, where clamscan's own defaults are others.
SAME_OPTIONS = ["--max-filesize=2000M", "--max-scansize=4000M",
                "--max-files=20000", "--alert-encrypted=yes",
                "--alert-exceeds-max=yes", "--allmatch=yes", "--no-summary"]

# 60 names as documents have them, and how Python writes them.
CHARSETS = """utf-8 utf-7 utf-16 utf-16le utf-16be utf-32 utf-32le utf-32be
us-ascii iso-8859-1 iso-8859-2 iso-8859-3 iso-8859-4 iso-8859-5 iso-8859-6
iso-8859-7 iso-8859-8 iso-8859-9 iso-8859-10 iso-8859-13 iso-8859-14
iso-8859-15 iso-8859-16 windows-1250 windows-1251 windows-1252 windows-1253
windows-1254 windows-1255 windows-1256 windows-1257 windows-1258 koi8-r koi8-u
ibm037 ibm437 ibm500 ibm850 ibm852 ibm855 ibm857 ibm862 ibm864 ibm866 ibm869
ibm1026 macintosh big5 big5-hkscs gb2312 gbk gb18030 euc-jp euc-kr shift_jis
iso-2022-jp iso-2022-kr johab cp932 cp949 tis-620""".split()
WORDS = ["жмых", "日本語", "한국어", "ไทย", "żółw", "αβγ", "שלום", "سلام", "éèç",
         "plain"]


def encoded(text, charset):
    codec = {"macintosh": "mac_roman", "utf-16": "utf-16-le",
             "utf-32": "utf-32-le"}.get(charset, charset)
    mark = {"utf-16": b"\xff\xfe", "utf-32": b"\xff\xfe\0\0"}.get(charset, b"")
    return mark + text.encode(codec)


def in_charset(charset):
    """name -> bytes, and the bytes that a signature looks for."""
    marker = samples.MARKER.decode()
    for word in WORDS:
        try:
            needle = encoded(word + " " + marker, charset)
            break
        except (UnicodeEncodeError, LookupError):
            pass
    text = ('<html><head><meta http-equiv="Content-Type" content="text/html; '
            'charset=%s"></head><body><p>%s %s</p></body></html>\n' % (
                charset, word, marker))
    page = encoded(text, charset)
    mail = ("From: a@example.org\r\nTo: b@example.org\r\nSubject: =?%s?B?eA==?="
            "\r\nMIME-Version: 1.0\r\nContent-Type: text/html; charset=%s\r\n"
            "Content-Transfer-Encoding: 8bit\r\n\r\n" % (charset, charset)
            ).encode() + page
    return {charset + ".html": page, charset + ".eml": mail}, needle[-40:]


def write_samples(folder, db):
    """The objects; signatures for them besides those of the harness."""
    names = sorted(os.listdir(samples.TESTFILES))
    originals = []
    for name in names:
        with open(os.path.join(samples.TESTFILES, name), "rb") as f:
            originals.append((name, f.read()))
    objects = dict(("t-" + n, d) for n, d in originals)
    rows = []
    for i, charset in enumerate(CHARSETS):
        made, needle = in_charset(charset)
        objects.update(("c-" + n, d) for n, d in made.items())
        # pages are matched in lower case
        rows.append("Tests.Charset.%d;Target:0;0;%s::i\n" % (
            i, needle.hex()))
    dice = random.Random(20)
    for i in range(MUTANTS):
        name, data = originals[i % len(originals)]
        objects["m-%04d-%s" % (i, name)] = mutate(dice, data)
    for name, data in objects.items():
        with open(os.path.join(folder, name), "wb") as f:
            f.write(data)
    with open(os.path.join(db, "charsets.ldb"), "w") as f:
        f.writelines(rows)
    os.chmod(os.path.join(db, "charsets.ldb"), 0o644)
    return objects


def mutate(dice, data):
    """Bytes changed, runs removed, doubled or cut off: what breaks parsers."""
    out = bytearray(data)
    for _ in range(dice.randrange(1, 6)):
        at, n = dice.randrange(len(out)), dice.randrange(1, 64)
        how = dice.randrange(6)
        if how == 0:
            out[at] ^= 1 << dice.randrange(8)
        elif how == 1:
            out[at:at + 4] = dice.choice([b"\xff\xff\xff\xff", b"\0\0\0\0",
                                          b"\xff\xff\xff\x7f", b"\0\0\0\x80"])
        elif how == 2 and len(out) > 128:
            del out[at:at + n]
        elif how == 3:
            out[at:at] = out[at:at + n]
        elif how == 4:
            out[at:at + n] = dice.randbytes(n)
        elif len(out) > 256:
            del out[dice.randrange(128, len(out)):]
    return bytes(out)


def by_clamscan(folder, db):
    """name -> set of what was found."""
    with tempfile.TemporaryDirectory() as temp:
        answer = subprocess.run(
            ["clamscan", "-d", db, "--tempdir=" + temp] + SAME_OPTIONS +
            ["-r", folder], capture_output=True, text=True, errors="replace")
    check(answer.returncode in (0, 1, 2), answer.stderr[-500:])
    out = {}
    for line in answer.stdout.splitlines():
        m = re.match(r".*/([^/]+): (.*?)(?: FOUND)?$", line)
        if m and line.endswith(" FOUND"):
            out.setdefault(m.group(1), set()).add(m.group(2))
        elif m:
            out.setdefault(m.group(1), set())
    return out


class Run(threading.Thread):
    """All objects through one server: name -> (outcome, names, worker lost)."""

    def __init__(self, sandbox, db, objects):
        super().__init__(daemon=True)
        self.sandbox, self.objects = sandbox, objects
        self.error, self.out = None, {}
        self.server = tolsey.Tolsey(
            "Sandbox %s\nDatabaseDirectory %s\nScanTimeout 20s\n"
            "LogLevel info" % (sandbox, db))

    def run(self):
        try:
            self.send()
        except Exception as error:
            self.error = error

    def send(self):
        client = self.server.client(60)
        for name, data in self.objects.items():
            request = ("GET http://origin.test/%s HTTP/1.1\r\nHost: "
                       "origin.test\r\n\r\n" % name).encode()
            answer = client.scan_response(data, request=request)
            eq(answer.status in (200, 204), True, name)
        client.close()
        wait_for(lambda: len(self.server.access()) >= len(self.objects), 10,
                 "answers without a line")
        for line in self.server.access():
            name = re.search(r'url="http://origin.test/([^"?]*)"', line)
            threats = re.search(r'threats="([^"]*)"', line)
            self.out[name.group(1)] = (
                re.search(r"outcome=(\S+)", line).group(1),
                frozenset(threats.group(1).split(",") if threats else ()))

    def finish(self):
        self.join()
        try:
            if self.error:
                raise self.error
            events = self.server.events()
            self.deaths = re.findall(r"worker-ended .*", events)
            self.left = [
                os.listdir("/proc/%d/root" % p) for p in
                self.server.scan_workers()] if self.sandbox != "off" else []
        finally:
            self.server.close()


@case(timeout=60 + MUTANTS)
def same_detections():
    for program in ("clamscan",):
        if shutil.which(program) is None:
            skip(program + " is not installed")
    if not os.path.isdir(samples.TESTFILES):
        skip("clamav-testfiles is not installed")
    if os.getuid() != 0:
        skip("needs root")
    base = tempfile.mkdtemp(prefix="tolsey-test-diff-")
    try:
        os.chmod(base, 0o755)
        folder, db = os.path.join(base, "in"), os.path.join(base, "db")
        os.mkdir(folder)
        os.mkdir(db, 0o755)
        samples.write_database(db)
        compare(write_samples(folder, db), folder, db)
    finally:
        shutil.rmtree(base)


def compare(objects, folder, db):
    on, off = Run("require", db, objects), Run("off", db, objects)
    on.start()
    off.start()
    clamscan = by_clamscan(folder, db)
    on.finish()
    off.finish()
    eq(sorted(on.out), sorted(objects), "answers")
    eq([(n, on.out[n], off.out[n]) for n in objects
        if on.out[n] != off.out[n]], [], "confined and not")
    missed = []
    for name in objects:
        outcome, names = on.out[name]
        want = {n for n in clamscan.get(name, ())
                if not n.startswith("Heuristics.Limits.")}
        limits = clamscan.get(name, set()) - want
        if not want <= names or (limits and outcome == "clean"):
            missed.append((name, outcome, want - names))
    eq(missed, [], "found by clamscan alone")
    more = [n for n in objects if on.out[n][0] != "clean" and
            not clamscan.get(n)]
    kills = [d for d in on.deaths if "signal=31" in d]
    eq(kills, [], "killed for a system call")
    eq(len(on.deaths), len(off.deaths), "workers lost, and without sandbox")
    eq([x for x in on.left if x], [], "temporary files left")
    outcomes = {}
    for outcome, _ in on.out.values():
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    note("%d objects, %d with a detection by clamscan, %d more not clean "
         "here; workers lost: %d; %s" % (
             len(objects), sum(1 for n in clamscan.values() if n), len(more),
             len(on.deaths), outcomes))
    charsets = [n for n in objects if n.startswith("c-")]
    unseen = [n for n in charsets if not any(
        "Charset" in t for t in on.out[n][1])]
    # libclamav itself drops the zeros of UTF-32 in a page
    check(all("utf-32" in n for n in unseen), "missed: %r" % unseen)
    eq(len(charsets), 2 * len(CHARSETS), "character sets")
    check(len(CHARSETS) >= 60, "%d character sets" % len(CHARSETS))


main()
