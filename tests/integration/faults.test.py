#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Processes that die or hang, signatures that are missing, clients that vanish:
one object pays at most, and nothing is left behind."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import json
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

import icap
import samples
import tolsey
from icap import IEOF, chunked, reqmod, respmod
from tap import case, check, eq, main, not_through_cicap, note, skip, wait_for

if tolsey.REFERENCE:
    print("skip faults: not for the reference server")
    sys.exit(0)

# Small on the wire, seconds in the engine.
SLOW = samples.gzipped(bytes(400000000))


class Running:
    """A scan in a thread of its own."""

    def __init__(self, server, body=SLOW, **rest):
        self.answer = self.error = None
        self.seconds = 0.0
        self.thread = threading.Thread(target=self._run,
                                       args=(server, body, rest), daemon=True)
        self.thread.start()

    def _run(self, server, body, rest):
        start = time.monotonic()
        try:
            with server.client(60) as c:
                self.answer = c.scan_response(body, **rest)
        except Exception as error:
            self.error = error
        self.seconds = time.monotonic() - start

    def wait(self, timeout=60):
        self.thread.join(timeout)
        check(not self.thread.is_alive(), "no answer within %d s" % timeout)
        if self.error:
            raise self.error
        return self.answer


def busy_worker(server):
    """The worker that is scanning now."""
    def ticks(pid):
        with open("/proc/%d/stat" % pid) as f:
            return int(f.read().rsplit(")", 1)[1].split()[11])

    def find():
        before = {p: ticks(p) for p in server.scan_workers()}
        time.sleep(0.3)
        now = [(ticks(p) - t, p) for p, t in before.items()
               if tolsey.alive(p)]
        most = max(now, default=(0, 0))
        return most[1] if most[0] >= 5 else None
    return wait_for(find, 10, "no worker is busy")


def refused(answer, *statuses):
    eq(answer.status, 200, "ICAP status")
    check(answer.http_line.split(b" ")[1] in
          [b"%d" % s for s in statuses], "HTTP %r" % answer.http_line)


def clean(server, seconds=5):
    start = time.monotonic()
    with server.client() as c:
        eq(c.scan_response(b"clean").status, 204, "a clean object")
        check(c.scan_response(samples.EICAR).infected, "EICAR passed")
    check(time.monotonic() - start < seconds, "took %.1f s" % (
        time.monotonic() - start))


def outcome(server, word):
    return server.wait_access("outcome=" + word)


def nice_of(pid):
    with open("/proc/%d/stat" % pid) as f:
        return int(f.read().rsplit(")", 1)[1].split()[16])


@case(timeout=60)
def long_scan_steps_back_and_returns():
    s = tolsey.Tolsey()
    try:
        fixed = json.loads(s.control("status", "--json").stdout)[
            "fixed_priority"]
        text = s.control("status").stdout
        eq("priority     fixed" in text, fixed, "status: %s" % text)
        usual = nice_of(s.pid)
        running = Running(s)
        if not fixed:
            wait_for(lambda: sorted(map(nice_of, s.scan_workers()))[-2:] ==
                     [usual, min(usual + 10, 19)], 10, "the long scan alone steps back")
        running.wait()
        wait_for(lambda: all(nice_of(p) == usual for p in s.scan_workers()),
                 5, "a worker did not return to its priority")
    finally:
        s.close()


@case()
def worker_killed_in_the_middle_of_a_scan():
    s = tolsey.Tolsey()
    try:
        slow = Running(s)
        victim = busy_worker(s)
        s.kill(victim)
        refused(slow.wait(10), 403, 503)
        outcome(s, "failed")
        clean(s)
        wait_for(lambda: len(s.scan_workers()) == 2, 10, "not replaced")
        eq(s.metric("workers_lost_total"), 1, "workers_lost_total")
        eq(s.metric("outcomes_total", 'outcome="failed"'), 1, "failed")
    finally:
        s.close()


