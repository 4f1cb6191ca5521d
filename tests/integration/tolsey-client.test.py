#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""tolsey-client against tolseyd, Debian's c-icap (echo, virus_scan), and a
server that says what it should not."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import json
import pty
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import samples
import tls
import tolsey
from tap import case, check, eq, main, shared, skip, wait_for

tolsey.REFERENCE and sys.exit("not for the reference server")

CLIENT = os.path.join(tolsey.find_build(), "src", "tolsey-client")
certs = tls.certificates


class Files:
    """A folder of objects."""
    name = "files"

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tolsey-client-")
        self.write("clean", samples.filler(100000))
        self.write("small", b"x")
        self.write("empty", b"")
        self.write("eicar", samples.EICAR)
        self.write("marker", samples.filler(50000) + samples.MARKER)
        os.makedirs(self.path("tree", "deep", "er"))
        for i in range(20):
            self.write("tree/deep/f%02d" % i, samples.filler(3000 + i, i))
        self.write("tree/deep/er/hit", b"..." + samples.MARKER)
        os.symlink(self.path("eicar"), self.path("tree", "link"))
        os.mkfifo(self.path("tree", "fifo"))

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def write(self, name, data):
        with open(self.path(name), "wb") as f:
            f.write(data)

    def close(self):
        shutil.rmtree(self.dir)


def make_server():
    folder = tempfile.mkdtemp(prefix="tolsey-client-sock-")
    os.chmod(folder, 0o777)
    s = tolsey.Tolsey(
        "Listen 127.0.0.1:%d unix:%s/icap.sock\nListenMode 0666\n"
        "TlsClientCert request\nTlsClientCA %s\nTrustClients 127.0.0.1\n"
        "KeepAliveTimeout 1s\nMaxObjectSize 200M\nAllow206 on"
        % (tolsey.free_port(), folder, certs().path("ca.pem")),
        over_tls=True, wait=False)
    # the port that stands in the line above
    with open(s.conf) as f:
        line = [x for x in f if x.startswith("Listen ")][0]
    s.port = int(line.split()[1].rsplit(":", 1)[1])
    s.address = ("127.0.0.1", s.port)
    s.socket = folder + "/icap.sock"
    s.ready_or_end()
    close = s.close

    def close_all():
        close()
        shutil.rmtree(folder, True)
    s.close = close_all
    return s


server = shared(make_server)
files = shared(Files)


def client(*args, url=None, code=0, stdin=b"", timeout=60, env=None):
    """What it says on stdout; its exit status must be `code`."""
    run = subprocess.run(
        [CLIENT] + [str(a) for a in args],
        input=stdin, capture_output=True, timeout=timeout, env=dict(
            os.environ, TOLSEY_URL=url or server().uri, **(env or {})))
    client.err = run.stderr.decode("utf-8", "replace")
    out = run.stdout.decode("utf-8", "replace")
    if run.returncode != code:
        raise AssertionError("ended with %d instead of %d: %s%s" % (
            run.returncode, code, out[-500:], client.err[-500:]))
    return out


def results(*args, **rest):
    """The JSON lines by name."""
    out = client("--json", *args, **rest)
    return {r["name"]: r for r in map(json.loads, out.splitlines())}


def one(*args, **rest):
    got = results(*args, **rest)
    eq(len(got), 1, "number of results")
    return list(got.values())[0]


# ---- tolseyd ----

@case()
def options():
    out = client()
    for word in ("Methods           RESPMOD, REQMOD", "Preview           16384",
                 "204: yes", "ISTag"):
        check(word in out, "%r is not in %s" % (word, out))
    got = json.loads(client("--json", "--options"))
    eq(got["headers"]["Options-TTL"], "600", "Options-TTL")
    eq((got["preview"], got["allow_204"], got["reqmod"]), (16384, True, True))


