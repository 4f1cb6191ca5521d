#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The scan socket: what it answers, whom, and what it refuses."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "lib"))

import random
import select
import socket
import subprocess
import threading
import time

import samples
import scansock as s
import tolsey
from tap import case, check, eq, main, note, shared, skip, wait_for

if tolsey.REFERENCE:
    print("skip scansock: not for the reference server")
    sys.exit(0)

GET = b"GET http://example.org/a.bin HTTP/1.1\r\nHost: example.org\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"
PUT = b"PUT http://example.org/a.bin HTTP/1.1\r\nHost: example.org\r\n\r\n"

server = shared(lambda: tolsey.Tolsey(
    "MaxObjectSize 4M\nScanSocketConnections 24\nScanSocketBytes 64M\n"
    "SpoolMemory 32M"))


def connect(t=None, **rest):
    return s.ScanSocket((t or server()).path("scan.sock"), **rest)


def ask(data, fds=(), t=None):
    with connect(t) as c:
        return c.ask(data, fds)


def ask_fd(data, fd, t=None, **fields):
    try:
        return ask(s.scan(fd_size=len(data), **fields), [fd], t)
    finally:
        os.close(fd)


def with_heads(**fields):
    return s.scan(**{"req": GET, "res": OK, **fields})


def blocked(a, name="Tests.Eicar.Pattern"):
    eq(a.type, s.VERDICT, "type")
    eq((a.action, a.outcome, a.icap, a.http), (s.BLOCK, "infected", 200, 403))
    check(any(x.startswith(name) for x in a.names), "%r" % a.names)
    check(b"X-Infection-Found: Type=0; Resolution=2; Threat=" in a.headers,
          "%r" % a.headers)
    check(a.head.startswith(b"HTTP/1.1 403 "), "%r" % a.head)
    check(a.id_text.encode() in a.page and b"<html" in a.page, "no page")


def clean(a):
    eq(a.type, s.VERDICT, "type")
    eq((a.action, a.outcome, a.icap, a.names, a.page),
       (s.PASS, "clean", 204, [], b""))


def refused(a, error):
    eq((a.type, getattr(a, "error", None)), (s.ERROR, error))


# ---- what it is for ----

@case()
def in_the_message():
    blocked(ask(with_heads(body=samples.EICAR)))
    clean(ask(with_heads(body=b"a clean object")))
    clean(ask(with_heads(body=b"")))


@case()
def by_descriptor():
    for size in 40000, 300000, 3 << 20:
        bad = samples.filler(size - 100) + samples.MARKER
        blocked(ask_fd(bad, s.memfd(bad)), "Tests.Marker")
        good = samples.filler(size)
        a = ask_fd(good, s.memfd(good))
        clean(a)
        eq(a.size, size, "size")


@case()
def a_read_only_file():
    path = server().path("object")
    data = samples.filler(100000) + samples.MARKER
    with open(path, "wb") as f:
        f.write(data)
    blocked(ask_fd(data, os.open(path, os.O_RDONLY)), "Tests.Marker")


@case()
def only_the_size_that_was_said():
    data = samples.filler(50000) + samples.MARKER
    fd = s.memfd(data)
    clean(ask(s.scan(fd_size=50000), [fd]))
    os.close(fd)


@case()
def same_line_in_the_log_as_icap():
    t = server()
    who = b"X-Client-IP: 192.0.2.9\r\nX-Client-Username: mary\r\n"
    a = ask(with_heads(body=samples.EICAR, icap=who))
    line = t.wait_access("id=" + a.id_text)[0]
    for word in ("service=avscan method=RESPMOD", 'peer="scan:%d"' % os.getuid(),
                 'client="192.0.2.9"', 'user="mary"', "http=200 icap=200",
                 'url="http://example.org/a.bin"', "size=68",
                 "outcome=infected action=block", "sha256=275a021b"):
        check(word in line, "no %s in %s" % (word, line))
    eq(a.headers.count(b"\r\n"), 2, "headers")
    with t.client() as c:
        r = c.scan_response(samples.EICAR)
    eq(a.istag, r.headers["ISTag"].strip('"'), "istag")


