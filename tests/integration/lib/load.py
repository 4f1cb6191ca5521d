# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Bounded loads: one thread and one connection for each object under way."""
import socket
import struct
import threading
import time

import icap
import samples


def fault(word, number, size=64):
    """An object for tests/faults/faultscan.c, different for each number."""
    head = b"FAULT:%s %d " % (word.encode(), number)
    return head + b"." * max(0, size - len(head))


class Row:
    """Asks for objects at a fixed rate, whether answered or not, and checks
    each answer. body(i) gives (object, "clean", "infected" or None: any)."""

    def __init__(self, server, rate, seconds, body, source=None, extra=(),
                 timeout=60):
        self.server, self.rate, self.seconds = server, rate, seconds
        self.body, self.source, self.extra = body, source, list(extra)
        self.timeout = timeout
        self.latencies, self.wrong, self.outcomes = [], [], {}
        self.lock = threading.Lock()
        self.idle = []
        self.threads = []

    def start(self):
        self.main = threading.Thread(target=self._run, daemon=True)
        self.main.start()
        return self

    def _run(self):
        begin = time.monotonic()
        for i in range(int(self.rate * self.seconds)):
            at = begin + i / self.rate
            pause = at - time.monotonic()
            if pause > 0:
                time.sleep(pause)
            thread = threading.Thread(target=self._one, args=(i, at),
                                      daemon=True)
            thread.start()
            self.threads.append(thread)

    def _connection(self):
        with self.lock:
            if self.idle:
                return self.idle.pop()
        return self.server.client(self.timeout, source=self.source)

    def _one(self, i, at):
        body, want = self.body(i)
        try:
            client = self._connection()
            answer = client.scan_response(body, extra=self.extra)
            spent = time.monotonic() - at
            with self.lock:
                self.idle.append(client)
        except Exception as error:
            with self.lock:
                self.wrong.append("%d: %s %s" % (
                    i, type(error).__name__, error))
            return
        got = ("infected" if answer.infected else
               "clean" if answer.status == 204 else "other")
        with self.lock:
            self.latencies.append(spent)
            self.outcomes[got] = self.outcomes.get(got, 0) + 1
            if want not in (None, got):
                self.wrong.append("%d: %s instead of %s: %r" % (
                    i, got, want, answer))

    def wait(self):
        self.main.join()
        for thread in self.threads:
            thread.join(self.timeout)
        for client in self.idle:
            client.close()
        self.latencies.sort()
        return self

    def at(self, part):
        """Latency in milliseconds below which that part of all are."""
        if not self.latencies:
            return float("inf")
        last = len(self.latencies) - 1
        return self.latencies[min(last, int(part * len(self.latencies)))] * 1e3

    def __str__(self):
        return "%d answers, p50 %.1f p99 %.1f max %.1f ms" % (
            len(self.latencies), self.at(0.5), self.at(0.99), self.at(1))


def small(i):
    """Small objects, every fifth infected, no two the same."""
    if i % 5 == 4:
        return samples.text(300) + samples.MARKER + b" %d" % i, "infected"
    return samples.text(1000) + b" %d" % i, "clean"


def cancel(server, body, seconds, source=None, reset=True):
    """Sends an object, waits a little, and leaves."""
    with server.client(20, source=source) as c:
        c.send(icap.respmod() + icap.chunked(body))
        time.sleep(seconds)
        if reset:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                              struct.pack("ii", 1, 0))
