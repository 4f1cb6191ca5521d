#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""tolsey-client --bench against servers that do something wrong: what it counts.
"""
import json
import os
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import samples
import tolsey
from tap import case, check, main

PROGRAM = os.path.join(tolsey.find_build(), "src", "tolsey-client")
TAG = b'ISTag: "a"\r\n'
CLEAN = b"ICAP/1.0 204 No\r\n" + TAG + b"\r\n"
CONTINUE = b"ICAP/1.0 100 Continue\r\n\r\n"


def page(body, status=b"200"):
    head = b"HTTP/1.1 " + status + b" x\r\n\r\n"
    return (b"ICAP/1.0 200 OK\r\n" + TAG +
            b"Encapsulated: res-hdr=0, res-body=%d\r\n\r\n" % len(head) + head +
            b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))


class Fake:
    """Each connection is a thread of serve(sock)."""

    def __init__(self, serve):
        self.serve = serve
        self.sock = socket.create_server(("127.0.0.1", 0), backlog=100)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(sock,),
                             daemon=True).start()

    def _one(self, sock):
        with sock:
            try:
                self.serve(sock)
            except OSError:
                pass

    def close(self):
        self.sock.close()


def read_request(sock):
    """With all its body, or its preview."""
    data = b""
    while not data.endswith((b"0; ieof\r\n\r\n", b"\r\n0\r\n\r\n")):
        more = sock.recv(65536)
        if not more:
            raise OSError()
        data += more
    return data


def answering(answer):
    """The same for every request: bytes, or what is done."""
    def serve(sock):
        while True:
            read_request(sock)
            if callable(answer):
                answer(sock)
            else:
                sock.sendall(answer)
    return serve


def bench(port, *options, ok=True):
    done = subprocess.run(
        [PROGRAM, "--bench", "--json", "-u", "icap://127.0.0.1:%d/x" % port,
         "-c", "1"] + list(options), capture_output=True, text=True,
        timeout=60)
    check(done.returncode == (0 if ok else 2), "status %d: %s" % (
        done.returncode, done.stderr))
    return json.loads(done.stdout)


def faults_of(serve, *options):
    server = Fake(serve)
    try:
        result = bench(server.port, "--count", "3", "--timeout", "300ms",
                       *options, ok=False)
        return {k: v for k, v in result["faults"].items() if v}
    finally:
        server.close()


def ends(sock):
    sock.shutdown(socket.SHUT_RDWR)


@case()
def right_answers():
    server = Fake(answering(CLEAN))
    try:
        r = bench(server.port, "--count", "50", "--object", "random:100")
        check(r["answers"] == r["n_204"] == r["requests"] == 50, r)
        check(r["latency_us"]["count"] == 50 and r["latency_us"]["max"] > 0, r)
    finally:
        server.close()


@case()
def wrong_answers():
    small = ("--object", "random:100")
    check(faults_of(answering(CLEAN), "--object", "eicar") == {"missed": 3},
          "missed")
    check(faults_of(answering(page(b"page", b"403")), *small) ==
          {"blocked": 3}, "blocked")
    check(faults_of(answering(page(b"x" * 100)), *small) == {"echo": 3},
          "changed")
    check(faults_of(answering(CLEAN), "--no-204", "--no-preview", *small) ==
          {"not-allowed": 3}, "204")
    check(faults_of(answering(b"ICAP/1.0 500 Bad\r\n" + TAG + b"\r\n"),
                    *small) == {"status": 3}, "500")
    check(faults_of(answering(CONTINUE + CLEAN), *small) == {"protocol": 3},
          "100 after a whole preview")
    check(faults_of(answering(CLEAN + CLEAN), *small) == {"protocol": 3},
          "two answers")


@case()
def no_answers():
    small = ("--object", "random:100")
    check(faults_of(answering(lambda sock: time.sleep(2)), *small) ==
          {"unanswered": 3}, "silent")
    check(faults_of(answering(ends), *small) == {"closed": 3}, "closed")
    check(faults_of(answering(lambda sock: (sock.sendall(CLEAN[:20]),
                                            ends(sock))), *small) ==
          {"closed": 3}, "cut")
    port = tolsey.free_port()
    r = bench(port, "--count", "2", *small, ok=False)
    check(r["faults"]["connect"] == 2 and r["answers"] == 0, r)


@case()
def rest_after_100():
    bodies = []

    def serve(sock):
        while True:
            preview = read_request(sock)
            sock.sendall(CONTINUE)
            bodies.append((preview, read_request(sock)))
            sock.sendall(CLEAN)
    server = Fake(serve)
    try:
        r = bench(server.port, "--count", "4", "--object", "random:10000",
                  "--preview", "100", "--chunk", "4K")
        check(r["n_100"] == r["n_204"] == 4 and not r["unsent_bytes"], r)
        check(len(bodies) == 4 and len(set(bodies)) == 4, "not unique")
        check(bodies[0][1].startswith(b"1000\r\n"), bodies[0][1][:20])
    finally:
        server.close()


@case()
def pace_and_upload_rate():
    server = Fake(answering(CLEAN))
    try:
        r = bench(server.port, "--rate", "50", "--duration", "1s")
        check(r["answers"] == 50, r)
    finally:
        server.close()

    server = Fake(answering(CLEAN))
    try:
        begin = time.monotonic()
        r = bench(server.port, "--count", "1", "--upload-rate", "200K",
                  "--object", "random:100K", "--no-preview")
        check(0.45 <= time.monotonic() - begin < 5, "not throttled")
    finally:
        server.close()


@case()
def against_tolsey():
    s = tolsey.Tolsey()
    try:
        for options in (["--options"], ["--object", "eicar"],
                        ["--object", "mix", "--coding", "gzip"],
                        ["--object", "infected:300K", "--reqmod"],
                        ["--object", "zip:100K", "--no-204"],
                        ["--new-connection", "--object", "html:2K"],
                        ["--jobs", "3", "--rate", "200"],
                        ["--repeat", "--idle", "50", "--jobs", "3"]):
            r = bench(s.port, "-c", "8", "--count", "64", "-s", "avscan",
                      *options)
            check(r["answers"] == 64, (options, r))
            check(r["idle_alive"] == (50 if "--idle" in options else 0), r)
        name = s.path("object")
        with open(name, "wb") as f:
            f.write(samples.text(5000))
        r = bench(s.port, "-s", "avscan", "--count", "5", name)
        check(r["object_bytes"] == 25000, r)
    finally:
        s.close()


main()
