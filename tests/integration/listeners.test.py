#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Where the server listens, and who may use it: several sockets of all kinds,
sockets of systemd, load balancers, access lists, trusted clients, limits."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import grp
import resource
import shutil
import socket
import stat
import struct
import subprocess
import time

import icap
import samples
import tls
import tolsey
from icap import chunked, respmod
from tap import case, check, eq, main, skip, wait_for

if tolsey.REFERENCE:
    print("skip listeners: not for the reference server")
    sys.exit(0)

OPTIONS = icap.head("OPTIONS", body="null-body")
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def status(address, **rest):
    """Of OPTIONS, "refused" or "closed"."""
    try:
        with icap.Icap(address, 10, **rest) as c:
            c.send(OPTIONS)
            return c.read().status
    except (ConnectionRefusedError, FileNotFoundError):
        return "refused"
    except (icap.Closed, ConnectionResetError, BrokenPipeError):
        return "closed"


def v2(source="192.0.2.9", command=0x21):
    """A header of version 2, with an extension behind the addresses."""
    body = (socket.inet_aton(source) + socket.inet_aton("127.0.0.1") +
            struct.pack("!HH", 5000, 1344) + b"\x04\0\x01x")
    return V2 + struct.pack("!BBH", command, 0x11, len(body)) + body


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as s:
            s.bind(("::1", 0))
        return True
    except OSError:
        return False


# ---- sockets ----

@case()
def several_of_all_kinds():
    s = None
    other, six = tolsey.free_port(), tolsey.free_port()
    try:
        s = tolsey.Tolsey(over_tls=True)
        path = s.path("icap.sock")
        group = grp.getgrall()[-1].gr_name
        listen = "Listen 127.0.0.1:%d 127.0.0.1:%d unix:%s" % (
            s.port, other, path)
        if has_ipv6():
            listen += " [::1]:%d" % six
        s.write_config(listen + "\nListenMode 0600" + (
            "\nListenGroup " + group if os.getuid() == 0 else ""))
        s.hup()
        for address in [s.address, ("127.0.0.1", other), path] + (
                [("::1", six)] if has_ipv6() else []):
            wait_for(lambda: status(address) == 200, 15,
                     "no answer on %r" % (address,))
            with icap.Icap(address) as c:
                check(c.scan_response(samples.EICAR).infected, "EICAR passed")
        eq(status(("127.0.0.1", s.tls_port), context=tls.context()), 200,
           "TLS")
        info = os.stat(path)
        eq(stat.S_IMODE(info.st_mode), 0o600, "mode")
        if os.getuid() == 0:
            eq(grp.getgrgid(info.st_gid).gr_name, group, "group")
        check("peer=\"unix\"" in s.wait_access("peer=\"unix\"")[-1], "peer")
        # The mode changes without a new socket.
        s.write_config(listen + "\nListenMode 0666")
        s.hup()
        eq(stat.S_IMODE(os.stat(path).st_mode), 0o666, "mode after HUP")
    finally:
        if s:
            s.close()
            check(not os.path.exists(path), "the socket was left behind")


def has_keepalive(address, client):
    """Whether the server's end of the connection has that timer armed."""
    ends = ["%08X:%04X" % (struct.unpack("=I", socket.inet_aton(h))[0], p)
            for h, p in (address, client.getsockname())]
    with open("/proc/net/tcp") as f:
        rows = [row.split() for row in f]
    timers = [row[5] for row in rows if row[1:3] == ends]
    eq(len(timers), 1, "connections found")
    return timers[0].startswith("02:")


@case()
def connections_have_the_options_of_their_listener():
    s = tolsey.Tolsey()
    try:
        with icap.connect(s.address) as c:
            c.sendall(OPTIONS)
            check(c.recv(8192).startswith(b"ICAP/1.0 200"), "OPTIONS")
            check(has_keepalive(s.address, c), "no keep-alive")
    finally:
        s.close()


@case()
def hup_adds_and_removes():
    s = tolsey.Tolsey()
    new = tolsey.free_port()
    try:
        busy = s.client()
        busy.send(respmod(allow="204") + b"5\r\nhello\r\n")
        s.write_config("Listen 127.0.0.1:%d" % new)
        s.hup()
        wait_for(lambda: status(("127.0.0.1", new)) == 200, 15, "new port")
        wait_for(lambda: status(s.address) == "refused", 15, "old port")
        busy.send(b"0\r\n\r\n")
        eq(busy.read().status, 204, "the transaction that was under way")
        busy.close()
        s.write_config()
        s.hup()
        wait_for(lambda: status(s.address) == 200, 15, "the first port")
    finally:
        s.close()


