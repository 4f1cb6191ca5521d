#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""slow-bodies.py [CLIENTS [MB [KB_PER_SECOND [DIRECTIVE ...]]]]: so many
downloads at once arrive slowly, while small pages go on. By default 500 of
50 MB at 200 KB/s into SpoolMemory 256M, which takes five minutes and up to
25 GB in SpoolDirectory. Prints what was held in memory and on disk, what
became of the downloads, and how long the small pages took."""
import multiprocessing
import os
import selectors
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "..", "integration", "lib"))
import icap
import samples
import tolsey

TICK = 0.05
SPREAD = 20.0  # seconds over which the downloads begin


def small_pages(address, stop, out):
    """p50, p99 and longest of one client's pages, by a process of its own."""
    times, bad = [], 0
    with icap.Icap(address) as c:
        while not stop.is_set():
            start = time.perf_counter()
            answer = c.scan_response(samples.text(2000), preview=4096)
            times.append(time.perf_counter() - start)
            bad += answer.status != 204
            time.sleep(0.005)
    times.sort()
    out.put((len(times), bad, times[len(times) // 2],
             times[len(times) * 99 // 100], times[-1]))


class Slow:
    def __init__(self, address, number, size, rate, start):
        self.address = address
        self.begin = start + SPREAD * number
        self.size, self.rate = size, rate
        self.sock = None
        self.sent = 0
        self.answer = b""
        self.word = None

    def open(self, selector):
        self.sock = socket.create_connection(self.address)
        self.sock.sendall(icap.respmod(allow="204, trailers") +
                          b"%x\r\n" % self.size)
        self.sock.setblocking(False)
        selector.register(self.sock, selectors.EVENT_READ, self)

    def send(self, now, data):
        due = min(self.size, int((now - self.begin) * self.rate))
        while self.sent < due:
            at = self.sent % len(data)
            try:
                self.sent += self.sock.send(
                    data[at:at + min(65536, due - self.sent)])
            except BlockingIOError:
                return
            except OSError:
                self.sent = self.size
                return
        if self.sent == self.size:
            self.sent += 1
            self.sock.setblocking(True)
            self.sock.sendall(b"\r\n0\r\n\r\n")
            self.sock.setblocking(False)

    def read(self, selector):
        try:
            more = self.sock.recv(65536)
        except OSError as error:
            more, self.answer = b"", type(error).__name__.encode()
        self.answer += more
        if more and b"\r\n\r\n" not in self.answer:
            return
        head = self.answer.split(b"\r\n")[0].decode("latin-1")
        if b"HTTP/1.1 " in self.answer:
            head += ", " + self.answer.split(b"HTTP/1.1 ")[1][:3].decode()
        self.word = head or "closed"
        selector.unregister(self.sock)
        self.sock.close()


def run(server, clients, size, rate):
    data = samples.filler(8 << 20)
    selector = selectors.DefaultSelector()
    start = time.monotonic()
    slow = [Slow(server.address, i / clients, size, rate, start)
            for i in range(clients)]
    memory = disk = late = 0
    look = start
    left = list(slow)
    while left:
        now = time.monotonic()
        for s in left:
            if s.sock is None and now >= s.begin:
                s.open(selector)
            if s.sock is not None and s.sent <= s.size:
                s.send(now, data)
        for key, _ in selector.select(0):
            key.data.read(selector)
        left = [s for s in left if s.word is None]
        if now >= look:
            look = now + 1
            m = server.metrics()
            memory = max(memory, m["tolsey_spool_memory_bytes"])
            disk = max(disk, m["tolsey_spool_disk_bytes"])
        late = max(late, time.monotonic() - now)
        time.sleep(max(0, TICK - (time.monotonic() - now)))
    words = {}
    for s in slow:
        words[s.word] = words.get(s.word, 0) + 1
    print("%d x %d MB at %d KB/s in %.0f s: %r" % (
        clients, size / 1e6, rate / 1e3, time.monotonic() - start, words))
    print("most in memory %.0f MB, on disk %.0f MB; the generator was at most"
          " %.2f s late" % (memory / (1 << 20), disk / (1 << 20), late))


def main():
    numbers = [int(x) for x in sys.argv[1:4]]
    clients, mb, kb = numbers + [500, 50, 200][len(numbers):]
    config = ["SpoolMemory 256M", "SpoolSize 40G", "QueueTimeout 10m",
              "LogLevel warn"]
    config += sys.argv[4:]
    server = tolsey.Tolsey("\n".join(config), workers=3)
    stop, out = multiprocessing.Event(), multiprocessing.Queue()
    prober = multiprocessing.Process(target=small_pages,
                                     args=(server.address, stop, out))
    try:
        prober.start()
        run(server, clients, mb * 1000000, kb * 1000)
        stop.set()
        print("small pages: %d, %d not clean; p50 %.1f ms, p99 %.1f ms, "
              "longest %.0f ms" % tuple(
                  x * (1000 if i > 1 else 1)
                  for i, x in enumerate(out.get(timeout=10))))
        prober.join()
    finally:
        stop.set()
        server.close()


main()