@case()
def exit_codes_and_lines():
    f = files()
    out = client(f.path("clean"), f.path("small"), f.path("empty"))
    check("clean: OK\n" in out and "empty: OK\n" in out, out)
    check("Scanned files: 3" in out and "Infected files: 0" in out, out)
    out = client(f.path("clean"), f.path("eicar"), code=1)
    check("eicar: Tests.Eicar.Pattern.UNOFFICIAL FOUND\n" in out, out)
    check("Infected files: 1" in out, out)
    out = client(f.path("none"), code=2)
    check("none: No such file or directory ERROR\n" in out, out)
    # something found counts more than an error
    client(f.path("none"), f.path("eicar"), code=1)
    out = client("--infected", "--no-summary", f.path("clean"),
                 f.path("marker"), code=1)
    eq(out.count("\n"), 1, "lines")
    eq(client("-q", f.path("eicar"), code=1), "", "quiet")


@case()
def eicar_in_every_manner():
    for args in ([], ["--reqmod"], ["--no-preview"], ["--no-204"],
                 ["-w", "0"], ["-w", "10"], ["--req", "http://x/a", "-m",
                 "PUT"], ["--no-response-head"], ["--allow-206"],
                 ["--resp", "http://x.org/a?b"], ["--allow-trailers"]):
        r = one("--eicar", *args, code=1)
        eq((r["verdict"], r["threat"]),
           ("infected", "Tests.Eicar.Pattern.UNOFFICIAL"), str(args))
        eq((r["icap_status"], r["http_status"]), (200, 403), str(args))
    # what a limit blocks is no infection
    f = files()
    with open(f.path("large"), "wb") as g:
        g.truncate(201 << 20)
    r = one(f.path("large"), code=1)
    eq((r["verdict"], r["threat"]), ("blocked", "too-large"))
    os.unlink(f.path("large"))
    # also where it begins behind the preview
    r = one(files().path("marker"), code=1)
    eq((r["threat"], r["continue"]), ("Tests.Marker.UNOFFICIAL", True))


@case()
def the_program_is_not_found():
    """EICAR is not in it: no scanner objects to it."""
    with open(CLIENT, "rb") as f:
        program = f.read()
    check(samples.EICAR not in program, "EICAR is in the program")
    eq(one(CLIENT)["verdict"], "clean", "of the program")


@case()
def preview_sizes():
    f = files()
    for size, preview, ieof, cont in (
            (10, 16384, True, False), (16384, 16384, True, False),
            (16385, 16384, False, True), (100, 0, False, True),
            (4097, 4096, False, True), (0, 0, True, False),
            (0, 16384, True, False)):
        f.write("object", samples.filler(size))
        args = [] if preview == 16384 else ["-w", preview]
        r = one(f.path("object"), *args)
        eq((r["verdict"], r["preview"], r["ieof"], r["continue"], r["sent"]),
           ("clean", preview, ieof, cont, size), "%d/%d" % (size, preview))
    r = one("--no-preview", f.path("clean"))
    eq((r["preview"], r["continue"], r["icap_status"]), (None, False, 204))


@case()
def verify():
    f = files()
    for mode in ([], ["--reqmod"], ["-w", "1000"], ["--allow-206"]):
        got = results("--verify", f.path("clean"), f.path("small"),
                      f.path("empty"), *mode)
        for r in got.values():
            eq(r["verdict"], "clean", str(mode))
            if r["icap_status"] == 200:
                eq((r["body_same"], r["head_same"], r["received"]),
                   (True, True, r["size"]), str(mode))
    eq(got[f.path("clean")]["icap_status"], 200, "status")
    out = client("--verify", f.path("clean"), f.path("small"))
    check("Came back the same: 2" in out, out)
    # standard input cannot be read again: by digest
    r = one("--verify", "-", stdin=samples.filler(300000))
    eq((r["body_same"], r["received"]), (True, 300000))


@case()
def standard_input():
    r = one("-", stdin=samples.filler(100000))
    eq((r["verdict"], r["sent"], r["icap_status"]), ("clean", 100000, 204))
    r = one("-", stdin=samples.EICAR, code=1)
    eq(r["verdict"], "infected")
    with open(files().path("clean"), "rb") as f:
        run = subprocess.run([CLIENT, "--json", "-"], stdin=f,
                             capture_output=True, timeout=30,
                             env=dict(os.environ, TOLSEY_URL=server().uri))
    eq(json.loads(run.stdout)["size"], 100000, "a file as standard input")
    client("-", "-", code=2)


