# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Starts and ends the server under test, and looks into it from outside.

With ICAP_REFERENCE=1 it is Debian's c-icap with its ClamAV module instead:
the harness itself is tried that way.
"""
import atexit
import fcntl
import json
import os
import pwd
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import urllib.request

import icap
import samples
import tls
from tap import check, skip, wait_for

# Debian's c-icap with srv_tolsey.so stands in front of every tolseyd.
THROUGH_CICAP = os.environ.get("ICAP_CICAP") == "1"
REFERENCE = os.environ.get("ICAP_REFERENCE") == "1"
HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.abspath(os.path.join(HERE, "..", "..", ".."))


def only_tolsey():
    if REFERENCE:
        skip("not for the reference server")


def find_build():
    named = os.environ.get("TOLSEY_BUILD")
    for folder in [named] if named else [SOURCE, SOURCE + "/build",
                                         SOURCE + "/build-gcc"]:
        if os.path.exists(os.path.join(folder, "src", "tolseyd")):
            return os.path.abspath(folder)
    raise FileNotFoundError("src/tolseyd is not built (TOLSEY_BUILD)")


def sanitized():
    """Whether the build is one with the sanitizers: slow, and large."""
    with open(os.path.join(find_build(), "config.h")) as f:
        return "#define WITH_SANITIZERS" in f.read()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def user(*names):
    for name in names:
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            pass
    raise KeyError(names)


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (OSError, IndexError):
        return False


def parents():
    """pid -> parent pid, of all processes."""
    out = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open("/proc/%s/stat" % name) as f:
                    out[int(name)] = int(f.read().rsplit(")", 1)[1].split()[1])
            except (OSError, IndexError):
                pass
    return out


def tree(root):
    """All that root started and that still lives, root first."""
    up, out = parents(), [root]
    for pid in out:
        out += [p for p, q in up.items() if q == pid]
    return out


def program(pid):
    """The file name of what the process runs."""
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            return os.path.basename(f.read().split(b"\0")[0].decode()).split(
                ":")[0]
    except (OSError, IndexError):
        return ""


def pss_mb(pids):
    """Memory of these processes; what they share counts once."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += sum(int(x.split()[1]) for x in f
                             if x.startswith("Pss:"))
        except OSError:
            pass
    return total / 1024


def fds(pid):
    try:
        return {n: os.readlink("/proc/%d/fd/%s" % (pid, n))
                for n in os.listdir("/proc/%d/fd" % pid)}
    except OSError:
        return {}


_staged = {}  # build -> copy


def stage(build):
    """A build that other accounts cannot read (/root) is copied."""
    if os.getuid() != 0:
        return build + "/src", None
    folder = build
    while folder != "/":
        if not os.stat(folder).st_mode & stat.S_IXOTH:
            break
        folder = os.path.dirname(folder)
    if folder == "/":
        return build + "/src", build + "/modules"
    if build not in _staged:
        copy = tempfile.mkdtemp(prefix="tolsey-test-bin-")
        atexit.register(shutil.rmtree, copy, True)
        os.chmod(copy, 0o755)
        for sub in ("src", "modules"):
            for name in os.listdir(os.path.join(build, sub)):
                path = os.path.join(build, sub, name)
                if os.path.isfile(path) and os.access(path, os.X_OK):
                    shutil.copy(path, copy)
        _staged[build] = copy
    return _staged[build], _staged[build]


def stage_with(build, instead):
    """The programs, some of them replaced: {name: path below the build}."""
    programs, modules = stage(build)
    copy = tempfile.mkdtemp(prefix="tolsey-test-bin-")
    atexit.register(shutil.rmtree, copy, True)
    os.chmod(copy, 0o755)
    for name in ("tolseyd", "tolsey-net", "tolsey-scan", "tolsey-ctl",
                 "tolseyctl"):
        shutil.copy(os.path.join(programs, name), copy)
    for name, path in instead.items():
        shutil.copy(os.path.join(build, path), os.path.join(copy, name))
    # tolseyd of a build finds its modules from where it stands
    return copy, modules or build + "/modules"


# Scans do what objects that begin with "FAULT:WORD " say (tests/faults).
FAULTY_SCAN = {"tolsey-scan": "tests/faults/tolsey-faultscan"}
NO_MEMFD = {"tolsey-net": "tests/faults/tolsey-net-no-memfd"}
NO_FILES = {"tolsey-net": "tests/faults/tolsey-net-no-files"}


