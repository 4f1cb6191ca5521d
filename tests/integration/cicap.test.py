#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Debian's c-icap with srv_tolsey.so: what tolseyd says, and what holds when
it says nothing. ICAP_CICAP=1 runs the daemon's own cases through it."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))

import re
import signal
import socket
import subprocess
import threading
import time

import cicap
import icap
import origin
import samples
import scansock
import squid
import tolsey
from tap import add_case, case, check, eq, main, note, shared, skip, wait_for

if tolsey.REFERENCE:
    print("skip cicap: not for the reference server")
    sys.exit(0)

server = shared(lambda: tolsey.Tolsey("MaxObjectSize 30M"))
front = shared(lambda: cicap.CIcap(server().path("scan.sock")))
CLEAN = b"a clean object"


def blocked(a, http=b"HTTP/1.1 403 Forbidden", threat="Tests."):
    eq((a.status, a.http_line), (200, http))
    check("Threat=" + threat in a.headers.get("X-Infection-Found", ""),
          "%r" % a.headers)
    check(b"</html>" in a.body, "no page: %r" % a.body[:80])


def own_page(a):
    blocked(a, b"HTTP/1.1 503 Service Unavailable", "not-scanned;")
    check(b"tolseyd" in a.body, "%r" % a.body)
    check(b"Retry-After: 60" in a.http, "%r" % a.http)


# ---- as tolseyd itself ----

@case()
def one_line_at_the_start():
    log = front().log()
    line = [x for x in log.splitlines() if "tolsey: tolsey/" in x]
    eq(len(line), 1, "lines in %r" % log)
    check(" signatures of generation " in line[0] and
          line[0].endswith("service avscan"), line[0])
    c = cicap.CIcap(server().path("nobody.sock"), wait=False)
    try:
        wait_for(lambda: "no tolseyd on" in c.log(), 10, "nothing is said")
        check("objects are blocked" in c.log(), c.log())
    finally:
        c.close()
    c = cicap.CIcap(server().path("scan.sock"), "tolsey.Service nothing",
                    wait=False)
    try:
        wait_for(lambda: "service nothing is not there" in c.log(), 10,
                 "nothing is said: " + c.log())
    finally:
        c.close()


@case()
def every_way_to_an_answer():
    big = samples.filler(300000)
    with front().client() as c:
        for preview in None, 4096, 10, 0:
            for allow in "204", None, "204, 206":
                for scan in c.scan_response, c.scan_request:
                    what = "%s %s %s" % (scan.__name__, preview, allow)
                    for body in CLEAN, big:
                        a = scan(body, preview=preview, allow=allow)
                        # to a preview of all there is it is permitted
                        if allow or (preview or 0) >= len(body):
                            eq(a.status, 204, what)
                        else:
                            eq((a.status, a.body == body), (200, True), what)
                    for body in samples.EICAR, big + samples.MARKER:
                        blocked(scan(body, preview=preview, allow=allow))
        a = c.scan_response(b"", preview=0)
        check(a.status == 204 or a.body == b"", a)


@case()
def without_a_body():
    get = b"GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n\r\n"
    with front().client() as c:
        c.send(icap.head("REQMOD", sections=(("req-hdr", get),),
                         body="null-body", extra=("Allow: 204",)))
        eq(c.read().status, 204, "GET")
        c.send(icap.head("REQMOD", sections=(("req-hdr", get),),
                         body="null-body"))
        a = c.read()
        eq((a.status, a.http_line), (200, get.split(b"\r\n")[0]))


@case()
def edited_request():
    t = tolsey.Tolsey(services="<Service avscan>\nStripRange large\n"
                      "</Service>")
    c = cicap.CIcap(t.path("scan.sock"))
    try:
        get = (b"GET http://origin.test/ HTTP/1.1\r\nHost: origin.test\r\n"
               b"Range: bytes=100-\r\n\r\n")
        with c.client() as k:
            k.send(icap.head("REQMOD", sections=(("req-hdr", get),),
                             body="null-body", extra=("Allow: 204",)))
            a = k.read()
        eq(a.status, 200, "status")
        check(b"Range:" not in a.http and b"Host: origin.test" in a.http,
              "%r" % a.http)
    finally:
        c.close()
        t.close()