@case()
def prefix_then_rest():
    bad, good = samples.MARKER, samples.filler(100000)
    with connect() as c:
        # found in the prefix: the rest is not wanted
        a = c.ask(with_heads(body=samples.EICAR + b" " * 0, kind=s.PREFIX))
        blocked(a)
        eq(a.early, 1, "early")
        # found behind it
        for r, fds in ((s.rest(bad), ()),
                       (s.rest(fd_size=len(bad), offset=4096),
                        [s.memfd(good[:4096] + bad)])):
            a = c.ask(with_heads(body=good[:4096], kind=s.PREFIX))
            eq(a.type, s.CONTINUE, "type")
            eq(a.scanned, 1, "scanned")
            blocked(c.ask(r, fds), "Tests.Marker")
        # in neither; and half of the marker in each
        c.ask(with_heads(body=good[:4096], kind=s.PREFIX))
        a = c.ask(s.rest(fd_size=95904, offset=4096), [s.memfd(good)])
        clean(a)
        eq(a.size, 100000, "size")
        line = server().wait_access("id=" + a.id_text)[0]
        check("preview=yes 100=1" in line, line)
        both = good[:4086] + bad
        c.ask(with_heads(body=both[:4096], kind=s.PREFIX))
        blocked(c.ask(s.rest(both[4096:])), "Tests.Marker")
        c.ask(with_heads(body=good[:10], kind=s.PREFIX))
        clean(c.ask(s.rest(b"")))


@case()
def patient_prefix():
    """Its scan takes place, and takes the time that it needs."""
    t = tolsey.Tolsey("ScanPreview off\nPreviewScanTimeout 50ms",
                      instead=tolsey.FAULTY_SCAN)
    try:
        slow = b"FAULT:slow:300 " + samples.filler(60000)
        for body, flags, scanned in ((b"x" * 10, 0, 0), (b"x" * 10, 2, 1),
                                     (slow, 0, 0), (slow, 2, 1)):
            with connect(t) as c:
                a = c.ask(with_heads(body=body, kind=s.PREFIX, flags=flags))
                eq((a.type, a.scanned), (s.CONTINUE, scanned), body[:20])
                clean(c.ask(s.rest(b"y")))
        blocked(ask(with_heads(body=b"y" * 40000 + samples.MARKER,
                               kind=s.PREFIX, flags=2), t=t), "Tests.Marker")
        # in the place of REST it begins anew, and there is one line for both
        before = len(t.access())
        with connect(t) as c:
            for n, flags in (10, 0), (2000, 2), (3000, 2):
                a = c.ask(with_heads(body=b"z" * n, kind=s.PREFIX, id=n,
                                     flags=flags))
                eq((a.type, a.scanned, a.id), (s.CONTINUE, flags / 2, n))
            a = c.ask(s.rest(b"y", id=3000))
            clean(a)
            eq(a.size, 3001, "size")
        t.wait_access("id=" + a.id_text)
        eq(len(t.access()) - before, 1, "lines")
        with connect(t) as c:
            c.ask(with_heads(body=b"z", kind=s.PREFIX))
            refused(c.ask(with_heads(body=b"z", kind=s.PREFIX)), "ORDER")
    finally:
        t.close()


@case()
def uploads():
    blocked(ask(s.scan(method=s.REQMOD, req=PUT, body=samples.EICAR)))
    clean(ask(s.scan(method=s.REQMOD, req=PUT, body=b"good")))
    a = ask(s.scan(method=s.REQMOD, req=GET, flags=s.NO_BODY))
    eq((a.type, a.action, a.outcome), (s.VERDICT, s.PASS, "exempt"))


@case()
def edited_request():
    t = tolsey.Tolsey(services="<Service avscan>\nStripRange large\n"
                      "AcceptEncoding limit\n</Service>")
    try:
        req = (b"GET http://x/ HTTP/1.1\r\nHost: x\r\nRange: bytes=100-\r\n"
               b"Accept-Encoding: gzip, sdch\r\n\r\n")
        a = ask(s.scan(method=s.REQMOD, req=req, flags=s.NO_BODY), t=t)
        eq((a.action, a.head_kind), (s.PASS, 2))
        check(b"Range:" not in a.head and b"sdch" not in a.head and
              a.head.endswith(b"\r\n\r\n"), "%r" % a.head)
    finally:
        t.close()


