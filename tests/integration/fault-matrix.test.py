#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What a fault costs: for each, what becomes of the object that has it, that
50 others under way get their right answers, and that everything is whole
again within a second. The table is at the end."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import signal
import subprocess
import threading
import time

import icap
import samples
import tolsey
from load import fault
from tap import (add_case, case, check, eq, main, not_through_cicap, note,
                 shared, skip, wait_for)

if tolsey.REFERENCE:
    print("skip fault-matrix: not for the reference server")
    sys.exit(0)

OTHERS = 50
WORKERS = 3
# One second, on a machine that others use as well.
WHOLE = 1.0
# Also what takes a minute.
LONG = os.environ.get("LONG") == "1"
SANITIZERS = "asan" in os.environ.get("TOLSEY_BUILD", "")
numbers = iter(range(1, 1 << 30))


class One:
    """An object under way, in a thread and on a connection of its own."""

    def __init__(self, server, body, want, source=("127.0.0.1", 0), connect=None):
        self.want, self.got, self.error = want, None, None
        self.ended = None
        self.client = connect or server.client(60, source=source)
        self.body = body
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            with self.client as c:
                answer = c.scan_response(self.body)
            self.got = ("infected" if answer.infected else
                        "clean" if answer.status == 204 else
                        "blocked" if answer.blocked else "%r" % answer)
        except (OSError, icap.Closed, icap.Bad) as error:
            self.error, self.got = error, "no answer"
        self.ended = time.monotonic()

    def wait(self):
        self.thread.join(60)
        check(not self.thread.is_alive(), "no answer within a minute")
        return self


def other(i, ms):
    """One of the many: slow enough to be under way, every third infected."""
    body = b"FAULT:slow:%d %d " % (ms, next(numbers)) + samples.text(200)
    if i % 3 == 0:
        return body + samples.MARKER, "infected"
    return body, "clean"


def others(server, count=OTHERS, ms=40):
    return [One(server, *other(i, ms), source=("127.0.0.2", 0))
            for i in range(count)]


def all_right(ones, server=None):
    wrong = ["%s instead of %s (%s)" % (o.got, o.want, o.error)
             for o in ones if o.wait().got != o.want]
    if wrong and server:
        note("\n# ".join(x for x in server.access()
                         if "outcome=clean" not in x and
                         "Tests.Marker" not in x))
    eq(wrong, [], "%d of %d others" % (len(wrong), len(ones)))


def is_whole(server):
    with server.client(10) as c:
        if c.scan_response(b"clean %d" % next(numbers)).status != 204:
            return False
        if not c.scan_response(samples.MARKER + b"%d" % next(
                numbers)).infected:
            return False
    return server.metric("workers") >= WORKERS


def whole_again(server, since, within=WHOLE):
    wait_for(lambda: is_whole(server), 10, "not whole", 0.02)
    took = time.monotonic() - since
    note("whole again after %.2f s" % took)
    if tolsey.THROUGH_CICAP:
        within *= 2  # it waits, and asks again
    check(took <= within * (5 if SANITIZERS else 1), "took %.2f s" % took)


def outcome_of(server, number):
    """Of the object with that number in its URL."""
    line = server.wait_access("url=", "object/%d" % number)[-1]
    return dict(w.split("=", 1) for w in line.split() if "=" in w)["outcome"]


class Faulty(One):
    """The object that has the fault; its URL tells which line is its."""

    def __init__(self, server, word, **rest):
        self.number = next(numbers)
        body = fault(word, self.number)
        if word == "descriptors":
            body += samples.zipped(b"x" * 50000)  # one that needs some
        super().__init__(server, body, None, **rest)

    def _run(self):
        request = (b"GET http://origin.test/object/%d HTTP/1.1\r\n"
                   b"Host: origin.test\r\n\r\n" % self.number)
        try:
            with self.client as c:
                answer = c.scan_response(self.body, request=request)
            self.got = "passed" if answer.status == 204 else "blocked"
        except (OSError, icap.Closed, icap.Bad) as error:
            self.error, self.got = error, "no answer"
        self.ended = time.monotonic()


SETTINGS = {"ScanTimeout": "1s", "ScanTimeoutMax": "1s",
            "WorkerTempSize": "64M", "WorkerMemory": "512M",
            "QueueTimeout": "30s", "LogLevel": "info"}


def faulty_server(instead=tolsey.FAULTY_SCAN, workers=WORKERS,
                  **settings):
    lines = ["%s %s" % x for x in dict(SETTINGS, **settings).items()]
    return tolsey.Tolsey("\n".join(lines), workers=workers, instead=instead)


class Shared:
    """For all faults of a worker, one after the other."""
    name = "server-of-faults"

    def __init__(self):
        self.server = faulty_server()

    def close(self):
        self.server.close()


