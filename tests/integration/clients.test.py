#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""The clients of the field, each as it writes, reads and breaks: requests byte
for byte in its manner, and its own way of understanding an answer. (Squid and
c-icap-client are tried themselves: squid-*.test.py, client.test.py.)"""
import base64
import os
import re
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import samples
import tolsey
from icap import chunked
from tap import case, check, eq, main, not_through_cicap, shared

server = shared(lambda: tolsey.Tolsey())
CLEAN = b"just a letter\n" * 30
BAD = samples.EICAR


class Client:
    """A blocking socket, read as simple clients do."""

    def __init__(self, timeout=10):
        self.sock = socket.create_connection(server().address, timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def write(self, data):
        self.sock.sendall(data)

    def to_end(self):
        """Reads until the server closes: fails when it does not."""
        out = b""
        while True:
            data = self.sock.recv(65536)
            if not data:
                return out
            out += data

    def until(self, mark):
        out = b""
        while mark not in out:
            data = self.sock.recv(4096)
            check(data, "end before %r: %r" % (mark, out))
            out += data
        return out

    def head(self):
        """One byte at a time, to the blank line."""
        out = b""
        while not out.endswith(b"\r\n\r\n"):
            data = self.sock.recv(1)
            check(data, "end inside a head: %r" % out)
            out += data
        return out


def fields(head):
    """As the case-sensitive ones look them up."""
    out = {}
    for line in head.decode("ascii").split("\r\n")[1:]:
        if line:
            name, colon, value = line.partition(": ")
            check(colon, "no colon and blank in %r" % line)
            out[name] = value
    return out


# ---- Nextcloud files_antivirus ----

def nextcloud(body, mode="REQMOD"):
    """Writes everything, reads last; FIN ends the answer."""
    inner = b"PUT /upload HTTP/1.0\r\nHost: h\r\n\r\n"
    listed = b"req-hdr=0, req-body=%d" % len(inner)
    if mode == "RESPMOD":
        response = b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n"
        listed = b"res-hdr=0, res-body=%d" % len(response)
        inner = response
    with Client() as c:
        c.write(mode.encode() + b" icap://127.0.0.1/avscan ICAP/1.0\r\n"
                b"Host: 127.0.0.1\r\nUser-Agent: NC-ICAP-CLIENT/0.5.0\r\n"
                b"X-Client-IP: \r\nAllow: 204\r\nConnection: close\r\n"
                b"Transfer-Encoding: chunked\r\nEncapsulated: " + listed +
                b"\r\n\r\n" + inner)
        for i in range(0, len(body), 8192):
            part = body[i:i + 8192]
            c.write(b"%x\r\n%s\r\n" % (len(part), part))
        c.write(b"0\r\n\r\n" if body else b"0\r\n\r\n0\r\n\r\n")
        answer = c.to_end()
    line = answer.split(b"\r\n")[0].decode()
    check(re.fullmatch(r"ICAP/1\.0 \d{3} \S.*", line), "status line " + line)
    if line.startswith("ICAP/1.0 204"):
        return "clean"
    found = fields(answer.split(b"\r\n\r\n")[0]).get("X-Infection-Found")
    if found:
        check("Threat=" in found and found.endswith(";"), found)
        check(b"HTTP/1.1 403 Forbidden" in answer, "no 403 inside")
        return "infected"
    return line


@case()
def nextcloud_reqmod():
    eq(nextcloud(CLEAN), "clean", "letter")
    eq(nextcloud(BAD), "infected", "EICAR")
    eq(nextcloud(b""), "clean", "empty file")
    eq(nextcloud(samples.filler(5 << 20)), "clean", "5 MiB")
    eq(nextcloud(samples.filler(20 << 20) + samples.MARKER), "infected",
       "20 MiB, marker last")


@case()
def nextcloud_respmod():
    eq(nextcloud(CLEAN, "RESPMOD"), "clean", "letter")
    eq(nextcloud(CLEAN + samples.MARKER, "RESPMOD"), "infected", "marker")
    eq(nextcloud(samples.filler(1 << 20), "RESPMOD"), "clean", "1 MiB of 1")


# ---- ownCloud 10 ----

def owncloud(body, mcafee=False):
    """The whole file as one chunk; reads to the end, with a 2 s timer."""
    inner = b"PUT / HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"
    more = b"Preview: %d\r\n" % len(body) if mcafee else b""
    with Client(2) as c:
        c.write(b"REQMOD icap://127.0.0.1/avscan ICAP/1.0\r\nAllow: 204\r\n"
                b"Host: 127.0.0.1\r\nConnection: close\r\n" + more +
                b"Encapsulated: req-hdr=0, req-body=%d\r\n\r\n" % len(inner) +
                inner)
        c.write(b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
        answer = c.to_end()
    if answer.startswith(b"ICAP/1.0 204"):
        return "clean"
    return "infected" if b"403 Forbidden" in answer else repr(answer[:40])


@case()
def owncloud_10():
    eq(owncloud(CLEAN), "clean", "letter")
    eq(owncloud(BAD), "infected", "EICAR")
    eq(owncloud(samples.filler(8 << 20)), "clean", "8 MiB in one chunk")


@case()
def owncloud_10_for_mcafee():
    """Sends all as a preview without ieof: an infected one is answered. (A
    clean one gets 100, which it cannot take: its service needs Preview off.)
    """
    eq(owncloud(BAD, mcafee=True), "infected", "EICAR")


# ---- oCIS, OpenCloud: the egirna client ----

def egirna_read(c):
    """Until 0 CRLF CRLF, a 204 line, the whole of a 100, or the end."""
    out = b""
    while True:
        data = c.sock.recv(1096)
        out += data
        if not data or out.endswith(b"0\r\n\r\n"):
            return out
        if out == b"ICAP/1.0 100 Continue\r\n\r\n":
            return out
        if out.startswith(b"ICAP/1.0 204 No modifications needed\r\n"):
            return out


def egirna(body):
    inner = (b"POST http://127.0.0.1:1344/f HTTP/1.1\r\nHost: laptop.local"
             b"\r\nContent-Length: %d\r\n\r\n" % len(body))
    with Client() as c:
        c.write(b"OPTIONS icap://127.0.0.1/avscan ICAP/1.0\r\n"
                b"Host:  laptop.local\r\n\r\n")
        options = egirna_read(c)
        check(options.endswith(b"null-body=0\r\n\r\n"), "OPTIONS is not over")
        size = int(re.search(rb"\nPreview: (\d+)", options)[1])
    with Client() as c:
        c.write(b"REQMOD icap://127.0.0.1/avscan ICAP/1.0\r\nAllow: 204\r\n"
                b"Preview: %d\r\nHost:  laptop.local\r\n"
                b"Encapsulated:  req-hdr=0, req-body=%d\r\n\r\n" % (
                    min(size, len(body)), len(inner)) + inner)
        first = body[:size]
        c.write(b"%x\r\n%s\r\n" % (len(first), first))
        c.write(b"0; ieof\r\n\r\n" if len(body) <= size else b"0\r\n\r\n")
        answer = egirna_read(c)
        if answer == b"ICAP/1.0 100 Continue\r\n\r\n":
            rest = body[size:]
            c.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(rest), rest))
            answer = egirna_read(c)
    for line in answer.split(b"\r\n"):
        # what it takes for a status line
        if b"ICAP/1.0" in line or b"HTTP/1.1" in line:
            check(len(line.split(b" ")) >= 3, "short line %r" % line)
    found = re.search(rb"X-Infection-Found: Type=\d; Resolution=\d; "
                      rb"Threat=([^;]+);", answer)
    return found[1].decode() if found else "clean"


@case()
@not_through_cicap("it waits for the words of tolsey's 204, c-icap has others")
def ocis():
    eq(egirna(CLEAN), "clean", "letter")
    check(egirna(BAD).startswith("Tests."), "EICAR")
    eq(egirna(samples.text(200000)), "clean", "200 KB")
    check(egirna(samples.text(200000) + samples.MARKER).startswith("Tests."),
          "marker behind 200 KB")


# ---- toolarium, and the ICAP-avscan family that it descends from ----

def toolarium(body):
    """REQMOD with request and response head in req-hdr; exact field names."""
    with Client() as c:
        c.write(b"OPTIONS icap://127.0.0.1/avscan ICAP/1.0\r\n"
                b"Host: 127.0.0.1\r\nUser-Agent: toolarium\r\n"
                b"Encapsulated: null-body=0\r\n\r\n")
        options = fields(c.head())
        check(set(options["Methods"].split(", ")) <= {"RESPMOD", "REQMOD"},
              "Methods")
        eq(options["Allow"].split(",")[0], "204", "first of Allow")
        size = min(int(options["Preview"]), len(body))
        inner = (b"POST /f HTTP/1.1\r\nHost: h\r\n\r\nHTTP/1.1 200 OK\r\n"
                 b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n\r\n"
                 % len(body))
        c.write(b"REQMOD icap://127.0.0.1/avscan ICAP/1.0\r\n"
                b"Host: 127.0.0.1\r\nConnection:  close\r\nAllow: 204\r\n"
                b"Preview: %d\r\nEncapsulated: req-hdr=0, req-body=%d\r\n\r\n"
                % (size, len(inner)) + inner)
        c.write(b"%x\r\n%s\r\n" % (size, body[:size]) if size else b"")
        if size == len(body):
            c.write(b"0; ieof\r\n\r\n")
        else:
            c.write(b"0\r\n\r\n")
            head = c.head()
            if b" 100 " in head:
                for i in range(size, len(body), 8192):
                    part = body[i:i + 8192]
                    c.write(b"%x\r\n%s\r\n" % (len(part), part))
                c.write(b"0\r\n\r\n")
            else:
                return verdict_of(head)
        return verdict_of(c.head())


def verdict_of(head):
    status = int(head.split(b" ")[1])
    check(status in (200, 204), "status %d" % status)
    found = fields(head)
    threat = "X-Infection-Found" in found or "X-Virus-ID" in found
    eq(threat, status == 200, "threat in the head of a %d" % status)
    return "infected" if threat else "clean"


@case()
def toolarium_client():
    eq(toolarium(CLEAN), "clean", "letter")
    eq(toolarium(BAD), "infected", "EICAR")
    eq(toolarium(samples.filler(100000)), "clean", "100 KB")
    eq(toolarium(samples.filler(100000) + samples.MARKER), "infected",
       "marker")


def avscan(body, old=False):
    """RESPMOD; the last block is padded to 8 KiB; status decides."""
    request = b"GET /f HTTP/1.1\r\nHost: h\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
    if old:
        response = b""
    response += b"Content-Length: %d\r\n\r\n" % len(body)
    with Client() as c:
        size = min(1024, len(body))
        c.write(b"RESPMOD icap://127.0.0.1/avscan ICAP/1.0\r\nHost: h\r\n"
                b"User-Agent: Java\r\nAllow: 204\r\nPreview: %d\r\n"
                b"Encapsulated: req-hdr=0, res-hdr=%d, res-body=%d\r\n\r\n"
                % (size, len(request), len(request) + len(response)) +
                request + response)
        c.write(b"%x\r\n%s\r\n" % (size, body[:size]))
        if size == len(body):
            c.write(b"0; ieof\r\n\r\n")
        else:
            c.write(b"0\r\n\r\n")
            head = c.head()
            if b" 100 " not in head:
                return "clean" if b" 204 " in head else "infected"
            for i in range(size, len(body), 8192):
                part = body[i:i + 8192].ljust(8192, b"\0")
                c.write(b"2000\r\n" + part + b"\r\n")
            c.write(b"0\r\n\r\n")
        head = c.head()
        check(len(head) < 8192, "head of %d bytes" % len(head))
        return "clean" if b" 204 " in head else "infected"


@case()
def icap_avscan():
    for old in (False, True):
        eq(avscan(CLEAN, old), "clean", "letter")
        eq(avscan(BAD, old), "infected", "EICAR")
        eq(avscan(samples.filler(50000), old), "clean", "50 KB, padded")
        eq(avscan(BAD + b"\n" * 5000, old), "infected", "in the preview")


# ---- rspamd ----

def rspamd(body, spaces=False):
    with Client() as c:
        c.write(b"OPTIONS icap://127.0.0.1/scan ICAP/1.0\r\nHost: h\r\n"
                b"User-Agent: Rspamd\r\nConnection: keep-alive\r\n"
                b"Encapsulated: null-body=0\r\n\r\n")
        options = fields(c.until(b"\r\n\r\n"))
        check("RESPMOD" in options["Methods"], "Methods")
        listed = b"Encapsulated: res-body=0\r\n"
        inner = b""
        if spaces:
            inner = (b"GET / HTTP/1.1\r\nHost: h\r\n\r\nHTTP/1.1 200 OK\r\n"
                     b"\r\n")
            listed = (b"Encapsulated: req-hdr=0 res-hdr=27 res-body=46\r\n")
        c.write(b"RESPMOD icap://127.0.0.1/scan ICAP/1.0\r\nHost: h\r\n"
                b"X-Client-IP: 192.0.2.1\r\nAllow: 204\r\n" + listed +
                b"\r\n" + inner + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
        head = c.until(b"\r\n\r\n").split(b"\r\n\r\n")[0] + b"\r\n\r\n"
        found = fields(head)
        for name in ("X-Infection-Found", "X-Virus-ID"):
            if name in found:
                return "infected"
        return "clean" if b" 204 " in head else repr(head[:30])


@case()
def rspamd_scanner():
    for spaces in (False, True):
        eq(rspamd(CLEAN, spaces), "clean", "letter")
        eq(rspamd(BAD, spaces), "infected", "EICAR")


# ---- g3proxy ----

def g3(body, preview):
    """Previews without Allow and never ieof; small bodies without Preview; a
    204 or 206 after 100 is an error, and so is a header line without colon."""
    request = b"GET /f HTTP/1.1\r\nHost: h\r\n\r\n"
    response = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    user = base64.b64encode(b"Local://mary").decode().encode()
    with Client() as c:
        c.write(b"RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
                b"X-Client-IP: 192.0.2.7\r\nX-Client-Port: 4711\r\n"
                b"X-Authenticated-User: " + user + b"\r\n"
                b"Authorization: Basic eDp5\r\n" +
                (b"Preview: 1024\r\n" if preview else b"") +
                b"Encapsulated: req-hdr=0, res-hdr=%d, res-body=%d\r\n\r\n" % (
                    len(request), len(request) + len(response)) +
                request + response)
        if preview:
            c.write(b"400\r\n%s\r\n0\r\n\r\n" % body[:1024])
            head = c.head()
            if b" 100 " in head:
                c.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body) - 1024,
                                                   body[1024:]))
                head = c.head()
        else:
            c.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
            head = c.head()
        check(head.startswith(b"ICAP/1.0 200 "), "status %r" % head[:30])
        found = fields(head)
        check(found["ISTag"], "ISTag")
        listed = re.fullmatch(r"res-hdr=0, res-body=(\d+)",
                              found["Encapsulated"])
        inner = b""
        while len(inner) < int(listed[1]):
            inner += c.sock.recv(int(listed[1]) - len(inner))
        length = int(re.search(rb"Content-Length: (\d+)", inner)[1])
        data = c.until(b"\r\n0\r\n\r\n")
        got = b"".join(dechunk(data))
        eq(len(got), length, "Content-Length and body")
        if got == body:
            return "clean"
        return "infected" if b" 403 " in inner else "other"


def dechunk(data):
    while True:
        line, data = data.split(b"\r\n", 1)
        size = int(line, 16)
        if size == 0:
            return
        yield data[:size]
        data = data[size + 2:]


@case()
def g3proxy():
    eq(g3(CLEAN, False), "clean", "small, without Preview")
    eq(g3(BAD, False), "infected", "EICAR, without Preview")
    eq(g3(samples.text(20000), True), "clean", "20 KB, previewed")
    eq(g3(samples.text(20000) + samples.MARKER, True), "infected", "marker")
    eq(g3(BAD + b"\n" * 3000, True), "infected", "in the preview")
    server().wait_access('user="Local://mary"', 'client="192.0.2.7"')


# ---- F5 BIG-IP ----

@case()
def f5_big_ip():
    """Never Allow 204; two requests on one connection, never two answers in
    one packet; the preview is answered by 204, after 100 the body comes."""
    head = (b"RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\nPreview: 4\r\n"
            b"Encapsulated: res-hdr=0, res-body=19\r\n\r\n"
            b"HTTP/1.1 200 OK\r\n\r\n")
    with Client() as c:
        for _ in range(2):
            c.write(head + b"4\r\nabcd\r\n0; ieof\r\n\r\n")
            check(c.head().startswith(b"ICAP/1.0 204 "), "to the preview")
            c.write(head + b"4\r\nabcd\r\n0\r\n\r\n")
            eq(c.head(), b"ICAP/1.0 100 Continue\r\n\r\n", "100")
            c.write(b"4\r\nefgh\r\n0\r\n\r\n")
            check(c.head().startswith(b"ICAP/1.0 200 "), "after 100")
            check(c.until(b"\r\n0\r\n\r\n").endswith(
                b"8\r\nabcdefgh\r\n0\r\n\r\n"), "the body")


# ---- NetScaler, FortiGate, ProxySG, WSA: gateways ----

@case()
def netscaler():
    """Host and URI as the administrator likes, arguments, no preview."""
    with Client() as c:
        c.write(b"REQMOD icap://icap.example.com/avscan?policy=3&x=y ICAP/1.0"
                b"\r\nHost: anything\r\nUser-Agent: NS-ICAP\r\nAllow: 204\r\n"
                b"X-Custom: 1\r\nConnection: keep-alive\r\n"
                b"Encapsulated: req-hdr=0, req-body=28\r\n\r\n"
                b"PUT /f HTTP/1.1\r\nHost: x\r\n\r\n" + chunked(CLEAN))
        check(c.head().startswith(b"ICAP/1.0 204 "), "clean")


@case()
@not_through_cicap("c-icap serves no URL without a service's name")
def fortigate():
    """No path, no Allow, no request head."""
    head = (b"RESPMOD icap://192.0.2.1:1344/ ICAP/1.0\r\n"
            b"Host: 192.0.2.1:1344\r\nX-Client-IP: 192.0.2.9\r\n"
            b"X-Server-IP: 198.51.100.1\r\nX-Forwarded-Proto: https\r\n"
            b"X-Scan-Progress-Interval: 10\r\n"
            b"Encapsulated: res-hdr=0, res-body=19\r\n\r\n"
            b"HTTP/1.1 200 OK\r\n\r\n")
    with Client() as c:
        c.write(head + chunked(CLEAN))
        check(c.head().startswith(b"ICAP/1.0 200 "), "clean")
        check(b"just a letter" in c.until(b"\r\n0\r\n\r\n"), "echo")
        c.write(head + chunked(BAD))
        check(b"X-Infection-Found" in c.head(), "EICAR")


@case()
def proxysg():
    """Absolute form, Windows domain users, no Allow."""
    user = base64.b64encode(b"WinNT://DOMAIN/mary")
    request = (b"POST http://www.example.com/up HTTP/1.1\r\n"
               b"Host: www.example.com\r\n\r\n")
    with Client() as c:
        c.write(b"OPTIONS icap://192.0.2.1/reqmod ICAP/1.0\r\nHost: h\r\n\r\n")
        found = fields(c.head())
        for name in ("ISTag", "Max-Connections", "Options-TTL"):
            check(found[name], name)
        c.write(b"REQMOD icap://192.0.2.1/reqmod ICAP/1.0\r\nHost: h\r\n"
                b"X-Scan-Progress-Interval: 10\r\nX-Client-IP: 192.0.2.8\r\n"
                b"X-Authenticated-User: " + user + b"\r\n"
                b"X-Authenticated-Groups: " + base64.b64encode(
                    b"WinNT://DOMAIN/staff\nWinNT://DOMAIN/<admins>") +
                b"\r\nEncapsulated: req-hdr=0, req-body=%d\r\n\r\n" % len(request)
                + request + chunked(BAD))
        check(b"X-Infection-Found" in c.head(), "EICAR")
        page = c.until(b"\r\n0\r\n\r\n")
        check(b"WinNT://DOMAIN/mary" in page, "no user on the page")
    server().wait_access("WinNT://DOMAIN/mary", "http://www.example.com/up",
                         "DOMAIN/staff", "DOMAIN/<admins>")


@case()
def cisco_wsa():
    """Uploads to a DLP server; tests health with OPTIONS."""
    with Client() as c:
        c.write(b"OPTIONS icap://h/request ICAP/1.0\r\nHost: h\r\n\r\n")
        check(c.head().startswith(b"ICAP/1.0 200 "), "health")
        c.write(b"REQMOD icap://h/request ICAP/1.0\r\nHost: h\r\n"
                b"Allow: 204\r\nEncapsulated: req-hdr=0, req-body=28\r\n\r\n"
                b"PUT /f HTTP/1.1\r\nHost: x\r\n\r\n" + chunked(CLEAN))
        check(c.head().startswith(b"ICAP/1.0 204 "), "monitor")


@case()
def powerscale():
    """Asks for the ISTag each hour: a new one means that all is scanned
    again, so it must not change by itself."""
    tags = set()
    for _ in range(3):
        with Client() as c:
            c.write(b"OPTIONS icap://h/avscan ICAP/1.0\r\nHost: h\r\n\r\n")
            tags.add(fields(c.head())["ISTag"])
    eq(len(tags), 1, "number of ISTags")


@case()
def readers_of_the_status_alone():
    """Avi, Symantec's SDK, Kernun, Layer7: 204 is clean, 200 is infected."""
    with Client() as c:
        for body, want in ((CLEAN, b"204"), (BAD, b"200")):
            c.write(b"RESPMOD icap://h/SYMCScanResp-AV ICAP/1.0\r\nHost: h\r\n"
                    b"Allow: 204\r\nEncapsulated: res-hdr=0, res-body=19\r\n"
                    b"\r\nHTTP/1.1 200 OK\r\n\r\n" + chunked(body))
            head = c.head()
            eq(head.split(b" ")[1], want, "status")
            if want == b"200":
                check(b"Encapsulated: res-hdr=0" in head, "Encapsulated")
                c.until(b"\r\n0\r\n\r\n")


