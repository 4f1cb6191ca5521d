# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The servers that are compared, each with signatures and a configuration that
is the best case for it; README.md says which. All end with the benchmark."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile

import gendb
import generator
import samples
import tolsey
from tap import wait_for

LIB = "/usr/lib/x86_64-linux-gnu/c_icap"
LIMIT = "400M"
NAMES = ("tolsey", "clamav", "clamd", "echo")
# Counters of tolsey that stay 0 where nothing is wrong with it.
FAULTS = ("tolsey_workers_lost_total", "tolsey_child_restarts_total",
          "tolsey_ipc_violations_total")
SERVICES = """<Service avscan>
</Service>
<Service echo>
    UseModule echo
</Service>
"""


def sets(folder, build, large_mb, own):
    """{"tiny": folder, "large": folder}: generated ones, or the operator's.
    What was generated is kept in the build folder."""
    tiny = os.path.join(folder, "db-tiny")
    os.mkdir(tiny, 0o755)
    samples.write_database(tiny)
    if own:
        return {"tiny": tiny, "large": os.path.abspath(own)}
    kept = os.path.join(build, "tests", "bench", "db-%d" % large_mb)
    if not os.path.exists(kept):
        new = kept + ".new"
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new)
        gendb.write(new, large_mb)
        os.rename(new, kept)
    # the accounts of the servers may not be allowed into the build folder
    large = os.path.join(folder, "db-large")
    shutil.copytree(kept, large)
    os.chmod(large, 0o755)
    samples.write_database(large)
    return {"tiny": tiny, "large": large}


class Tolsey(tolsey.Tolsey):
    """tolseyd with its defaults, but for logs and the number of connections."""
    own_session = True

    def __init__(self, database, config="", workers=0):
        lines = ["LogLevel warn", "LogAccess off", "MaxConnections 25000",
                 "SelfCheck 0", "DatabaseDirectory " + database]
        self.label = "tolsey"
        super().__init__("\n".join(lines + [config]), services=SERVICES,
                         workers=workers, wait=False)
        try:
            self.wait_ready(120)
        except BaseException:
            self.end(5)
            self.remove()
            raise
        self.target = "icap://127.0.0.1:%d/avscan" % self.port

    @property
    def roots(self):
        return [self.pid]

    def faults(self):
        """What did not happen to it in the service of its clients."""
        found = generator.reports(self.stderr())
        if self.process.poll() is not None:
            return found + ["tolseyd ended with %d" % self.process.returncode]
        try:
            numbers = self.metrics()
        except OSError as error:
            return found + ["no metrics: %s" % error]
        return found + ["%s %d" % (name, n) for name, n in numbers.items()
                        if n and name.startswith(FAULTS)]

    def end(self, timeout):
        """What heavy objects are left is not waited for: a second TERM."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(1)
            except subprocess.TimeoutExpired:
                pass
        return super().end(timeout)

    def reload(self):
        done, text = self.reload_db(120)
        if not done:
            raise RuntimeError("reload: " + text)


class CIcap(tolsey.Server):
    """Debian's c-icap. engine: clamav, clamd, or None for echo."""
    own_session = True

    def __init__(self, engine, database, threads=64, children=2, progress=False,
                 clamd=None):
        super().__init__()
        self.label = "c-icap " + (engine or "echo")
        self.clamd = clamd
        self.temp = make_temp()
        with open(self.path("c-icap.conf"), "w") as f:
            f.write("\n".join(self._config(engine, threads, children,
                                           progress)) + "\n")
        command = "exec c-icap -N -f " + self.path("c-icap.conf")
        if engine == "clamav":
            command = "mount --bind %s /var/lib/clamav && %s" % (
                database, command)
        self.spawn(["unshare", "-m", "sh", "-c", command])
        self.ready_or_end()
        self.target = "icap://127.0.0.1:%d/%s" % (
            self.port, "avscan" if engine else "echo")

    def _config(self, engine, threads, children, progress):
        lines = ["PidFile " + self.path("pid"),
                 "CommandsSocket " + self.path("ctl"),
                 "Port 127.0.0.1:%d" % self.port,
                 "Timeout 300", "MaxKeepAliveRequests -1",
                 "KeepAliveTimeout 600",
                 "StartServers %d" % children, "MaxServers %d" % children,
                 "MinSpareThreads 1",
                 "MaxSpareThreads %d" % (threads * children),
                 "ThreadsPerChild %d" % threads, "MaxRequestsPerChild 0",
                 "MaxMemObject 4194304", "DebugLevel 0",
                 "TmpDir " + self.temp, "ModulesDir " + LIB,
                 "ServicesDir " + LIB,
                 "TemplateDir /usr/share/c_icap/templates/",
                 "TemplateDefaultLanguage en",
                 "LoadMagicFile /etc/c-icap/c-icap.magic",
                 "ServerLog " + self.path("server.log"),
                 "Service echo srv_echo.so"]
        if engine is None:
            return lines + ["ServiceAlias avscan echo"]
        return lines + [
            "Module common %s_mod.so" % engine,
            "Service antivirus_module virus_scan.so",
            "ServiceAlias avscan virus_scan?allow204=on&sizelimit=off" +
            ("" if progress else "&mode=simple"),
            "virus_scan.DefaultEngine " + engine,
            "virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF JPEG "
            "MSOFFICE",
            "virus_scan.SendPercentData %d" % (5 if progress else 0),
            "virus_scan.StartSendPercentDataAfter 2M",
            "virus_scan.MaxObjectSize 500M"] + (
                ["clamav_mod.TmpDir " + self.temp,
                 "clamav_mod.MaxScanSize " + LIMIT,
                 "clamav_mod.MaxFileSizeInArchive " + LIMIT]
                if engine == "clamav" else
                ["clamd_mod.ClamdSocket " + self.clamd.socket])

    @property
    def roots(self):
        return [self.pid] + ([self.clamd.pid] if self.clamd else [])

    def reload(self):
        if self.clamd:
            self.clamd.reload()
        else:
            with open(self.path("ctl"), "w") as f:
                f.write("clamav:dbreload")  # a line end makes it another

    def faults(self):
        code = self.process.poll()
        return [] if code is None else ["%s ended with %d" % (self.label,
                                                              code)]

    def close(self):
        self.end(3)  # it waits for heavy objects that nobody wants
        self.remove()
        shutil.rmtree(self.temp, ignore_errors=True)


