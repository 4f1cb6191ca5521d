#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""What confines net, loader, workers and ctl: tried from within, and under
what a service manager or a container leaves of the system."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import errno
import json
import re
import shutil
import signal
import subprocess
import threading
import time

import confined
import samples
import tolsey
from inject import Inside, Killed
from tap import add_case, case, check, eq, main, note, shared, skip, wait_for

if tolsey.REFERENCE:
    print("skip sandbox: not for the reference server")
    sys.exit(0)

CONFINED = os.path.join(tolsey.HERE, "confined.py")
UNIT = os.path.join(tolsey.SOURCE, "etc", "systemd", "tolsey.service")
SIGSYS = signal.SIGSYS
SANITIZERS = False
with open(os.path.join(tolsey.find_build(), "config.h")) as f:
    SANITIZERS = "#define WITH_SANITIZERS" in f.read()


def need_root():
    if os.getuid() != 0:
        skip("needs root")


def started(prefix=(), config="", **rest):
    """A server whose tolseyd is started by the words of prefix."""
    return tolsey.Tolsey(config, under=prefix, **rest)


def in_container(who, config="", **rest):
    prefix = [sys.executable, CONFINED, "container", who]
    if who == "root":
        return started(prefix, config, **rest)
    return started(["unshare", "-m", "sh", "-c",
                    "mount -t tmpfs -o size=64m tmpfs /dev/shm && "
                    'chown -R 65534:65534 {dir} && exec "$@"', "sh"] +
                   prefix, config, **rest)


def in_unit(config="", **rest):
    return started([sys.executable, CONFINED, "unit", UNIT, "{dir},/tmp"],
                   config, **rest)


def sandbox(server):
    """What the status says, once everything has been said."""
    def known():
        status = json.loads(server.control("status", "--json").stdout)
        return len(status["sandbox"]) == 5 and status["sandbox"]
    return wait_for(known, 10, "the status of the sandbox is incomplete")


def missing(server):
    return {role: set(said["missing"]) for role, said in
            sandbox(server).items() if role != "mode"}


server = shared(lambda: tolsey.Tolsey(workers=4))


# ---- from within ----

ROLES = {"worker": lambda s: s.scan_workers(), "net": lambda s: s.nets(),
         "loader": lambda s: s.loaders(),
         "ctl": lambda s: s.processes("tolsey-ctl")}
DENIED = (-errno.EPERM, -errno.EACCES)
GONE = DENIED + (-errno.ENOENT,)
GONE_RO = GONE + (-errno.EROFS,)


def attempts(name):
    """(call, arguments, acceptable results); death by SIGSYS always is."""
    sun = b"\1\0/run/dbus/system_bus_socket"
    at = b"0123456789abcdef" * 8
    yield "open", (b"/etc/passwd", os.O_RDONLY), GONE
    yield "open", (b"/etc", os.O_RDONLY | os.O_DIRECTORY), GONE
    yield "open", (b"/proc/self/mem", os.O_RDWR), GONE
    yield "open", (b"/tmp/stray", os.O_RDWR | os.O_CREAT, 0o600), GONE_RO
    yield "open", (b"/proc/1/root", os.O_RDONLY | os.O_DIRECTORY), GONE
    yield "mkdir", (b"/tmp/stray", 0o700), GONE_RO
    yield "unlink", (b"/etc/passwd",), GONE_RO
    yield "symlink", (b"/etc/passwd", b"link"), DENIED
    yield "truncate", (b"/etc/passwd", 0), DENIED
    yield "socket", (2, 1, 0), DENIED
    yield "socket", (1, 1, 0), DENIED
    yield "connect", (3, sun, len(sun)), DENIED
    yield "bind", (3, sun, len(sun)), DENIED
    yield "execve", (b"/bin/true", 0, 0), ()
    yield "ptrace", (16, os.getpid(), 0, 0), ()
    yield "setuid", (0,), DENIED
    yield "unshare", (confined.CLONE_NEW["user"],), ()
    yield "clone", (confined.CLONE_NEW["user"] | 17, 0, 0, 0, 0), DENIED
    yield "mmap", (0, 4096, 7, 34, -1, 0), DENIED
    if name in ("worker", "net"):
        yield "execveat", (3, b"", 0, 0, 0x1000), ()
        yield "process_vm_readv", (os.getpid(), 0, 0, 0, 0, 0), ()
        yield "mount", (b"none", b"/", b"tmpfs", 0, 0), ()
        yield "bpf", (0, at, 64), ()
        yield "io_uring_setup", (8, at), ()
    # the parent, this test, a process of another kind
    yield "kill", (os.getpid(), 9), DENIED
    yield "kill", (server().pid, 0), DENIED
    if name != "loader":
        yield "fork", (), DENIED
        yield "tkill", (server().pid, 9), DENIED
    if name != "worker":
        yield "tgkill", (server().pid, server().pid, 9), DENIED