@case()
def hup_with_an_address_that_is_taken():
    s = tolsey.Tolsey()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        try:
            nets = s.nets()
            s.write_config("Listen 127.0.0.1:%d 127.0.0.1:%d" % (
                s.port, taken.getsockname()[1]))
            s.hup()
            check("cannot listen on 127.0.0.1:%d" % taken.getsockname()[1] in
                  s.events(), "not said")
            eq(status(s.address), 200, "the old port")
            wait_for(lambda: s.nets() == nets, 10, "the nets have changed")
        finally:
            s.close()


@case()
def unix_socket_left_behind_is_replaced_but_nothing_else():
    s = tolsey.Tolsey()
    try:
        left, file = s.path("left.sock"), s.path("file")
        with socket.socket(socket.AF_UNIX) as old:
            old.bind(left)
        with open(file, "w") as f:
            f.write("mine")
        s.write_config("Listen unix:" + left)
        s.hup()
        wait_for(lambda: status(left) == 200, 15, "unix socket")
        s.write_config("Listen unix:" + file)
        s.hup()
        check("configuration-refused" in s.events(), "not refused")
        with open(file) as f:
            eq(f.read(), "mine", "a file in its place")
        eq(status(left), 200, "the former socket")
    finally:
        s.close()


@case()
def wrong_listeners_are_configuration_errors():
    s = tolsey.Tolsey()
    program = os.path.join(s.programs, "tolseyd")
    try:
        for text, words in (
                ("Listen unix:relative", ["Listen 'unix:relative'"]),
                ("Listen unix:/" + "x" * 120, ["107 bytes"]),
                ("Listen systemd:", ["systemd:NAME"]),
                ("Listen none", ["nothing would be served"]),
                ("Listen none 127.0.0.1:1", ["stands beside others"]),
                ("ListenTls 127.0.0.1:1", ["TlsCertificate"]),
                ("TlsKey /x", ["TlsCertificate"]),
                ("TlsClientCert require", ["TlsClientCA"]),
                ("ListenMode 999", ["octal"]),
                ("ListenGroup no-such-group", ["no such group"]),
                ("AllowClients 10.0.0.1/8", ["10.0.0.1/8", "network"]),
                ("AllowClients localhost", ["localhost", "not an address"]),
                ("AllowClients none ::1", ["stands beside others"]),
                ("ProxyProtocolFrom 1.2.3.4/33", ["32"])):
            path = s.path("wrong.conf")
            with open(path, "w") as f:
                f.write(text + "\n")
            answer = subprocess.run(
                [program, "--check-config", "-c", path] + (
                    ["-o", "User " + s.user, "-o", "ScanUser " + s.scan_user,
                     "-o", "ModuleDirectory " + s.modules]
                    if os.getuid() == 0 else []),
                capture_output=True, text=True, timeout=30)
            eq(answer.returncode, 78, "status for %r: %s" % (
                text, answer.stderr))
            for word in words:
                check(word in answer.stderr, "%r lacks %r" % (
                    answer.stderr, word))
    finally:
        s.close()


# ---- systemd ----

@case()
def sockets_of_systemd():
    """They are served, kept over HUP and a dead net, and left to systemd."""
    sockets = {}
    for name in ("icap", "icaps", "spare"):
        sockets[name] = socket.socket()
        sockets[name].bind(("127.0.0.1", 0))
        sockets[name].listen()
    port = {n: s.getsockname()[1] for n, s in sockets.items()}
    s = tolsey.Tolsey(
        "Listen systemd:icap\nListenTls systemd:icaps", wait=False,
        over_tls=True, passed=list(sockets.items()))
    s.port, s.tls_port = port["icap"], port["icaps"]
    s.address = ("127.0.0.1", s.port)
    try:
        s.wait_ready()
        eq(status(("127.0.0.1", s.tls_port), context=tls.context()), 200,
           "TLS")
        s.kill(s.nets()[0])
        wait_for(lambda: status(s.address) == 200, 15, "after a net has died")
        s.write_config("Listen systemd\nTlsCertificate \"\"\nTlsKey \"\"\n"
                       "ListenTls 127.0.0.1:%d" % tolsey.free_port())
        s.hup()
        check("configuration-refused" in s.events(), "TLS without certificate")
        s.tls_port = 0
        s.write_config("Listen systemd")
        s.hup()
        wait_for(lambda: status(("127.0.0.1", port["spare"])) == 200, 15,
                 "all that systemd passed")
        s.write_config("Listen systemd:other")
        s.hup()
        check("passed no such socket" in s.events(), "not said")
    finally:
        s.close()
        for one in sockets.values():
            one.close()


