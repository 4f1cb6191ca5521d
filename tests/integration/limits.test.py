#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Limits, slow clients, early answers, idle connections and overload."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import resource
import signal
import socket
import statistics
import threading
import time

import icap
import samples
import tls
import tolsey
from icap import chunked, reqmod, respmod
from tap import add_case, case, check, eq, main, note, shared, skip, wait_for

if tolsey.REFERENCE:
    print("skip limits: not for the reference server")
    sys.exit(0)

OPTIONS = icap.head("OPTIONS", body="null-body")
P1 = b"HTTP/1.1 200 OK\r\n\r\n"

small = shared(lambda: tolsey.Tolsey(
    "MaxIcapHead 1K\nMaxIcapFields 16\nMaxRequestLine 256\nMaxBlankLines 2\n"
    "MaxHttpHead 1K\nMaxChunkLine 64\nMaxTrailer 256\nHeadTimeout 2s\n"
    "BodyTimeout 2s\nMinBodyRate 100\nWriteTimeout 1s\nKeepAliveTimeout 1s\n"
    "LingerTimeout 1s\nDrainSize 40M\nMaxConnections 2000", over_tls=True))


def both(function):
    """A case of its own over each transport; it is given a way to connect."""
    name = function.__name__.replace("_", "-")
    add_case(name, lambda: function(small().client), 60)
    add_case(name + "-tls", lambda: function(small().tls_client), 60)


# ---- sizes ----

def options(more=b"", line=b"OPTIONS icap://h/avscan ICAP/1.0"):
    return line + b"\r\n" + more + b"\r\n"


def plain(body, head=P1):
    return (b"RESPMOD icap://h/avscan ICAP/1.0\r\nAllow: 204\r\n"
            b"Encapsulated: res-hdr=0, res-body=%d\r\n\r\n" % len(head) +
            head + body)


def with_head(size):
    return plain(chunked(b"x"), b"HTTP/1.1 200 OK\r\nX: %s\r\n\r\n" % (
        b"y" * (size - 24)))


SIZES = {
    "icap-head": (options(b"X: %s\r\n" % (b"y" * 900)), 200,
                  options(b"X: %s\r\n" % (b"y" * 1024)), 400),
    "icap-fields": (options(b"X: y\r\n" * 16), 200,
                    options(b"X: y\r\n" * 17), 400),
    "request-line": (options(line=b"OPTIONS icap://h/avscan?%s ICAP/1.0" % (
        b"x" * 220)), 200, options(line=b"OPTIONS icap://h/avscan?%s ICAP/1.0"
                                   % (b"x" * 230)), 414),
    "blank-lines": (b"\r\n" * 2 + options(), 200,
                    b"\r\n" * 3 + options(), 400),
    "http-head": (with_head(1024), 204, with_head(1025), 413),
    "chunk-line": (plain(b"1;a=%s\r\nx\r\n0\r\n\r\n" % (b"y" * 58)), 204,
                   plain(b"1;a=%s\r\nx\r\n0\r\n\r\n" % (b"y" * 60)), 400),
    "trailer": (plain(b"1\r\nx\r\n0\r\nX: %s\r\n\r\n" % (b"y" * 240)), 204,
                plain(b"1\r\nx\r\n0\r\nX: %s\r\n\r\n" % (b"y" * 260)), 400),
}


def size(name):
    def run():
        below, good, above, bad = SIZES[name]
        for data, want in ((below, good), (above, bad)):
            with small().client(10) as c:
                c.send(data)
                eq(c.read().status, want, "%d bytes" % len(data))
                if want >= 400:
                    eq(c.read_eof(), b"", "rest")
    return run


for _name in SIZES:
    add_case("size-of-" + _name, size(_name))


# ---- slow clients ----

def drip(client, data, pause, limit):
    """Sends a byte at a time until the server has had enough of it."""
    start = time.monotonic()
    for i in range(len(data)):
        try:
            client.send(data[i:i + 1])
        except OSError:
            break
        if not client.silent(pause):
            break
        check(time.monotonic() - start < limit, "it is still listened to")
    return time.monotonic() - start


