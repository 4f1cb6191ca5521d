#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What an operator does: configuration, signals, logs, metrics, status."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import json
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import samples
import tolsey
from icap import chunked, respmod
from tap import case, check, eq, main, note, shared, wait_for

if tolsey.REFERENCE:
    print("skip operations: not for the reference server")
    sys.exit(0)

server = shared(tolsey.Tolsey)


def fields(line):
    """key=value of a log line; quoted values may have blanks."""
    return {k: v.strip('"') for k, v in re.findall(
        r'(\S+?)=("(?:[^"\\]|\\.)*"|\S*)', line)}


def call(*args, **rest):
    return subprocess.run(
        [os.path.join(server().programs, "tolseyd")] + list(args),
        capture_output=True, text=True, timeout=30, **rest)


# ---- command line and configuration ----

@case()
def version():
    answer = call("-V")
    eq(answer.returncode, 0, "status")
    for word in ("tolseyd", "libevent", "content coding"):
        check(word in answer.stdout, "%r lacks %s" % (answer.stdout, word))


@case()
def check_config():
    answer = call("--check-config", "-c", server().conf)
    eq(answer.returncode, 0, answer.stderr)


@case()
def wrong_configuration_starts_nothing():
    path = server().path("wrong.conf")
    for text, words in (
            ("Lisen 127.0.0.1:1", ["wrong.conf:1", "Lisen", "Listen"]),
            ("PreviewSize many", ["wrong.conf:1", "PreviewSize", "many"]),
            ("PreviewSize 99999999", ["wrong.conf:1", "99999999"]),
            ("PidFile /a\nPidFile /b", ["wrong.conf:2", "PidFile"]),
            ("Include /nonexistent.conf", ["wrong.conf:1", "nonexistent"]),
            ("<Service x>", ["wrong.conf"]),
            ("Listen nowhere", ["wrong.conf:1", "nowhere"])):
        with open(path, "w") as f:
            f.write(text + "\n")
        for args in (["--check-config"], ["-F"]):
            answer = call(*args, "-c", path)
            eq(answer.returncode, 78, "status for %r" % text)
            for word in words:
                check(word in answer.stderr, "%r lacks %r" % (
                    answer.stderr, word))
    answer = call("-F", "-c", server().path("missing.conf"))
    eq(answer.returncode, 78, "status for a missing file")
    answer = call("-F", "-o", "Lisen x")
    eq(answer.returncode, 78, "status for a wrong -o")


@case()
def listen_address_that_is_taken():
    answer = call("-F", "-c", server().conf, "-o",
                  "ControlSocket " + server().path("other.sock"))
    check(answer.returncode not in (0, None), "it started")
    check(str(server().port) in answer.stderr, answer.stderr)


@case()
def override_wins():
    s = tolsey.Tolsey("PreviewSize 1111", args=["-o", "PreviewSize 2222"])
    try:
        with s.client() as c:
            eq(c.options().headers["Preview"], "2222", "Preview")
    finally:
        s.close()


@case()
def two_services_of_one_module():
    s = tolsey.Tolsey(services="""
<Service strict>
    Alias avscan
    PreviewSize 100
</Service>
<Service lenient>
    OnInfected pass
    PreviewSize 200
</Service>""")
    try:
        for name, preview, blocked in (("avscan", "100", True),
                                       ("strict", "100", True),
                                       ("lenient", "200", False)):
            with s.client() as c:
                eq(c.options(name).headers["Preview"], preview, name)
                answer = c.scan_response(samples.EICAR, service=name)
                eq(answer.blocked, blocked, name)
        line = s.wait_access("service=lenient")[-1]
        eq((fields(line)["outcome"], fields(line)["action"]),
           ("infected", "pass"), "outcome and action")
    finally:
        s.close()


@case()
def monitor_reports_and_passes():
    s = tolsey.Tolsey("Monitor on")
    try:
        with s.client() as c:
            eq(c.scan_response(samples.EICAR).status, 204, "status")
        check("outcome=infected" in s.wait_access("id=")[-1], "outcome")
    finally:
        s.close()


# ---- signals ----

@case()
def hup_with_a_wrong_configuration_keeps_the_old():
    s = tolsey.Tolsey("PreviewSize 1234")
    try:
        pids = s.nets()
        s.write_config("PreviewSize what")
        s.kill(s.pid, signal.SIGHUP)
        wait_for(lambda: "what" in s.events() + s.stderr(), 10,
                 "not reported")
        time.sleep(0.5)
        with s.client() as c:
            eq(c.options().headers["Preview"], "1234", "Preview")
            check(c.scan_response(samples.EICAR).blocked, "EICAR passed")
        eq(s.nets(), pids, "nets")
    finally:
        s.close()


