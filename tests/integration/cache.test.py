#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The verdict cache, and one scan for those who ask for an object at once."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import re
import socket
import struct
import threading

import samples
import tolsey
from icap import chunked, respmod
from tap import case, check, eq, main, shared, wait_for

if tolsey.REFERENCE:
    print("skip cache: not for the reference server")
    sys.exit(0)

# Two services that read objects differently, one that decides differently,
# one that scans everything.
SERVICES = """
<Service avscan>
</Service>
<Service shallow>
	ScanArchive no
</Service>
<Service lenient>
	OnInfected pass
</Service>
<Service careful>
	CacheVerdicts off
</Service>
"""
server = shared(lambda: tolsey.Tolsey(services=SERVICES))
faulty = shared(lambda: tolsey.Tolsey(instead=tolsey.FAULTY_SCAN, workers=4))
_number = [0]


def new(text=b"object"):
    """One that was not seen before."""
    _number[0] += 1
    return b"%s number %d\n" % (text, _number[0]) + samples.text(3000)


def scans(s):
    return s.metric("scans_total")


def ask(s, body, service="avscan", **rest):
    with s.client() as c:
        return c.scan_response(body, service=service, **rest)


def scanned(s, body, times, **rest):
    """The answer, and whether it took so many scans."""
    before = scans(s)
    answer = ask(s, body, **rest)
    eq(scans(s) - before, times, "scans")
    return answer


def word(line):
    return re.search(" cache=([^ ]+) ", line).group(1)


@case()
def clean_again():
    s, body = server(), new()
    hits = s.metric("verdict_cache_hits_total")
    eq(scanned(s, body, 1).status, 204, "first")
    for _ in range(3):
        eq(scanned(s, body, 0).status, 204, "again")
    eq(scanned(s, body, 0, preview=1024).status, 204, "with a preview")
    eq(s.metric("verdict_cache_hits_total") - hits, 4, "hits")
    # echoed, where no 204 may be sent
    answer = scanned(s, body, 0, allow=None)
    eq((answer.status, answer.body), (200, body), "echo")
    lines = wait_for(lambda: len(s.access()) >= 6 and s.access(), 5, "lines")
    eq([word(x) for x in lines[-6:]], ["miss"] + ["hit"] * 5, "log")
    check("outcome=clean" in lines[-1], lines[-1])
    check("answers" in s.control("status").stdout, "status")


def page(answer):
    """Without what is of this one answer: id and time."""
    text = re.sub(rb"[A-Z0-9]{13}", b"ID", answer.body)
    return re.sub(rb"\d{4}-\d\d-\d\d.\d\d:\d\d:\d\d(?:\.\d+)?", b"TIME", text)


@case()
def infected_again():
    """The same page, the same headers, the same words in the log."""
    s = server()
    for body in (new() + samples.MARKER,
                 samples.zipped(new() + samples.MARKER, "evil.exe")):
        first = scanned(s, body, 1)
        again = scanned(s, body, 0)
        check(first.infected and again.infected, "not blocked")
        eq(page(first), page(again), "page")
        for name in ("X-Infection-Found", "X-Virus-ID", "ISTag",
                     "Encapsulated"):
            eq(again.headers.get(name), first.headers.get(name), name)
        a, b = wait_for(lambda: len(s.access()) >= 2 and s.access()[-2:], 5,
                        "lines")
        wait_for(lambda: "cache=hit" in s.access()[-1], 5, "no hit logged")
        a, b = s.access()[-2:]
        eq(word(a), "miss", a)

        def words(line):
            return re.findall(r'(?:outcome|action|threats|part|reason|sha256|'
                              r'detected|generation)=(?:"[^"]*"|\S+)', line)
        eq(words(a), words(b), "words of the log")


@case()
def other_readings_are_other_scans():
    s = server()
    body = samples.zipped(new() + samples.MARKER)
    check(scanned(s, body, 1).infected, "avscan")
    eq(scanned(s, body, 1, service="shallow").status, 204, "shallow")
    check(scanned(s, body, 0).infected, "avscan again")
    eq(scanned(s, body, 0, service="shallow").status, 204, "shallow again")
    # the same bytes with a coding, or as a form, are another object
    packed = samples.gzipped(new() + samples.MARKER)
    head = (b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
            b"Content-Encoding: gzip\r\n\r\n")
    check(scanned(s, packed, 1, service="shallow", response=head).infected,
          "as gzip")
    eq(scanned(s, packed, 1, service="shallow").status, 204, "as a file")
    check(scanned(s, packed, 0, service="shallow", response=head).infected,
          "as gzip again")


@case()
def decided_anew_by_each_service():
    s = server()
    body = new() + samples.MARKER
    eq(scanned(s, body, 1, service="lenient").status, 204, "lenient")
    check(scanned(s, body, 0).infected, "avscan")
    eq(scanned(s, body, 0, service="lenient").status, 204, "lenient again")


@case()
def switched_off_for_a_service():
    s, body = server(), new()
    for _ in range(3):
        eq(scanned(s, body, 1, service="careful").status, 204, "careful")
    eq(scanned(s, body, 1).status, 204, "avscan")
    eq(scanned(s, body, 1, service="careful").status, 204, "careful")
    check(word(s.wait_access("service=careful")[-1]) == "-", "log")


@case()
def incomplete_is_scanned_each_time():
    s, body = server(), new()
    short = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (
        len(body) + 1)
    for _ in range(2):
        scanned(s, body, 1, response=short)
    eq(scanned(s, body, 1).status, 204, "whole")
    scanned(s, body, 1, response=short)
    nested = body
    for _ in range(20):
        nested = samples.zipped(nested)
    for _ in range(2):
        check(scanned(s, nested, 1).blocked, "nested too deeply")