@case()
def by_its_url():
    a = ask(s.scan(url=b"ftp://example.org/x", body=samples.EICAR))
    blocked(a)
    line = server().wait_access("id=" + a.id_text)[0]
    check('url="ftp://example.org/x"' in line, line)


@case()
def codings_and_parts():
    import gzip
    head = OK.replace(b"\r\n\r\n", b"\r\nContent-Encoding: gzip\r\n\r\n")
    blocked(ask(with_heads(res=head, body=gzip.compress(samples.EICAR))))
    form = (b"--x\r\nContent-Disposition: form-data; name=f; filename=a.com"
            b"\r\n\r\n" + samples.EICAR + b"\r\n--x--\r\n")
    head = PUT.replace(b"\r\n\r\n", b"\r\nContent-Type: multipart/form-data; "
                       b"boundary=x\r\n\r\n")
    a = ask(s.scan(method=s.REQMOD, req=head, body=form))
    blocked(a)
    eq(a.part, "a.com", "part")


@case()
def endless_types_are_scanned_whole():
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    data = b"data: x\n\n" * 9000 + samples.MARKER
    blocked(ask_fd(data, s.memfd(data), res=head, req=GET), "Tests.Marker")
    clean(ask(with_heads(res=head, body=b"data: x\n\n")))


@case()
def what_a_service_is_like():
    a = ask(s.options())
    eq((a.type, a.found, a.ready, a.methods, a.service),
       (s.SERVICE, 1, 1, 3, "avscan"))
    eq((a.preview, a.preview_size), (1, 16384))
    check(a.daemon.startswith("tolsey/") and a.generation > 0, "%r" % vars(a))
    eq(ask(s.options(b"nobody")).found, 0, "found")
    eq(ask(s.options(b"srv_clamav")).service, "avscan", "by its alias")


@case()
def not_ready_is_said():
    t = tolsey.Tolsey("StartWait 0", database=False, wait=False)
    try:
        wait_for(lambda: os.path.exists(t.path("scan.sock")), 10, "no socket")
        eq(ask(s.options(), t=t).ready, 0, "ready")
        a = ask(with_heads(body=b"x"), t=t)
        eq((a.action, a.outcome, a.http), (s.BLOCK, "not-ready", 503))
    finally:
        t.close()


@case()
def too_large():
    data = bytes((4 << 20) + 1)
    a = ask_fd(data, s.memfd(data))
    eq((a.action, a.outcome), (s.BLOCK, "too-large"))
    a = ask(s.scan(fd_size=len(data), req=GET, res=OK), [s.memfd(data)])
    eq((a.action, a.outcome), (s.BLOCK, "too-large"))


# ---- what it refuses ----

@case()
def descriptors_that_are_not_taken():
    t = server()
    path = t.path("file")
    data = samples.filler(70000)
    with open(path, "wb") as f:
        f.write(data)
    n = len(data)
    part = s.memfd(data, 0x0c)
    for fd, error in (
            (s.memfd(data, 0), "WRITABLE"),
            (part, "WRITABLE"),
            (os.open("/proc/self/fd/%d" % part, os.O_RDONLY), "WRITABLE"),
            (os.open(path, os.O_RDWR), "WRITABLE"),
            (os.open(path, os.O_WRONLY), "WRITABLE"),
            (os.open(path, os.O_PATH), "NOT_A_FILE"),
            (os.open(t.dir, os.O_RDONLY), "NOT_A_FILE"),
            (os.open("/dev/zero", os.O_RDONLY), "NOT_A_FILE"),
            (os.pipe()[0], "NOT_A_FILE"),
            (os.open("/proc/version", os.O_RDONLY), "NOT_LOCAL"),
            (s.memfd(data[:-1]), "TOO_SHORT")):
        with connect() as c:
            refused(c.ask(s.scan(fd_size=n), [fd]), error)
            check(c.is_closed(), "open after " + error)
    clean(ask_fd(data, s.memfd(data)))