@case()
def hup_with_a_new_configuration():
    s = tolsey.Tolsey("PreviewSize 1234")
    try:
        kept = s.client()
        eq(kept.options().headers["Preview"], "1234", "Preview")
        s.write_config("PreviewSize 2345\nOnInfected pass")
        s.kill(s.pid, signal.SIGHUP)

        def changed():
            with s.client() as c:
                return c.options().headers["Preview"] == "2345"
        wait_for(changed, 10, "the new PreviewSize does not come")
        with s.client() as c:
            eq(c.scan_response(samples.EICAR).status, 204, "OnInfected pass")
        eq(kept.options().headers["Preview"], "2345", "kept connection")
        kept.close()
    finally:
        s.close()


@case()
def hup_with_a_new_service():
    """A new service or module means a new net; the old one drains."""
    s = tolsey.Tolsey()
    try:
        busy = s.client()
        busy.send(respmod(allow="204") + b"5\r\nhello\r\n")
        s.write_config(services="<Service avscan>\n</Service>\n"
                       "<Service other>\nPreviewSize 77\n</Service>")
        s.kill(s.pid, signal.SIGHUP)

        def there():
            with s.client() as c:
                return c.options("other").headers.get("Preview") == "77"
        wait_for(there, 15, "the new service does not come")
        busy.send(b"0\r\n\r\n")
        eq(busy.read().status, 204, "the transaction that was under way")
        busy.close()
        with s.client() as c:
            check(c.scan_response(samples.EICAR).blocked, "EICAR passed")
        wait_for(lambda: len(s.nets()) == 1, 20, "the old net stays")
    finally:
        s.close()


@case()
def term_drains():
    s = tolsey.Tolsey()
    busy = s.client()
    idle = s.client()
    try:
        idle.options()
        busy.send(respmod(preview=10, allow="204") + b"5\r\nhello\r\n")
        time.sleep(0.2)
        s.seen |= set(s.processes())
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        check(s.process.poll() is None, "ended at once")
        eq(idle.read_eof(), b"", "idle connection")
        busy.send(b"5\r\nworld\r\n0; ieof\r\n\r\n")
        answer = busy.read()
        eq((answer.status, answer.headers["Connection"]), (204, "close"),
           "the transaction under way")
        eq(s.process.wait(10), 0, "status")
    finally:
        busy.close()
        idle.close()
        s.close()


def end_with_scan(leave, ms=4000):
    """TERM while a scan is under way, after leave() was done to its client's
    socket; gives the client and what the end took."""
    s = tolsey.Tolsey(instead=tolsey.FAULTY_SCAN)
    busy = s.client()
    try:
        body = b"FAULT:slow:%d " % ms
        busy.send(respmod(preview=len(body), allow="204") +
                  b"%x\r\n%s\r\n0; ieof\r\n\r\n" % (len(body), body))
        wait_for(lambda: s.metric("scans_running") == 1, 5, "no scan")
        time.sleep(0.5)
        leave(busy.sock)
        s.seen |= set(s.processes())
        start = time.monotonic()
        s.process.send_signal(signal.SIGTERM)
        eq(s.process.wait(10), 0, "status")
        return busy, time.monotonic() - start
    finally:
        s.close()


@case()
def term_gives_up_scans_that_nobody_waits_for():
    _, took = end_with_scan(lambda sock: sock.close())
    check(took < 3.5, "took %.1f s" % took)


@case()
def term_lets_half_a_connection_have_its_answer():
    busy, took = end_with_scan(
        lambda sock: sock.shutdown(socket.SHUT_WR), 1300)
    eq(busy.read().status, 204, "answer")
    check(took < 3, "took %.1f s" % took)


@case()
def term_waits_for_scans_of_those_that_are_there():
    busy, took = end_with_scan(lambda sock: None)
    eq(busy.read().status, 204, "answer")
    check(took > 3, "took %.1f s" % took)


@case()
def second_term_ends_now():
    s = tolsey.Tolsey()
    busy = s.client()
    try:
        busy.send(respmod() + b"5\r\nhello\r\n")
        time.sleep(0.2)
        s.seen |= set(s.processes())
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        check(s.process.poll() is None, "ended at once")
        s.process.send_signal(signal.SIGTERM)
        start = time.monotonic()
        s.process.wait(10)
        check(time.monotonic() - start < 3, "took too long")
    finally:
        busy.close()
        s.close()