@case()
def early_answer_while_standard_input_is_slow():
    """The verdict on the preview comes before the rest does."""
    p = subprocess.Popen([CLIENT, "-w", "68", "-"], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                         env=dict(os.environ, TOLSEY_URL=server().uri))
    try:
        p.stdin.write(samples.EICAR)
        p.stdin.flush()
        ready, _, _ = select.select([p.stdout], [], [], 10)
        check(ready, "no verdict while standard input is open")
        check(b"FOUND" in p.stdout.readline(), "not found")
        eq(p.wait(10), 1, "exit status")
    finally:
        p.kill()
        p.wait()
        p.stdin.close()
        p.stdout.close()


@case()
def folders_and_jobs():
    f = files()
    for jobs in (1, 8):
        got = results("-j", jobs, f.path("tree"), code=1)
        kinds = sorted(r["verdict"] for r in got.values())
        eq((kinds.count("clean"), kinds.count("infected"),
            kinds.count("skipped")), (20, 1, 2), "kinds")
        eq(got[f.path("tree/deep/er/hit")]["verdict"], "infected")
    check(any(r["reused"] for r in got.values()), "no connection was reused")
    got = results("--new-connection", f.path("tree"), code=1)
    check(not any(r["reused"] for r in got.values()), "reused")
    # a link that is named is followed
    eq(one(f.path("tree/link"), code=1)["verdict"], "infected")
    with open(f.path("list"), "w") as g:
        g.write("%s\n\n%s\n" % (f.path("clean"), f.path("eicar")))
    eq(len(results("--files-from", f.path("list"), code=1)), 2, "of a list")
    eq(len(results("--files-from", "-", code=1,
                   stdin=open(f.path("list"), "rb").read())), 2, "of stdin")


@case()
def names_that_are_not_text():
    f = files()
    name = os.fsencode(f.path("")) + b"n\xff\x1b[2Jx"
    with open(name, "wb") as g:
        g.write(b"x")
    run = subprocess.run([CLIENT, "--json", name], capture_output=True,
                         timeout=30,
                         env=dict(os.environ, TOLSEY_URL=server().uri))
    eq(os.fsencode(json.loads(run.stdout)["name"]), name, "the name")
    run = subprocess.run([CLIENT, name], capture_output=True, timeout=30,
                         env=dict(os.environ, TOLSEY_URL=server().uri))
    check(b"n\\xff\\x1b[2Jx: OK\n" in run.stdout, run.stdout)
    os.unlink(name)


@case()
def output():
    f = files()
    client("--no-204", "--no-preview", "-o", f.path("back"), f.path("clean"))
    eq(open(f.path("back"), "rb").read(), samples.filler(100000), "the body")
    os.unlink(f.path("back"))
    # nothing came back
    client("-o", f.path("back"), f.path("clean"))
    check(not os.path.exists(f.path("back")), "written at 204")
    client("--no-204", "--no-preview", "-o", f.path("back"), f.path("empty"))
    eq(os.path.getsize(f.path("back")), 0, "an empty body")
    out = client("--eicar", "-o", "-", code=1)
    check(out.startswith("<!DOCTYPE html>") and "FOUND" in client.err, out)
    client("-o", "/dev/null", "--eicar", code=1)
    client("-o", f.path("back"), f.path("clean"), f.path("small"), code=2)
    client("-o", f.path("no/such"), f.path("clean"), code=2)
    check(not os.path.exists(f.path("back.part")), "a part is left")


@case()
def headers():
    """The access log has what was said."""
    s = server()
    client("--client-ip", "192.0.2.77", "--user", "mary", "--req",
           "http://x.org/upload?a=b", "-m", "PUT", "-x", "X-More: 1",
           "-hx", "X-Own: 2", files().path("small"))

    def line():
        with open(s.path("access.log")) as f:
            return [x for x in f if "192.0.2.77" in x]
    got = wait_for(line, 10, "no line in the log")[0]
    for word in ('user="mary"', 'url="http://x.org/upload', "method=REQMOD",
                 'request="PUT"'):
        check(word in got.replace("Local://", ""), "%s: %s" % (word, got))
    out = client("-D", "-hx", "X-Own: 2", "-rhx", "X-Its: 3", "-x", "X-I: 4",
                 files().path("small"))
    for word in ("> X-Own: 2", "> X-Its: 3", "> X-I: 4", "< ICAP/1.0 204"):
        check(word in client.err, client.err)
    client("-x", "a\r\nb: c", files().path("small"), code=2)