class Relay:
    """A wire between c-icap-client and c-icap that is listened to."""

    def __init__(self, to):
        self.to, self.said = to, []
        self.s = socket.create_server(("127.0.0.1", 0))
        self.port = self.s.getsockname()[1]
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        a, _ = self.s.accept()
        b = socket.create_connection(self.to)
        for x, y, who in (a, b, "client"), (b, a, "server"):
            threading.Thread(target=self.copy, args=(x, y, who),
                             daemon=True).start()

    def copy(self, x, y, who):
        try:
            while data := x.recv(65536):
                self.said.append((who, data))
                y.sendall(data)
            y.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def sequence(self):
        """What the server said, and how much body came before each."""
        out, sent = [], 0
        for who, data in self.said:
            if who == "client":
                sent += len(data)
            for line in re.findall(rb"ICAP/1\.0 [0-9]+", data):
                if who == "server":
                    out.append((int(line.split()[1]), sent))
        return out


def client_says(body):
    path = server().path("object")
    with open(path, "wb") as f:
        f.write(body)
    r = Relay(front().address)
    done = subprocess.run(
        ["c-icap-client", "-i", "127.0.0.1", "-p", str(r.port), "-s", "avscan",
         "-f", path, "-v"], capture_output=True, timeout=30)
    eq(done.returncode, 0, "c-icap-client")
    return r.sequence()


@case()
def c_icap_client_sees_preview_then_100_or_block():
    big = samples.filler(200000)
    seq = client_says(big)
    note("clean: %r" % seq)
    # its first request is OPTIONS
    eq([x[0] for x in seq], [200, 100, 204])
    check(seq[1][1] < 40000 and seq[2][1] > 200000, "%r" % seq)
    seq = client_says(samples.MARKER + big)
    note("infected in the preview: %r" % seq)
    eq([x[0] for x in seq], [200, 200])
    check(seq[1][1] < 40000, "the rest was sent: %r" % seq)
    seq = client_says(big + samples.MARKER)
    eq([x[0] for x in seq], [200, 100, 200])


@case()
def names_and_arguments():
    big = samples.filler((30 << 20) + 10)
    args = "?allow204=on&force=on&sizelimit=off&mode=simple"
    with front().client() as c:
        for name in "avscan", "virus_scan", "srv_clamav", "squidclamav", \
                "tolsey":
            blocked(c.scan_response(samples.EICAR, service=name + args))
            eq(c.scan_response(CLEAN, service=name + args).status, 204, name)
        # sizelimit=off does not lift tolseyd's limit
        blocked(c.scan_response(big, service="avscan" + args),
                threat="too-large")
    check("accepted and change nothing: allow204=on&force=on" in
          front().log(), front().log())


@case()
def same_words_in_the_logs():
    t = server()
    with front().client() as c:
        a = c.modify(icap.respmod(extra=(
            "X-Client-IP: 192.0.2.9", "X-Client-Username: mary")),
            samples.EICAR)
    blocked(a)
    got = re.search(rb">([A-Z2-9]{13})<", a.body)
    check(got, "no id on the page")
    line = t.wait_access("id=" + got.group(1).decode())[0]
    for word in ('client="192.0.2.9"', 'user="mary"', "outcome=infected",
                 "action=block", "size=68", 'url="http://origin.test/object"'):
        check(word in line, "no %s in %s" % (word, line))
    wait_for(lambda: "200 infected block" in front().access(), 5,
             "not in c-icap's log: %r" % front().access()[-3:])


@case()
def istag_follows():
    t = tolsey.Tolsey()
    c = cicap.CIcap(t.path("scan.sock"))
    try:
        def tags():
            with c.client() as k:
                return (k.options("tolsey").headers["ISTag"],
                        k.scan_response(CLEAN).headers["ISTag"])
        before = tags()
        eq(before[0], before[1], "OPTIONS and 204")
        with open(os.path.join(t.db, "more.ndb"), "w") as f:
            f.write("Tests.More:0:*:%s\n" % b"another-marker-here".hex())
        os.chmod(os.path.join(t.db, "more.ndb"), 0o644)
        check(t.reload_db()[0], "not loaded")
        with c.client() as k:
            blocked(k.scan_response(b"x another-marker-here"))
        after = wait_for(lambda: tags()[1] != before[1] and tags(), 5,
                         "the old tag: %s" % before[0])
        eq(after[0], after[1], "OPTIONS and 204")
    finally:
        c.close()
        t.close()