@case()
def shutdown_timeout():
    s = tolsey.Tolsey("ShutdownTimeout 1s")
    busy = s.client()
    try:
        busy.send(respmod() + b"5\r\nhello\r\n")
        time.sleep(0.2)
        s.seen |= set(s.processes())
        s.process.send_signal(signal.SIGTERM)
        s.process.wait(8)
    finally:
        busy.close()
        s.close()


@case()
def pid_file():
    s = tolsey.Tolsey()
    try:
        with open(s.path("pid")) as f:
            eq(int(f.read()), s.pid, "pid")
    finally:
        s.close()
    check(not os.path.exists(s.path("pid")), "the pid file stayed")


@case()
def usr1_reopens_the_logs():
    s = tolsey.Tolsey()
    try:
        with s.client() as c:
            c.scan_response(b"one")
            s.wait_access("outcome=clean")
            os.rename(s.path("access.log"), s.path("access.log.1"))
            s.kill(s.pid, signal.SIGUSR1)
            wait_for(lambda: os.path.exists(s.path("access.log")), 10,
                     "no new file")
            time.sleep(0.3)
            c.scan_response(b"two")
            s.wait_access("outcome=clean")
            eq(len(s.access()), 1, "lines in the new file")
    finally:
        s.close()


# ---- logs ----

@case()
def access_line():
    with server().client() as c:
        request = (b"GET http://origin.test/some/file.bin?secret=1 HTTP/1.1\r\n"
                   b"Host: origin.test\r\nCookie: topsecret\r\n\r\n")
        c.scan_response(samples.EICAR, request=request, preview=4096, extra=[
            "X-Client-IP: 192.0.2.7", "X-Client-Username: mary"])
    line = server().wait_access("some/file.bin")[-1]
    got = fields(line)
    for name, value in (("service", "avscan"), ("method", "RESPMOD"),
                        ("client", "192.0.2.7"), ("user", "mary"),
                        ("url", "http://origin.test/some/file.bin"),
                        ("http", "200"), ("icap", "200"), ("size", "68"),
                        ("outcome", "infected"), ("action", "block"),
                        ("file", "file.bin"), ("generation", "1"),
                        ("sha256", "275a021bbfb6489e54d471899f7db9d1"
                         "663fc695ec2fe2a2c4538aabf651fd0f")):
        eq(got.get(name), value, name)
    check("Tests.Eicar" in got["threats"], line)
    for name, value in (("request", "GET"), ("preview", "whole"),
                        ("100", "0"), ("trickled", "0"), ("pokes", "0"),
                        ("type", "application/octet-stream"),
                        ("detected", "TEXT_ASCII")):
        eq(got.get(name), value, name)
    for name in ("receive_ms", "queue_us", "scan_us", "send_ms"):
        check(got[name].isdigit(), "%s in %s" % (name, line))
    check(re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z access ", line),
          "time in " + line)
    check(re.fullmatch("[0-9A-Z]{13}", got["id"]), "id in " + line)
    check("secret" not in line, "what must not be logged is there: " + line)


@case()
def access_line_of_an_upload_and_of_a_continued_preview():
    request = (b"PUT http://origin.test/dir/x?q HTTP/1.1\r\nHost: o\r\n"
               b"Content-Type: text/plain; charset=utf-8\r\n\r\n")
    with server().client() as c:
        c.scan_request(samples.text(9000), request, preview=1024)
    got = fields(server().wait_access("/dir/x")[-1])
    for name, value in (("method", "REQMOD"), ("request", "PUT"),
                        ("http", "0"), ("icap", "204"), ("preview", "yes"),
                        ("100", "1"), ("type", "text/plain"),
                        ("size", "9000"), ("outcome", "clean"),
                        ("action", "pass"), ("client", "-"), ("user", "-"),
                        ("sha256", None), ("threats", None)):
        eq(got.get(name), value, name)
    with server().client() as c:
        c.scan_response(samples.filler(9000), preview=1024, allow=None,
                        request=b"GET /head/y HTTP/1.1\r\nHost: o\r\n\r\n")
        c.send(respmod(b"HTTP/1.1 304 Not Modified\r\n\r\n",
                       b"GET /null/z HTTP/1.1\r\nHost: o\r\n\r\n",
                       body="null-body"))
        c.read()
    got = fields(server().wait_access("/head/y")[-1])
    eq((got["icap"], got["100"], got["http"]), ("200", "1", "200"), "echo")
    got = fields(server().wait_access("/null/z")[-1])
    eq((got["icap"], got["http"], got["outcome"], got["size"]),
       ("200", "304", "exempt", "0"), "null-body")


