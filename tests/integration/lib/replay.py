# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Transcripts of what a client sends and what must come back.

tests/replay/README.md describes the form. A case is played whole, byte by
byte, and cut in two at every boundary of a line, chunk and section; the
answers are the same each time.
"""
import glob
import os
import re
import socket
import time

import icap
import samples
from tap import check, eq

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..",
                      "replay")
BYTEWISE = 3000  # so much of a block is sent byte by byte
CUTS = 40        # so many cuts of a block are tried

H1 = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
P1 = "HTTP/1.1 200 OK\r\n\r\n"
PUT1 = "PUT /f HTTP/1.1\r\nHost: x\r\n\r\n"
MACROS = {
    "R": "RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h",
    "Q": "REQMOD icap://h/avscan ICAP/1.0\r\nHost: h",
    "O": "OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h",
    # Encapsulated and the heads, but for their last line end
    "E": "Encapsulated: res-hdr=0, res-body=19\r\n\r\n" + P1[:-2],
    "EQ": "Encapsulated: req-hdr=0, req-body=28\r\n\r\n" + PUT1[:-2],
    "E2": "Encapsulated: req-hdr=0, res-hdr=27, res-body=46\r\n\r\n" + H1 +
          P1[:-2],
    "N": "Encapsulated: res-hdr=0, null-body=19\r\n\r\n" + P1[:-2],
    "NQ": "Encapsulated: req-hdr=0, null-body=27\r\n\r\n" + H1[:-2],
    "h1": H1, "p1": P1, "put1": PUT1,
    "eicar": samples.EICAR.decode(), "marker": samples.MARKER.decode(),
    "gzeicar": samples.gzipped(samples.EICAR).decode("latin-1"),
}
ESCAPE = re.compile(r"\\(r|n|t|0|\\|\{|x[0-9a-fA-F]{2})|\{(\d+)\*([^}]*)\}|"
                    r"\{([A-Za-z]\w*)\}")


def expand(text):
    def one(m):
        if m[1]:
            plain = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\",
                     "{": "{"}
            return plain.get(m[1]) or (
                "\0" if m[1] == "0" else chr(int(m[1][1:], 16)))
        if m[2]:
            return expand(m[3]).decode("latin-1") * int(m[2])
        return MACROS[m[4]]
    return ESCAPE.sub(one, text).encode("latin-1")


class Case:
    def __init__(self, name, line):
        self.name, self.line = name, line
        self.steps = []  # ("send", bytes) or (verb, argument, line number)
        self.slow = False

    def send(self, data):
        if self.steps and self.steps[-1][0] == "send":
            self.steps[-1] = ("send", self.steps[-1][1] + data, 0)
        else:
            self.steps.append(("send", data, 0))


class Transcript:
    """One file: its settings of the server, and its cases."""

    def __init__(self, path):
        self.path, self.rule = path, os.path.basename(path)[:-5]
        self.conf, self.services, self.cases = [], [], []
        with open(path, encoding="utf-8") as f:
            for number, line in enumerate(f, 1):
                try:
                    self._line(line.rstrip("\n"), number)
                except (KeyError, ValueError, IndexError) as error:
                    raise ValueError("%s:%d: %s %r" % (path, number, line,
                                                       error))

    def _line(self, line, number):
        if not line.strip() or line.startswith("#"):
            return
        if line.startswith("conf "):
            self.conf.append(line[5:])
        elif line.startswith("service "):
            self.services.append(line[8:])
        elif line.startswith("case "):
            self.cases.append(Case(line[5:].strip(), number))
        else:
            self._step(self.cases[-1], line, number)

    @staticmethod
    def _step(case, line, number):
        verb, _, rest = line.partition(" ")
        if verb == ">":
            case.send(expand(rest) + b"\r\n")
        elif verb == ">>":
            case.send(expand(rest))
        elif verb == ">c":
            data = expand(rest)
            case.send(b"%x\r\n%s\r\n" % (len(data), data))
        elif verb == ">.":
            case.send(b"0\r\n\r\n")
        elif verb == ">ieof":
            case.send(b"0; ieof\r\n\r\n")
        elif verb == "slow":
            case.slow = True
        elif verb in ("wait", "fin", "reset") or verb.startswith("<"):
            case.steps.append((verb, rest, number))
        else:
            raise ValueError("unknown verb")


def load(pattern="*.icap"):
    return [Transcript(p) for p in sorted(
        glob.glob(os.path.join(FOLDER, pattern)))]


# ---- how a block of bytes is sent ----

def boundaries(data):
    """Behind each line end, before and behind its CR, and in the middle."""
    cuts = set()
    for m in re.finditer(rb"\r?\n", data[:20000]):
        cuts |= {m.start(), m.end() - 1, m.end()}
    cuts |= {1, len(data) // 2, len(data) - 1}
    cuts = sorted(c for c in cuts if 0 < c < len(data))
    if len(cuts) > CUTS:
        cuts = [cuts[i * len(cuts) // CUTS] for i in range(CUTS)]
    return cuts


def send_whole(client, data):
    client.send(data)


def send_bytes(client, data):
    client.send_bytewise(data[:BYTEWISE])
    client.send(data[BYTEWISE:])


def sender_cut(at, pause=0.002):
    """Sends the first block in two parts, the others whole."""
    done = []

    def send(client, data):
        if done or not 0 < at < len(data):
            client.send(data)
            return
        done.append(1)
        client.send(data[:at])
        time.sleep(pause)
        client.send(data[at:])
    return send


# ---- what must come back ----

class Player:
    """Plays one case on one connection."""

    def __init__(self, connect, case, send):
        self.case, self.send = case, send
        self.client = connect()
        self.client.resets = 0
        self.answer = None
        self.sent_at = time.monotonic()

    def play(self):
        with self.client:
            for verb, argument, number in self.case.steps:
                try:
                    self._do(verb, argument)
                except (AssertionError, icap.Bad, icap.Closed, OSError,
                        ValueError) as error:
                    raise AssertionError("line %d: %s %s: %s: %s" % (
                        number, verb, argument if isinstance(argument, str)
                        else "", type(error).__name__, error)) from error

    def _do(self, verb, argument):
        if verb == "send":
            try:
                self.send(self.client, argument)
            except (BrokenPipeError, ConnectionResetError, socket.timeout):
                pass  # an early end is checked by what is read
            self.sent_at = time.monotonic()
        elif verb == "wait":
            time.sleep(float(argument))
        elif verb == "fin":
            self.client.half_close()
            self.sent_at = time.monotonic()
        elif verb == "reset":
            self.client.reset()
        elif verb == "<":
            self._expect(argument)
        else:
            getattr(self, "_check_" + {
                "<h": "header", "<!": "absent", "<head": "head",
                "<body": "body", "<size": "size", "<trailer": "trailer",
                "<not": "not", "<has": "has", "<within": "within",
                "<after": "after", "<last": "last", "<icap": "icap"}[verb])(argument)

    def _expect(self, word):
        word, _, rest = word.partition(" ")
        if word in ("drop", "end"):
            eq(self.client.read_eof(), b"", "bytes before the end")
            check(not self.client.was_reset, "reset instead of an end")
        elif word == "silent":
            check(self.client.silent(float(rest)), "bytes came: %r" %
                  self.client.buffer[:100])
        elif word == "open":
            eq(self.client.options().status, 200, "OPTIONS afterwards")
        else:
            self.answer = self.client.read()
            self._status(word)

    def _status(self, word):
        a = self.answer
        check(not a.cut or word == "cut", "cut: %r" % a)
        if word == "block":
            check(a.blocked, "not blocked: %r" % a)
            eq(list(a.sections), ["res-hdr"], "sections")
            check(re.fullmatch(
                r"Type=[012]; Resolution=[012]; Threat=[^;]+;",
                a.headers["X-Infection-Found"]), "X-Infection-Found")
            return
        if word == "cut":
            check(a.cut, "complete: %r" % a)
            return
        eq(str(a.status), word.rstrip("!"), "status")
        check("X-Infection-Found" not in a.headers, "threat: %r" % a)
        if word.endswith("!"):
            eq(a.headers.get("Connection"), "close", "Connection")
            check("Encapsulated" not in a.headers, "has Encapsulated")
            eq(self.client.read_eof(), b"", "bytes behind the error")
            check(not self.client.was_reset, "reset instead of an end")

    def _check_header(self, text):
        name, _, pattern = text.partition(": ")
        value = self.answer.headers.get(name)
        check(value is not None and re.fullmatch(pattern, value),
              "%s: %r" % (name, value))

    def _check_absent(self, name):
        check(name not in self.answer.headers, "has it: %r" %
              self.answer.headers.get(name))

    def _check_head(self, text):
        eq(self.answer.http, expand(text), "HTTP head")

    def _check_body(self, text):
        eq(self.answer.body or b"", expand(text), "body")

    def _check_size(self, text):
        eq(len(self.answer.body or b""), int(text), "size of the body")

    def _check_last(self, text):
        eq(self.answer.last_chunk, expand(text), "last chunk")

    def _check_trailer(self, text):
        eq(self.answer.trailers, expand(text), "trailers")

    def _whole(self):
        return self.answer.raw_head + self.answer.http + (
            self.answer.body or b"")

    def _check_not(self, text):
        check(expand(text) not in self._whole(), "is there")

    def _check_has(self, text):
        check(expand(text) in self._whole(), "not in %r" %
              self._whole()[:3000])

    def _check_icap(self, pattern):
        check(re.fullmatch(pattern, self.answer.raw_head.decode("latin-1")),
              "head %r" % self.answer.raw_head)

    def _check_within(self, seconds):
        took = time.monotonic() - self.sent_at
        check(took < float(seconds), "took %.2f s" % took)

    def _check_after(self, seconds):
        took = time.monotonic() - self.sent_at
        check(took > float(seconds), "took only %.2f s" % took)


def ways(case):
    """Name and sender of each way in which a case is played."""
    yield "whole", send_whole
    if case.slow:
        return
    yield "byte by byte", send_bytes
    first = next((s[1] for s in case.steps if s[0] == "send"), b"")
    for at in boundaries(first):
        yield "cut at %d" % at, sender_cut(at)


def play(connect, case):
    for name, send in ways(case):
        try:
            Player(connect, case, send).play()
        except AssertionError as error:
            raise AssertionError("case %s, %s, %s" % (case.name, name, error))