def refused_in(name):
    need_root()
    if SANITIZERS:
        skip("a build with sanitizers needs more")
    s, find = tolsey.Tolsey(), ROLES[name]
    deaths, count = 0, 0
    for call, args, good in attempts(name):
        pid = wait_for(lambda: find(s), 10, "no %s" % name)[0]
        what = "%s: %s%r" % (name, call, args[:2])
        count += 1
        try:
            with Inside(pid) as p:
                got = p.call(call, *args)
            check(got in good, "%s gave %d" % (what, got))
        except Killed as end:
            eq(end.signal, SIGSYS, what)
            deaths += 1
            if name != "worker":
                # the pause before the next one grows: begin anew
                s.close()
                s = tolsey.Tolsey()
            wait_for(lambda: find(s) and pid not in find(s), 10,
                     "%s is not replaced" % name)
    note("%d calls, %d of them punished with death" % (count, deaths))
    check(not os.path.exists("/tmp/stray"), "/tmp/stray is there")
    wait_for(lambda: len(s.scan_workers()) == 2, 15, "workers are missing")
    with s.client() as c:
        check(c.scan_response(samples.EICAR).blocked, "EICAR passed")
    s.close()


for _role in ROLES:
    add_case("refused-in-" + _role, lambda role=_role: refused_in(role), 120)


@case()
def the_rest_still_works_from_within():
    """The same way of trying lets through what is permitted."""
    need_root()
    s = server()
    with Inside(s.scan_workers()[0]) as p:
        check(p.call("getpid") > 0, "getpid")
        fd = p.call("open", b"own", os.O_RDWR | os.O_CREAT, 0o600)
        check(fd > 0, "its own folder: %d" % fd)
        eq(p.call("close", fd), 0, "close")
        eq(p.call("unlink", b"own"), 0, "unlink")
    with Inside(s.nets()[0]) as p:
        fd = p.call("memfd_create", b"x", 0)
        check(fd > 0, "memfd_create in net: %d" % fd)
        eq(p.call("close", fd), 0, "close")


@case()
def worker_sees_only_its_own_files():
    """Neither another worker's nor the signatures."""
    need_root()
    s = server()
    pids = s.scan_workers()
    roots = ["/proc/%d/root" % p for p in pids]
    for root in roots:
        eq(os.listdir(root), [], "the worker's root folder")
    with Inside(pids[0]) as p:
        check(p.call("open", b"mine", os.O_RDWR | os.O_CREAT, 0o600) > 0, "open")
        eq(os.listdir(roots[0]), ["mine"], "its root")
        eq(os.listdir(roots[1]), [], "another's root")
        p.call("unlink", b"mine")


@case()
def worker_has_no_interface():
    need_root()
    for pid in server().scan_workers() + server().loaders():
        with open("/proc/%d/net/dev" % pid) as f:
            names = [x.split(":")[0].strip() for x in f.readlines()[2:]]
        check(set(names) <= {"lo"} or not names, "interfaces %r" % names)
        check(os.readlink("/proc/%d/ns/net" % pid) !=
              os.readlink("/proc/self/ns/net"), "the host's network")


