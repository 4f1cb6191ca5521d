# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Debian's c-icap with srv_tolsey.so, in front of a tolseyd."""
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import icap
import tolsey
from tap import check, skip, wait_for


# The daemon's own files that run with c-icap in front of it; of the others
# tests/README.md says why not. IN_CI: those that cicap.test.py runs each
# time, and how many of their cases have to pass (a skipped one shows nothing).
THROUGH = ("attacks", "cache", "clean-files", "client", "clients", "codings",
           "fault-matrix", "faults", "good-files", "outcomes", "preview",
           "protocol", "squid-block", "squid-chain", "squid-download",
           "squid-status", "squid-stream", "squid-tls", "squid-uploads",
           "uploads")
IN_CI = {"attacks": 38, "clients": 17, "codings": 16, "outcomes": 65,
         "preview": 145, "protocol": 7, "squid-block": 41, "uploads": 23}


def module():
    return os.path.join(tolsey.find_build(), "modules/cicap/srv_tolsey.so")


def aliases():
    """The names of the service in the file that is installed."""
    with open(os.path.join(tolsey.SOURCE, "etc/c-icap/srv_tolsey.conf")) as f:
        return re.findall("(?m)^ServiceAlias (\\S+) tolsey", f.read())


def needed():
    if not shutil.which("c-icap") or os.getuid() != 0:
        skip("needs root and c-icap")
    if tolsey.sanitized():
        skip("c-icap loads no module with the sanitizers")
    if not os.path.exists(module()):
        skip("srv_tolsey.so is not built: libicapapi-dev")


class CIcap:
    """sock: the scan socket; config: further lines of c-icap.conf."""

    def __init__(self, sock, config="", children=1, threads=60, level=1,
                 as_user="", wait=True, shipped=None):
        """shipped: lines that take the place of all that stands here; those
        with paths and ports are this test's own."""
        needed()
        self.dir = tempfile.mkdtemp(prefix="tolsey-test-cicap-")
        os.chmod(self.dir, 0o755)
        shutil.copy(module(), self.path("srv_tolsey.so"))
        self.port = tolsey.free_port()
        os.mkdir(self.path("run"))
        user = []
        if as_user:
            shutil.chown(self.path("run"), "c-icap")
            user = ["User c-icap", "Group " + as_user]
        own = {x.split()[0] for x in config.splitlines() if x.strip()}
        own.discard("ServiceAlias")
        lines = ["PidFile " + self.path("run/pid"),
                 "CommandsSocket " + self.path("run/ctl"),
                 "Port 127.0.0.1:%d" % self.port,
                 "Timeout 60", "MaxKeepAliveRequests 100000",
                 "KeepAliveTimeout 60", "StartServers %d" % children,
                 "MaxServers %d" % children, "MinSpareThreads 1",
                 "MaxSpareThreads %d" % (threads * children),
                 "ThreadsPerChild %d" % threads, "MaxRequestsPerChild 0",
                 "TmpDir " + self.path("run"), "DebugLevel %d" % level,
                 "ModulesDir " + self.dir, "ServicesDir " + self.dir,
                 "TemplateDir " + self.dir,
                 "LogFormat words \"%is %{tolsey:outcome}Sa "
                 "%{tolsey:action}Sa\"",
                 "ServerLog " + self.path("run/server.log"),
                 "AccessLog " + self.path("run/access.log") + " words",
                 "Service tolsey srv_tolsey.so",
                 "tolsey.Socket " + sock] + user
        lines += ["ServiceAlias %s tolsey" % name for name in aliases()
                  if name != "virus_scan"]
        lines.append("ServiceAlias virus_scan "
                     "tolsey?allow204=on&sizelimit=off&mode=simple")
        lines = [x for x in lines if x.split()[0] not in own]
        if shipped is not None:
            own = {x.split()[0]: x for x in lines if x.split()[0] in (
                "PidFile", "CommandsSocket", "Port", "TmpDir", "ServicesDir",
                "ServerLog", "tolsey.Socket")}
            own["AccessLog"] = "AccessLog " + self.path("run/access.log")
            lines = [own.get(x.split()[0], x) for x in shipped]
            shutil.copy("/usr/lib/x86_64-linux-gnu/c_icap/srv_echo.so",
                        self.dir)
        with open(self.path("c-icap.conf"), "w") as f:
            f.write("\n".join(lines) + "\n" + config + "\n")
        self.process = None
        self.start(wait)

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def start(self, wait=True):
        with open(self.path("stderr"), "ab") as err:
            self.process = subprocess.Popen(
                ["c-icap", "-N", "-f", self.path("c-icap.conf")],
                stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                cwd=self.dir)

        def listens():
            check(self.process.poll() is None, "c-icap ended: " + self.log())
            try:
                return self.client(5).options("tolsey").status != 0
            except (OSError, icap.Closed):
                return False
        if wait:
            wait_for(listens, 20, "c-icap does not listen: " + self.log())

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    def client(self, timeout=30, **rest):
        return icap.Icap(self.address, timeout, **rest)

    def log(self):
        out = ""
        for name in "stderr", "run/server.log":
            if os.path.exists(self.path(name)):
                with open(self.path(name), errors="replace") as f:
                    out += f.read()
        return out

    def access(self):
        with open(self.path("run/access.log"), errors="replace") as f:
            return f.read().splitlines()

    def processes(self):
        return [p for p in tolsey.tree(self.process.pid) if tolsey.alive(p)]

    def pss(self):
        return tolsey.pss_mb(self.processes())

    def close(self):
        mine = self.processes()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                pass
        for pid in mine:
            if tolsey.alive(pid) and tolsey.program(pid) == "c-icap":
                os.kill(pid, signal.SIGKILL)
        self.process.wait(10)
        if os.environ.get("KEEP") != "1":
            shutil.rmtree(self.dir, ignore_errors=True)