get_shared = shared(Shared)


def temp_files(server):
    """What lies in the private folders of all workers that live."""
    found = []
    for pid in server.loaders() + server.scan_workers():
        for folder in ("/proc/%d/root" % pid, "/proc/%d/cwd" % pid):
            for root, _dirs, names in os.walk(folder):
                found += [os.path.join(root, n) for n in names
                          if n == "fill"]
    return found


def worker_fault(word, outcome, action, loses):
    s = get_shared().server
    wait_for(lambda: is_whole(s), 10, "not whole before")
    lost = s.metric("workers_lost_total") + s.metric("ipc_violations_total")
    crowd = others(s)
    one = Faulty(s, word).wait()
    whole_again(s, one.ended, WHOLE if len(crowd) else WHOLE)
    all_right(crowd, s)
    eq(one.got, action, "the object")
    eq(outcome_of(s, one.number), outcome, "its outcome")
    now = s.metric("workers_lost_total") + s.metric("ipc_violations_total")
    check(not loses or now > lost, "no worker was lost")
    eq(temp_files(s), [], "temporary files of a worker that ended")


def killed_while_working(pids, s):
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # replaced meanwhile
    return time.monotonic()


@case()
def worker_killed_by_somebody():
    """The one that is at the object: only that one pays."""
    s = get_shared().server
    wait_for(lambda: is_whole(s), 10, "not whole before")
    crowd = others(s)
    before = set(s.scan_workers())
    at = killed_while_working(before, s)
    whole_again(s, at)
    for o in crowd:
        o.wait()
    bad = [o for o in crowd if o.got != o.want]
    check(len(bad) <= len(before), "%d others failed" % len(bad))
    eq([o.got for o in bad if o.got != "blocked"], [], "wrong answers")


@case(timeout=90)
def loader_killed():
    """No scan fails; a worker that is lost meanwhile is replaced as soon as
    the next loader has loaded, and status says so."""
    s = faulty_server(ScanTimeout="5s", ScanTimeoutMax="5s")
    try:
        crowd = others(s, ms=100)
        time.sleep(0.1)
        at = time.monotonic()
        for pid in s.loaders():
            s.kill(pid)
        victim = Faulty(s, "segv")
        said = wait_for(lambda: s.control("status").stdout, 5, "status")
        note("".join(x for x in said.splitlines()
                     if x.startswith(("loader ", "workers "))))
        victim.wait()
        eq(outcome_of(s, victim.number), "failed", "the crasher")
        all_right(crowd, s)
        whole_again(s, at, WHOLE + 1.0)
        eq(s.metric("outcomes_total", 'outcome="failed"'), 1, "failed")
    finally:
        s.close()


@case(timeout=90)
def loader_gone_is_said():
    """As long as no other can load: scans go on, and status says why none of
    the lost workers comes back."""
    s = faulty_server()
    try:
        for name in os.listdir(s.db):
            os.rename(os.path.join(s.db, name), s.path(name))
        for pid in s.loaders():
            s.kill(pid)
        wait_for(lambda: "DIED" in s.control("status").stdout, 10, "status")
        crowd = others(s)
        one = Faulty(s, "segv").wait()
        all_right(crowd, s)
        eq(outcome_of(s, one.number), "failed", "the crasher")
        check("%d of %d" % (WORKERS - 1, WORKERS) in
              s.control("status").stdout, "status: %s" % s.control(
                  "status").stdout)
        eq(s.http("/livez")[0], 200, "/livez")
        s.restore_database()
        at = wait_for(lambda: s.metric("workers") >= WORKERS and
                      time.monotonic(), 40, "workers do not come back")
        whole_again(s, at)
        check("DIED" not in s.control("status").stdout, "status stayed")
    finally:
        s.close()


def connections(s, pid, count):
    """Accepted by this net process: the others are stopped meanwhile."""
    rest = [p for p in s.nets() if p != pid]
    for p in rest:
        os.kill(p, signal.SIGSTOP)
    try:
        clients = [s.client(60, source=("127.0.0.2", 0))
                   for _ in range(count)]
        for c in clients:
            c.options()
    finally:
        for p in rest:
            os.kill(p, signal.SIGCONT)
    return clients