class Server:
    """What both servers have in common."""
    name = "server"
    own_session = False  # so that a signal for the test's does not reach it

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tolsey-test-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self.tls_port = 0
        self.db = self.path("db")
        os.mkdir(self.db, 0o755)
        samples.write_database(self.db)
        self.process = None
        self.seen = set()

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def client(self, timeout=30, **rest):
        """Speaks TLS when the tests run over it."""
        if icap.OVER_TLS and self.tls_port:
            return self.tls_client(timeout, **rest)
        return icap.Icap(self.address, timeout, **rest)

    def tls_client(self, timeout=30, context=None, **rest):
        return icap.Icap(("127.0.0.1", self.tls_port), timeout,
                         context=context or tls.context(), **rest)

    @property
    def uri(self):
        return "icap://127.0.0.1:%d/avscan" % self.port

    @property
    def pid(self):
        return self.process.pid

    def options_status(self):
        try:
            with self.client(5) as c:
                return c.options().status
        except (OSError, icap.Closed, icap.Bad):
            return 0

    def wait_ready(self, timeout=30):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError("ended with %d at start:\n%s" % (
                    self.process.returncode, self.stderr()[-2000:]))
            return self.options_status() == 200
        wait_for(ready, timeout, "not ready: " + self.stderr()[-2000:])

    def ready_or_end(self):
        """At the start: what does not come up is not left behind."""
        try:
            self.wait_ready()
        except BaseException:
            self.end(5)
            self.remove()
            raise

    def stderr(self):
        with open(self.path("stderr"), errors="replace") as f:
            return f.read()

    def spawn(self, argv, passed=()):
        """passed: (name, listening socket) of each that is handed over as
        systemd does it."""
        options = {"start_new_session": self.own_session}
        if passed:
            numbers = tuple(range(3, 3 + len(passed)))
            # out of the way of the numbers that they get
            high = [fcntl.fcntl(s, fcntl.F_DUPFD, 50) for _, s in passed]

            def place():
                for old, new in zip(high, numbers):
                    os.dup2(old, new)
            argv = ["sh", "-c", "LISTEN_PID=$$ LISTEN_FDS=%d LISTEN_FDNAMES=%s"
                    ' exec "$@"' % (len(passed), ":".join(
                        name for name, _ in passed)), "sh"] + argv
            options.update(preexec_fn=place, pass_fds=numbers)
        with open(self.path("stderr"), "ab") as err:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                cwd=self.dir, **options)
        for fd in high if passed else ():
            os.close(fd)

    def end(self, timeout):
        """TERM, then wait; KILL when that does not help. True: by itself."""
        self.seen |= set(tree(self.pid))
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                for pid in tree(self.pid):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except OSError:
                        pass
                self.process.wait(10)
                return False
        return True

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class Tolsey(Server):
    """tolseyd with a configuration of its own in a temporary folder."""
    name = "tolseyd"

    def __init__(self, config="", database=True, wait=True, workers=2,
                 args=(), services="", over_tls=False, passed=(), under=(),
                 instead=None):
        """under: a program and its arguments that start it; {dir} in them is
        the folder of this server. instead: see stage_with()."""
        super().__init__()
        if over_tls or icap.OVER_TLS:
            self.tls_port = free_port()
        self.metrics_port = free_port()
        self.spool = self.path("spool")
        os.mkdir(self.spool, 0o700)
        if not database:
            for name in os.listdir(self.db):
                os.rename(os.path.join(self.db, name), self.path(name))
        if os.getuid() == 0:
            self.user = user("tolsey", "nobody")
            self.scan_user = user("tolsey-scan", "daemon")
            shutil.chown(self.spool, self.user)
        self.programs, self.modules = (
            stage_with(find_build(), instead) if instead
            else stage(find_build()))
        self.conf = self.path("tolsey.conf")
        self.front = None
        self.own_address = self.address
        self.args = list(args)
        self.passed = passed
        self.under = list(under)
        self.workers = workers
        self.write_config(config, services)
        self.start()
        if wait:
            self.ready_or_end()
        if THROUGH_CICAP:
            self.put_behind_cicap()

    def put_behind_cicap(self):
        """From now on clients speak to c-icap."""
        import cicap
        with open(self.conf) as f:
            names = re.findall("(?mi)^ *<Service (\\S+)>", f.read())
        self.front = cicap.CIcap(
            self.path("scan.sock"), config="\n".join(
                ["tolsey.Service *"] + [
                    "ServiceAlias %s tolsey" % name for name in names
                    if name not in cicap.aliases()]))
        self.port, self.address = self.front.port, self.front.address

    def options_status(self):
        """tolseyd's own: c-icap answers OPTIONS by itself."""
        if self.front is None:
            return super().options_status()
        try:
            with icap.Icap(self.own_address, 5) as c:
                return c.options().status
        except (OSError, icap.Closed, icap.Bad):
            return 0

    def write_config(self, config="", services=""):
        lines = ["Listen 127.0.0.1:%d" % self.own_address[1],
                 "MetricsListen 127.0.0.1:%d" % self.metrics_port,
                 "ControlSocket " + self.path("control.sock"),
                 "ClamdSocket " + self.path("clamd.ctl"),
                 "ScanSocket " + self.path("scan.sock"),
                 "PidFile " + self.path("pid"),
                 "LogFile " + self.path("event.log"),
                 "AccessLogFile " + self.path("access.log"),
                 "LogLevel debug",
                 "DatabaseDirectory " + self.db,
                 "SpoolDirectory " + self.spool,
                 "ScanWorkers %d" % self.workers]
        if os.getuid() == 0:
            lines += ["User " + self.user, "ScanUser " + self.scan_user]
        if self.modules:
            lines.append("ModuleDirectory " + self.modules)
        if self.tls_port:
            lines += ["ListenTls 127.0.0.1:%d" % self.tls_port,
                      "TlsCertificate " + tls.certificates().path(
                          "server.pem"),
                      "TlsKey " + tls.certificates().path("server.key")]
        # What a test says replaces what stands here.
        own = {line.split()[0].lower() for line in config.splitlines()
               if line.strip()}
        lines = [x for x in lines if x.split()[0].lower() not in own]
        with open(self.conf, "w") as f:
            f.write("\n".join(lines) + "\n" + config + "\n" + services + "\n")
        os.chmod(self.conf, 0o644)

    def start(self):
        program = os.path.join(self.programs, "tolseyd")
        under = [word.replace("{dir}", self.dir) for word in self.under]
        self.spawn(under + [program, "-F", "-c", self.conf] + self.args,
                   self.passed)

    def hup(self, timeout=15):
        """Waits until it has been dealt with, well or not."""
        def count():
            return len(re.findall(
                " (?:reconfigured|configuration-kept) ", self.events()))
        before = count()
        self.kill(self.pid, signal.SIGHUP)
        wait_for(lambda: count() > before, timeout, "HUP has no effect")

    def load_now(self):
        """Started with database=False: the files are all there now."""
        def ready():
            self.control("reload-db")
            return self.options_status() == 200
        wait_for(ready, 60, "not ready", pause=0.5)

    def restore_database(self):
        for name in ("tests.ndb", "tests.hdb"):
            os.rename(self.path(name), os.path.join(self.db, name))

    # ---- its processes ----
    def processes(self, name=None):
        found = [p for p in tree(self.pid) if alive(p)]
        self.seen |= set(found)
        return [p for p in found if name is None or program(p) == name]

    def nets(self):
        return self.processes("tolsey-net")

    def loaders(self):
        up = parents()  # what is forked after that is not looked at
        return [p for p in self.processes("tolsey-scan")
                if p in up and program(up[p]) != "tolsey-scan"]

    def scan_workers(self):
        """Forked by a loader; they outlive it as children of the parent."""
        up = parents()
        return [p for p in self.processes("tolsey-scan")
                if program(up.get(p, 0)) == "tolsey-scan"]

    def pss(self):
        """MB of memory of all its processes; what they share counts once."""
        return pss_mb(self.processes())

    def kill(self, pid, number=signal.SIGKILL):
        check(pid in self.processes(), "%d is not a process of it" % pid)
        os.kill(pid, number)

    # ---- what it says about itself ----
    def http(self, path):
        with urllib.request.urlopen("http://127.0.0.1:%d%s" % (
                self.metrics_port, path), timeout=10) as r:
            return r.status, r.read().decode()

    def metrics(self):
        """Name with labels -> number."""
        out = {}
        for line in self.http("/metrics")[1].splitlines():
            if line and not line.startswith("#"):
                name, value = line.rsplit(" ", 1)
                out[name] = float(value)
        return out

    def metric(self, name, labels=""):
        """Sum over all label sets that contain the words of labels."""
        total = 0
        for full, value in self.metrics().items():
            base, _, rest = full.partition("{")
            if base == "tolsey_" + name and all(
                    w in rest for w in labels.split()):
                total += value
        return total

    def access(self):
        try:
            with open(self.path("access.log"), errors="replace") as f:
                return f.read().splitlines()
        except FileNotFoundError:
            return []

    def events(self):
        with open(self.path("event.log"), errors="replace") as f:
            return f.read()

    def wait_access(self, *words):
        """The access lines with all these words, once there is one."""
        def found():
            return [x for x in self.access() if all(w in x for w in words)]
        return wait_for(found, 10, "no access line with %r" % (words,))

    def control(self, *words, timeout=20):
        return subprocess.run(
            [os.path.join(self.programs, "tolseyctl"), "-s",
             self.path("control.sock")] + list(words), capture_output=True,
            timeout=timeout, text=True)

    def status(self):
        return json.loads(self.control("status", "--json").stdout)

    def reload_db(self, timeout=60):
        """As tolseyctl reload-db: whether it went well, and what was said."""
        done = self.control("reload-db", timeout=timeout)
        return done.returncode == 0, done.stderr.strip()

    def idle_fds(self):
        """Descriptors of all nets once no connection and body is left."""
        def settled():
            before = sum(len(fds(p)) for p in self.nets())
            time.sleep(0.2)
            return before == sum(len(fds(p)) for p in self.nets()) and before
        return wait_for(settled, 10, "descriptors do not settle")

    # ---- its end ----
    def close(self):
        if self.front:
            self.front.close()
        try:
            own = self.end(20)
            code = self.process.returncode
            left = []
            try:
                wait_for(lambda: not [p for p in self.seen if alive(p)], 5,
                         "processes are left")
            except AssertionError:
                left = [(p, program(p)) for p in self.seen if alive(p) and
                        program(p).startswith("tolsey")]  # or a new process
            check(own, "did not end on TERM within 20 s")
            check(code == 0, "ended with %d:\n%s" % (
                code, self.stderr()[-1500:]))
            check(not left, "processes left: %r" % left)
            check(not os.listdir(self.spool),
                  "files left: %r" % os.listdir(self.spool))
            check(not re.search("Sanitizer|runtime error", self.stderr()),
                  self.stderr()[-3000:])
        finally:
            for pid in self.seen:
                if alive(pid) and program(pid).startswith("tolsey"):
                    os.kill(pid, signal.SIGKILL)
            if os.environ.get("KEEP") != "1":
                self.remove()