@case()
def scan_time_is_the_workers():
    with server().client() as c:
        c.scan_response(samples.gzipped(bytes(100000000)), request=(
            b"GET http://o/long HTTP/1.1\r\nHost: o\r\n\r\n"))
    got = fields(server().wait_access("/long")[-1])
    check(int(got["scan_us"]) > 20000, "scan_us=" + got["scan_us"])
    check(int(got["queue_us"]) < int(got["scan_us"]), "queue_us=%s" %
          got["queue_us"])


@case()
def wire_data_is_quoted():
    request = (b"GET http://h/quote\"evil\x1b[31m\xff HTTP/1.1\r\nHost: h\r\n"
               b"\r\n")
    with server().client() as c:
        c.scan_response(b"hello quoting", request=request, extra=[
            'X-Client-Username: a" outcome=clean id="x'])
    line = server().wait_access("quote")[-1]
    check("\x1b" not in line and "\xff" not in line, repr(line))
    # Outside of quotes there is one outcome and one id.
    bare = re.sub(r'"[^"]*"', '""', line)
    eq((bare.count(" outcome="), bare.count(" id=")), (1, 1), repr(line))


@case()
def log_url_and_log_access():
    s = tolsey.Tolsey("LogUrl host\nLogAccess notclean")
    try:
        with s.client() as c:
            c.scan_response(b"clean")
            c.scan_response(samples.EICAR)
        s.wait_access("outcome=infected")
        eq(len(s.access()), 1, "lines")
        check("object" not in fields(s.access()[0])["url"], s.access()[0])
    finally:
        s.close()


class StoppedReader:
    """tolseyd whose logs go to a pipe that nobody reads."""

    def __init__(self):
        self.server = None
        self.read_fd, write_fd = os.pipe()
        make = tolsey.Tolsey.spawn

        def spawn(this, argv, _passed=()):
            this.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=write_fd,
                stderr=write_fd, cwd=this.dir)
            open(this.path("stderr"), "w").close()
        tolsey.Tolsey.spawn = spawn
        try:
            self.server = tolsey.Tolsey("LogFile stderr\n"
                                        "AccessLogFile stderr")
        finally:
            tolsey.Tolsey.spawn = make
            os.close(write_fd)

    def drain(self, seconds):
        out = b""
        os.set_blocking(self.read_fd, False)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                out += os.read(self.read_fd, 1 << 20)
            except BlockingIOError:
                time.sleep(0.02)
        return out


@case(timeout=90)
def log_whose_reader_has_stopped():
    pipe = StoppedReader()
    s = pipe.server
    try:
        longest = 0.0
        with s.client() as c:
            for i in range(4000):
                start = time.monotonic()
                eq(c.scan_response(b"clean").status, 204, "answer")
                longest = max(longest, time.monotonic() - start)
            check(longest < 1, "an answer took %.1f s" % longest)
            dropped = s.metric("log_dropped_total")
            check(dropped > 0, "nothing was dropped in 4,000 lines")
            note("longest answer %.0f ms, %d lines dropped" % (
                longest * 1000, dropped))
            eq(s.http("/livez")[0], 200, "/livez")
            # What waited comes first, a pipe full at each flush.
            wait_for(lambda: not pipe.drain(1.5), 20, "no end of the backlog")
            c.scan_response(samples.EICAR)
            out = pipe.drain(3)
        check(b"outcome=infected" in out, "the log does not go on")
    finally:
        reader = threading.Thread(target=pipe.drain, args=(8,))
        reader.start()
        s.close()
        reader.join()
        os.close(pipe.read_fd)


@case()
def log_on_a_full_disk():
    if not os.path.exists("/dev/full"):
        tolsey.skip("no /dev/full")
    s = tolsey.Tolsey("LogFile /dev/full\nAccessLogFile /dev/full")
    try:
        with s.client() as c:
            for _ in range(300):
                eq(c.scan_response(b"clean").status, 204, "answer")
            check(c.scan_response(samples.EICAR).blocked, "EICAR passed")
        check(s.metric("log_dropped_total") > 0, "not counted")
    finally:
        s.close()