class Clamd:
    def __init__(self, database):
        self.temp = make_temp()
        self.socket = os.path.join(self.temp, "clamd.sock")
        self.log = os.path.join(self.temp, "clamd.log")
        config = os.path.join(self.temp, "clamd.conf")
        with open(config, "w") as f:
            f.write("\n".join([
                "Foreground yes", "LocalSocket " + self.socket,
                "DatabaseDirectory " + database, "MaxThreads 8",
                "MaxQueue 4096", "MaxConnectionQueueLength 4096",
                "StreamMaxLength " + LIMIT, "MaxScanSize " + LIMIT,
                "MaxFileSize " + LIMIT, "TemporaryDirectory " + self.temp,
                "ConcurrentDatabaseReload yes", "SelfCheck 0",
                "LogFile " + self.log, "User root", ""]))
        self.process = subprocess.Popen(
            ["clamd", "--config-file=" + config], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        try:
            wait_for(lambda: os.path.exists(self.socket), 120, "clamd")
        except BaseException:
            self.close()
            raise

    @property
    def pid(self):
        return self.process.pid

    def faults(self):
        code = self.process.poll()
        return [] if code is None else ["clamd ended with %d" % code]

    def _said(self):
        with open(self.log, errors="replace") as f:
            return f.read().count("Database correctly reloaded")

    def reload(self):
        before = self._said()
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket)
            s.sendall(b"nRELOAD\n")
            s.recv(100)
        wait_for(lambda: self._said() > before, 120, "clamd's reload")

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.temp, ignore_errors=True)


def make_temp():
    """On a tmpfs, as it is best for everybody."""
    where = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    folder = tempfile.mkdtemp(prefix="tolsey-bench-", dir=where)
    os.chmod(folder, 0o777)
    return folder


def missing():
    """{peer: what it needs}, of those that cannot be started here."""
    out = {}
    if os.getuid() != 0:
        return {name: "root" for name in ("clamav", "clamd", "echo")}
    if not os.path.exists(LIB + "/srv_echo.so"):
        out["echo"] = "the package c-icap"
    for name, module in (("clamav", "clamav_mod"), ("clamd", "clamd_mod")):
        if not os.path.exists("%s/%s.so" % (LIB, module)) or not (
                os.path.exists(LIB + "/virus_scan.so")):
            out[name] = "the package libc-icap-mod-virus-scan"
    if not shutil.which("clamd"):
        out["clamd"] = "the package clamav-daemon"
    return out


class Fleet:
    """Starts servers when they are first asked for."""

    def __init__(self, databases):
        self.databases, self.running, self.lacking = databases, {}, missing()
        self.known = set()  # (server, fault) that have been told
        self.of_ended = []

    def get(self, peer, size="tiny", **how):
        """None for a peer that is not installed."""
        key = (peer, size, tuple(sorted(how.items())))
        if key not in self.running:
            self.running[key] = self._start(peer, self.databases[size], how)
        return self.running[key]

    def _start(self, peer, database, how):
        if peer in self.lacking:
            return None
        if peer == "tolsey":
            return Tolsey(database, **how)
        clamd = None
        if peer == "clamd":
            clamd = self.running.setdefault(
                ("clamd itself", database), None) or Clamd(database)
            self.running[("clamd itself", database)] = clamd
        return CIcap(None if peer == "echo" else peer, database, clamd=clamd,
                     **how)

    def drop(self, peer, size="tiny", **how):
        server = self.running.pop((peer, size, tuple(sorted(how.items()))),
                                  None)
        self._close(server)

    def drop_clamd(self, size):
        """Once nobody uses it."""
        self._close(self.running.pop(
            ("clamd itself", self.databases[size]), None))

    def drop_all(self):
        # a clamd after the c-icap that uses it
        while self.running:
            key = next((k for k in self.running if k[0] != "clamd itself"),
                       None) or next(iter(self.running))
            self._close(self.running.pop(key))

    def _close(self, server):
        """A complaint is kept: the others are to be closed as well."""
        if not server:
            return
        self.of_ended += self._new(server)
        try:
            server.close()
        except (Exception, AssertionError) as error:
            self.of_ended.append("%s at its end: %s" % (
                type(server).__name__.lower(), error))

    def _new(self, server):
        new = [f for f in server.faults() if (id(server), f) not in self.known]
        self.known.update((id(server), f) for f in new)
        return ["%s: %s" % (type(server).__name__.lower(), f) for f in new]

    def faults(self):
        """What went wrong with servers since this was last asked."""
        found, self.of_ended = self.of_ended, []
        for server in filter(None, self.running.values()):
            found += self._new(server)
        return found