# ---- load balancers ----

@case()
def header_of_a_load_balancer():
    s = tolsey.Tolsey("ProxyProtocolFrom 127.0.0.1\nHeadTimeout 1s\n"
                      "AllowClients 192.0.2.0/24 2001:db8::/32 127.0.0.1",
                      wait=False, over_tls=True)
    try:
        def ready():
            return status(s.address, before=v2()) == 200
        wait_for(ready, 30, "not ready")

        def peer(before, **rest):
            with icap.Icap(s.address, 10, before=before, **rest) as c:
                before = len(s.access())
                eq(c.scan_response(b"x").status, 204, "status")
            wait_for(lambda: len(s.access()) > before, 10, "no access line")
            return s.access()[-1].split("peer=\"")[1].split("\"")[0]
        eq(peer(b"PROXY TCP4 192.0.2.5 127.0.0.1 4000 1344\r\n"), "192.0.2.5",
           "version 1")
        eq(peer(b"PROXY TCP6 2001:db8::5 ::1 4000 1344\r\n"), "2001:db8::5",
           "version 1, IPv6")
        eq(peer(v2()), "192.0.2.9", "version 2")
        eq(peer(v2(command=0x20)), "127.0.0.1", "version 2, LOCAL")
        eq(peer(b"PROXY UNKNOWN\r\n"), "127.0.0.1", "version 1, UNKNOWN")
        with icap.Icap(("127.0.0.1", s.tls_port), 10, before=v2("192.0.2.77"),
                       context=tls.context()) as c:
            eq(c.scan_response(b"x").status, 204, "over TLS")
        s.wait_access("peer=\"192.0.2.77\"")
        # Every byte of header and request by itself.
        with icap.Icap(s.address, 10) as c:
            c.send_bytewise(v2() + OPTIONS)
            eq(c.read().status, 200, "byte by byte")
        # The list is about the client, not about the balancer.
        eq(status(s.address,
                  before=b"PROXY TCP4 198.51.100.1 127.0.0.1 1 2\r\n"), 403,
           "a client that is not allowed")
        # Without a header, with a wrong one: not a byte.
        for begin in (b"", b"PROXY TCP4 1.2.3.4\r\n", V2 + b"\x22\x11\0\0",
                      b"\x16\x03\x01" * 100):
            eq(status(s.address, before=begin), "closed", repr(begin))
        for begin in (b"", b"PROXY TCP4 192.", V2):
            with icap.Icap(s.address, 10) as c:
                start = time.monotonic()
                c.send(begin)
                eq(c.read_eof(), b"", "a header that does not come")
                check(0.8 < time.monotonic() - start < 3, "HeadTimeout")
        check(s.metric("proxy_header_errors_total") >= 6, "not counted")
        # Whoever is no balancer is not believed.
        with icap.Icap(s.address, 10, source=("127.0.0.2", 0)) as c:
            c.send(b"PROXY TCP4 192.0.2.5 127.0.0.1 1 2\r\n" + OPTIONS)
            check(c.read().status in (400, 403), "a forged header counts")
    finally:
        s.process.send_signal(15)
        s.close()