@case()
def what_options_say():
    """PreviewSize of tolsey.conf; tolsey.PreviewSize of c-icap.conf counts."""
    t = tolsey.Tolsey("PreviewSize 1234")
    try:
        for config, want in ("", "1234"), ("tolsey.PreviewSize 777", "777"):
            c = cicap.CIcap(t.path("scan.sock"), config)
            try:
                with c.client() as k:
                    said = k.options("tolsey").headers
                eq(said["Preview"], want, config)
                eq(said["X-Allow-Out"], "X-Infection-Found", "X-Allow-Out")
                eq(said["Max-Connections"], "60", "one child of 60 threads")
            finally:
                c.close()
    finally:
        t.close()


@case()
def too_large_is_answered_early():
    with front().client() as c:
        part = samples.filler(1 << 20)
        c.send(icap.respmod())
        for _ in range(31):
            c.send(b"%x\r\n" % len(part) + part + b"\r\n")
        # 31 of 30 MB are there, and the end is not
        head = c._until(b"\r\n\r\n")
        check(b"200 OK" in head and b"Threat=too-large" in head, "%r" % head)


@case()
def in_its_own_group():
    t = tolsey.Tolsey("ScanSocketGroup adm")
    try:
        c = cicap.CIcap(t.path("scan.sock"), as_user="adm")
        try:
            with c.client() as k:
                blocked(k.scan_response(samples.EICAR))
                eq(k.scan_response(CLEAN).status, 204, "clean")
        finally:
            c.close()
        c = cicap.CIcap(t.path("scan.sock"), as_user="nogroup", wait=False)
        try:
            wait_for(lambda: "may not use the scan socket" in c.log(), 10,
                     c.log())
            with c.client() as k:
                own_page(k.scan_response(CLEAN))
        finally:
            c.close()
    finally:
        t.close()


@case()
def as_the_readme_says():
    """Debian's c-icap.conf as it is shipped, and the two lines of README's
    "With c-icap" behind it: with the group that this machine has, and the
    included file with the socket of this test."""
    conf = "/etc/c-icap/c-icap.conf"
    if not os.path.exists(conf):
        skip("no " + conf)
    with open(conf) as f:
        lines = [x.strip() for x in f if x.strip() and x[0] != "#"]
    with open(os.path.join(tolsey.SOURCE, "README.md")) as f:
        text = f.read().split("### With c-icap")[1]
    block = re.search("```\n(Include .*?)```", text, re.S).group(1)
    for line in block.splitlines():
        if line.startswith("Include"):
            name = line.rsplit("/", 1)[1]
            with open(os.path.join(tolsey.SOURCE, "etc/c-icap", name)) as f:
                lines += [x.strip() for x in f if x.strip() and x[0] != "#"]
        else:
            lines.append(line.replace("tolsey-scanners", "adm"))
    check("Group adm" in lines and "Group c-icap" in lines, "%r" % lines)
    t = tolsey.Tolsey("ScanSocketGroup adm")
    c = None
    try:
        c = cicap.CIcap(t.path("scan.sock"), as_user="adm", shipped=lines)
        said = [x for x in c.log().splitlines() if "tolsey: tolsey/" in x]
        eq(len(said), 1, c.log())
        with c.client() as k:
            for name in cicap.aliases():
                blocked(k.scan_response(samples.EICAR, service=name))
                eq(k.scan_response(CLEAN, service=name).status, 204, name)
    finally:
        if c:
            c.close()
        t.close()


# ---- without an answer ----

@case()
def nobody_there():
    sock = server().path("nobody.sock")
    for word in "block", "pass", "error":
        c = cicap.CIcap(sock, "tolsey.OnError " + word)
        try:
            begin = time.monotonic()
            for preview in None, 4096, 4:
                with c.client() as k:
                    a = k.scan_response(CLEAN * 100, preview=preview)
                if word == "block":
                    own_page(a)
                else:
                    eq(a.status, 204 if word == "pass" else 500, word)
            took = time.monotonic() - begin
            check(took < 8, "%.1f s" % took)
            with c.client() as k:
                eq(k.options("tolsey").status, 500 if word == "error" else 200,
                   "OPTIONS")
        finally:
            c.close()