@case()
def status_of_every_process():
    """What the kernel says of them, from outside."""
    need_root()
    s = server()
    for name, find in ROLES.items():
        for pid in find(s):
            with open("/proc/%d/status" % pid) as f:
                status = dict(x.split(":\t", 1) for x in
                              f.read().splitlines() if ":\t" in x)
            eq(status["NoNewPrivs"], "1", name + " NoNewPrivs")
            eq(status["Seccomp"], "2", name + " Seccomp")
            eq(int(status["CapEff"], 16) & ~(1 << 18), 0, name + " CapEff")
            eq(int(status["CapInh"], 16), 0, name + " CapInh")
            if name != "loader":
                eq(int(status["CapPrm"], 16), 0, name + " CapPrm")
            check(status["Uid"].split()[0] != "0", name + " is root")
            # of an undumpable process these are root's
            eq(os.stat("/proc/%d/environ" % pid).st_uid, 0,
               name + " is dumpable")
    with open("/proc/%d/status" % s.pid) as f:
        kept = int(re.search(r"CapPrm:\s*(\w+)", f.read()).group(1), 16)
    names = {n for i, n in enumerate(confined.CAPABILITIES) if kept >> i & 1}
    # the unit gives it what it needs, and it keeps no more elsewhere
    unit = confined.read_unit(UNIT)["CapabilityBoundingSet"]
    eq(names - {w[4:].lower() for line in unit for w in line}, set(),
       "capabilities of the parent that the unit does not list")


@case()
def worker_is_the_first_to_go():
    s = server()
    for pid in s.scan_workers():
        with open("/proc/%d/oom_score_adj" % pid) as f:
            eq(int(f.read()), 900, "oom_score_adj of a worker")
    for pid in s.loaders() + s.nets():
        with open("/proc/%d/oom_score_adj" % pid) as f:
            check(int(f.read()) < 900, "a process that must stay goes first")


@case()
def signatures_behind_links():
    """What links among the signatures lead to stays in reach."""
    s = tolsey.Tolsey("Sandbox require" if os.getuid() == 0 else "")
    try:
        kept = s.path("elsewhere")
        os.mkdir(kept, 0o755)
        for name in os.listdir(s.db):
            os.rename(os.path.join(s.db, name), os.path.join(kept, name))
            os.symlink(os.path.join("..", "elsewhere", name),
                       os.path.join(s.db, name))
        os.symlink("/nonexistent.ndb", os.path.join(s.db, "none.txt"))
        answer = s.control("reload-db")
        eq(answer.returncode, 0, answer.stdout + answer.stderr)
        wait_for(lambda: s.metric("generation") == 2, 10, "not taken over")
        with s.client() as c:
            check(c.scan_response(samples.EICAR).infected, "EICAR passed")
    finally:
        s.close()


@case()
def nobody_reads_the_terminal():
    s = server()
    for pid in [p for p in s.processes() if p != s.pid]:
        eq(os.readlink("/proc/%d/fd/0" % pid), "/dev/null", "stdin")


# ---- three set-ups ----

def bomb_and_neighbours(s):
    """Temporary space runs full; nothing else notices."""
    # an archive: its members are written to files
    bomb = samples.zipped(bytes(64 << 20), "zeros.bin")
    stop, wrong = threading.Event(), []

    def neighbour():
        while not stop.is_set():
            with s.client() as c:
                for _ in range(20):
                    answer = c.scan_response(b"harmless")
                    if answer.status != 204:
                        wrong.append(answer.status)
    threads = [threading.Thread(target=neighbour) for _ in range(2)]
    for t in threads:
        t.start()
    try:
        for _ in range(3):
            with s.client() as c:
                answer = c.scan_response(bomb)
            eq(answer.status, 200, "the bomb")
            check(answer.http_line.split(b" ")[1] in (b"403", b"503"),
                  "the bomb passed: %r" % answer.http_line)
    finally:
        stop.set()
        for t in threads:
            t.join()
    eq(wrong, [], "answers to the neighbours")
    lines = [x for x in s.access() if "outcome=failed" in x or
             "outcome=limit" in x]
    eq(len(lines), 3, "lines of bombs")
    note(re.search(r"outcome=\w+", lines[0]).group(0) + ", " +
         (re.search(r'reason="[^"]*"|text="[^"]*"', lines[0]) or [""])[0])