@case()
def others_go_on_while_a_worker_dies():
    s = tolsey.Tolsey()
    try:
        slow = Running(s)
        victim = busy_worker(s)
        with s.client() as c:
            for i in range(200):
                eq(c.scan_response(b"clean %d" % i).status, 204, "%d" % i)
                if i == 100:
                    s.kill(victim)
        refused(slow.wait(10), 403, 503)
    finally:
        s.close()


@case()
def worker_that_never_answers():
    s = tolsey.Tolsey("ScanTimeout 2s\nScanTimeoutMax 2s")
    try:
        slow = Running(s)
        victim = busy_worker(s)
        s.kill(victim, signal.SIGSTOP)
        for _ in range(3):
            clean(s)
        refused(slow.wait(15), 503, 403)
        check(slow.seconds < 8, "took %.1f s" % slow.seconds)
        outcome(s, "timeout")
        wait_for(lambda: victim not in s.scan_workers() and
                 len(s.scan_workers()) >= 2, 10, "not replaced")
        clean(s)
    finally:
        s.close()


@case()
def deadline_of_the_scan():
    s = tolsey.Tolsey("ScanTimeout 1s\nScanTimeoutMax 1s")
    try:
        slow = Running(s)
        refused(slow.wait(15), 503, 403)
        check(slow.seconds < 5, "took %.1f s" % slow.seconds)
        outcome(s, "timeout")
        clean(s)
    finally:
        s.close()


@case()
def stopped_worker_that_had_not_started():
    """One object at most waits for it, and no longer than QueueTimeout; at
    the end it is not left behind."""
    s = tolsey.Tolsey("QueueTimeout 2s")
    try:
        s.kill(s.scan_workers()[0], signal.SIGSTOP)
        with s.client(40) as c:
            got = [c.scan_response(b"clean %d" % i).status for i in range(20)]
        note("not answered 204: %d of 20" % got.count(200))
        check(set(got) <= {200, 204} and got.count(200) <= 1,
              "answers %r" % got)
    finally:
        s.close()


@case()
def all_workers_killed():
    s = tolsey.Tolsey()
    try:
        for _ in range(3):
            for pid in s.scan_workers():
                s.kill(pid)
            clean(s, 10)
        wait_for(lambda: len(s.scan_workers()) == 2, 10, "not replaced")
    finally:
        s.close()


@case()
def missing_database_at_start():
    s = tolsey.Tolsey("SelfCheck 1s\nStartWait 2s", database=False,
                      wait=False)
    try:
        wait_for(lambda: s.options_status() == 503, 20, "OPTIONS is not 503")
        with s.client() as c:
            answer = c.scan_response(b"clean")
            refused(answer, 503)
            check(b"Retry-After:" in answer.http, "no Retry-After")
        outcome(s, "not-ready")
        try:
            status = s.http("/readyz")[0]
        except OSError as error:
            status = getattr(error, "code", 0)
        eq(status, 503, "/readyz")
        eq(s.http("/livez")[0], 200, "/livez")
        s.restore_database()
        wait_for(lambda: s.options_status() == 200, 20,
                 "not ready after the signatures came")
        clean(s)
        eq(s.http("/readyz")[0], 200, "/readyz")
    finally:
        s.close()


@case()
def broken_database_keeps_the_old_one():
    s = tolsey.Tolsey()
    try:
        eq(s.control("reload-db").returncode, 0, "reload-db")
        with open(os.path.join(s.db, "broken.ndb"), "w") as f:
            f.write("this is: no signature\n")
        os.chmod(os.path.join(s.db, "broken.ndb"), 0o644)
        answer = s.control("reload-db")
        check(answer.returncode != 0 and answer.stderr.strip(),
              "reload-db said %r" % answer)
        clean(s)
        check(s.metric("reload_failures_total") >= 1, "not counted")
        os.unlink(os.path.join(s.db, "broken.ndb"))
        with open(os.path.join(s.db, "more.ndb"), "w") as f:
            f.write("Tests.More:0:*:%s\n" % b"another marker 99x".hex())
        os.chmod(os.path.join(s.db, "more.ndb"), 0o644)
        with s.client() as c:
            tag = c.options().headers["ISTag"]
            eq(c.scan_response(b"-- another marker 99x --").status, 204,
               "before")
            eq(s.control("reload-db").returncode, 0, "reload-db")
            check(c.scan_response(b"-- another marker 99x --").infected,
                  "the new signature does not count")
            check(c.options().headers["ISTag"] != tag, "the ISTag stayed")
    finally:
        s.close()


