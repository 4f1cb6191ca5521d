# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""A client of the scan socket that can also break its rules: the messages are
put together here, from tolsey-scan-socket(7), and not by libtolsey-scan."""
import array
import fcntl
import os
import socket
import struct

MAGIC, VERSION = 0x4e435354, 1
OPTIONS, SCAN, REST, SERVICE, CONTINUE, VERDICT, ERROR = 1, 2, 3, 16, 17, 18, 19
REQMOD, RESPMOD = 1, 2
PREFIX, WHOLE = 1, 2
NO_BODY = 1
PASS, BLOCK, FAIL = 1, 2, 3
ERRORS = ("OK SHORT MAGIC VERSION TYPE SIZE RESERVED STRING VALUE SECTIONS "
          "FIELDS DESCRIPTORS ORDER NOT_A_FILE WRITABLE NOT_LOCAL TOO_SHORT "
          "ACCESS CONNECTIONS BYTES DEADLINE REFUSED INTERNAL").split()
HDR = struct.Struct("=IHHIIQ")
F_SCAN = struct.Struct("=IIIIQIIIIII64s256s")
F_REST = struct.Struct("=QQII")
F_SERVICE = struct.Struct("=IIIIIIIIQQQII64s40s40s")
F_CONTINUE = struct.Struct("=II40s")
F_VERDICT = struct.Struct("=IIIIIIIIIIQQQ24s16s40s96s128s2048s")
F_ERROR = struct.Struct("=II120s")
SEALS = 0x0e  # shrink, grow, write
F_ADD_SEALS = 1033


class Gone(Exception):
    pass


def text(b):
    return b.split(b"\0", 1)[0].decode()


class Answer:
    def __init__(self, data):
        (magic, version, self.type, size, reserved, self.id) = HDR.unpack_from(
            data)
        assert (magic, version, size, reserved) == (
            MAGIC, VERSION, len(data), 0)
        body = data[HDR.size:]
        if self.type == ERROR:
            code, self.version, said = F_ERROR.unpack(body)
            self.error, self.text = ERRORS[code], text(said)
        elif self.type == CONTINUE:
            self.generation, self.scanned, tag = F_CONTINUE.unpack(body)
            self.istag = text(tag)
        elif self.type == SERVICE:
            f = F_SERVICE.unpack(body)
            (self.found, self.ready, self.generation, self.methods,
             self.preview, self.preview_size) = f[:6]
            self.service, self.istag, self.daemon = map(text, f[-3:])
        elif self.type == VERDICT:
            f = F_VERDICT.unpack_from(body)
            (self.action, self.icap, self.http, self.generation, self.early,
             self.head_kind, n_headers, n_head, n_page, nnames, self.size,
             self.queue_us, self.scan_us) = f[:13]
            self.outcome, self.id_text, self.istag, self.reason, self.part = \
                map(text, f[13:18])
            self.names = [text(f[18][i * 128:(i + 1) * 128])
                          for i in range(nnames)]
            tail = body[F_VERDICT.size:]
            self.headers = tail[:n_headers]
            self.head = tail[n_headers:n_headers + n_head]
            self.page = tail[n_headers + n_head:]
            assert len(self.page) == n_page
        else:
            raise AssertionError("type %d" % self.type)


def header(kind, size, id=1, magic=MAGIC, version=VERSION, reserved=0):
    return HDR.pack(magic, version, kind, size, reserved, id)


def message(kind, payload, tail=b"", **fields):
    size = fields.pop("size", HDR.size + len(payload) + len(tail))
    return header(kind, size, **fields) + payload + tail


def scan(body=b"", fd_size=None, method=RESPMOD, kind=WHOLE, flags=0,
         deadline_ms=0, url=b"", icap=b"", req=b"", res=b"",
         service=b"avscan", query=b"", reserved=0, **fields):
    """A SCAN message; fd_size: the body is in a descriptor."""
    size = len(body) if fd_size is None else fd_size
    payload = F_SCAN.pack(
        method, kind, flags, deadline_ms, fields.pop("body_size", size),
        fields.pop("len_url", len(url)), len(icap), len(req), len(res),
        fields.pop("len_body", len(body)), reserved, service, query)
    return message(SCAN, payload, url + icap + req + res + body, **fields)


def rest(body=b"", fd_size=None, offset=0, deadline_ms=0, **fields):
    size = len(body) if fd_size is None else fd_size
    return message(REST, F_REST.pack(offset, size, len(body), deadline_ms),
                   body, **fields)


def options(service=b"avscan", **fields):
    return message(OPTIONS, service.ljust(64, b"\0"), **fields)


def memfd(data, seals=SEALS):
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(fd, "wb", closefd=False) as f:
        f.write(data)
    if seals:
        fcntl.fcntl(fd, F_ADD_SEALS, seals)
    return fd


class ScanSocket:
    def __init__(self, path, timeout=30):
        self.s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.s.settimeout(timeout)
        self.s.connect(path)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.s.close()

    def send(self, data, fds=()):
        control = [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                    array.array("i", fds))] if fds else []
        try:
            self.s.sendmsg([data], control)
        except BrokenPipeError:
            pass  # why it went may be there to be read

    def receive(self):
        for _ in range(2):
            try:
                data = self.s.recv(1 << 20)
                break
            except ConnectionResetError:
                data = b""
        if not data:
            raise Gone()
        return Answer(data)

    def ask(self, data, fds=()):
        self.send(data, fds)
        return self.receive()

    def is_closed(self):
        try:
            self.receive()
        except Gone:
            return True
        return False