class CIcap(Server):
    """Debian's c-icap with virus_scan over clamav_mod, and echo."""
    name = "c-icap"

    def __init__(self, *_args, **_rest):
        super().__init__()
        lib = "/usr/lib/x86_64-linux-gnu/c_icap"
        if not os.path.exists(lib + "/virus_scan.so") or os.getuid() != 0:
            skip("the reference needs root, c-icap and "
                 "libc-icap-mod-virus-scan")
        os.mkdir(self.path("templates"))
        with open(self.path("c-icap.conf"), "w") as f:
            f.write("\n".join([
                "PidFile " + self.path("pid"),
                "CommandsSocket " + self.path("ctl"),
                "Port 127.0.0.1:%d" % self.port,
                "Timeout 300", "MaxKeepAliveRequests 1000",
                "KeepAliveTimeout 60", "StartServers 1", "MaxServers 2",
                "ThreadsPerChild 40", "MaxRequestsPerChild 0",
                "TmpDir " + self.dir,
                "ModulesDir " + lib, "ServicesDir " + lib,
                "TemplateDir /usr/share/c_icap/templates/",
                "ServerLog " + self.path("server.log"),
                "AccessLog " + self.path("access.log"),
                "Module common clamav_mod.so",
                "Service antivirus_module virus_scan.so",
                "Service echo srv_echo.so",
                "ServiceAlias avscan "
                "virus_scan?allow204=on&sizelimit=off&mode=simple",
                "virus_scan.DefaultEngine clamav",
                "virus_scan.ScanFileTypes TEXT DATA EXECUTABLE ARCHIVE GIF "
                "JPEG MSOFFICE",
                "virus_scan.SendPercentData 0",
                "virus_scan.MaxObjectSize 500M", ""]))
        self.spawn(["unshare", "-m", "sh", "-c",
                    "mount --bind %s /var/lib/clamav && exec c-icap -N -f %s"
                    % (self.db, self.path("c-icap.conf"))])
        self.ready_or_end()

    def close(self):
        self.end(10)
        self.remove()


def server(*args, **rest):
    return (CIcap if REFERENCE else Tolsey)(*args, **rest)
