#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The socket for freshclam: the real one with a mirror of our own, the
commands, and clients that mean no good."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))

import http.server
import pwd
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import samples
import tolsey
from tap import case, check, eq, main, note, shared, skip, wait_for

if tolsey.REFERENCE:
    print("skip freshclam: not for the reference server")
    sys.exit(0)


class Quiet(tolsey.Tolsey):
    """Only what is said on the socket loads anything."""

    def __init__(self, config=""):
        super().__init__("SelfCheck 0\n" + config)


server = shared(Quiet)


def talk(s, said, pieces=False, timeout=5, address=None):
    """All that is answered until the end."""
    with socket.socket(socket.AF_INET if address else socket.AF_UNIX) as c:
        c.settimeout(timeout)
        c.connect(address or s.path("clamd.ctl"))
        for i in range(0, len(said), 1 if pieces else len(said)):
            c.sendall(said[i:i + 1] if pieces else said)
            if pieces:
                time.sleep(0.002)
        out = b""
        while True:
            got = c.recv(65536)
            if not got:
                return out
            out += got


def generation(s):
    return s.status()["generation"]


def found(s, marker):
    with s.client() as c:
        return c.scan_response(b"-- " + marker + b" --").infected


# ---- the real one ----

class Mirror:
    """Serves files, and runs freshclam against itself."""

    def __init__(self, s, target):
        if not shutil.which("freshclam"):
            skip("clamav-freshclam is not installed")
        self.s, self.files, outer = s, {}, self
        self.dir = tempfile.mkdtemp(prefix="tolsey-mirror-")
        os.chmod(self.dir, 0o755)
        self.target = self.path("clamd-notify.conf")
        with open(self.target, "w") as f:
            f.write(target + "\n")

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                text = outer.files.get(self.path.lstrip("/"))
                self.send_response(404 if text is None else 200)
                self.send_header("Content-Length", str(len(text or b"")))
                self.end_headers()
                self.wfile.write(text or b"")

            def log_message(self, *_):
                pass
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever).start()
        try:
            self.owner = pwd.getpwnam("clamav").pw_name
        except KeyError:
            self.owner = pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            shutil.chown(s.db, self.owner)

    def path(self, name):
        return os.path.join(self.dir, name)

    def update(self, test=True):
        conf = self.path("freshclam.conf")
        with open(conf, "w") as f:
            f.write("DatabaseDirectory %s\nDatabaseOwner %s\n"
                    "DatabaseMirror 127.0.0.1:%d\nNotifyClamd %s\n"
                    "TestDatabases %s\nExcludeDatabase main\n"
                    "ExcludeDatabase daily\nExcludeDatabase bytecode\n" % (
                        self.s.db, self.owner, self.http.server_port,
                        self.target, "yes" if test else "no"))
            for name in self.files:
                f.write("DatabaseCustomURL http://127.0.0.1:%d/%s\n" % (
                    self.http.server_port, name))
        os.chmod(conf, 0o644)
        done = subprocess.run(
            ["freshclam", "--config-file=" + conf, "--no-dns", "--stdout"],
            capture_output=True, text=True, timeout=60)
        return done.returncode, done.stdout + done.stderr

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        shutil.rmtree(self.dir)


def with_real_one(s, target):
    mirror = Mirror(s, target)
    try:
        for number in (1, 2):
            marker = b"fresh marker %d" % number
            before = generation(s)
            check(not found(s, marker), "found before")
            mirror.files = {
                "fresh.ndb": b"Tests.Fresh:0:*:%s\n" % marker.hex().encode(),
                "fresh%d.hdb" % number: b"%032x:68:Tests.Hash\n" % number}
            code, said = mirror.update()
            eq(code, 0, said)
            check("successfully notified" in said, said)
            wait_for(lambda: found(s, marker), 10, "not found after it")
            eq(generation(s), before + 1, "generation")
        # nothing new: nothing is loaded, whoever says so
        code, said = mirror.update()
        eq((code, generation(s)), (0, before + 1), said)
        # what it does not test itself
        mirror.files = {"fresh.ndb": b"this is: no signature\n"}
        code, said = mirror.update(test=False)
        check("successfully notified" in said, said)
        wait_for(lambda: s.metric("signatures_load_failed") == 1, 10,
                 "not refused")
        check("Malformed database" in s.status()["last_reload_error"],
              s.status()["last_reload_error"])
        check(found(s, marker), "the former ones do not serve")
        mirror.files = {"fresh.ndb": b"Tests.Fresh:0:*:%s\n" %
                        b"fresh marker 3".hex().encode()}
        mirror.update()
        wait_for(lambda: found(s, b"fresh marker 3"), 10, "not repaired")
    finally:
        mirror.close()