@case()
def ways_in():
    s, f = server(), files()
    eq(client("unix:x", url="unix:%s" % s.socket, code=2).count("ERROR"), 1)
    for url in ("unix:%s" % s.socket, "icap+unix:%s:/avscan" % s.socket,
                "icap://localhost:%d/AVSCAN" % s.port,
                "icap://127.0.0.1:%d" % s.port):
        out = client("-v", f.path("clean"), url=url)
        check("clean: OK" in out, out)
        client("--eicar", url=url, code=1)
    eq(one("--verify", f.path("clean"),
           url="unix:%s:/echo" % s.socket)["body_same"], True, "echo")
    # as c-icap-client is called
    client("-i", "127.0.0.1", "-p", s.port, "-s", "avscan", "-f",
           f.path("eicar"), "-v", "-req", "http://x/", "-method", "PUT",
           "-no204", "-nopreview", url="icap://192.0.2.1/", code=1)


@case()
def over_tls():
    s, f, c = server(), files(), certs()
    url = "icaps://127.0.0.1:%d/avscan" % s.tls_port
    client("--eicar", url=url, code=2)
    check("--tls-ca" in client.err, client.err)
    ca = ["--tls-ca", c.path("ca.pem")]
    client("--eicar", *ca, url=url, code=1)
    client("--eicar", "--tls-no-verify", url=url, code=1)
    client("--eicar", "--tls-ca", c.path("other-ca.pem"), url=url, code=2)
    client("--eicar", "--tls-name", "elsewhere", *ca, url=url, code=2)
    check("hostname mismatch" in client.err, client.err)
    client("--eicar", "--tls-name", "localhost", *ca, url=url, code=1)
    for version in ("TLSv1.2", "TLSv1.3"):
        r = one("--verify", "--tls-method", version, f.path("clean"), *ca,
                url=url)
        check(r["body_same"] and r["tls_us"] > 0, str(r))
    # a certificate of its own
    mine = ["--tls-cert", c.path("client.pem"), "--tls-key",
            c.path("client.key")]
    client(f.path("clean"), *ca, *mine, url=url)
    other = ["--tls-cert", c.path("other-client.pem"), "--tls-key",
             c.path("other-client.key")]
    client(f.path("clean"), *ca, *other, url=url, code=2)
    check("unknown ca" in client.err, client.err)
    client("--tls-cert", c.path("client.pem"), "--tls-key",
           c.path("server.key"), *ca, url=url, code=2)
    check("--tls-key" in client.err, client.err)
    client(*ca, url="icaps://127.0.0.1:%d/" % s.port, code=2)
    check("speak TLS on this port" in client.err, client.err)


@case()
def errors_say_what_to_do():
    f = files()
    port = tolsey.free_port()
    for args, url, word in (
            ([], "icap://127.0.0.1:%d/" % port, "is the server running"),
            ([], "unix:/no/such/socket", "is the server running"),
            ([], "http://x/", "write icap://"),
            ([], "icap://no.such.host.invalid/", "name of the server"),
            (["-s", "nothing"], None, "--service"),
            (["--jon"], None, "--json"),
            (["--tls-ca", "/no/such"], "icaps://127.0.0.1/", "--tls-ca"),
            (["--connect-timeout", "1x"], None, "not a time")):
        client(f.path("small"), *args, url=url, code=2)
        check(word in client.err and client.err.count("\n") == 1,
              "%s: %s" % (word, client.err))


@case()
def idle_connections():
    """The server closes an idle one; the next object goes over a new one."""
    with tempfile.TemporaryDirectory() as folder:
        fifo = os.path.join(folder, "list")
        os.mkfifo(fifo)
        p = subprocess.Popen(
            [CLIENT, "--json", "--files-from", fifo], text=True,
            stdout=subprocess.PIPE,
            env=dict(os.environ, TOLSEY_URL=server().uri))
        with open(fifo, "w") as f:
            for pause in (0, 0.1, 1.6):
                time.sleep(pause)
                f.write(files().path("clean") + "\n")
                f.flush()
        got = [json.loads(x) for x in p.communicate(timeout=30)[0].split("\n")
               if x]
    eq(p.returncode, 0, "exit status")
    eq([r["verdict"] for r in got], ["clean"] * 3)
    eq([r["reused"] for r in got], [False, True, False])