class HAProxy:
    """With the example, but for its addresses."""

    def __init__(self, s):
        if not shutil.which("haproxy"):
            skip("HAProxy is not installed")
        self.port, self.tls_port = tolsey.free_port(), tolsey.free_port()
        with open(os.path.join(tolsey.SOURCE, "etc",
                               "haproxy.cfg.example")) as f:
            text = f.read()
        for old, new in (("192.0.2.1:1344", self.port),
                         ("192.0.2.1:11344", self.tls_port),
                         ("192.0.2.11:1344", s.port),
                         ("192.0.2.11:11344", s.tls_port),
                         ("192.0.2.12:1344", s.port),
                         ("192.0.2.12:11344", s.tls_port)):
            text = text.replace(" %s\n" % old, " 127.0.0.1:%d\n" % new)
            text = text.replace(" %s " % old, " 127.0.0.1:%d " % new)
        with open(s.path("haproxy.cfg"), "w") as f:
            f.write(text.replace("inter 5s", "inter 200ms"))
        self.log = open(s.path("haproxy.log"), "w+")
        self.process = subprocess.Popen(
            ["haproxy", "-db", "-f", s.path("haproxy.cfg")],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def close(self):
        self.process.terminate()
        self.process.wait(10)
        self.log.seek(0)
        text = self.log.read()
        self.log.close()
        return text


@case()
def behind_haproxy():
    s = tolsey.Tolsey("ProxyProtocolFrom 127.0.0.1\nHeadTimeout 1s\n"
                      "MinBodyRate 0\nAllowClients 127.0.0.1 127.0.0.9",
                      wait=False, over_tls=True)
    balancer = None
    try:
        wait_for(lambda: status(s.address, before=v2("127.0.0.1")) == 200, 30,
                 "not ready")
        balancer = HAProxy(s)
        front = ("127.0.0.1", balancer.port)
        wait_for(lambda: status(front) == 200, 15, "no answer through it")
        for where, context in ((front, None), (
                ("127.0.0.1", balancer.tls_port), tls.context())):
            with icap.Icap(where, 20, context=context,
                           source=("127.0.0.9", 0)) as c:
                check(c.scan_response(samples.EICAR).infected, "EICAR passed")
                body = samples.filler(3000000)
                got = c.scan_response(body, allow=None)
                eq((got.status, got.body == body), (200, True), "echo")
        check('peer="127.0.0.9"' in s.access()[-1], s.access()[-1])
        eq(status(front, source=("127.0.0.8", 0)), 403, "not allowed")
        eq(s.metric("proxy_header_errors_total"), 0, "wrong headers")
    finally:
        said = balancer.close() if balancer else ""
        s.close()
    check("is UP" in said or "DOWN" not in said, said[-800:])


# ---- who may, and who is believed ----

@case()
def clients_that_are_not_allowed():
    s = tolsey.Tolsey("AllowClients 127.0.0.1 127.0.0.4/30", over_tls=True)
    try:
        secure = ("127.0.0.1", s.tls_port)
        for source, want in (("127.0.0.1", 200), ("127.0.0.2", 403),
                             ("127.0.0.5", 200), ("127.0.0.8", 403)):
            eq(status(s.address, source=(source, 0)), want, source)
            eq(status(secure, source=(source, 0), context=tls.context()),
               want, source + " over TLS")
        # Who writes all before he reads still hears it.
        with icap.Icap(s.address, 20, source=("127.0.0.2", 0)) as c:
            c.send(respmod() + chunked(samples.filler(20000000)))
            answer = c.read()
            eq((answer.status, answer.headers["Connection"]), (403, "close"),
               "answer")
            eq(c.read_eof(), b"", "rest")
        check(s.metric("connections_denied_total") >= 5, "not counted")
        check("client-denied peer=127.0.0.2" in s.events(), "not logged")
        kept = icap.Icap(s.address, 10, source=("127.0.0.5", 0))
        eq(kept.options().status, 200, "before HUP")
        s.write_config("AllowClients 127.0.0.1")
        s.hup()
        wait_for(lambda: status(s.address, source=("127.0.0.5", 0)) == 403, 10,
                 "the new list does not count")
        eq(kept.options().status, 403, "a connection from before")
        kept.close()
    finally:
        s.close()


@case()
def who_is_believed_about_users():
    s = tolsey.Tolsey("TrustClients 127.0.0.3")
    who = ["X-Client-IP: 192.0.2.77", "X-Client-Username: mary",
           "X-Authenticated-User: TERBUDovL2pvaG4=",
           "X-Authenticated-Groups: TERBUDovL3N0YWZm"]
    try:
        for source, believed in (("127.0.0.1", False), ("127.0.0.3", True)):
            with icap.Icap(s.address, 10, source=(source, 0)) as c:
                check(c.scan_response(samples.EICAR, extra=who).infected,
                      "EICAR passed")
            line = s.wait_access("peer=\"%s\"" % source)[-1]
            eq("192.0.2.77" in line, believed, "client from " + source)
            eq("mary" in line or "john" in line, believed,
               "user from " + source)
        s.write_config("TrustClients none")
        s.hup()

        def forgotten():
            with icap.Icap(s.address, 10, source=("127.0.0.3", 0)) as c:
                c.scan_response(b"x" + os.urandom(4).hex().encode(),
                                extra=who)
            time.sleep(0.2)
            return "192.0.2.77" not in s.access()[-1]
        wait_for(forgotten, 10, "TrustClients none")
    finally:
        s.close()


# ---- limits ----

def ticks(pid):
    """Of CPU, so far."""
    with open("/proc/%d/stat" % pid) as f:
        return sum(int(x) for x in f.read().rsplit(")", 1)[1].split()[11:13])


@case()
def connections_of_one_client():
    s = tolsey.Tolsey("MaxConnectionsPerClient 3\nMaxConnections 6")
    try:
        time.sleep(0.3)  # those that waited for the start are gone
        mine = [icap.Icap(s.address, 10) for _ in range(3)]
        for c in mine:
            eq(c.options().status, 200, "within the limit")
        eq(status(s.address), 503, "above the limit")
        eq(status(s.address, source=("127.0.0.2", 0)), 200, "another client")
        mine.pop().close()
        wait_for(lambda: status(s.address) == 200, 5, "after one has gone")
        others = [icap.Icap(s.address, 10, source=("127.0.0.2", 0))
                  for _ in range(3)]
        mine.append(icap.Icap(s.address, 10))
        for c in others + mine:
            eq(c.options().status, 200, "within MaxConnections")
        eq(status(s.address, source=("127.0.0.4", 0)), 503,
           "above MaxConnections")
        # Those that are still being closed after 503 take no place.
        refused = [icap.Icap(s.address, 10, source=("127.0.0.5", 0))
                   for _ in range(20)]
        for c in refused:
            c.send(OPTIONS)
            eq(c.read().status, 503, "refused")
        others.pop().close()
        wait_for(lambda: status(s.address, source=("127.0.0.6", 0)) == 200, 2,
                 "a free place while refused ones linger")
        for c in mine + others + refused:
            c.close()
        check(s.metric("connections_refused_total") >= 20, "not counted")
    finally:
        s.close()


def with_few_files(config):
    if not shutil.which("setpriv"):
        skip("setpriv is not installed")
    # root could raise the limit otherwise
    return tolsey.Tolsey(config, under=[
        "prlimit", "--nofile=160:160"] + (
            ["setpriv", "--bounding-set=-sys_resource"]
            if os.getuid() == 0 else []))


@case()
def no_descriptor_left():
    """Clients wait, nothing spins, one line says it; then all are served."""
    s = with_few_files("LingerTimeout 500ms")
    try:
        net = s.nets()[0]
        with s.client() as c:
            room = int(c.options().headers["Max-Connections"])
        # the rest is for the process, and for bodies (net/capacity.h)
        check(20 <= room <= 40, "Max-Connections %d" % room)
        check("few-descriptors" in s.events(), "the lack is not said")
        clients = [icap.Icap(s.address, 30) for _ in range(200)]
        for c in clients:
            c.send(OPTIONS)
        before = ticks(net)
        time.sleep(1.5)
        used = ticks(net) - before
        check(used < 30, "%d ticks of CPU in 1.5 s: it spins" % used)
        eq(s.events().count("no-descriptors"), 1, "lines about it")
        check(s.metric("descriptors_exhausted_total") >= 2, "not counted")
        # Those that came too late hear it; then there is room for the rest.
        got = [c.read().status for c in clients]
        eq((got.count(200), got.count(503)), (room, 200 - room), "answers")
        for c in clients:
            c.close()
        wait_for(lambda: status(s.address) == 200, 5, "afterwards")
        eq(s.nets()[0], net, "net")
    finally:
        s.close()


@case()
def bodies_wait_for_descriptors():
    """Those that get none in time are overload; the others never run dry."""
    s = with_few_files("QueueTimeout 1s")
    body = samples.text(200000)
    try:
        net = s.nets()[0]
        clients = [icap.Icap(s.address, 30) for _ in range(20)]
        for c in clients:
            c.send(respmod(allow="204") + chunked(body, last=b""))
        time.sleep(2)
        for c in clients:
            c.send(b"0\r\n\r\n")
        got = [c.read() for c in clients]
        whole = [r for r in got if r.status == 204]
        late = [r for r in got if r.status == 200]
        check(3 <= len(whole) <= 10, "%d of 20 had a place" % len(whole))
        eq(len(whole) + len(late), 20, "answers")
        for r in late:
            check(b" 503 " in r.http_line, "no page of overload: %r" % r)
        eq(s.events().count("no-descriptors"), 1, "lines about it")
        eq(s.nets()[0], net, "net")
        for c in clients:
            c.close()
        with s.client() as c:
            c.send(respmod(allow="204") + chunked(body))
            eq(c.read().status, 204, "afterwards")
    finally:
        s.close()


@case()
def limit_of_open_files_follows():
    """MaxConnections of HUP is not stopped by the limit of the start."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    more = min(20000, (most - 1000) // 3)
    if more < 500:
        skip("only %d files may be open" % most)
    s = tolsey.Tolsey("MaxConnections 100")
    try:
        with s.client() as c:
            eq(c.options().headers["Max-Connections"], "100", "OPTIONS")
        s.write_config("MaxConnections %d" % more)
        s.hup()

        def told():
            with s.client() as c:
                return c.options().headers["Max-Connections"] == str(more)
        wait_for(told, 10, "Max-Connections stays")
    finally:
        s.close()


main()
