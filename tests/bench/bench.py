#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""bench.py [SECONDS]: answers per second and latency on loopback, with the
tests' small signatures. Each row is the median of three rounds; the client
shares the machine with the server, so this compares, it does not rate."""
import os
import selectors
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration", "lib"))
import icap
import samples
import tolsey

ROUNDS = 3
# Replaced by another number in every request, so that each is a new object.
NUMBER = b"0000000000000000"


def scanned(body, **how):
    last = icap.IEOF if "preview" in how else b"0\r\n\r\n"
    return icap.respmod(**how) + icap.chunked(body, last=last)


PAGE = samples.text(1024 - len(NUMBER))
REQUESTS = {
    "OPTIONS": icap.head("OPTIONS", body="null-body"),
    "1 KB clean, 204": scanned(PAGE + NUMBER, allow="204", preview=4096),
    "1 KB clean, echo": scanned(PAGE + NUMBER),
    "EICAR": scanned(samples.EICAR + NUMBER, allow="204", preview=4096),
}


def numbered(request):
    """Endless: the request with a new number each time."""
    before, mark, after = request.partition(NUMBER)
    count = 0
    while True:
        count += 1
        yield before + (b"%016d" % count + after if mark else b"")


def answer_size(server, request):
    """Answers to the same request are equally long."""
    with server.client() as c:
        c.send(request)
        first = c.read()
        assert first.status in (200, 204), first
        c.sock.settimeout(0.1)
        total = len(first.raw_head) + sum(map(len, first.sections.values()))
        if first.body is not None:
            raw = b"%x\r\n" % len(first.body)
            total += len(raw) + len(first.body) + 2 + 5
        return total


def cpu_ticks(server):
    total = 0
    for pid in server.processes():
        with open("/proc/%d/stat" % pid) as f:
            words = f.read().rsplit(")", 1)[1].split()
        total += int(words[11]) + int(words[12])
    return total


def run(server, request, connections, seconds):
    """Every connection sends again as soon as it has its answer."""
    size = answer_size(server, request)
    selector = selectors.DefaultSelector()
    clients = []
    for _ in range(connections):
        client = server.client()
        client.sock.setblocking(False)
        client.left, client.sent = size, time.perf_counter()
        selector.register(client.sock, selectors.EVENT_READ, client)
        clients.append(client)
    requests = numbered(request)
    before = cpu_ticks(server)
    start = time.perf_counter()
    for client in clients:
        client.sent = time.perf_counter()
        client.sock.send(next(requests))
    times = []
    while time.perf_counter() - start < seconds:
        for key, _ in selector.select(1):
            client = key.data
            data = client.sock.recv(65536)
            if not data:
                raise ConnectionError("the server closed a connection")
            client.left -= len(data)
            if client.left < 0:
                raise ValueError("an answer of another length")
            if client.left == 0:
                now = time.perf_counter()
                times.append(now - client.sent)
                client.left, client.sent = size, now
                client.sock.send(next(requests))
    took = time.perf_counter() - start
    cpu = (cpu_ticks(server) - before) / os.sysconf("SC_CLK_TCK")
    for client in clients:
        client.close()
    times.sort()
    return (len(times) / took, times[len(times) // 2] * 1e6,
            times[len(times) * 99 // 100] * 1e6, cpu / len(times) * 1e6)


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    server = tolsey.Tolsey("LogLevel warn\nLogAccess off")
    try:
        print("%-18s %5s %9s %9s %9s %12s" % (
            "request", "conns", "answers/s", "p50 us", "p99 us", "CPU us each"))
        for name, request in REQUESTS.items():
            for connections in (1, 16, 64):
                rows = sorted(run(server, request, connections, seconds)
                              for _ in range(ROUNDS))
                print("%-18s %5d %9.0f %9.0f %9.0f %12.1f" % (
                    (name, connections) + rows[ROUNDS // 2]), flush=True)
    finally:
        server.close()


main()