def on_terminal(*args, timeout=60):
    """What comes on a terminal that is stderr."""
    master, slave = pty.openpty()
    p = subprocess.Popen([CLIENT] + [str(a) for a in args],
                         stdout=subprocess.DEVNULL, stderr=slave,
                         env=dict(os.environ, TOLSEY_URL=server().uri))
    os.close(slave)
    text = b""
    while True:
        try:
            data = os.read(master, 65536)
        except OSError:
            break
        if not data:
            break
        text += data
    os.close(master)
    return text, p.wait(timeout)


@case()
def progress_bar():
    f = files()
    with open(f.path("big"), "wb") as g:
        for _ in range(15):
            g.write(os.urandom(10000000))
    text, code = on_terminal("--verify", f.path("big"), f.path("big"))
    eq(code, 0, "exit status")
    check(b"% 0/2 files" in text or b"% 1/2 files" in text, text[-300:])
    check(text.endswith(b"\r\x1b[K"), "the bar stays: %r" % text[-40:])
    text, _ = on_terminal("--no-progress", "--verify", f.path("big"))
    eq(text, b"", "with --no-progress")
    text, _ = on_terminal(f.path("small"))
    eq(text, b"", "for short work")
    client("--verify", f.path("big"))
    eq(client.err, "", "without a terminal")
    os.unlink(f.path("big"))


# ---- Debian's c-icap ----

cicap = shared(lambda: tolsey.CIcap())


def need_cicap():
    shutil.which("c-icap") or skip("c-icap is not installed")
    return "icap://127.0.0.1:%d/" % cicap().port


@case()
def c_icap_echo():
    url, f = need_cicap() + "echo", files()
    check("Methods           RESPMOD, REQMOD" in client(url=url), "OPTIONS")
    for args in ([], ["--no-preview"], ["--reqmod"], ["-w", "10"],
                 ["--allow-206"], ["--allow-206", "--reqmod"]):
        for name in ("clean", "small", "empty", "eicar"):
            r = one("--verify", f.path(name), *args, url=url)
            eq(r["verdict"], "clean", "%s %s %s" % (args, name, r))
            if r["icap_status"] != 204:
                eq(r["body_same"], True, "%s %s" % (args, name))
    r = one("--verify", "-", stdin=samples.filler(200000), url=url)
    eq((r["body_same"], r["received"]), (True, 200000))
    client("-j", "4", f.path("tree"), url=url)


@case()
def c_icap_virus_scan():
    url, f = need_cicap() + "virus_scan", files()
    client(f.path("clean"), f.path("small"), url=url)
    for args in ([], ["--reqmod"], ["--no-preview"], ["--no-204"]):
        r = one("--eicar", *args, url=url, code=1)
        eq(r["verdict"], "infected", str(args))
        check("Eicar" in r["threat"], str(r))
    got = results("-j", "4", f.path("tree"), url=url, code=1)
    eq(got[f.path("tree/deep/er/hit")]["verdict"], "infected")


# ---- a server that says what it should not ----

class Fake:
    """Says something to whoever connects: bytes, or a function of the
    connection."""

    def __init__(self, *says, read_first=True):
        self.says = says
        self.read_first = read_first
        self.count = 0
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.url = "icap://127.0.0.1:%d/x" % self.sock.getsockname()[1]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while True:
            try:
                conn, _ = self.sock.accept()
            except OSError:
                return
            say = self.says[min(self.count, len(self.says) - 1)]
            self.count += 1
            try:
                if self.read_first:
                    conn.recv(65536)
                say(conn) if callable(say) else conn.sendall(say)
            except OSError:
                pass
            conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()


HEAD = b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body=19\r\n\r\n" \
       b"HTTP/1.1 200 OK\r\n\r\n"


def endless(data, first=b""):
    def say(conn):
        conn.sendall(first)
        end = time.monotonic() + 20
        while time.monotonic() < end:
            conn.sendall(data)
    return say


def slowly(data, first=b""):
    def say(conn):
        conn.sendall(first)
        for i in range(200):
            conn.sendall(data[i % len(data):i % len(data) + 1])
            time.sleep(0.05)
    return say