@both
def slow_head(connect):
    """The deadline is that of the whole head."""
    with connect(10) as c:
        took = drip(c, b"OPTIONS icap://h/avscan ICAP/1.0\r\nX-Y: Z\r\n", 0.1,
                    5)
        check(1.5 < took < 4, "took %.1f s" % took)
        eq(c.read().status, 408, "status")
        eq(c.read_eof(), b"", "rest")


@both
def slow_body(connect):
    with connect(10) as c:
        c.send(respmod() + b"1000\r\n")
        took = drip(c, b"x" * 100, 0.1, 6)
        check(1.5 < took < 5, "took %.1f s" % took)
        eq(c.read().status, 408, "status")
        eq(c.read_eof(), b"", "rest")
    check(small().metric("client_timeouts_total") > 0, "not counted")


@case()
def slow_body_that_is_fast_enough():
    """Twice the rate that is asked for, over several of its periods."""
    with small().client(20) as c:
        c.send(respmod(allow="204") + b"3e8\r\n")
        for _ in range(50):
            c.send(b"x" * 20)
            time.sleep(0.1)
        c.send(b"\r\n0\r\n\r\n")
        eq(c.read().status, 204, "status")


@both
def silence(connect):
    """Inside a request 408, between two nothing."""
    begins = (b"O", b"OPTIONS icap://h/avscan ICAP/1.0\r\n", respmod()[:-5],
              respmod(), respmod() + b"5\r\nhel", b"", OPTIONS)
    clients, start = [connect(10) for _ in begins], time.monotonic()
    for c, begin in zip(clients, begins):
        c.send(begin)
    eq(clients[-1].read().status, 200, "status")
    for c in clients[-2:]:
        eq(c.read_eof(), b"", "idle")
    check(0.8 < time.monotonic() - start < 2.5, "KeepAliveTimeout")
    for c, begin in zip(clients, begins[:-2]):
        eq(c.read().status, 408, repr(begin[-10:]))
        eq(c.read_eof(), b"", "rest")
    check(1.8 < time.monotonic() - start < 4, "HeadTimeout, BodyTimeout")
    for c in clients:
        c.close()


@both
def stalled_reader(connect):
    before = small().metric("client_timeouts_total")
    with connect(20) as c:
        c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        body = samples.filler(20000000)
        threading.Thread(target=_send, args=(c, respmod() + chunked(body)),
                         daemon=True).start()
        wait_for(lambda: small().metric("client_timeouts_total") > before, 20,
                 "it is still waited for")
        try:
            while c.sock.recv(1 << 20):
                pass
            ended = "end"
        except ConnectionResetError:
            ended = "reset"
        eq(ended, "reset", "a cut answer ends by")
    wait_for(lambda: small().metric("spool_memory_bytes") < 1000000 and
             small().metric("spool_disk_bytes") == 0, 10, "the body stays")


def _send(client, data):
    try:
        client.sock.sendall(data)
    except OSError:
        pass


@case()
def heads_are_charged_before_they_are_complete():
    """Large heads that never end share the memory of bodies; small requests
    go on meanwhile."""
    s = tolsey.Tolsey("SpoolMemory 2M\nHeadTimeout 3s\nMaxConnections 500")
    try:
        clients = [s.client(20) for _ in range(200)]
        part = (b"RESPMOD icap://h/avscan ICAP/1.0\r\n"
                b"Encapsulated: res-hdr=0, res-body=120000\r\n\r\n" +
                b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100000)
        start = time.monotonic()
        for c in clients:
            c.sock.setblocking(False)
            try:
                c.sock.send(part)
            except BlockingIOError:
                pass
        time.sleep(0.5)
        held = s.metric("spool_memory_bytes")
        check(1000000 < held < 6000000, "%d bytes are held" % held)
        with s.client(5) as c:
            eq(c.options().status, 200, "OPTIONS")
            eq(c.scan_response(b"small").status, 204, "a small object")
        check(time.monotonic() - start < 2.5, "too slow to tell")
        for c in clients:
            c.sock.settimeout(20)
            eq(c.read().status, 408, "status")
            c.close()
        wait_for(lambda: s.metric("spool_memory_bytes") == 0, 10, "it stays")
        with s.client(5) as c:
            eq(c.scan_response(b"y" * 500000).status, 204, "afterwards")
    finally:
        s.close()