class Syslog:
    """A syslog daemon at /dev/log of the server's mount namespace."""

    def __init__(self, folder):
        self.path = os.path.join(folder, "log")
        self.lines = []
        self.start()

    def start(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.settimeout(0.1)
        self.ending = False
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        while not self.ending:
            try:
                self.lines.append(self.socket.recv(65536).decode())
            except TimeoutError:
                pass

    def stop(self):
        self.ending = True
        self.reader.join()
        self.socket.close()
        os.unlink(self.path)

    def saw(self, *words):
        return any(all(w in x for w in words) for x in list(self.lines))


@case()
def syslog_that_is_started_again():
    """net cannot connect any more: the parent passes it a new socket."""
    if os.getuid() != 0:
        tolsey.skip("needs root")
    folder = tempfile.mkdtemp()
    daemon = Syslog(folder)
    s = tolsey.Tolsey("LogFile syslog\nAccessLogFile syslog", under=[
        "unshare", "-m", "sh", "-c",
        'mount --bind %s /dev && exec "$@"' % folder, "sh"])
    try:
        for i in range(2):
            with s.client() as c:
                c.scan_response(samples.EICAR)
            wait_for(lambda: daemon.saw(">tolsey[", "outcome=infected"), 5,
                     "no access line")
            check(daemon.saw("parent["), "nothing of the parent")
            if i == 0:
                daemon.stop()
                daemon.lines = []
                daemon.start()
                wait_for(lambda: daemon.saw("logs-reopened"), 5,
                         "the new daemon is not found")
    finally:
        s.close()
        daemon.stop()
        shutil.rmtree(folder)


# ---- instruments ----

@case()
def metrics_count_what_happened():
    s = tolsey.Tolsey()
    try:
        response = b"HTTP/1.1 %d Reason\r\n\r\n"
        with s.client() as c:
            for code in (200, 200, 302, 404, 503):
                c.scan_response(b"clean", response % code)
            c.scan_response(samples.EICAR)
            c.scan_request(b"clean", allow=None)
            c.scan_response(samples.text(9000), preview=1024)
            c.options()
        with s.client() as c:
            c.send(b"garbage\r\n\r\n")
            c.read()
        want = {"respmod_total": 7, "reqmod_total": 1, "http_2xx_total": 4,
                "http_3xx_total": 1,
                "http_4xx_total": 1, "http_5xx_total": 1, "icap_100_total": 1,
                "icap_4xx_total": 1, "protocol_errors_total": 1,
                "icap_204_total": 6, "prefix_scans_total": 1,
                "signatures": samples.SIGNATURES,
                "workers": 2, "generation": 1}
        wait_for(lambda: s.metric("reqmod_total") == 1, 5, "not counted")
        time.sleep(0.2)
        got = {k: s.metric(k) for k in want}
        eq(got, want, "metrics")
        eq(s.metric("outcomes_total", 'service="avscan" outcome="infected"'),
           1, "infected")
        eq(s.metric("outcomes_total", 'service="avscan" outcome="clean"'), 7,
           "clean")
        text = s.http("/metrics")[1]
        for line in text.splitlines():
            check(line.startswith(("# HELP tolsey_", "# TYPE tolsey_",
                                   "tolsey_")), "line %r" % line)
    finally:
        s.close()


@case()
def status_of_tolseyctl():
    text = server().control("status")
    eq(text.returncode, 0, text.stderr)
    for word in ("signatures", "workers", "avscan"):
        check(word in text.stdout, "%r lacks %s" % (text.stdout, word))
    data = json.loads(server().control("status", "--json").stdout)
    eq((data["signatures"], data["workers"]),
       (samples.SIGNATURES, 2), "JSON")
    eq(server().control("nonsense").returncode != 0, True, "unknown command")


@case()
def loopback_only_metrics():
    answer = call("--check-config", "-c", server().conf, "-o",
                  "MetricsListen 0.0.0.0:9999")
    check(answer.returncode == 78, "a public MetricsListen: %d %s" % (
        answer.returncode, answer.stderr))


@case()
def workers_are_confined():
    if os.getuid() != 0:
        tolsey.skip("needs root")
    s = server()
    for pid in s.scan_workers():
        with open("/proc/%d/status" % pid) as f:
            status = dict(x.split(":\t", 1) for x in f.read().splitlines()
                          if ":\t" in x)
        eq(status["Uid"].split()[0], str(pwd.getpwnam(s.scan_user).pw_uid),
           "uid")
        eq(status["NoNewPrivs"], "1", "NoNewPrivs")
        eq(int(status["CapEff"], 16), 0, "capabilities")
        sockets = [t for t in tolsey.fds(pid).values() if "socket" in t]
        check(len(sockets) <= 3, "sockets of a worker: %r" % sockets)
    for pid in s.nets():
        with open("/proc/%d/status" % pid) as f:
            check("Uid:\t%d" % pwd.getpwnam(s.user).pw_uid in f.read(),
                  "uid of net")


main()