@case(timeout=90)
def real_freshclam_unix_socket():
    s = Quiet()
    try:
        with_real_one(s, "LocalSocket " + s.path("clamd.ctl"))
    finally:
        s.close()


@case(timeout=90)
def real_freshclam_tcp():
    port = tolsey.free_port()
    s = Quiet("ClamdSocket 127.0.0.1:%d" % port)
    try:
        with_real_one(s, "TCPSocket %d\nTCPAddr 127.0.0.1" % port)
        eq(talk(s, b"PING\n", address=("127.0.0.1", port)), b"PONG\n", "PING")
    finally:
        s.close()


@case()
def shipped_file():
    """One line, which names the socket that is there by default."""
    with open(os.path.join(tolsey.SOURCE, "etc/clamd-notify.conf")) as f:
        lines = f.read().splitlines()
    with open(os.path.join(tolsey.SOURCE, "etc/tolsey.conf.sample")) as f:
        sample = [x.lstrip("#").split() for x in f if "ClamdSocket" in x]
    eq(len(lines), 1, "lines")
    word, path = lines[0].split()
    eq(word, "LocalSocket", "directive of clamd.conf")
    check(["ClamdSocket", path] in sample, "%r" % sample)


# ---- the commands ----

@case()
def commands():
    s = server()
    version = b"ClamAV 1."
    for said, answer in (
            (b"PING", b"PONG\n"), (b"PING\n", b"PONG\n"),
            (b"nPING\n", b"PONG\n"), (b"zPING\0", b"PONG\0"),
            (b"PING\0", b"PONG\n"), (b"nPING\r\n", b"PONG\n"),
            (b"nVERSION\n", version), (b"zVERSIONCOMMANDS\0", version),
            (b"nSTATS\n", b"POOLS: 1\n\nSTATE: VALID PRIMARY\nTHREADS: live"),
            (b"nIDSESSION\nnPING\nnPING\nnEND\n", b"1: PONG\n2: PONG\n"),
            (b"zIDSESSION\0zPING\0zSCAN /x\0zPING\0",
             b"1: PONG\x002: UNKNOWN COMMAND\0"),
            (b"SHUTDOWN", b"UNKNOWN COMMAND\n"),
            (b"nSCAN /etc/passwd\n", b"UNKNOWN COMMAND\n"),
            (b"zINSTREAM\0\0\0\0\x04abcd\0\0\0\0", b"UNKNOWN COMMAND\0"),
            (b"nSHUTDOWN\n", b"UNKNOWN COMMAND\n"),
            (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"UNKNOWN COMMAND\n"),
            (b"\n", b"UNKNOWN COMMAND\n"), (b"\xff\xfe", b"UNKNOWN"),
            (b"n" + b"x" * 5000, b"UNKNOWN COMMAND\n")):
        got = talk(s, said)
        check(got.startswith(answer) and (
            answer.startswith((version, b"POOLS", b"UNKNOWN")) or
            got == answer), "%r: %r" % (said[:60], got[:200]))
        if len(said) < 60 and not said.startswith((b"\xff", b"VERSION")):
            check(talk(s, said, pieces=True).startswith(answer),
                  "%r byte by byte" % said)
    check(b"END\n" in talk(s, b"nSTATS\n"), "STATS does not end")
    check(b"| COMMANDS: " in talk(s, b"nVERSIONCOMMANDS\n"), "COMMANDS")
    eq(generation(s), 1, "generation after all that")


@case()
def reload_in_its_exact_bytes():
    s = server()
    before = generation(s)
    eq(talk(s, b"RELOAD\0"), b"RELOADING\n", "answer")
    if os.getuid() == 0:
        # root's word is a command, also when nothing has changed
        wait_for(lambda: generation(s) == before + 1, 10, "not loaded")


