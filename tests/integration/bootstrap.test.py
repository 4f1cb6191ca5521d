#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What the README begins with: "./bootstrap run", its proof, and the lines for
squid.conf as they are printed, in a real Squid."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

import origin
import samples
import squid
import tolsey
from tap import case, check, eq, main, note, shared, skip, wait_for

if tolsey.REFERENCE:
    print("skip bootstrap: not for the reference server")
    sys.exit(0)


def environment():
    """As the build was made, so that bootstrap finds nothing to do."""
    build = tolsey.find_build()
    try:
        with open(os.path.join(build, ".configure-args")) as f:
            args = f.read().rstrip("\n")
    except FileNotFoundError:
        skip("%s was not made by bootstrap" % build)
    env = dict(os.environ, BUILD_DIR=os.path.relpath(build, tolsey.SOURCE),
               CONFIGURE_ARGS=args)
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        env.pop(name, None)
    return env


class Run:
    """./bootstrap run, on ports and in a folder of the test's own."""
    name = "bootstrap"

    def __init__(self, *args):
        self.dir = tempfile.mkdtemp(prefix="tolsey-run-")
        os.chmod(self.dir, 0o755)
        self.port = tolsey.free_port()
        own = ["-o", "Listen 127.0.0.1:%d" % self.port,
               "-o", "MetricsListen 127.0.0.1:%d" % tolsey.free_port(),
               "-o", "ControlSocket %s/control.sock" % self.dir,
               "-o", "DatabaseDirectory %s/none" % self.dir]
        os.mkdir(self.dir + "/none")
        self.output = ""
        self.start = time.monotonic()
        self.process = subprocess.Popen(
            ["./bootstrap", "run"] + own + list(args), cwd=tolsey.SOURCE,
            env=environment(), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.output += line

    def wait_ready(self):
        def ready():
            check(self.process.poll() is None, "ended: " + self.output)
            return re.search("^==> ready on 127.0.0.1:%d" % self.port,
                             self.output, re.M)
        wait_for(ready, 40, "not ready: " + self.output)
        return time.monotonic() - self.start

    def block(self):
        return self.output.split("# ---- cut here ----\n")[1]

    def close(self):
        running = tolsey.tree(self.process.pid)
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(30)
        self.reader.join()
        shutil.rmtree(self.dir)
        wait_for(lambda: not [p for p in running if tolsey.alive(p)], 5,
                 "processes are left")
        eq(code, 0, "status after TERM")


run = shared(Run)


@case(timeout=90)
def proves_itself_and_is_quick():
    seconds = run().wait_ready()
    note("ready after %.1f s" % seconds)
    check(seconds < 20, "%.1f s with nothing to do" % seconds)
    out = run().output
    eq(len(re.findall("^==> proof: ", out, re.M)), 2, "proofs in " + out)
    check("proof: EICAR is blocked" in out, out)
    check("proof: a clean object passes" in out, out)
    check("NO CLAMAV SIGNATURES" in out and "freshclam" in out,
          "the embedded set is not said: " + out)


@case(timeout=120)
def squid_block_as_printed():
    run().wait_ready()
    block = run().block()
    for line in ("icap_enable on", "icap_preview_enable on",
                 "icap_service_failure_limit -1",
                 "icap_service_revival_delay 30"):
        check(line in block.splitlines(), "%r is not in %s" % (line, block))
    eq(len(re.findall(r"^icap_service \S+ (?:reqmod|respmod)_precache "
                      r"icap://127.0.0.1:%d/\S+ bypass=off$" % run().port,
                      block, re.M)), 2, "services")
    eq(len(re.findall("^adaptation_access ", block, re.M)), 2, "accesses")
    # the defaults of ScanTimeoutMax and QueueTimeout
    check(int(re.search(r"^icap_io_timeout (\d+) seconds", block,
                        re.M)[1]) > 310, "icap_io_timeout")
    web = origin.Origin()
    proxy = squid.Squid(None, extra=block)
    try:
        got = proxy.fetch(web.serve("/eicar.com", samples.EICAR))
        check(got.blocked, "EICAR: %r" % got)
        check(b"Eicar" in got.body and b"/eicar.com" in got.body,
              "page: %r" % got.body)
        got = proxy.fetch(web.serve("/page", b"clean\n", "text/html"))
        eq((got.status, got.body), (200, b"clean\n"), "a clean page")
        data = samples.filler(20000000)
        got = proxy.fetch(web.serve("/20mb", data))
        check(got.body == data and not got.cut, "20 MB: %r" % got)
        note("20 MB in %.2f s" % got.seconds)
        web.routes["/take"] = lambda h, p, b: h.answer(200, b"taken\n")
        got = proxy.fetch(web.url("/take"), method="POST",
                          body=samples.EICAR)
        check(got.blocked, "upload of EICAR: %r" % got)
    finally:
        proxy.close()
        web.close()


@case()
def passes_its_arguments_on():
    for args, words in ((["-o", "PreviewSze 1"], ["PreviewSze",
                                                  "PreviewSize"]),
                        (["-c", "/nonexistent.conf"], ["nonexistent"])):
        other = Run(*args)
        try:
            code = other.process.wait(40)
            other.reader.join()
            eq(code, 78, "status of %r: %s" % (args, other.output))
            for word in words:
                check(word in other.output, "%r lacks %r" % (
                    other.output, word))
        finally:
            shutil.rmtree(other.dir)


@case()
def says_how_it_is_called():
    for args in ([], ["nonsense"], ["build", "more"]):
        answer = subprocess.run(["./bootstrap"] + args, cwd=tolsey.SOURCE,
                                capture_output=True, text=True, timeout=20)
        eq(answer.returncode, 64, "status of %r" % args)
        check("bootstrap run" in answer.stderr, answer.stderr)


main()