class Liar:
    """A scan socket that answers what function(message) gives; a list: one
    after the other."""

    def __init__(self, path, function):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.s.bind(path)
        self.s.listen(50)
        self.path, self.function = path, function
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def serve(self, c):
        try:
            while data := c.recv(1 << 20):
                kind, id_ = scansock.HDR.unpack_from(data)[2::3]
                said = self.function(kind, id_)
                if said is None:
                    break
                if said:
                    c.send(said)
        except OSError:
            pass
        c.close()

    def close(self):
        self.s.close()
        os.unlink(self.path)


def verdict(id_, action=1, outcome=b"clean", early=0, tail=b"", head_kind=0,
            nnames=0, sections=(0, 0, 0), **fields):
    return scansock.message(scansock.VERDICT, scansock.F_VERDICT.pack(
        action, 204, 0, 1, early, head_kind, *sections, nnames, 5, 1, 1,
        outcome, b"ID", b"TAG", b"", b"", b""), tail, id=id_, **fields)


@case(120)
def nonsense():
    path = server().path("liar.sock")
    lies = {
        "nothing": lambda k, i: None,
        "bytes": lambda k, i: b"\0" * 100,
        "text": lambda k, i: b"OK clean",
        "another version": lambda k, i: verdict(i, version=2),
        "another id": lambda k, i: verdict(i + 1),
        "cut": lambda k, i: verdict(i)[:-1],
        "longer": lambda k, i: verdict(i) + b"x",
        "no outcome": lambda k, i: verdict(i, outcome=b""),
        "no action": lambda k, i: verdict(i, action=0),
        "unknown action": lambda k, i: verdict(i, action=9),
        "clean and early": lambda k, i: verdict(i, early=1),
        "clean with a name": lambda k, i: verdict(i, nnames=1),
        "a pass with a page": lambda k, i: verdict(
            i, head_kind=1, sections=(0, 4, 0), tail=b"HEAD"),
        "a block without a page": lambda k, i: verdict(
            i, action=2, outcome=b"infected"),
        "an answer to something else": lambda k, i: scansock.message(
            scansock.SERVICE, scansock.F_SERVICE.pack(
                1, 1, 1, 3, 1, 4096, 60, 0, 1 << 30, 0, 0, 50, 0, b"avscan",
                b"TAG", b"liar"), id=i),
        "continue for ever": lambda k, i: scansock.message(
            scansock.CONTINUE, scansock.F_CONTINUE.pack(1, 1, b"TAG"), id=i),
        "an error": lambda k, i: scansock.message(
            scansock.ERROR, scansock.F_ERROR.pack(22, 1, b"no"), id=i),
    }
    now = {}
    liar = Liar(path, lambda k, i: now["lie"](k, i))
    now["lie"] = lies["nothing"]
    c = cicap.CIcap(path, "tolsey.AliveTimeout 300\ntolsey.RestartWait 0")
    try:
        for name, lie in lies.items():
            now["lie"] = lie
            for preview in None, 4:
                begin = time.monotonic()
                with c.client() as k:
                    a = k.scan_response(CLEAN, preview=preview)
                check(a.status == 200 and "not-scanned" in a.headers.get(
                    "X-Infection-Found", ""), "%s: %r" % (name, a))
                took = time.monotonic() - begin
                check(took < 3, "%s: %.1f s" % (name, took))
        # silence
        now["lie"] = lambda k, i: b""
        begin = time.monotonic()
        with c.client() as k:
            own_page(k.scan_response(CLEAN))
        took = time.monotonic() - begin
        note("silence: %.2f s" % took)
        check(took < 3, "silence: %.1f s" % took)
    finally:
        c.close()
        liar.close()