@case(timeout=90)
def net_killed():
    """With two of them: only what it had under way itself has no answer (and
    nothing was passed); those of the other one do not notice."""
    s = faulty_server(NetProcesses=2)
    try:
        victim, rest = s.nets()
        crowd = [One(s, *other(i, 20), connect=c) for i, c in enumerate(
            connections(s, rest, OTHERS))]
        its = [One(s, *other(i, 20), connect=c) for i, c in enumerate(
            connections(s, victim, 10))]
        time.sleep(0.05)
        s.kill(victim)
        at = time.monotonic()
        whole_again(s, at)
        wait_for(lambda: len(s.nets()) == 2, 5, "nets")
        all_right(crowd, s)
        got = [o.wait().got for o in its]
        eq([g for g in got if g not in ("no answer", "clean", "infected")],
           [], "answers of the killed one")
        # srv_tolsey asks again
        check("no answer" in got or tolsey.THROUGH_CICAP,
              "it had nothing under way: %r" % got)
        took = time.monotonic() - at
        wait_for(lambda: s.metric("workers") >= WORKERS, 5, "workers")
        note("two nets again after %.2f s" % took)
    finally:
        s.close()


def no_descriptors_left(patience, passes):
    """Who is connected and needs none is served; a body that needs one waits
    for it as for memory; who comes waits until there are some again."""
    s = faulty_server(dict(tolsey.FAULTY_SCAN, **tolsey.NO_FILES),
                      QueueTimeout=patience)
    try:
        clients = []
        while s.metric("connections_total") < 60:
            clients.append(s.client(60, source=("127.0.0.2", 0)))
            clients[-1].options()
        dry = time.monotonic()
        large, late = clients.pop(), One(s, *other(1, 20))
        crowd = [One(s, *other(i, 20), connect=c)
                 for i, c in enumerate(clients[:OTHERS])]
        large.send(icap.respmod(allow="204") +
                   icap.chunked(samples.filler(200000)))
        all_right(crowd, s)
        check(late.got is None, "accepted without a descriptor")
        answer = large.read()
        eq((answer.status, answer.blocked), (204, False) if passes else
           (200, True), "the body that needs one")
        took = time.monotonic() - dry
        check((took >= 1.9) == passes, "answered after %.2f s" % took)
        s.wait_access("size=200000", "outcome=" + (
            "clean" if passes else "overload"))
        check(s.metric("descriptors_exhausted_total") > 0, "not counted")
        time.sleep(max(0, dry + 2.0 - time.monotonic()))
        whole_again(s, dry + 2.0)
        all_right([late])
        for c in clients + [large]:
            c.close()
    finally:
        s.close()


@case(timeout=90)
@not_through_cicap("connections of clients are c-icap's")
def no_descriptors_left_for_two_seconds():
    no_descriptors_left("30s", True)


@case(timeout=90)
@not_through_cicap("connections of clients are c-icap's")
def no_descriptors_left_for_longer_than_queue_timeout():
    no_descriptors_left("500ms", False)


def no_memfd(size, action, outcome, **settings):
    s = faulty_server(dict(tolsey.FAULTY_SCAN, **tolsey.NO_MEMFD), **settings)
    try:
        crowd = others(s)
        one = One(s, samples.filler(size), None)
        one.wait()
        at = time.monotonic()
        all_right(crowd, s)
        whole_again(s, at)
        eq(one.got, action, "the object")
        # of a file that is handed over, what is not needed is not read
        s.wait_access("outcome=" + outcome, "size=" if tolsey.THROUGH_CICAP and
                      action == "blocked" else "size=%d" % size)
    finally:
        s.close()


@case()
def no_memfd_but_a_disk():
    """The body goes to a file."""
    no_memfd(200000, "clean", "clean")


@case()
def no_memfd_and_no_disk():
    no_memfd(200000, "blocked", "overload", SpoolSize=0, QueueTimeout="2s")


@case(timeout=90)
def no_room_in_the_spool():
    """A full disk: the body that does not fit ends, small ones go on."""
    if os.getuid() != 0:
        skip("needs root")
    disk = "/tmp/tolsey-test-disk-%d" % os.getpid()
    os.mkdir(disk)
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=1777",
                       "tmpfs", disk], capture_output=True).returncode:
        os.rmdir(disk)
        skip("mount is not permitted here")
    s = None
    try:
        s = faulty_server(SpoolDirectory=disk, SpoolMemory="1M")
        s.spool = disk
        crowd = others(s)
        one = One(s, samples.filler(4000000), None).wait()
        at = time.monotonic()
        whole_again(s, at)
        all_right(crowd, s)
        eq(one.got, "blocked", "the object")
        s.wait_access("outcome=failed")
    finally:
        if s:
            s.close()
        subprocess.run(["umount", disk], check=True)
        os.rmdir(disk)