# ---- who writes all before he reads ----

EARLY = {
    "unknown service": (b"RESPMOD icap://h/nope ICAP/1.0\r\nEncapsulated: "
                        b"res-hdr=0, res-body=19\r\n\r\n" + P1, 404),
    "no Encapsulated": (b"RESPMOD icap://h/avscan ICAP/1.0\r\n\r\n", 400),
    "large head": (b"RESPMOD icap://h/avscan ICAP/1.0\r\nEncapsulated: "
                   b"res-hdr=0, res-body=99999\r\n\r\n" + P1, 413),
    "wrong chunk": (respmod() + b"zz\r\n", 400),
    "infected preview": (respmod(preview=68) + chunked(samples.EICAR), 200),
}


@both
def early_answers_arrive(connect):
    """An upload that goes on for longer than LingerTimeout after its answer
    was given: no reset erases that."""
    def one(name):
        begin, want = EARLY[name]
        with connect(20) as c:
            c.send(begin)
            for _ in range(15):
                c.send(b"\x01\x02" * 250000)
                time.sleep(0.15)
            answer = c.read()
            eq(answer.status, want, name)
            check(want != 200 or answer.blocked, "not blocked: " + name)
            eq(c.read_eof(), b"", "rest of " + name)
    errors = []

    def work(name):
        try:
            one(name)
        except Exception as error:
            errors.append("%s: %r" % (name, error))
    threads = [threading.Thread(target=work, args=(n,)) for n in EARLY]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    eq(errors, [], "lost answers")


@both
def whole_upload_before_the_answer_is_read(connect):
    with connect(30) as c:
        c.send(reqmod(allow="204", close=True) +
               chunked(samples.EICAR + samples.filler(30000000)))
        c.half_close()
        time.sleep(0.5)
        answer = c.read()
        check(answer.blocked or answer.status == 204, repr(answer))
        eq(c.read_eof(), b"", "rest")


@both
def second_terminator_and_garbage_after_close(connect):
    """What some clients send for an empty file, and worse."""
    for more in (b"0\r\n\r\n", b"garbage" * 10000):
        with connect(10) as c:
            c.send(reqmod(allow="204", close=True) + b"0\r\n\r\n" + more)
            time.sleep(0.2)
            c.send(more)
            answer = c.read()
            eq((answer.status, answer.headers["Connection"]), (204, "close"),
               "answer")
            eq(c.read_eof(), b"", "rest")


@case()
def drain_has_an_end():
    """Beyond DrainSize nobody is listened to."""
    with small().client(20) as c:
        c.send(EARLY["unknown service"][0])
        sent = 0
        try:
            while sent < 200000000:
                c.send(b"\x01\x02" * 500000)
                sent += 1000000
        except OSError:
            pass
        check(35000000 < sent < 150000000, "%d bytes were read" % sent)


# ---- idle connections ----

def resident(pid):
    with open("/proc/%d/status" % pid) as f:
        for line in f:
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    return 0


def latency(server, count=300):
    with server.client() as c:
        times = []
        for _ in range(count):
            start = time.perf_counter()
            c.send(OPTIONS)
            c.read()
            times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e6


def idle(connect, server, count):
    """KiB of memory that each costs after it had a request."""
    net = server.nets()[0]
    with connect() as c:
        c.scan_response(b"warm")
    before = resident(net)
    clients = []
    try:
        for _ in range(count):
            c = connect(30)
            c.send(OPTIONS)
            clients.append(c)
            if len(clients) % 50 == 0:
                for c in clients[-50:]:
                    eq(c.read().status, 200, "status")
        took = latency(server)
        time.sleep(0.3)
        each = (resident(net) - before) / count
    finally:
        for c in clients:
            c.close()
    return each, took