def odd_descriptors(path):
    """Name, descriptor, what the daemon says; a None is a verdict."""
    data = samples.filler(70000)
    n = len(data)
    with open(path, "wb") as f:
        f.write(data)
    fifo = path + ".fifo"
    os.mkfifo(fifo)
    pair = socket.socketpair()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path + ".sock")
    yield "fifo", os.open(fifo, os.O_RDWR | os.O_NONBLOCK), n, "NOT_A_FILE"
    yield "socket", pair[0].detach(), n, "NOT_A_FILE"
    yield "listening socket", listening.detach(), n, "NOT_A_FILE"
    yield "the scan socket itself", connect().s.detach(), n, "NOT_A_FILE"
    waiting = select.epoll()
    yield "epoll", os.dup(waiting.fileno()), n, "NOT_A_FILE"
    yield "null", os.open("/dev/null", os.O_RDONLY), n, "NOT_A_FILE"
    yield "terminal", os.openpty()[1], n, "NOT_A_FILE"
    for name in ("/proc/self/mem", "/proc/self/environ", "/proc/kmsg",
                 "/sys/kernel/uevent_seqnum"):
        try:
            yield name, os.open(name, os.O_RDONLY), n, "NOT_LOCAL"
        except OSError:
            pass
    yield "append", os.open(path, os.O_WRONLY | os.O_APPEND), n, "WRITABLE"
    for seals in 0, 2, 4, 8, 2 | 4, 2 | 8, 4 | 8:
        yield "seals %d" % seals, s.memfd(data, seals), n, "WRITABLE"
    huge = path + ".huge"
    with open(huge, "wb") as f:
        f.truncate(1 << 40)
    fd = os.open(huge, os.O_RDONLY)
    yield "1 TiB of nothing", fd, 1 << 40, "BYTES"
    yield "of which little", os.open(huge, os.O_RDONLY), 1000, None
    yield "more than 2^63", os.open(path, os.O_RDONLY), (1 << 64) - 1, "BYTES"
    unlinked = path + ".gone"
    with open(unlinked, "wb") as f:
        f.write(data)
    fd = os.open(unlinked, os.O_RDONLY)
    os.unlink(unlinked)
    yield "unlinked", fd, n, None


@case()
def every_kind_of_descriptor():
    """Each is an error, at once, and harms nobody."""
    t = server()
    before = t.idle_fds()
    good = samples.filler(50000, 7)
    with connect() as beside:
        for name, fd, size, error in odd_descriptors(t.path("odd")):
            begin = time.monotonic()
            with connect() as c:
                a = c.ask(with_heads(fd_size=size), [fd])
                if error is None:
                    eq((a.type, a.outcome), (s.VERDICT, "clean"), name)
                else:
                    eq((a.type, getattr(a, "error", None)), (s.ERROR, error),
                       name)
            os.close(fd)
            check(time.monotonic() - begin < 2, "%s: late" % name)
            m = s.memfd(good)
            clean(beside.ask(with_heads(fd_size=len(good)), [m]))
            os.close(m)
    eq(t.idle_fds(), before, "descriptors")
    eq(len(t.nets()), 1, "nets")


@case()
def a_flood_of_one_user():
    """Connections, messages without an end of answers read, and nonsense:
    others are served meanwhile."""
    t = server()
    stop, count = threading.Event(), [0]
    junk = [with_heads(body=b"x"), b"\0" * 100, s.options(), s.rest(b"x"),
            with_heads(fd_size=10, body=b"")]

    def flood():
        i = 0
        while not stop.is_set():
            i += 1
            try:
                with connect(timeout=5) as c:
                    for _ in range(4):
                        c.send(junk[i % len(junk)])
                    count[0] += 1
            except OSError:
                pass
    threads = [threading.Thread(target=flood) for _ in range(8)]
    for x in threads:
        x.start()
    slowest = 0
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end:
            begin = time.monotonic()
            with t.client(10) as c:
                check(c.scan_response(os.urandom(20) + samples.MARKER).infected,
                      "not found")
            slowest = max(slowest, time.monotonic() - begin)
    finally:
        stop.set()
        for x in threads:
            x.join()
    note("%d connections, slowest of others %.0f ms" % (count[0],
                                                        slowest * 1000))
    check(slowest < 1, "%.2f s" % slowest)
    eq(len(t.nets()), 1, "nets")
    wait_for(lambda: ask(with_heads(body=b"x")).type == s.VERDICT, 5, "served")