@case()
def retried_in_a_fresh_worker():
    """Two workers, one deadline, then failed; and a third worker is not lost
    to it until signatures are loaded again."""
    s = faulty_server(RetryFailedScan="on")
    try:
        body = fault("segv", next(numbers))
        with s.client() as c:
            check(c.scan_response(body).blocked, "it passed")
            eq(s.metric("scans_retried_total"), 1, "retries")
            eq(s.metric("workers_lost_total"), 2, "lost workers")
            check(c.scan_response(body).blocked, "it passed")
            eq(s.metric("workers_lost_total"), 2, "lost workers")
            eq(s.metric("killer_answers_total"), 1, "answers from memory")
            eq(len(s.wait_access("outcome=failed")), 2, "failed")
            # the same bytes in another coding are another object
            check(c.scan_response(
                samples.gzipped(body), response=icap.OK[:-2] +
                b"Content-Encoding: gzip\r\n\r\n").blocked, "it passed")
            check(s.metric("workers_lost_total") > 2, "not scanned")
            lost = s.metric("workers_lost_total")
            eq(s.control("reload-db").returncode, 0, "reload-db")
            check(c.scan_response(body).blocked, "it passed")
            check(s.metric("workers_lost_total") > lost,
                  "remembered after a reload")
    finally:
        s.close()


@case()
def deadline_of_a_retry():
    """What the first try used is gone: the second ends with the deadline."""
    s = faulty_server(RetryFailedScan="on", ScanTimeout="2s",
                      ScanTimeoutMax="2s", WorkerMaxScans=1)
    try:
        start = time.monotonic()
        slow = Faulty(s, "hang")
        wait_for(lambda: s.metric("scans_running") == 1, 5, "no scan")
        time.sleep(1)
        for pid in s.scan_workers():
            s.kill(pid, signal.SIGKILL)
        slow.wait()
        took = slow.ended - start
        note("%.2f s" % took)
        eq(outcome_of(s, slow.number), "timeout", "outcome")
        check(1.8 < took < 3.2, "took %.2f s" % took)
    finally:
        s.close()


@case()
def crash_in_the_preview():
    """A preview that ended a worker is not scanned early again."""
    s = faulty_server(PreviewScanTimeout="5s")
    try:
        body = fault("segv", next(numbers), 6000)
        with s.client() as c:
            check(c.scan_response(body, preview=4096).blocked, "it passed")
            eq(s.metric("workers_lost_total"), 2, "preview and whole")
            check(c.scan_response(body, preview=4096).blocked, "it passed")
            eq(s.metric("workers_lost_total"), 3, "whole")
            check(c.scan_response(body, preview=4096).blocked, "it passed")
            eq(s.metric("workers_lost_total"), 3, "from memory")
    finally:
        s.close()


@case(timeout=90)
def more_workers_for_a_while():
    """Hanging scans hold all workers: more come, and go again."""
    s = faulty_server(workers=2, ScanTimeout="4s", ScanTimeoutMax="4s")
    try:
        hung = [Faulty(s, "hang") for _ in range(2)]
        wait_for(lambda: s.metric("scans_running") == 2, 5, "no scans")
        start = time.monotonic()
        with s.client() as c:
            eq(c.scan_response(b"clean").status, 204, "a small one")
        took = time.monotonic() - start
        note("a small object waited %.0f ms" % (took * 1e3))
        check(took < 1, "took %.2f s" % took)
        check(s.metric("workers_wanted") > 2, "no more are wanted")
        for one in hung:
            one.wait()
        if not LONG:
            return
        wait_for(lambda: s.metric("workers_wanted") == 2 and
                 len(s.scan_workers()) == 2, 70, "they do not go again")
        with s.client() as c:
            eq(c.scan_response(b"clean too").status, 204, "afterwards")
    finally:
        s.close()


@case(timeout=90)
def never_more_than_the_maximum():
    s = faulty_server(workers=2, ScanWorkersMax=3, ScanTimeout="4s",
                      ScanTimeoutMax="4s", QueueTimeout="1500ms")
    try:
        hung = [Faulty(s, "hang") for _ in range(8)]
        most = 0
        while any(one.ended is None for one in hung):
            most = max(most, s.metric("workers"))
            time.sleep(0.05)
        check(most <= 3, "%d workers" % most)
        words = [outcome_of(s, one.number) for one in hung]
        note(" ".join(words))
        eq(set(words), {"timeout", "overload"}, "outcomes")
    finally:
        s.close()


# What the object does, its outcome, what its client sees, and whether it
# costs a worker.
TABLE = [
    ("segv", "failed", "blocked", True),
    ("abort", "failed", "blocked", True),
    ("hang", "timeout", "blocked", True),
    ("spin", "timeout", "blocked", True),
    ("memory", "failed", "blocked", True),
    ("temp", "failed", "blocked", True),
    ("descriptors", "failed", "blocked", False),
    ("garbage", "failed", "blocked", True),
    ("other", "failed", "blocked", True),
    ("foreign", "failed", "blocked", True),
    # the first answer was one: what comes after it costs the worker only
    ("twice", "clean", "passed", True),
]
for row in TABLE:
    if row[0] == "memory" and SANITIZERS:
        continue  # address space is not limited there
    add_case("worker-" + row[0], lambda row=row: worker_fault(*row))

main()