class Load:
    """50 connections that ask without a pause; every answer is looked at."""

    def __init__(self, c, connections=50):
        self.c, self.stop = c, False
        self.answers, self.wrong = [], []
        self.threads = [threading.Thread(target=self.run, args=(i,))
                        for i in range(connections)]

    def run(self, i):
        k, n = None, i
        while not self.stop:
            n += 1
            bad = n % 2 == 0
            body = samples.EICAR if bad else CLEAN
            begin = time.monotonic()
            try:
                if k is None:
                    k = self.c.client(20)
                a = k.scan_response(body, preview=4096 if n % 3 else None)
                threat = a.headers.get("X-Infection-Found", "")
                if a.status == 204:
                    what = "passed"
                elif "Threat=Tests." in threat:
                    what = "infected"
                elif threat:
                    what = "blocked"
                else:
                    what = "error"
            except (OSError, icap.Closed, icap.Bad) as e:
                what, k = type(e).__name__, None
            end = time.monotonic()
            self.answers.append((begin, end, bad, what))
            if (bad and what == "passed") or (not bad and what == "infected"):
                self.wrong.append((bad, what))
            time.sleep(0.02)
        if k:
            k.close()

    def __enter__(self):
        for t in self.threads:
            t.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        for t in self.threads:
            t.join()

    def after(self, moment):
        """Of the transactions begun after it: how long until all is right."""
        bad = [e for b, e, infected, what in self.answers if b >= moment and
               what != ("infected" if infected else "passed")]
        return max(bad, default=moment) - moment


@case(120)
def killed_stopped_restarted_under_load():
    t = tolsey.Tolsey(workers=2)
    c = cicap.CIcap(t.path("scan.sock"), "tolsey.AliveTimeout 1000",
                    threads=60)
    try:
        with Load(c) as load:
            time.sleep(1)
            t.kill(t.nets()[0])
            killed = time.monotonic()
            time.sleep(3)
            net = t.nets()[0]
            t.kill(net, signal.SIGSTOP)
            stopped = time.monotonic()
            time.sleep(3)
            t.kill(net, signal.SIGCONT)
            going = time.monotonic()
            time.sleep(3)
            check(t.end(20), "tolseyd did not end")
            time.sleep(1)
            t.start()
            restarted = time.monotonic()
            time.sleep(4)
        t.wait_ready()
        eq(load.wrong, [], "unscanned or wrong")
        longest = max(e - b for b, e, _, _ in load.answers)
        kinds = {}
        for x in load.answers:
            kinds[x[3]] = kinds.get(x[3], 0) + 1
        times = [load.after(x) for x in (killed, going, restarted)]
        # what began before the stop and was stuck is over by then, too
        times[0] = max([e for b, e, bad, what in load.answers
                        if killed <= b < stopped - 0.3 and what not in (
                            "infected", "passed")], default=killed) - killed
        times[1] = max([e for b, e, bad, what in load.answers
                        if going <= b < going + 2.5 and what not in (
                            "infected", "passed")], default=going) - going
        note("%d answers %r, longest %.2f s; whole again after kill %.2f, "
             "stop %.2f, restart %.2f s" % (
                 len(load.answers), kinds, longest, *times))
        check(len(load.answers) > 500, "too few")
        check(longest < 8, "a thread was stuck for %.1f s" % longest)
        check(max(times) < 2, "%r" % times)
        # the threads are free
        clients = [c.client() for _ in range(50)]
        for k in clients:
            eq(k.scan_response(CLEAN).status, 204, "after it")
        for k in clients:
            k.close()
    finally:
        c.close()
        t.close()


@case()
def clients_that_leave():
    c = front()
    child = [p for p in c.processes() if p != c.process.pid][-1]
    before = len(tolsey.fds(child))
    for i in range(40):
        k = c.client()
        k.send(icap.respmod(preview=10 if i % 2 else None))
        k.send(b"a\r\n0123456789\r\n" + (b"0\r\n\r\n" if i % 2 else b""))
        if i % 2:
            k._until(b"\r\n\r\n")
        k.close()
    with c.client() as k:
        eq(k.scan_response(CLEAN).status, 204, "after them")
    wait_for(lambda: len(tolsey.fds(child)) <= before + 6, 10,
             "descriptors: %d, before %d" % (len(tolsey.fds(child)), before))


# ---- more than there is room for ----

def slow(ms):
    return b"FAULT:slow:%d " % ms + os.urandom(20)