@case()
def malformed_messages():
    good = with_heads(body=b"x")
    two = [s.memfd(b"x"), s.memfd(b"x")]
    six = [s.memfd(b"x") for _ in range(6)]
    for data, fds, error in (
            (good[:20], (), "SHORT"), (good[:200], (), "SHORT"),
            (b"\0", (), "SHORT"),
            (s.options(magic=0), (), "MAGIC"),
            (s.options(version=2), (), "VERSION"),
            (s.options(version=0), (), "VERSION"),
            (s.message(99, b""), (), "TYPE"), (s.message(18, b""), (), "TYPE"),
            (s.options(size=89), (), "SIZE"),
            (s.options() + b"x", (), "SIZE"),
            (good + bytes(200000 - len(good)), (), "SIZE"),
            (s.options(reserved=1), (), "RESERVED"),
            (with_heads(reserved=1), (), "RESERVED"),
            (s.options(b"a" * 64), (), "STRING"),
            (s.options(b"a\nb"), (), "STRING"),
            (with_heads(service=b"a b"), (), "STRING"),
            (with_heads(service=b"a\0b"), (), "STRING"),
            (s.scan(url=b"http://x/ a"), (), "STRING"),
            (with_heads(method=0), (), "VALUE"),
            (with_heads(method=3), (), "VALUE"),
            (with_heads(kind=7), (), "VALUE"),
            (with_heads(flags=2), (), "VALUE"),  # PATIENT, and no prefix
            (with_heads(flags=4, kind=s.PREFIX), (), "VALUE"),
            (with_heads(len_url=5), (), "SECTIONS"),
            (with_heads(len_body=0xffffffff, body=b"x"), (), "SECTIONS"),
            (with_heads(url=b"http://x/"), (), "SECTIONS"),
            (s.scan(method=s.REQMOD, req=PUT, res=OK), (), "SECTIONS"),
            (with_heads(flags=s.NO_BODY, body=b"x"), (), "SECTIONS"),
            (with_heads(body=bytes(65537)), (), "SECTIONS"),
            (with_heads(icap=b"Allow: 204\r\n"), (), "FIELDS"),
            (with_heads(icap=b"X-A: b"), (), "FIELDS"),
            (with_heads(icap=b"X-A: b\r\n\r\n"), (), "FIELDS"),
            (with_heads(icap=b"X-A b\r\n"), (), "FIELDS"),
            (with_heads(fd_size=1), (), "DESCRIPTORS"),
            (with_heads(fd_size=1), two, "DESCRIPTORS"),
            (with_heads(fd_size=1), six, "DESCRIPTORS"),
            (s.options(), two[:1], "DESCRIPTORS"),
            (with_heads(body=b"x", kind=s.PREFIX, body_size=1, ), two[:1],
             "DESCRIPTORS"),
            (s.rest(b"x"), (), "ORDER"),
            (with_heads(service=b"nobody"), (), "REFUSED"),
            (with_heads(body=b"x", fd_size=1 << 40, len_body=0,
                        ), (), "SECTIONS")):
        with connect() as c:
            a = c.ask(data, fds)
            eq((a.type, getattr(a, "error", None)), (s.ERROR, error),
               "%r" % data[:80])
            check(c.is_closed(), "open after %s" % error)
    clean(ask(with_heads(body=b"x")))


