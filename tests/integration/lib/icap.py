# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""An ICAP client on a socket that sends what the test says, right or wrong,
and reads answers strictly. With ICAP_TLS=1 in the environment all clients that
a server under test makes speak TLS."""
import os
import re
import socket
import struct
import threading
import time

OVER_TLS = os.environ.get("ICAP_TLS") == "1"
THROUGH_CICAP = os.environ.get("ICAP_CICAP") == "1"
# What c-icap adds to every head that it passes on: not ours to compare.
CICAP_VIA = re.compile(rb"Via: ICAP/1\.0 [^\r\n]*\(C-ICAP/[^\r\n]*\)\r\n")

GET = b"GET http://origin.test/object HTTP/1.1\r\nHost: origin.test\r\n\r\n"
PUT = (b"PUT http://origin.test/object HTTP/1.1\r\nHost: origin.test\r\n"
       b"Content-Type: application/octet-stream\r\n\r\n")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\r\n"


class Closed(Exception):
    """The server closed the connection where an answer should begin."""


class Bad(Exception):
    """The answer breaks the protocol."""


class Answer:
    def __init__(self):
        self.status = 0
        self.reason = ""
        self.headers = {}
        self.sections = {}
        self.body = None
        self.trailers = b""
        self.last_chunk = b""
        self.cut = False
        self.raw_head = b""
        self.seconds = 0.0

    @property
    def http(self):
        """The encapsulated HTTP head, of a response or of a request."""
        return self.sections.get("res-hdr", self.sections.get("req-hdr", b""))

    @property
    def http_line(self):
        return self.http.split(b"\r\n")[0]

    @property
    def blocked(self):
        """By any outcome: clients that know only this header rely on it."""
        return self.status == 200 and "X-Infection-Found" in self.headers

    @property
    def infected(self):
        """Blocked because a signature of the tests was found."""
        return self.blocked and ("Threat=Tests." in
                                 self.headers["X-Infection-Found"])

    def __repr__(self):
        return "<%d %s%s %r%s>" % (
            self.status, self.reason, " cut" if self.cut else "",
            self.http_line, " %d bytes" % len(self.body)
            if self.body is not None else "")


def chunked(data, size=65536, last=b"0\r\n\r\n"):
    out = []
    for i in range(0, len(data), size):
        part = data[i:i + size]
        out.append(b"%x\r\n%s\r\n" % (len(part), part))
    out.append(last)
    return b"".join(out)


IEOF = b"0; ieof\r\n\r\n"


def head(method, service="avscan", sections=(), body=None, extra=(),
         preview=None, allow=None, close=False):
    """An ICAP head with its encapsulated heads. sections: (name, bytes)."""
    parts, offset, blob = [], 0, b""
    for name, data in sections:
        parts.append("%s=%d" % (name, offset))
        offset += len(data)
        blob += data
    if body is not None:
        parts.append("%s=%d" % (body, offset))
    lines = ["%s icap://127.0.0.1/%s ICAP/1.0" % (method, service),
             "Host: 127.0.0.1"]
    if allow is not None:
        lines.append("Allow: " + allow)
    if preview is not None:
        lines.append("Preview: %d" % preview)
    if close:
        lines.append("Connection: close")
    lines += list(extra)
    if parts:
        lines.append("Encapsulated: " + ", ".join(parts))
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + blob


def respmod(response=OK, request=GET, body="res-body", **rest):
    sections = []
    if request:
        sections.append(("req-hdr", request))
    if response:
        sections.append(("res-hdr", response))
    return head("RESPMOD", sections=sections, body=body, **rest)


def reqmod(request=PUT, body="req-body", **rest):
    return head("REQMOD", sections=[("req-hdr", request)], body=body, **rest)


def connect(address, timeout=30, source=None):
    """address: (host, port), or the path of a unix socket."""
    if isinstance(address, str):
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        sock.connect(address)
        return sock
    sock = socket.create_connection(address, timeout, source)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Icap:
    """context: an ssl.SSLContext, for TLS. before: bytes that are sent first,
    outside of it (the header of a load balancer)."""

    def __init__(self, address, timeout=30, context=None, session=None,
                 before=b"", source=None):
        self.sock = connect(address, timeout, source)
        if before:
            self.sock.sendall(before)
        if context:
            import tls
            try:
                self.sock = tls.Socket(self.sock, context, session)
            except BaseException:
                self.sock.close()
                raise
        self.buffer = b""
        self.eof = False
        self.was_reset = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.sock.close()

    # ---- sending ----
    def send(self, data):
        self.sock.sendall(data)

    def send_bytewise(self, data, pause=0.0):
        for i in range(len(data)):
            self.sock.sendall(data[i:i + 1])
            if pause:
                time.sleep(pause)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def reset(self):
        """Goes away with a RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.sock.close()

    # ---- reading ----
    def _fill(self):
        if self.eof:
            return False
        try:
            data = self.sock.recv(262144)
        except ConnectionResetError:
            data = b""
            self.was_reset = True
        if not data:
            self.eof = True
            return False
        self.buffer += data
        return True

    def _until(self, mark, limit=1 << 20):
        start = 0
        while True:
            at = self.buffer.find(mark, start)
            if at >= 0:
                out = self.buffer[:at + len(mark)]
                self.buffer = self.buffer[at + len(mark):]
                return out
            start = max(0, len(self.buffer) - len(mark))
            if len(self.buffer) > limit:
                raise Bad("no %r in %d bytes" % (mark, len(self.buffer)))
            if not self._fill():
                return None

    def _exactly(self, size):
        if len(self.buffer) < size:
            parts, have = [self.buffer], len(self.buffer)
            while have < size:
                try:
                    data = self.sock.recv(min(1 << 20, size - have + 65536))
                except ConnectionResetError:
                    data = b""
                if not data:
                    self.eof = True
                    self.buffer = b"".join(parts)
                    return None
                parts.append(data)
                have += len(data)
            self.buffer = b"".join(parts)
        out, self.buffer = self.buffer[:size], self.buffer[size:]
        return out

    def silent(self, seconds):
        """Whether nothing comes for so long."""
        if self.buffer:
            return False
        self.sock.settimeout(seconds)
        try:
            return not self._fill() and False
        except socket.timeout:
            return True
        finally:
            self.sock.settimeout(30)

    def read_eof(self):
        """All that still comes; the connection must be closed by the peer."""
        while self._fill():
            pass
        return self.buffer

    def read(self):
        """One whole answer."""
        start = time.monotonic()
        answer = Answer()
        raw = self._until(b"\r\n\r\n")
        if raw is None:
            if self.buffer:
                raise Bad("closed inside a head: %r" % self.buffer[:200])
            raise Closed()
        answer.raw_head = raw
        lines = raw[:-4].decode("latin-1").split("\r\n")
        words = lines[0].split(" ", 2)
        if len(words) < 3 or words[0] != "ICAP/1.0" or not words[2]:
            raise Bad("status line %r" % lines[0])
        answer.status, answer.reason = int(words[1]), words[2]
        for line in lines[1:]:
            name, colon, value = line.partition(": ")
            if not colon:
                raise Bad("header line %r" % line)
            if name in answer.headers:
                raise Bad("header twice: %r" % line)
            answer.headers[name] = value
        # c-icap's own errors have none
        if answer.status != 100 and "ISTag" not in answer.headers and not (
                THROUGH_CICAP and answer.status >= 400):
            raise Bad("no ISTag: %r" % raw)
        self._read_sections(answer)
        answer.seconds = time.monotonic() - start
        return answer

    def _read_sections(self, answer):
        listed = answer.headers.get("Encapsulated")
        if listed is None:
            return
        parts = [p.split("=") for p in listed.split(", ")]
        for (name, at), (_, end) in zip(parts, parts[1:]):
            data = self._exactly(int(end) - int(at))
            if data is None:
                answer.cut = True
                return
            # as it came: a head of bare LF is echoed so
            if b"\n\r\n" not in data and b"\n\n" not in data:
                raise Bad("section %s ends in %r" % (name, data[-8:]))
            if THROUGH_CICAP:
                data = CICAP_VIA.sub(b"", data)
            answer.sections[name] = data
        if parts[-1][0] != "null-body":
            self._read_chunks(answer)

    def _read_chunks(self, answer):
        parts = []
        answer.body = b""
        while True:
            line = self._until(b"\r\n", 8192)
            if line is None:
                answer.cut = True
                break
            size = int(line.split(b";")[0], 16)
            if size == 0:
                answer.last_chunk = line
                self._read_trailers(answer)
                break
            data = self._exactly(size + 2)
            if data is None:
                parts.append(self.buffer[:size])
                answer.cut = True
                break
            if data[-2:] != b"\r\n":
                raise Bad("chunk without CRLF")
            parts.append(data[:-2])
        answer.body = b"".join(parts)

    def _read_trailers(self, answer):
        while True:
            line = self._until(b"\r\n")
            if line is None:
                answer.cut = True
                return
            if line == b"\r\n":
                return
            answer.trailers += line

    # ---- transactions ----
    def options(self, service="avscan", **rest):
        self.send(head("OPTIONS", service, body="null-body", **rest))
        return self.read()

    def modify(self, request_head, body, preview=None, chunk=65536):
        """Sends the head, the preview and, when told to, the rest.
        request_head must have the same Preview. The answer has .continued."""
        continued = False
        if preview is None:
            self._send_beside(request_head + chunked(body, chunk))
        elif len(body) <= preview:
            self.send(request_head + chunked(body, chunk, IEOF))
        else:
            self.send(request_head + chunked(body[:preview], chunk))
            answer = self.read()
            if answer.status != 100:
                answer.continued = False
                return answer
            continued = True
            self._send_beside(chunked(body[preview:], chunk))
        answer = self.read()
        answer.continued = continued
        return answer

    def _send_beside(self, data):
        """Large bodies are sent by a thread: an echo may begin meanwhile."""
        if len(data) <= 65536:
            self.send(data)
            return

        def work():
            try:
                self.sock.sendall(data)
            except OSError:
                pass
        threading.Thread(target=work, daemon=True).start()

    def scan_response(self, body, response=OK, request=GET, preview=None,
                      allow="204", chunk=65536, **rest):
        return self.modify(respmod(response, request, preview=preview,
                                   allow=allow, **rest), body, preview, chunk)

    def scan_request(self, body, request=PUT, preview=None, allow="204",
                     chunk=65536, **rest):
        return self.modify(reqmod(request, preview=preview, allow=allow,
                                  **rest), body, preview, chunk)