def works(s):
    with s.client() as c:
        check(c.scan_response(samples.EICAR).infected, "EICAR passed")
        check(c.scan_response(samples.zipped(samples.EICAR)).infected,
              "EICAR in a zip passed")
        eq(c.scan_response(samples.text(100000)).status, 204, "a clean text")
        eq(c.scan_response(samples.filler(20 << 20)).status, 204, "20 MiB")
    # a new generation, new logs, a new net
    eq(s.control("reload-db").returncode, 0, "reload-db")
    s.kill(s.pid, signal.SIGUSR1)
    s.kill(s.nets()[0])
    wait_for(lambda: s.options_status() == 200, 15, "net is not replaced")
    with s.client() as c:
        check(c.scan_response(samples.EICAR).infected, "EICAR passed")


SMALL = "WorkerTempSize 16M\nLogLevel info"


@case(timeout=120)
def started_as_root():
    need_root()
    s = started(config=SMALL)
    try:
        eq(missing(s), {r: set() for r in ("net", "scan", "worker", "ctl")},
           "missing")
        eq(s.metric("sandbox_missing"), 0, "metric")
        check("sandbox      auto; complete" in s.control("status").stdout,
              "status")
        works(s)
        bomb_and_neighbours(s)
    finally:
        s.close()


@case(timeout=120)
def under_the_unit():
    need_root()
    if shutil.which("systemd-analyze") is None:
        skip("needs systemd-analyze")
    if SANITIZERS:
        skip("the unit does not permit the search for leaks (ptrace)")
    note("of the unit not emulated: " + " ".join(confined.skipped(UNIT)))
    s = in_unit(SMALL + "\nSandbox require")
    try:
        eq(missing(s), {r: set() for r in ("net", "scan", "worker", "ctl")},
           "missing")
        works(s)
        bomb_and_neighbours(s)
    finally:
        s.close()


@case()
def unit_is_valid():
    if shutil.which("systemd-analyze") is None:
        skip("needs systemd-analyze")
    copy = os.path.join(server().dir, "tolsey.service")
    with open(UNIT) as f:
        text = f.read()
    with open(copy, "w") as f:
        f.write(re.sub("(?m)^ExecStart=.*|^Documentation=.*", "", text) +
                "\n[Service]\nExecStart=/bin/true\n")
    answer = subprocess.run(["systemd-analyze", "verify", "--man=no", copy],
                            capture_output=True, text=True)
    eq((answer.returncode, answer.stderr), (0, ""), "systemd-analyze verify")
    answer = subprocess.run(
        ["systemd-analyze", "security", "--offline=yes", "--threshold=40",
         copy], capture_output=True, text=True)
    eq(answer.returncode, 0, answer.stdout[-300:])
    note(answer.stdout.strip().splitlines()[-1])


@case(timeout=120)
def in_a_container():
    """An ordinary user without user namespaces: Landlock confines."""
    need_root()
    s = in_container("user", SMALL + "\nSandbox require")
    try:
        own = {"own-account"}
        eq(missing(s), {"net": own, "ctl": own,
                        "scan": own | {"empty-root", "no-network"},
                        "worker": own | {"empty-root", "no-network",
                                         "own-tmpfs"}}, "missing")
        eq(s.metric("sandbox_missing"), 9, "metric")
        check(re.search("warn parent.*temporary-space.*the free space of "
                        "/dev/shm/tolsey-", s.events()), "no warning")
        works(s)
        bomb_and_neighbours(s)
        if not SANITIZERS:
            worker = s.scan_workers()[0]
            with Inside(worker) as p:
                for path in (b"/etc/passwd", b"/proc/self/mem", b"/dev/shm",
                             s.db.encode(), b"/"):
                    eq(p.call("open", path, os.O_RDONLY), -errno.EACCES, path)
                # its own account's, so that nothing else would keep it
                before = os.stat(s.spool).st_mode
                eq(p.call("chmod", s.spool.encode(), 0), 0, "chmod")
                eq(os.stat(s.spool).st_mode, before, "mode of the spool")
                check(p.call("open", b"own", os.O_RDWR | os.O_CREAT, 0o600) > 0,
                      "its own folder is closed to it")
                p.call("unlink", b"own")
    finally:
        s.close()