@case(timeout=90)
def reload_under_load():
    s = tolsey.Tolsey()
    stop = threading.Event()
    bad, done = [], []

    def work():
        with s.client() as c:
            while not stop.is_set():
                if c.scan_response(b"clean").status != 204:
                    bad.append("clean")
                if not c.scan_response(samples.EICAR).infected:
                    bad.append("EICAR")
                done.append(1)
    threads = [threading.Thread(target=work) for _ in range(8)]
    try:
        for t in threads:
            t.start()
        for _ in range(5):
            eq(s.control("reload-db").returncode, 0, "reload-db")
    finally:
        stop.set()
        for t in threads:
            t.join()
        s.close()
    eq(bad, [], "wrong answers")
    note("%d pairs over 5 reloads" % len(done))


def restarted(s, find, what):
    before = find()
    check(before, "no %s process" % what)
    for pid in before:
        s.kill(pid)
    wait_for(lambda: len(find()) == len(before) and
             not set(find()) & set(before), 20, what + " did not come back")


@case()
def killed_net_comes_back():
    s = tolsey.Tolsey()
    try:
        for _ in range(2):
            restarted(s, s.nets, "net")
            s.wait_ready(20)
            clean(s)
        check(s.metric("child_restarts_total") >= 2, "not counted")
        eq(s.metric("outcomes_total", 'outcome="clean"'), 2,
           "metrics survive their writer")
    finally:
        s.close()


@case()
def killed_loader_comes_back():
    """Its workers go on serving meanwhile."""
    s = tolsey.Tolsey()
    try:
        for _ in range(2):
            before = s.loaders()
            for pid in before:
                s.kill(pid)
            clean(s)
            wait_for(lambda: s.loaders() and
                     not set(s.loaders()) & set(before), 20,
                     "the loader did not come back")
            clean(s)
            for pid in s.scan_workers():
                s.kill(pid)
            clean(s, 10)
    finally:
        s.close()


@case()
def killed_ctl_comes_back():
    s = tolsey.Tolsey()
    try:
        restarted(s, lambda: s.processes("tolsey-ctl"), "ctl")

        def answers():
            try:
                return s.http("/livez")[0] == 200
            except OSError:
                return False
        wait_for(answers, 10, "/livez")
        eq(s.control("status").returncode, 0, "tolseyctl status")
        clean(s)
    finally:
        s.close()


def vanish_head(c):
    c.send(respmod()[:70])


def vanish_http_head(c):
    c.send(respmod()[:-20])


def vanish_in_preview(c):
    c.send(respmod(preview=4096) + b"400\r\n" + samples.text(500))


def vanish_after_preview(c):
    c.send(respmod(preview=4096) + chunked(samples.text(4096)))


def vanish_after_100(c):
    c.send(respmod(preview=4096) + chunked(samples.text(4096)))
    eq(c.read().status, 100, "preview")


def vanish_in_body(c):
    c.send(respmod() + b"100000\r\n" + samples.text(300000))


def vanish_in_large_body(c):
    c.send(respmod() + b"4000000\r\n" + bytes(20000000))


def vanish_in_scan(c):
    c.send(reqmod() + chunked(SLOW))
    time.sleep(0.05)


def vanish_in_echo(c):
    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    c.send(reqmod() + chunked(samples.filler(8000000)))
    c.sock.recv(100)


def vanish_in_drain(c):
    body = samples.MARKER + samples.text(100000)
    c.send(respmod(preview=200) + chunked(body[:200]))
    check(c.read().infected, "not blocked")
    c.send(chunked(body[200:])[:50000])


def vanish_idle(c):
    eq(c.scan_response(b"clean").status, 204, "clean")


def vanish_pipelined(c):
    c.send((respmod() + chunked(b"clean", last=IEOF)) * 50)