def hangs(conn):
    time.sleep(5)


HOSTILE = [
    ("nothing", b"", "closed the connection before it answered"),
    ("http", b"HTTP/1.1 200 OK\r\n\r\n", "not ICAP"),
    ("noise", os.urandom(1000).replace(b"I", b"x"), "not ICAP"),
    ("endless-head", endless(b"X: y\r\n" * 100, b"ICAP/1.0 200 OK\r\n"),
     "its head is too large"),
    ("endless-line", endless(b"y" * 1000, b"ICAP/1.0 200 "),
     "its head is too large"),
    ("huge-sections", b"ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, "
     b"res-body=9999999999\r\n\r\n", "too large"),
    ("endless-body", endless(b"10000\r\n" + b"x" * 65536 + b"\r\n", HEAD),
     "--max-answer"),
    ("endless-tiny-chunks", endless(b"1\r\nx\r\n" * 1000, HEAD),
     "--max-answer"),
    ("endless-chunk-line", endless(b"0" * 1000, HEAD), "chunks"),
    ("endless-trailer", endless(b"a: b\r\n" * 100, HEAD + b"0\r\n"),
     "chunks"),
    ("negative-chunk", HEAD + b"-1\r\n", "chunks"),
    ("overflowing-chunk", HEAD + b"ffffffffffffffff\r\n", "chunks"),
    ("cut-in-the-body", HEAD + b"5\r\nab", "in the middle of its answer"),
    ("cut-in-the-head", b"ICAP/1.0 200 O", "before it answered"),
    ("100-unasked", b"ICAP/1.0 100 Continue\r\n\r\n", "100 Continue"),
    ("endless-100", endless(b"ICAP/1.0 100 Continue\r\n\r\n"),
     "100 Continue"),
    ("206-unasked", HEAD.replace(b"200 OK\r\nE", b"206 x\r\nE") +
     b"0; use-original-body=0\r\n\r\n", "206"),
    ("original-in-200", HEAD + b"0; use-original-body=0\r\n\r\n",
     "original body"),
    ("hangs", hangs, "--timeout"),
    ("slow-head", slowly(b"ICAP/1.0 204 " + b"x" * 200), "--timeout"),
    ("slow-body", slowly(b"1\r\nx\r\n", HEAD), "--max-time"),
    ("status-0", b"ICAP/1.0 000 x\r\n\r\n", "status is below 100"),
    ("500", b"ICAP/1.0 500 Server Error\r\n\r\n", "log tells more"),
    ("escape", b"ICAP/1.0 503 \x1b[2J\r\n\r\n", "control byte"),
]


@case(timeout=120)
def hostile_server():
    """Each is an error with its reason, in bounded time, and nothing of the
    server's gets to the terminal as it is."""
    for name, say, want in HOSTILE:
        with Fake(say) as fake:
            begin = time.monotonic()
            out = client("--no-preview", "-t", "1", "--max-time", "2",
                         "--max-answer", "1M", files().path("small"),
                         url=fake.url, code=2, timeout=30)
            check(want in out, "%s: %s is not in %s" % (name, want, out))
            check(time.monotonic() - begin < 10, name + " takes long")
            check("\x1b" not in out + client.err, name + ": escapes")


@case()
def answer_206():
    """What came and the rest of the object, put together: of tolseyd, which
    edits a head, and of a server that changes the beginning of the body."""
    f = files()
    r = one("--allow-206", "--reqmod", "-hx", "Accept-Encoding: x-own, gzip",
            f.path("small"), "-o", f.path("back"))
    eq((r["icap_status"], r["verdict"], r["body_same"], r["head_same"]),
       (206, "clean", True, False), str(r))
    eq(open(f.path("back"), "rb").read(), b"x", "the body")
    head = HEAD.replace(b"200 OK\r\nE", b"206 x\r\nE")
    for at, code, verdict in ((3, 0, "modified"), (100000, 0, "modified"),
                              (100001, 2, "error"), (b"x", 2, "error")):
        with Fake(head + b"3\r\nabc\r\n0; use-original-body=%s\r\n\r\n" %
                  str(at).encode()) as fake:
            r = one("--allow-206", "-w", "0", f.path("clean"), "-o",
                    f.path("back"), url=fake.url, code=code)
            eq(r["verdict"], verdict, str(at))
            if code == 0:
                eq(open(f.path("back"), "rb").read(),
                   b"abc" + samples.filler(100000)[at:], "at %d" % at)