@case()
def flushed():
    s, body = server(), new()
    scanned(s, body, 1)
    scanned(s, body, 0)
    done = s.control("flush-cache")
    eq(done.returncode, 0, done.stderr)
    wait_for(lambda: s.metric("verdict_cache_entries") == 0, 5, "not empty")
    scanned(s, body, 1)
    scanned(s, body, 0)


@case()
def new_signatures():
    """What was clean is found as soon as there is a signature."""
    s = server()
    body = new(b"not known yet: 0d5ac1ee7f")
    eq(scanned(s, body, 1).status, 204, "before")
    eq(scanned(s, body, 0).status, 204, "again")
    with open(os.path.join(s.db, "more.ndb"), "w") as f:
        f.write("Tests.New:0:*:%s\n" % b"0d5ac1ee7f".hex())
    eq(s.reload_db()[0], True, "reload-db")
    check(scanned(s, body, 1).infected, "not found with the new signatures")
    check(scanned(s, body, 0).infected, "not found again")
    os.unlink(os.path.join(s.db, "more.ndb"))
    eq(s.reload_db()[0], True, "reload-db")
    eq(scanned(s, body, 1).status, 204, "without it")


def reconfigure(s):
    """HUP; the signatures are loaded with it."""
    before = s.metric("generation")
    s.hup()
    wait_for(lambda: s.metric("generation") > before, 20, "no generation")


@case()
def new_configuration():
    s = tolsey.Tolsey()
    try:
        body = new()
        scanned(s, body, 1)
        scanned(s, body, 0)
        s.write_config("MaxFiles 100")
        reconfigure(s)
        scanned(s, body, 1)
        scanned(s, body, 0)
        s.write_config("VerdictCache 0")
        reconfigure(s)
        for _ in range(2):
            scanned(s, body, 1)
        eq(s.metric("verdict_cache_bytes"), 0, "memory")
    finally:
        s.close()


@case()
def net_killed():
    s, body = server(), new()
    scanned(s, body, 1)
    scanned(s, body, 0)
    s.kill(s.nets()[0])
    wait_for(lambda: s.options_status() == 200, 20, "no net")
    eq(s.metric("verdict_cache_entries"), 0, "entries")
    scanned(s, body, 1)
    scanned(s, body, 0)


# ---- at once ----

class Crowd:
    """So many clients ask for the body at once, each on its connection."""

    def __init__(self, s, body, clients):
        self.answers = [None] * clients
        self.connections = [s.client() for _ in range(clients)]
        self.threads = [threading.Thread(target=self._ask, args=(i, body),
                                         daemon=True) for i in range(clients)]
        for t in self.threads:
            t.start()

    def _ask(self, i, body):
        self.answers[i] = self.connections[i].scan_response(body)

    def wait(self):
        for t in self.threads:
            t.join(60)
        for c in self.connections:
            c.close()
        return self.answers


@case()
def ten_clients_cost_one_scan():
    s = faulty()
    for infected in (False, True):
        body = b"FAULT:cpu:700 " + new() + (
            samples.MARKER if infected else b"")
        before, shared_before = scans(s), s.metric("shared_scans_total")
        answers = Crowd(s, body, 10).wait()
        eq(scans(s) - before, 1, "scans")
        eq(s.metric("shared_scans_total") - shared_before, 9, "shared")
        eq([a.infected for a in answers], [infected] * 10, "answers")
        eq(len({page(a) if infected else b"" for a in answers}), 1, "pages")
        wait_for(lambda: sum("cache=shared" in x for x in s.access()) >= 9,
                 5, "log")


@case()
def the_first_one_leaves():
    """The scan goes on for the others."""
    s = faulty()
    body = b"FAULT:cpu:1500 " + new()
    before = scans(s)
    misses = s.metric("verdict_cache_misses_total")
    first = s.client()
    first.send(respmod(allow="204") + chunked(body))
    wait_for(lambda: s.metric("scans_running") >= 1, 5, "no scan", 0.01)
    others = Crowd(s, body, 3)
    wait_for(lambda: s.metric("verdict_cache_misses_total") - misses == 4, 5,
             "not all are there", 0.01)
    first.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    first.close()
    eq([a.status for a in others.wait()], [204] * 3, "the others")
    eq(scans(s) - before, 1, "scans")
    eq(scanned(s, body, 0).status, 204, "afterwards")


@case()
def fifty_clients_and_a_crasher():
    """It ends two workers, one at a time, whoever asks for it."""
    s = faulty()
    lost = s.metric("workers_lost_total")
    answers = Crowd(s, b"FAULT:abort " + new(), 50).wait()
    check(all(a.blocked for a in answers), "not all are blocked")
    eq(s.metric("workers_lost_total") - lost, 2, "workers lost")


@case()
def word_of_a_crashed_worker():
    """Forgotten, whatever it was."""
    s = tolsey.Tolsey("ScanWorkersMax 1", instead=tolsey.FAULTY_SCAN,
                      workers=1)
    try:
        bodies = [new() for _ in range(5)]
        for body in bodies:
            scanned(s, body, 1)
            scanned(s, body, 0)
        check(ask(s, b"FAULT:abort " + new()).blocked, "crash")
        wait_for(lambda: s.metric("workers") == 1, 5, "workers")
        eq(s.metric("verdict_cache_entries"), 0, "entries")
        for body in bodies:
            scanned(s, body, 1)
            scanned(s, body, 0)
        check(ask(s, b"FAULT:garbage " + new()).blocked, "violation")
        wait_for(lambda: s.metric("workers") == 1, 5, "workers")
        scanned(s, bodies[0], 1)
    finally:
        s.close()


main()