class Behind:
    """Scans that are under way, each on a connection of its own."""

    def __init__(self, client, n, ms):
        self.answers = []
        self.threads = [threading.Thread(target=self.run, args=(client(), ms))
                        for _ in range(n)]
        for t in self.threads:
            t.start()

    def run(self, client, ms):
        with client as c:
            self.answers.append(c.scan_response(slow(ms)).status)

    def end(self):
        for t in self.threads:
            t.join()
        return self.answers


def overload_page(a):
    blocked(a, b"HTTP/1.1 503 Service Unavailable", "overload;")
    check(b"Retry-After: " in a.http, "%r" % a.http)


@case()
def all_workers_busy():
    """The same words as tolseyd's own, in the same time."""
    t = tolsey.Tolsey("QueueTimeout 500ms")
    c = cicap.CIcap(t.path("scan.sock"))
    try:
        workers = t.scan_workers()
        for pid in workers:
            t.kill(pid, signal.SIGSTOP)
        held = []
        for _ in range(8):  # those that the workers have are not overload
            held.append(c.client())
            held[-1].send(icap.respmod(allow="204") +
                          icap.chunked(os.urandom(30)))
        time.sleep(0.3)
        for client in t.client, c.client:
            for preview in None, 4:
                begin = time.monotonic()
                with client() as k:
                    a = k.scan_response(os.urandom(30), preview=preview)
                took = time.monotonic() - begin
                overload_page(a)
                check(took < 1.8, "%.1f s" % took)
        for pid in workers:
            if tolsey.alive(pid):
                os.kill(pid, signal.SIGCONT)
        said = [k.read().status for k in held]
        check(set(said) <= {200, 204}, "%r" % said)
        for client in t.client, c.client:
            with client() as k:
                eq(k.scan_response(CLEAN).status, 204, "after it")
        lines = [x for x in t.access() if "outcome=overload" in x]
        check(len([x for x in lines if 'peer="scan:' in x]) >= 2, "%r" % lines)
        wait_for(lambda: "200 overload block" in c.access(), 5,
                 "%r" % c.access())
    finally:
        c.close()
        t.close()


@case()
def too_many_connections():
    """Waited for, then overload; and who waits is not taken for dead."""
    t = tolsey.Tolsey("ScanSocketConnections 3", workers=5,
                      instead=tolsey.FAULTY_SCAN)
    c = cicap.CIcap(t.path("scan.sock"),
                    "tolsey.RestartWait 700\ntolsey.AliveTimeout 500")
    patient = cicap.CIcap(t.path("scan.sock"), "tolsey.RestartWait 8000")
    try:
        busy = Behind(c.client, 3, 2500)
        time.sleep(0.3)
        for preview in None, 4:
            begin = time.monotonic()
            with c.client() as k:
                overload_page(k.scan_response(CLEAN, preview=preview))
            took = time.monotonic() - begin
            check(0.5 < took < 2, "%.1f s" % took)
        with patient.client() as k:
            eq(k.scan_response(CLEAN).status, 204, "the one that waits")
        eq(busy.end(), [204] * 3, "those under way")
        with c.client() as k:
            eq(k.scan_response(CLEAN).status, 204, "after it")
        wait_for(lambda: "200 overload block" in c.access(), 5,
                 "%r" % c.access())
    finally:
        patient.close()
        c.close()
        t.close()


@case()
def too_many_bytes():
    t = tolsey.Tolsey("ScanSocketBytes 1M")
    try:
        for word in "block", "pass", "error":
            c = cicap.CIcap(t.path("scan.sock"), "tolsey.RestartWait 300\n"
                            "tolsey.OnError " + word)
            try:
                begin = time.monotonic()
                with c.client() as k:
                    a = k.scan_response(samples.filler(2 << 20))
                check(time.monotonic() - begin < 2, "late")
                if word == "block":
                    overload_page(a)
                else:
                    eq(a.status, 204 if word == "pass" else 500, word)
                wait_for(lambda: any(x.endswith("overload " + word)
                                     for x in c.access()), 5,
                         "%r" % c.access())
                with c.client() as k:
                    eq(k.scan_response(CLEAN).status, 204, "after it")
            finally:
                c.close()
    finally:
        t.close()