@case()
def hostile_options():
    for preview in (b"99999999999999999999", b"-1", b"x"):
        with Fake(b"ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nPreview: " +
                  preview + b"\r\nConnection: close\r\n\r\n",
                  b"ICAP/1.0 204 x\r\n\r\n") as fake:
            client(files().path("small"), url=fake.url)
    # a preview of all there is
    with Fake(b"ICAP/1.0 200 OK\r\nPreview: 999999999999\r\n"
              b"Connection: close\r\n\r\n",
              b"ICAP/1.0 204 x\r\n\r\n") as fake:
        r = one(files().path("small"), url=fake.url)
        eq((r["preview"], r["ieof"]), (999999999999, True))
    with Fake(b"ICAP/1.0 200 OK\r\nMethods: REQMOD\r\n"
              b"Connection: close\r\n\r\n") as fake:
        client(files().path("small"), url=fake.url, code=2)
        check("--reqmod" in client.err, client.err)


def answers_early(conn):
    """The page while the object is still coming; then it reads no more."""
    conn.sendall(b"ICAP/1.0 200 OK\r\nX-Virus-ID: Early\r\nEncapsulated: "
                 b"res-hdr=0, res-body=26\r\n\r\nHTTP/1.1 403 Forbidden\r\n"
                 b"\r\n4\r\npage\r\n0\r\n\r\n")
    time.sleep(0.5)


def answers_and_resets(conn):
    answers_early(conn)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    b"\1\0\0\0\0\0\0\0")


@case()
def early_answers():
    f = files()
    with open(f.path("big"), "wb") as g:
        g.truncate(50000000)
    for say in (answers_early, answers_and_resets):
        with Fake(say) as fake:
            r = one("--no-preview", f.path("big"), url=fake.url, code=1)
            eq((r["verdict"], r["threat"]), ("infected", "Early"), str(r))
            check(r["sent"] < r["size"], "all was sent")
    # a threat in the head counts, though the connection is lost behind it
    with Fake(b"ICAP/1.0 200 OK\r\nX-Virus-ID: Cut\r\nEncapsulated: "
              b"res-hdr=0, res-body=26\r\n\r\nHTTP/1.1 403 Forbidden\r\n"
              b"\r\n4\r\npa") as fake:
        out = client("--no-preview", f.path("small"), url=fake.url, code=1)
        check("Cut FOUND" in out and "but: " in out, out)
    os.unlink(f.path("big"))


@case()
def names_that_the_server_does_not_want():
    """RFC 3507 4.10.2: Transfer-Ignore, Transfer-Complete, Transfer-Preview."""
    f = files()
    for name in "a.gif", "b.Html", "c.bin", "d":
        with open(f.path(name), "wb") as out:
            out.write(samples.filler(9000))
    offer = (b"ICAP/1.0 200 OK\r\nMethods: RESPMOD\r\nPreview: 10\r\n"
             b"Transfer-Ignore: jpg, GIF\r\nTransfer-Complete: html\r\n"
             b"Transfer-Preview: *\r\nConnection: close\r\n\r\n")
    unchanged = b"ICAP/1.0 204 x\r\nConnection: close\r\n\r\n"
    with Fake(offer, unchanged) as fake:
        r = one(f.path("a.gif"), url=fake.url)
        eq(r["verdict"], "skipped", str(r))
        check("Transfer-Ignore" in str(r), str(r))
    for name, args, preview in (("b.Html", (), None), ("c.bin", (), 10),
                                ("d", (), 10), ("a.gif", ("--send-all",), 10),
                                ("b.Html", ("--send-all",), 10)):
        with Fake(offer, unchanged) as fake:
            r = one(*args, f.path(name), url=fake.url)
            eq((r["verdict"], r["preview"]), ("clean", preview), name)
    rest = offer.replace(b"Preview: *", b"Preview: bin").replace(
        b"GIF", b"*")
    for name, verdict in ("c.bin", "clean"), ("d", "skipped"):
        with Fake(rest, unchanged) as fake:
            eq(one(f.path(name), url=fake.url)["verdict"], verdict, name)
    # the test object is always sent
    with Fake(rest, unchanged) as fake:
        client("--eicar", url=fake.url)