@case(timeout=120)
def in_a_container_as_its_root():
    need_root()
    s = in_container("root", SMALL)
    try:
        eq(missing(s), {"net": set(), "ctl": set(),
                        "scan": {"empty-root", "no-network"},
                        "worker": {"no-network", "own-tmpfs"}}, "missing")
        works(s)
        bomb_and_neighbours(s)
    finally:
        s.close()


@case()
def as_a_user_with_namespaces():
    need_root()
    s = started(["sh", "-c", 'chown -R 65534:65534 {dir} && exec "$@"', "sh",
                 "setpriv", "--reuid", "65534", "--regid", "65534",
                 "--clear-groups"], SMALL)
    try:
        lacks = missing(s)
        if "empty-root" in lacks["scan"]:
            skip("no user namespaces here")
        eq(lacks, {r: {"own-account"} for r in ("net", "scan", "worker",
                                                "ctl")}, "missing")
        works(s)
        bomb_and_neighbours(s)
    finally:
        s.close()


# ---- temporary space ----

@case()
def more_temporary_space_than_memory():
    s = tolsey.Tolsey("WorkerTempSize 60G\nScanWorkersMax 64")
    try:
        check("WorkerTempSize: the temporary files of 64 workers may take "
              "3932160M" in s.stderr(), "not said at the start")
        check("warn parent" in s.events() and "may take 3932160M" in
              s.events(), "not in the log")
        answer = subprocess.run([os.path.join(s.programs, "tolseyd"),
                                 "--check-config", "-c", s.conf],
                                capture_output=True, text=True)
        eq(answer.returncode, 0, "status")
        check("may take 3932160M" in answer.stderr, answer.stderr)
    finally:
        s.close()


# ---- Sandbox auto, require, off ----

LANDLOCK = "landlock_create_ruleset"


@case()
def auto_says_what_is_missing():
    need_root()
    s = started([sys.executable, CONFINED, "without", LANDLOCK])
    try:
        eq(missing(s), {r: {"files"} for r in ("net", "scan", "worker",
                                               "ctl")}, "missing")
        eq(s.metric("sandbox_missing"), 4, "metric")
        check("net lacks files" in s.control("status").stdout, "status")
        check(re.search(r"warn net0.* sandbox of=net .*missing=\"files\" "
                        r"why=\"Landlock: Function not implemented\"",
                        s.events()), "log")
    finally:
        s.close()


@case()
def require_refuses():
    need_root()
    for calls, words in ((LANDLOCK, "files"), ("seccomp", "system-calls")):
        for more in ([], ["--check-config"]):
            s = None
            prefix = [sys.executable, CONFINED, "without", calls]
            try:
                s = started(prefix, "Sandbox require", wait=False, args=more)
                eq(s.process.wait(15), 69, "status")
                for word in ("Sandbox require", words,
                             "Function not implemented"):
                    check(word in s.stderr(), s.stderr())
            finally:
                if s:
                    s.remove()


@case()
def one_that_fails_ends_the_start():
    """What the system offers, and then refuses, is no reason to go on."""
    need_root()
    for calls, word in (("landlock_restrict_self", "Landlock"),
                        ("seccomp=1,prctl=22", "seccomp")):
        s = started([sys.executable, CONFINED, "without", calls],
                    wait=False)
        try:
            check(s.process.wait(15) != 0, "it started")
            check("the sandbox cannot be put in place: %s: " % word in
                  s.stderr(), s.stderr())
        finally:
            s.remove()


@case()
def off_is_off():
    s = tolsey.Tolsey("Sandbox off")
    try:
        for pid in s.nets() + s.scan_workers():
            with open("/proc/%d/status" % pid) as f:
                check("Seccomp:\t0" in f.read(), "it is confined")
        check("sandbox      off" in s.control("status").stdout, "status")
        works(s)
    finally:
        s.close()


main()