@case()
def connections_that_wait_make_room():
    """Each process of c-icap keeps some; together they are over the limit."""
    t = tolsey.Tolsey("ScanSocketConnections 6", workers=3)
    c = cicap.CIcap(t.path("scan.sock"), children=3, threads=10)
    try:
        for _ in range(4):
            clients = [c.client() for _ in range(24)]
            for k in clients:
                k.send(icap.respmod(allow="204") + icap.chunked(CLEAN))
            said = [k.read() for k in clients]
            eq([a.status for a in said], [204] * 24, "%r %s" % (
                [a.headers.get("X-Infection-Found") for a in said], c.log()))
            for k in clients:
                k.close()
            time.sleep(0.3)
    finally:
        c.close()
        t.close()


# ---- the daemon's own cases ----

def through(stem):
    def run():
        done = subprocess.run(
            [sys.executable, os.path.join(HERE, stem + ".test.py")],
            env=dict(os.environ, ICAP_CICAP="1"), capture_output=True,
            text=True, timeout=170)
        lines = done.stdout.splitlines()
        good = [x for x in lines if x.startswith("ok ")]
        left = [x for x in lines if x.startswith("skip ")]
        note("%s: %d through c-icap, %d are not for it" % (
            stem, len(good), len(left)))
        bad = [x for x in lines if x.startswith("not ok ")]
        eq((done.returncode, bad), (0, []), "in:\n" + done.stdout[-3000:])
        check(len(good) >= cicap.IN_CI[stem], "only %d" % len(good))
    return run


for _stem in cicap.IN_CI:
    add_case("daemons-" + _stem, through(_stem), 180)


@case()
def every_file_is_in_the_table():
    """tests/README.md says of each file whether it runs through c-icap."""
    with open(os.path.join(HERE, "..", "README.md")) as f:
        text = f.read().split("### Through c-icap")[1].split("\n### ")[0]
    rows = dict(re.findall(r"(?m)^\| `([a-z-]+)` \| ([a-z]+)", text))
    files = {x.split(".")[0] for x in os.listdir(HERE)
             if x.endswith(".test.py")}
    eq(set(rows), files, "files")
    eq({x for x in rows if rows[x] == "runs"}, set(cicap.THROUGH), "that run")
    check(set(cicap.IN_CI) <= set(cicap.THROUGH), "IN_CI")


# ---- Squid in front ----

web = shared(origin.Origin)


def through_squid(c, name, data, timeout=60):
    proxy = squid.Squid("icap://127.0.0.1:%d/avscan" % c.port)
    try:
        url = web().serve("/" + name, data)
        return proxy.fetch(url, timeout=timeout)
    finally:
        proxy.close()


@case(150)
def squid_downloads():
    proxy = squid.Squid("icap://127.0.0.1:%d/avscan" % front().port)
    try:
        for size in 1000, 65536, 100000, 1000000, 4000000, 20000000:
            data = samples.filler(size)
            got = proxy.fetch(web().serve("/%d" % size, data), timeout=40)
            eq((got.status, got.cut, got.body == data), (200, False, True),
               "%d bytes" % size)
            note("%d bytes: %.2f s" % (size, got.seconds))
            check(got.seconds < 10, "%d bytes: %.1f s" % (size, got.seconds))
        got = proxy.fetch(web().serve("/eicar", samples.EICAR), timeout=20)
        check(got.blocked, got)
        # behind what was let out it can only be cut
        bad = samples.filler(4000000) + samples.MARKER
        got = proxy.fetch(web().serve("/late", bad), timeout=40)
        check(got.blocked or got.cut, got)
        check(len(got.body) < 5000, "%d bytes are out" % len(got.body))
    finally:
        proxy.close()


@case(60)
def squid_stalls_without_early_release():
    """What EarlyRelease is for; a Squid without the fault passes."""
    c = cicap.CIcap(server().path("scan.sock"), "tolsey.EarlyRelease off")
    try:
        begin = time.monotonic()
        try:
            got = through_squid(c, "stalls", samples.filler(20000000), 4)
            note("no stall: %.2f s, %r" % (time.monotonic() - begin, got))
        except OSError as e:
            note("stalled for %.1f s: %s" % (time.monotonic() - begin, e))
    finally:
        c.close()