def begins_and_hangs(conn):
    conn.sendall(HEAD + b"3\r\nabc\r\n")
    time.sleep(8)


@case()
def no_part_is_left_by_a_signal():
    f = files()
    if os.path.exists(f.path("back")):
        os.unlink(f.path("back"))
    for number in signal.SIGINT, signal.SIGTERM:
        with Fake(begins_and_hangs) as fake:
            run = subprocess.Popen(
                [CLIENT, "-u", fake.url, "--no-preview", "-o",
                 f.path("back"), f.path("small")], stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT)
            wait_for(lambda: os.path.exists(f.path("back.part")), 10,
                     "nothing is written")
            run.send_signal(number)
            run.communicate(timeout=10)
            eq(run.returncode, -number, "its end")
        check(not os.path.exists(f.path("back.part")), "a part is left")
        check(not os.path.exists(f.path("back")), "it is not whole")


def serves(*answers):
    """One answer to each request on a connection, then it is closed."""
    def say(conn):
        conn.sendall(answers[0])
        for answer in answers[1:]:
            conn.recv(65536)
            conn.sendall(answer)
    return say


@case()
def retry_of_a_dropped_connection():
    """An idle connection that closes upon the next request: once more. A new
    one that does so is an error."""
    f = files()
    ok = b"ICAP/1.0 204 x\r\n\r\n"
    with Fake(serves(ok, b""), serves(ok)) as fake:
        got = results("--no-preview", f.path("small"), f.path("eicar"),
                      url=fake.url)
        eq([r["verdict"] for r in got.values()], ["clean"] * 2)
        eq([r["retried"] for r in got.values()], [False, True])
    with Fake(serves(ok, b""), b"") as fake:
        got = results("--no-preview", f.path("small"), f.path("eicar"),
                      url=fake.url, code=2)
        eq([r["verdict"] for r in got.values()], ["clean", "error"])
        eq(fake.count, 2, "connections")
    # garbage behind an answer is nobody's: a new connection
    with Fake(ok + b"ICAP/1.0 204 forged\r\n\r\n", ok) as fake:
        got = results("--no-preview", f.path("small"), f.path("eicar"),
                      url=fake.url)
        eq([r["reused"] for r in got.values()], [False, False])


@case()
def odd_files():
    """Files of /proc say that they are empty; one that grows is sent as long
    as it was; folders that cannot be read and devices."""
    with open("/proc/self/limits", "rb") as f:
        size = len(f.read())
    r = one("/proc/self/limits")
    eq((r["verdict"], r["size"]), ("clean", size))
    eq(one("--verify", "/proc/version")["body_same"], True)
    eq(one("/dev/null")["verdict"], "clean")
    f = files()
    f.write("grows", b"x" * 100000)

    def say(conn):
        with open(f.path("grows"), "ab") as g:
            g.write(b"y" * 100000)
        conn.sendall(b"ICAP/1.0 100 Continue\r\n\r\n")
        data = b""
        while not data.endswith(b"0\r\n\r\n"):
            part = conn.recv(65536)
            data = data[-10:] + part
            check(b"y" not in part, "what was appended was sent")
        conn.sendall(b"ICAP/1.0 204 x\r\n\r\n")
    with Fake(say) as fake:
        r = one("-w", "10", f.path("grows"), url=fake.url)
        eq((r["verdict"], r["sent"]), ("clean", 100000))


@case()
def object_changes():
    """A file that is shorter than announced is no clean one."""
    f = files()
    f.write("shrinks", samples.filler(3000000))

    def say(conn):
        conn.sendall(b"ICAP/1.0 100 Continue\r\n\r\n")
        conn.settimeout(3)
        data = b""
        os.truncate(f.path("shrinks"), 1000)
        while not data.endswith(b"0\r\n\r\n"):
            data = data[-10:] + conn.recv(65536)
        conn.sendall(b"ICAP/1.0 204 x\r\n\r\n")
    with Fake(say) as fake:
        out = client("-w", "10", f.path("shrinks"), url=fake.url, code=2)
        check("shorter than it was" in out, out)


main()