@case()
def strangers_load_only_what_is_new():
    if os.getuid() != 0:
        skip("needs root")
    s = Quiet()

    def as_nobody():
        """In a child: this interpreter may not be executable for others."""
        pid = os.fork()
        if pid == 0:
            try:
                os.setgid(65534)
                os.setuid(65534)
                os._exit(0 if talk(s, b"RELOAD\0") == b"RELOADING\n" else 2)
            finally:
                os._exit(3)
        eq(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0, "as nobody")
    try:
        for _ in range(5):
            as_nobody()
        time.sleep(0.5)
        eq(generation(s), 1, "generation when nothing changed")
        path = os.path.join(s.db, "new.ndb")
        with open(path, "w") as f:
            f.write("Tests.New:0:*:%s\n" % b"brand new 1".hex())
        os.chmod(path, 0o644)
        as_nobody()
        wait_for(lambda: found(s, b"brand new 1"), 10, "not loaded")
        eq(generation(s), 2, "generation")
    finally:
        s.close()


@case(timeout=60)
def clients_that_take_all_they_can():
    """Bounded in number and time; control socket and scans go on."""
    if tolsey.sanitized():
        skip("its wait is long, and shown without the sanitizers")
    s = server()
    idle = []
    try:
        for _ in range(40):
            c = socket.socket(socket.AF_UNIX)
            c.connect(s.path("clamd.ctl"))
            c.settimeout(15)
            idle.append(c)
        start = time.monotonic()
        idle[0].sendall(b"n")
        time.sleep(0.3)
        eq(s.control("status").returncode, 0, "tolseyctl status")
        eq(s.http("/livez")[0], 200, "/livez")
        with s.client() as c:
            check(c.scan_response(samples.EICAR).infected, "EICAR")

        def ended(c):
            c.setblocking(False)
            try:
                return c.recv(10) == b""
            except BlockingIOError:
                return False
            except ConnectionError:
                return True
        at_once = sum(ended(c) for c in idle)
        check(at_once == 24, "%d of 40 were refused" % at_once)
        # one that drips holds its place no longer than the others
        while time.monotonic() - start < 14 and not ended(idle[0]):
            try:
                idle[0].send(b"x")
            except OSError:
                break
            time.sleep(0.2)
        check(8 < time.monotonic() - start < 13, "after %.1f s" % (
            time.monotonic() - start))
        wait_for(lambda: all(ended(c) for c in idle), 3, "some stay")
        eq(talk(s, b"PING"), b"PONG\n", "PING afterwards")
        note("the last went after %.1f s" % (time.monotonic() - start))
    finally:
        for c in idle:
            c.close()


@case()
def one_that_does_not_read():
    s = server()
    with socket.socket(socket.AF_UNIX) as c:
        c.connect(s.path("clamd.ctl"))
        c.setblocking(False)
        said = b"nIDSESSION\n" + b"nSTATS\n" * 20000
        sent = 0
        end = time.monotonic() + 2
        while time.monotonic() < end and sent < len(said):
            try:
                sent += c.send(said[sent:])
            except BlockingIOError:
                time.sleep(0.05)
            except ConnectionError:
                break
        eq(talk(s, b"PING"), b"PONG\n", "PING of another one")
        with open("/proc/%d/status" % s.processes("tolsey-ctl")[0]) as f:
            rss = [int(x.split()[1]) for x in f if x.startswith("VmRSS")][0]
        check(rss < (400000 if tolsey.sanitized() else 40000),
              "%d KB of memory" % rss)


@case()
def none_at_all():
    s = Quiet("ClamdSocket none")
    try:
        check(not os.path.exists(s.path("clamd.ctl")), "a socket is there")
        eq(s.control("status").returncode, 0, "status")
    finally:
        s.close()
    for value, word in (("0.0.0.0:3310", "loopback"), ("here", "loopback"),
                        ("127.0.0.1:0", "the word off")):
        done = subprocess.run(
            [os.path.join(s.programs, "tolseyd"), "--check-config", "-c",
             "/dev/null", "-o", "ClamdSocket " + value], capture_output=True,
            text=True, timeout=20)
        check(done.returncode == 78 and word in done.stderr, done.stderr)


main()