def downloads(proxy, beginning=b"", most=6):
    """Of sizes behind Squid's 64 KB, by origins that are fast and slow."""
    for size in 70000, 200000, 3000000, 20000000:
        data = beginning + samples.filler(size)
        got = proxy.fetch(web().serve("/%d" % size, data), timeout=20)
        eq((got.status, got.cut, got.body == data), (200, False, True),
           "%d bytes" % size)
        check(got.seconds < most, "%d bytes: %.1f s" % (size, got.seconds))
    data = beginning + samples.filler(400000)
    for length in len(data), None:
        def trickle(h, _path, _body, length=length):
            h.begin(200, [("Content-Type", "application/octet-stream")],
                    length=length, chunked=length is None)
            for i in range(0, len(data), 40000):
                h.put(data[i:i + 40000])
                time.sleep(0.15)
            if length is None:
                h.finish_chunks()
        web().routes["/trickle"] = trickle
        got = proxy.fetch(web().url("/trickle"), timeout=20)
        eq((got.status, got.cut, got.body == data), (200, False, True),
           "a slow origin")
        check(got.seconds < most + 2, "a slow origin: %.1f s" % got.seconds)
    # what is found with the beginning is a page, behind it a cut
    bad = beginning + samples.filler(30000) + samples.MARKER
    got = proxy.fetch(web().serve("/early", bad + samples.filler(3000000)),
                      timeout=20)
    check(got.blocked, "found before anything is out: %r" % got)
    got = proxy.fetch(web().serve("/late", beginning + samples.filler(
        3000000) + samples.MARKER), timeout=20)
    check(got.blocked or (got.cut and len(got.body) < 5000), got)


@case(90)
def squid_where_previews_are_not_scanned():
    """Nothing was looked at when Squid stalls: it is looked at then."""
    t = tolsey.Tolsey("ScanPreview off")
    c = cicap.CIcap(t.path("scan.sock"))
    proxy = squid.Squid("icap://127.0.0.1:%d/avscan" % c.port)
    try:
        downloads(proxy)
        lost = [x for x in t.access() if "client gone" in x]
        eq(lost, [], "lines of requests that began anew")
    finally:
        proxy.close()
        c.close()
        t.close()


@case(90)
def squid_that_sends_no_preview():
    proxy = squid.Squid("icap://127.0.0.1:%d/avscan" % front().port,
                        extra="icap_preview_enable off")
    try:
        downloads(proxy)
    finally:
        proxy.close()


@case(120)
def squid_after_a_preview_scan_that_came_too_late():
    t = tolsey.Tolsey("PreviewScanTimeout 50ms", instead=tolsey.FAULTY_SCAN)
    c = cicap.CIcap(t.path("scan.sock"))
    proxy = squid.Squid("icap://127.0.0.1:%d/avscan" % c.port)
    try:
        downloads(proxy, b"FAULT:slow:300 ")
        check(t.metric("prefix_scans_total") > 8, "no prefix was scanned")
    finally:
        proxy.close()
        c.close()
        t.close()


# ---- memory ----

@case(150)
def one_copy_of_the_signatures():
    import importlib.util
    spec = importlib.util.spec_from_file_location(
        "gendb", os.path.join(HERE, "..", "bench", "gendb.py"))
    check(spec, "no gendb.py")
    t = tolsey.Tolsey(database=False, wait=False)
    c = None
    try:
        subprocess.run([sys.executable, os.path.join(HERE, "..", "bench",
                                                     "gendb.py"),
                        t.db, os.environ.get("MB", "300")], check=True,
                       capture_output=True, timeout=100)
        for name in os.listdir(t.db):
            os.chmod(os.path.join(t.db, name), 0o644)
        t.restore_database()
        t.load_now()
        alone = t.pss()
        c = cicap.CIcap(t.path("scan.sock"), children=5, threads=10)
        for _ in range(30):
            with c.client() as k:
                blocked(k.scan_response(samples.EICAR))
        both, of_cicap = t.pss() + c.pss(), c.pss()
        note("tolseyd alone %.0f MB, with c-icap and %d children %.0f MB, of "
             "which c-icap %.0f MB" % (alone, len(c.processes()) - 1, both,
                                       of_cicap))
        check(alone > 150, "a small database: %.0f MB" % alone)
        check(of_cicap < 60, "c-icap has %.0f MB" % of_cicap)
        check(both < alone * 1.25 + 60, "%.0f MB" % both)
    finally:
        if c:
            c.close()
        t.close()


main()