@case(timeout=120)
def idle_connections_cost_little():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    count = min(10000, most // 2) // 50 * 50
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    s = tolsey.Tolsey("MaxConnections %d\nLogLevel warn" % (count + 100),
                      over_tls=True)
    try:
        with s.client() as c:
            room = int(c.options().headers["Max-Connections"])
        if room < count + 20:
            count = (room - 20) // 50 * 50
        quiet = latency(s)
        each, took = idle(s.client, s, count)
        note("%d idle connections: %.2f KiB each; OPTIONS %.0f us, %.0f us "
             "without them" % (count, each, took, quiet))
        with open(os.path.join(s.programs, "tolsey-net"), "rb") as f:
            more = 8 if b"__asan_init" in f.read() else 1
        check(each < 4 * more, "%.1f KiB each" % each)
        check(took < 3 * quiet + 300, "%.0f us instead of %.0f us" % (
            took, quiet))
        each, _ = idle(s.tls_client, s, 500)
        note("500 idle connections over TLS: %.1f KiB each" % each)
        check(each < 64 * more, "%.1f KiB each over TLS" % each)
    finally:
        s.close()


# ---- overload ----

@case()
def options_while_every_worker_is_busy():
    s = tolsey.Tolsey("QueueTimeout 3s", over_tls=True)
    try:
        for pid in s.scan_workers():
            s.kill(pid, signal.SIGSTOP)
        waiting = [s.client(40) for _ in range(20)]
        for i, c in enumerate(waiting):
            c.send(respmod(allow="204") + chunked(b"%d" % i))
        time.sleep(0.3)
        for connect in (s.client, s.tls_client):
            start = time.monotonic()
            for _ in range(20):
                with connect(5) as c:
                    eq(c.options().status, 200, "OPTIONS")
            check(time.monotonic() - start < 2, "too slow")
        # overload is a page, never an ICAP error
        for c in waiting:
            answer = c.read()
            check(answer.status in (200, 204), repr(answer))
            c.close()
    finally:
        for pid in s.scan_workers():
            os.kill(pid, signal.SIGCONT)
        s.close()


@case()
def request_that_is_under_way_when_a_net_is_replaced():
    """Neither it nor the handshake of a slow client is lost; one that says
    nothing does not hold up the end."""
    s = tolsey.Tolsey(over_tls=True)
    try:
        old = s.nets()
        fresh = s.client(10)
        mute = icap.Icap(("127.0.0.1", s.tls_port), 10)
        time.sleep(0.2)
        for pid in old:
            s.kill(pid, signal.SIGSTOP)  # it is told, and looks later
        s.write_config("Module clamav_scan\nModule echo")
        s.kill(s.pid, signal.SIGHUP)
        wait_for(lambda: len(s.nets()) > len(old), 15, "no new net")
        wait_for(lambda: s.options_status() == 200, 15, "it does not serve")
        fresh.send(OPTIONS)
        for pid in old:
            s.kill(pid, signal.SIGCONT)
        check(fresh.read().status in (200, 503), "no answer")
        fresh.close()
        start = time.monotonic()
        wait_for(lambda: not set(old) & set(s.nets()), 10, "the old net stays")
        check(time.monotonic() - start < 4, "the old net stays too long")
        mute.close()
    finally:
        for pid in s.nets():
            os.kill(pid, signal.SIGCONT)
        s.close()


@case()
def options_while_draining():
    s = tolsey.Tolsey(over_tls=True)
    late = [s.client(10), s.tls_client(10)]
    busy = s.client(10)
    try:
        for c in late:
            c.send(OPTIONS[:20])
        busy.send(respmod(allow="204") + b"5\r\nhello\r\n")
        time.sleep(0.3)
        s.seen |= set(s.processes())
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        for c in late:
            c.send(OPTIONS[20:])
            answer = c.read()
            eq((answer.status, answer.headers["Connection"]), (503, "close"),
               "OPTIONS")
            eq(c.read_eof(), b"", "rest")
        busy.send(b"0\r\n\r\n")
        eq(busy.read().status, 204, "the transaction under way")
    finally:
        for c in late + [busy]:
            c.close()
        s.close()


@case()
def largest_http_head_comes_back():
    s = tolsey.Tolsey("MaxHttpHead 4M")
    head = b"HTTP/1.1 200 OK\r\nX: %s\r\n\r\n" % (b"y" * 4000000)
    try:
        with s.client() as c:
            answer = c.scan_response(b"hello", head, allow=None)
            eq((answer.status, answer.body), (200, b"hello"), "answer")
            check(answer.http == head, "the head changed")
    finally:
        s.close()


main()