@case()
def e2guardian():
    """Takes any 200 for infected, and reads the name only where OPTIONS says
    X-Allow-Out."""
    with Client() as c:
        c.write(b"OPTIONS icap://127.0.0.1/avscan ICAP/1.0\r\n"
                b"Host: 127.0.0.1\r\n\r\n")
        eq(fields(c.head())["X-Allow-Out"], "X-Infection-Found", "X-Allow-Out")
        c.write(b"RESPMOD icap://127.0.0.1/avscan ICAP/1.0\r\nHost: h\r\n"
                b"Allow: 204\r\nPreview: 4096\r\n"
                b"Encapsulated: res-hdr=0, res-body=19\r\n\r\n"
                b"HTTP/1.1 200 OK\r\n\r\n" + chunked(CLEAN, last=b"0; ieof\r\n"
                                                     b"\r\n"))
        check(c.head().startswith(b"ICAP/1.0 204 "), "clean")


@case()
def node_client_reads_one_segment():
    """204 or the threat must be in the first segment of the answer."""
    for body, want in ((CLEAN, b"204"), (BAD, b"X-Infection-Found")):
        with Client() as c:
            c.write(b"RESPMOD icap://h/avscan ICAP/1.0\r\nHost: h\r\n"
                    b"Allow: 204\r\nEncapsulated: res-hdr=0, res-body=19\r\n"
                    b"\r\nHTTP/1.1 200 OK\r\n\r\n" + chunked(body))
            check(want in c.sock.recv(1400), "not in the first segment")


main()