@case(timeout=240)
def clients_that_vanish_in_every_state():
    s = tolsey.Tolsey("ScanTimeout 3s\nScanTimeoutMax 3s\nSpoolMemory 64M\n"
                      "ScanWorkersMax 2")
    try:
        clean(s)
        before = s.idle_fds()
        for state in [v for k, v in globals().items()
                      if k.startswith("vanish_")]:
            for reset in (False, True):
                count = 2 if state in (vanish_in_scan,
                                       vanish_in_large_body) else 6
                for _ in range(count):
                    c = s.client(20)
                    try:
                        state(c)
                    finally:
                        if reset:
                            c.sock.setsockopt(
                                socket.SOL_SOCKET, socket.SO_LINGER,
                                struct.pack("ii", 1, 0))
                        c.close()
            clean(s, 20)

        def left():
            m = s.metrics()
            return (m["tolsey_connections"], m["tolsey_spool_memory_bytes"],
                    m["tolsey_spool_disk_bytes"], m["tolsey_scans_running"],
                    m["tolsey_scan_queue_depth"])
        wait_for(lambda: left() == (0, 0, 0, 0, 0), 20, "left: %r" % (left(),))
        eq(os.listdir(s.spool), [], "files in the spool")
        if tolsey.THROUGH_CICAP:  # it keeps connections of the scan socket
            check(s.idle_fds() <= before + 64, "descriptors of net: %d, "
                  "before %d" % (s.idle_fds(), before))
        else:
            eq(s.idle_fds(), before, "descriptors of net")
        for pid in s.nets():
            bodies = [t for t in tolsey.fds(pid).values()
                      if "deleted" in t and s.spool in t]
            eq(bodies, [], "spooled bodies that are still open")
        clean(s)
    finally:
        s.close()


@case()
@not_through_cicap("its thread waits for the answer, and sees no reset")
def reset_during_a_scan_gives_it_up():
    """The connection and the body are free long before the scan would end."""
    s = tolsey.Tolsey("ScanWorkersMax 2", workers=2)
    try:
        clients = [s.client() for _ in range(6)]
        for i, c in enumerate(clients):
            c.send(reqmod() + chunked(SLOW + b"%d" % i))
        wait_for(lambda: s.metric("scans_running") == 2, 10, "two scans")
        for c in clients:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", 1, 0))
            c.close()
        wait_for(lambda: s.metric("connections") == 0, 0.5, "connections")
        eq((s.metric("spool_memory_bytes"), s.metric("scan_queue_depth")),
           (0, 0), "bytes in memory, scans that wait")
    finally:
        s.close()


@case()
def half_close_at_the_preview():
    """100 Continue cannot be followed by anything: no wait for BodyTimeout."""
    s = tolsey.Tolsey()
    try:
        with s.client() as c:
            c.send(respmod(preview=4) + chunked(b"abcd"))
            c.half_close()
            wait_for(lambda: s.metric("connections") == 0, 5, "connections")
    finally:
        s.close()


@case(timeout=60)
def spool_on_a_full_disk():
    """One transaction ends, never a process."""
    if os.getuid() != 0 or not shutil.which("mount"):
        skip("needs root")
    s = None
    disk = tempfile.mkdtemp(prefix="tolsey-disk-")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=1777",
                       "tmpfs", disk], capture_output=True).returncode:
        os.rmdir(disk)
        skip("mount is not permitted here")
    try:
        s = tolsey.Tolsey("SpoolDirectory %s\nSpoolMemory 4M\n"
                          "QueueTimeout 2s" % disk)
        body = samples.filler(60000000)
        with s.client(60) as c:
            try:
                answer = c.scan_response(body)
                refused(answer, 503, 403)
            except (icap.Closed, ConnectionError, BrokenPipeError):
                note("the connection was closed")
        clean(s, 10)
        pids = s.nets()
        with s.client(60) as c:
            eq(c.scan_response(body[:10000000]).status, 204, "10 MB")
        eq(s.nets(), pids, "net processes")
    finally:
        if s:
            s.close()
        subprocess.run(["umount", disk], check=True)
        os.rmdir(disk)


main()