@case()
def bytes_at_random():
    draw = random.Random(4711)
    good = with_heads(body=b"x" * 50)
    for _ in range(400):
        data = bytearray(good)
        for _ in range(draw.randint(1, 4)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        with connect() as c:
            a = c.ask(bytes(data))
            check(a.type in (s.VERDICT, s.CONTINUE, s.ERROR), a.type)
    clean(ask(with_heads(body=b"x")))


@case()
def out_of_order():
    for first in (with_heads(body=b"x" * 10, kind=s.PREFIX),):
        with connect() as c:
            eq(c.ask(first).type, s.CONTINUE, "type")
            refused(c.ask(s.options()), "ORDER")
        with connect() as c:
            c.ask(first)
            refused(c.ask(s.rest(b"x", id=2)), "ORDER")
    with connect() as c:  # two at once
        c.send(with_heads(fd_size=4 << 20), [s.memfd(bytes(4 << 20))])
        c.send(with_heads(body=b"x", id=2))
        a = c.receive()
        check(a.type == s.VERDICT or a.error == "ORDER", "%r" % vars(a))


@case()
def a_file_that_is_cut_meanwhile():
    t = server()
    path = t.path("cut")
    size = 4 << 20
    seen = set()
    for i in range(20):
        with open(path, "wb") as f:
            f.write(samples.filler(size))
        fd = os.open(path, os.O_RDONLY)
        with connect() as c:
            c.send(with_heads(fd_size=size), [fd])
            time.sleep(i * 0.0003)
            os.truncate(path, 1000)
            a = c.receive()
        os.close(fd)
        if a.type == s.ERROR:
            eq(a.error, "TOO_SHORT")
            seen.add("refused")
        else:
            check((a.action, a.outcome) in ((s.BLOCK, "failed"),
                                            (s.PASS, "clean")), vars(a))
            seen.add(a.outcome)
    note("cut: %s" % ", ".join(sorted(seen)))
    check("failed" in seen, "never while it was read: %r" % seen)
    eq(len(t.nets()), 1, "nets")
    clean(ask(with_heads(body=b"x")))


@case()
def a_file_that_changes_meanwhile():
    t = server()
    path = t.path("changing")
    size = 3 << 20
    with open(path, "wb") as f:
        f.write(bytes(size))
    stop = threading.Event()

    def change():
        fd = os.open(path, os.O_WRONLY)
        i = 0
        while not stop.is_set():
            os.pwrite(fd, os.urandom(4096), i % 700 * 4096)
            i += 1
        os.close(fd)
    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(5):
            a = ask_fd(bytes(size), os.open(path, os.O_RDONLY))
            eq((a.type, a.outcome), (s.VERDICT, "clean"))
    finally:
        stop.set()
        thread.join()
    eq(len(t.nets()), 1, "nets")


# ---- who, and how much ----

def as_user(uid, gids, function):
    """function() in a child with these rights; what it returned."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.setgroups(gids)
            os.setgid(gids[0] if gids else 65534)
            os.setuid(uid)
            out = str(function())
        except Exception as e:
            out = type(e).__name__
        os.write(w, out.encode())
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        out = f.read()
    os.waitpid(pid, 0)
    return out


@case()
def access_by_group():
    if os.getuid() != 0:
        skip("needs root")
    t = tolsey.Tolsey("ScanSocketGroup adm\nScanSocketConnections 4")
    try:
        import grp
        adm = grp.getgrnam("adm").gr_gid
        path = t.path("scan.sock")
        st = os.stat(path)
        eq((st.st_mode & 0o777, st.st_gid), (0o660, adm), "mode and group")

        def scan():
            with s.ScanSocket(path) as c:
                a = c.ask(with_heads(body=b"x"))
                return a.outcome if a.type == s.VERDICT else a.error
        eq(as_user(12345, [65534], scan), "PermissionError", "others")
        eq(as_user(12345, [adm], scan), "clean", "its group")
        eq(as_user(12345, [65534, adm], scan), "clean", "one of its groups")
        # whoever opened the path by mistake has not opened the daemon
        os.chmod(path, 0o666)
        eq(as_user(12345, [65534], scan), "ACCESS", "others, mode 0666")
        eq(as_user(12345, [adm], scan), "clean", "its group, mode 0666")

        def many():
            held = [s.ScanSocket(path) for _ in range(4)]
            for c in held:
                assert c.ask(s.options()).type == s.SERVICE
            return scan()
        eq(as_user(12345, [adm], many), "CONNECTIONS", "a fifth")

        def unused():
            held = [s.ScanSocket(path) for _ in range(4)]
            for c in held:
                assert c.ask(s.options()).type == s.SERVICE
            time.sleep(0.4)
            assert held[0].ask(s.options()).type == s.SERVICE
            said = scan()
            # the one that was not used for longest has made room
            return said, [c.is_closed() for c in held[1:2]]
        eq(as_user(12345, [adm], unused), str(("clean", [True])), "unused")
        eq(as_user(12346, [adm], scan), "clean", "another user meanwhile")
    finally:
        t.close()


@case()
def bytes_of_one_user():
    big = s.memfd(b"")
    with connect() as c:
        refused(c.ask(s.scan(fd_size=(64 << 20) + 1), [big]), "BYTES")
    os.close(big)
    clean(ask(with_heads(body=b"x")))


@case()
def deadline_of_the_request():
    t = tolsey.Tolsey("RetryFailedScan off", instead=tolsey.FAULTY_SCAN)
    try:
        with connect(t) as c:
            begin = time.monotonic()
            a = c.ask(with_heads(body=b"FAULT:hang ", deadline_ms=300))
            refused(a, "DEADLINE")
            took = time.monotonic() - begin
            check(0.25 < took < 3, "after %.2f s" % took)
    finally:
        t.close()


@case()
def who_leaves_is_forgotten():
    t = server()
    before = t.metric("client_gone_total")
    for _ in range(20):
        with connect() as c:
            c.send(with_heads(fd_size=4 << 20), [s.memfd(bytes(4 << 20))])
    with connect() as c:
        c.ask(with_heads(body=b"begin", kind=s.PREFIX))
    wait_for(lambda: t.metric("client_gone_total") > before, 10, "not counted")
    clean(ask(with_heads(body=b"x")))


@case()
def no_descriptor_is_lost():
    t = server()
    before = t.idle_fds()
    fd = s.memfd(b"x")
    for _ in range(50):
        with connect() as c:
            c.ask(s.scan(fd_size=1), [fd])
            c.send(s.scan(fd_size=1), [fd] * 6)
    eq(t.idle_fds(), before, "descriptors")


@case(90)
def many_at_once():
    t = server()
    bad, errors = samples.filler(200000) + samples.MARKER, []

    def one(i):
        try:
            with connect() as c:
                for k in range(8):
                    data = bad if (i + k) % 2 else bad[:-1]
                    fd = s.memfd(data)
                    a = c.ask(with_heads(fd_size=len(data)), [fd])
                    os.close(fd)
                    want = "infected" if (i + k) % 2 else "clean"
                    if a.type != s.VERDICT or a.outcome != want:
                        errors.append(vars(a))
        except Exception as e:
            errors.append(repr(e))
    threads = [threading.Thread(target=one, args=(i,)) for i in range(20)]
    for x in threads:
        x.start()
    for x in threads:
        x.join()
    check(not errors, "%r" % errors[:3])
    eq(len(t.nets()), 1, "nets")


# ---- the library ----

def scan_file(*args, t=None):
    t = t or server()
    done = subprocess.run(
        [os.path.join(t.programs, "tolsey-scan-file"), "-S",
         t.path("scan.sock")] + list(args), capture_output=True, text=True,
        timeout=60)
    return done.returncode, done.stdout + done.stderr


@case()
def library_and_its_example():
    t = server()
    code, out = scan_file()
    check(code == 0 and "service=avscan found=1 ready=1" in out, out)
    good, bad = t.path("good file"), t.path("bad.com")
    for path, data in (good, b"good"), (bad, samples.EICAR):
        with open(path, "wb") as f:
            f.write(data)
    code, out = scan_file(good)
    check(code == 0 and "pass outcome=clean" in out, out)
    code, out = scan_file(good, bad)
    check(code == 1 and "threat=Tests.Eicar" in out, out)
    code, out = scan_file(t.dir, bad)
    check(code == 2 and "refused" in out and "no regular file" in out and
          "threat=" in out, out)
    code, out = scan_file("-S", t.path("nobody"))
    check(code == 2 and "not there" in out, out)


@case()
def a_restart():
    t = tolsey.Tolsey()
    try:
        c = connect(t)
        clean(c.ask(with_heads(body=b"x")))
        t.kill(t.nets()[0])
        check(c.is_closed(), "still open")
        begin = time.monotonic()

        def again():
            try:
                return ask(with_heads(body=samples.EICAR), t=t)
            except (OSError, s.Gone):
                return None
        blocked(wait_for(again, 10, "no answer"))
        note("after the kill of net: %.2f s" % (time.monotonic() - begin))
    finally:
        t.close()


@case()
def switched_off():
    t = tolsey.Tolsey("ScanSocket off")
    try:
        check(not os.path.exists(t.path("scan.sock")), "there is one")
    finally:
        t.close()
    t = tolsey.Tolsey()
    path = t.path("scan.sock")
    check(os.path.exists(path), "there is none")
    os.environ["KEEP"] = "1"
    t.close()
    del os.environ["KEEP"]
    check(not os.path.exists(path), "left behind")
    t.remove()


main()
