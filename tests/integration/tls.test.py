#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""ICAP over TLS: versions, client certificates, session tickets, reload, ends,
and what is not TLS; with openssl s_client, Python, and Squid."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                "lib"))

import hashlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import icap
import origin
import samples
import squid
import tls
import tolsey
from icap import chunked, reqmod, respmod
from tap import case, check, eq, main, note, shared, skip, wait_for

if tolsey.REFERENCE:
    print("skip tls: not for the reference server")
    sys.exit(0)

OPTIONS = icap.head("OPTIONS", body="null-body", close=True)
server = shared(lambda: tolsey.Tolsey("TlsHandshakeTimeout 1s\n"
                                      "KeepAliveTimeout 2s", over_tls=True))
certs = tls.certificates


def s_client(s, *args, send=OPTIONS, timeout=20):
    """What it prints of the connection and of the answer."""
    run = subprocess.run(
        ["openssl", "s_client", "-connect", "127.0.0.1:%d" % s.tls_port,
         "-CAfile", certs().path("ca.pem"), "-verify_return_error",
         "-ign_eof"] + list(args), input=send, capture_output=True,
        timeout=timeout)
    return (run.stdout + run.stderr).decode("latin-1")


def refused(s, why=None, **rest):
    """Whether the server refuses the handshake, and the log says why."""
    before = s.metric("tls_failures_total")
    try:
        with s.tls_client(10, **rest) as c:
            c.options()  # TLS 1.3: the client learns it here
        return False
    except (ssl.SSLError, ConnectionResetError, icap.Closed):
        pass
    wait_for(lambda: s.metric("tls_failures_total") > before, 5, "not counted")
    if why:
        wait_for(lambda: why in s.events(), 5, "not logged: " + why)
    return True


# ---- what is spoken ----

@case()
def versions():
    for option, name in (("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")):
        out = s_client(server(), option)
        check("ICAP/1.0 200 OK" in out, out[-2000:])
        check(name in out and "Verify return code: 0 (ok)" in out,
              out[-2000:])
        check("Secure Renegotiation IS NOT" not in out or name == "TLSv1.3",
              "renegotiation")
    out = s_client(server(), "-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0")
    check("ICAP/1.0" not in out, "TLS 1.1 is spoken")
    check("ICAP/1.0 200" in s_client(server(), "-tls1_3", "-bugs"), "TLS 1.3")


@case()
def no_renegotiation():
    """s_client asks for one when it is told R."""
    out = s_client(server(), "-tls1_2", send=b"R\n" + OPTIONS)
    check("ICAP/1.0 200" not in out, "it was renegotiated")
    eq(server().options_status(), 200, "afterwards")


@case()
def versions_and_ciphers_by_configuration():
    s = tolsey.Tolsey("TlsMinVersion 1.3\n"
                      "TlsCiphers TLS_CHACHA20_POLY1305_SHA256:"
                      "ECDHE-ECDSA-AES256-GCM-SHA384", over_tls=True)
    try:
        check("TLS_CHACHA20_POLY1305_SHA256" in s_client(s), "cipher of 1.3")
        check("ICAP/1.0" not in s_client(s, "-tls1_2"), "TLS 1.2 is spoken")
        s.write_config("TlsCiphers ECDHE-ECDSA-AES256-GCM-SHA384")
        s.hup()

        def both():
            return "Cipher is ECDHE-ECDSA-AES256-GCM-SHA384" in s_client(
                s, "-tls1_2")
        wait_for(both, 10, "cipher of 1.2")
    finally:
        s.close()


@case()
def what_is_not_tls():
    s = server()
    for data in (icap.head("OPTIONS", body="null-body"), b"\n", b"\x80\x2e\x01",
                 b"GET / HTTP/1.0\r\n\r\n"):
        with icap.Icap(("127.0.0.1", s.tls_port), 10) as c:
            c.send(data)
            start = time.monotonic()
            eq(c.read_eof(), b"", "answer to %r" % data[:10])
            check(time.monotonic() - start < 0.8, "not at once")
    # The other way round: a TLS client on the plain port.
    try:
        icap.Icap(s.address, 10, context=tls.context()).close()
        raise AssertionError("a handshake on the plain port")
    except (ssl.SSLError, ConnectionResetError):
        pass
    wait_for(lambda: "what came is not TLS" in s.events(), 5, "not logged")


@case()
def handshake_in_time():
    s = server()
    hello = tls.hello()
    for data, pause in ((b"", 0), (hello[:20], 0), (hello, 0),
                        (hello, 0.02)):
        with icap.Icap(("127.0.0.1", s.tls_port), 10) as c:
            start = time.monotonic()
            try:
                if pause:
                    c.send_bytewise(data, pause)
                else:
                    c.send(data)
            except OSError:
                pass
            c.read_eof()
            took = time.monotonic() - start
            check(0.7 < took < 3 + len(data) * pause, "took %.1f s" % took)
    check(s.metric("client_timeouts_total") >= 3, "not counted")


# ---- who may connect ----

@case()
def client_certificates():
    ca = "TlsClientCA " + certs().path("ca.pem")
    s = tolsey.Tolsey("TlsClientCert require\n" + ca, over_tls=True)
    old, new = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
    try:
        for version in (old, new):
            with s.tls_client(context=tls.context("client", version)) as c:
                check(c.scan_response(samples.EICAR).infected, "EICAR passed")
            check(refused(s, "did not return a certificate",
                          context=tls.context(version=version)), "no one")
            check(refused(s, "certificate",
                          context=tls.context("other-client", version)),
                  "a stranger's")
        wait_for(lambda: 'certificate="CN=client,O=tests"' in s.events(), 5,
                 "the client's name is not logged")
        out = s_client(s, "-cert", certs().path("client.pem"), "-key",
                       certs().path("client.key"))
        check("ICAP/1.0 200" in out and "CN = tests ca" in out, "s_client")
        s.write_config("TlsClientCert request\n" + ca)
        s.hup()
        for version in (old, new):
            for name in (None, "client"):
                with s.tls_client(context=tls.context(name, version)) as c:
                    eq(c.options().status, 200, "request, %s" % name)
            check(refused(s, context=tls.context("other-client", version)),
                  "request, a stranger's")
        s.write_config("")
        s.hup()
        with s.tls_client(context=tls.context("other-client")) as c:
            eq(c.options().status, 200, "off: nobody looks")
    finally:
        s.close()


@case()
def revoked_certificate():
    """Revocation lists stand in the file of TlsClientCA."""
    folder = os.path.join(certs().dir, "revoking")
    os.mkdir(folder)
    index, conf = os.path.join(folder, "index"), os.path.join(folder, "conf")
    open(index, "w").close()
    with open(conf, "w") as f:
        f.write("[ca]\ndefault_ca = d\n[d]\ndatabase = %s\ndefault_md = "
                "sha256\ndefault_crl_days = 2\n" % index)
    ca = ["-config", conf, "-cert", certs().path("ca.pem"), "-keyfile",
          certs().path("ca.key")]
    certs().signed("revoked", "ca")
    tls.openssl("ca", *ca, "-revoke", certs().path("revoked.pem"))
    tls.openssl("ca", *ca, "-gencrl", "-out", os.path.join(folder, "crl"))
    both = os.path.join(folder, "both.pem")
    with open(both, "wb") as f:
        for path in (certs().path("ca.pem"), os.path.join(folder, "crl")):
            with open(path, "rb") as g:
                f.write(g.read())
    for path in (folder, both):
        os.chmod(path, 0o755)
    s = tolsey.Tolsey("TlsClientCert require\nTlsClientCA " + both,
                      over_tls=True)
    try:
        with s.tls_client(context=tls.context("client")) as c:
            eq(c.options().status, 200, "a good one")
        check(refused(s, "revoked", context=tls.context("revoked")),
              "a revoked one")
    finally:
        s.close()


# ---- session tickets ----

def reused(s, version, path, *more):
    """One connection that keeps its session, then many that come back."""
    out = s_client(s, version, "-sess_out", path, *more)
    check("\nNew, TLS" in out, "the first is not new: " + out[-500:])

    def again():
        return "\nReused, TLS" in s_client(s, version, "-sess_in", path, *more)
    return again


@case(timeout=90)
def tickets():
    """Good for every net, and after HUP and the death of a net."""
    s = tolsey.Tolsey("NetProcesses 2", over_tls=True)
    try:
        for version in ("-tls1_2", "-tls1_3"):
            again = reused(s, version, s.path("session"))
            eq([again() for _ in range(6)], [True] * 6, version)
            s.hup()
            check(again(), version + " after HUP")
            for net in s.nets():
                s.kill(net)
            wait_for(lambda: len(s.nets()) == 2, 15, "nets")
            s.wait_ready()
            check(again(), version + " after the nets died")
        check(s.metric("tls_resumptions_total") > 0, "not counted")
    finally:
        s.close()


@case()
def ticket_of_a_client_that_is_not_believed_any_more():
    who = ["-cert", certs().path("client.pem"), "-key",
           certs().path("client.key")]
    s = tolsey.Tolsey("TlsClientCert require\nTlsClientCA " +
                      certs().path("ca.pem"), over_tls=True)
    try:
        for version in ("-tls1_2", "-tls1_3"):
            again = reused(s, version, s.path("session" + version), *who)
            check(again(), version + " before")
        s.write_config("TlsClientCert require\nTlsClientCA " +
                       certs().path("other-ca.pem"))
        s.hup()
        for version in ("-tls1_2", "-tls1_3"):
            out = s_client(s, version, "-sess_in",
                           s.path("session" + version), *who)
            check("ICAP/1.0" not in out, version + ": the ticket still opens")
    finally:
        s.close()


# ---- ends ----

@case()
def close_notify_before_the_end():
    s = server()
    for what in ("close", "idle", "half", "error"):
        with s.tls_client() as c:
            if what == "close":
                c.send(OPTIONS)
                eq(c.read().status, 200, "status")
            elif what == "half":
                c.send(respmod(allow="204") + chunked(b"x"))
                c.half_close()
                eq(c.read().status, 204, "status")
            elif what == "error":
                c.send(b"what\r\n\r\n")
                eq(c.read().status, 400, "status")
            eq(c.read_eof(), b"", "rest")
            eq(c.sock.end, "close_notify", "end after " + what)
    eq([p for p in s.nets() if not tolsey.alive(p)], [], "nets")


@case()
def cut_answer_has_no_close_notify():
    """A client must see that an answer is not whole."""
    s = tolsey.Tolsey("WriteTimeout 1s", over_tls=True)
    try:
        with s.tls_client() as c:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            body = samples.filler(10000000)
            threading.Thread(target=_send, daemon=True, args=(
                c, respmod() + chunked(body))).start()
            wait_for(lambda: s.metric("client_timeouts_total") > 0, 20,
                     "WriteTimeout")
            try:
                while c.sock.recv(1 << 20):
                    pass
            except ConnectionResetError:
                pass
            check(c.sock.end != "close_notify", "it looks whole")
    finally:
        s.close()


def _send(client, data):
    try:
        client.sock.sendall(data)
    except OSError:
        pass


@case()
def vanishing_clients():
    s = server()
    before = s.metric("connections_total")
    hello = tls.hello()
    for count in range(0, len(hello), 37):
        with icap.Icap(("127.0.0.1", s.tls_port), 10) as c:
            c.send(hello[:count])
    for _ in range(20):
        c = s.tls_client()
        c.send(respmod() + b"100\r\nabc")
        c.close()
    wait_for(lambda: s.metric("connections") <= 1, 10, "connections stay")
    check(s.metric("connections_total") > before, "none came")
    eq(s.options_status(), 200, "afterwards")


# ---- bytes ----

@case(timeout=90)
def large_bodies_both_ways():
    s = server()
    data = samples.filler(30000000)
    want = hashlib.sha256(data).hexdigest()
    for how in (s.tls_client, s.client):
        start = time.monotonic()
        with how(60) as c:
            got = c.scan_response(data, allow=None)
            eq((got.status, hashlib.sha256(got.body).hexdigest()),
               (200, want), "echo")
        note("30 MB echoed in %.1f s by %s" % (
            time.monotonic() - start, how.__name__))


@case()
def many_requests_in_one_record():
    """What OpenSSL has decrypted is served although the socket is silent."""
    with server().tls_client() as c:
        c.send(icap.head("OPTIONS", body="null-body") * 100)
        eq([c.read().status for _ in range(100)], [200] * 100, "answers")
        body = respmod(allow="204") + chunked(b"hello")
        c.send(body * 30 + body[:-1])
        eq([c.read().status for _ in range(30)], [204] * 30, "answers")
        check(c.silent(0.3), "answered too early")
        c.send(body[-1:])
        eq(c.read().status, 204, "the last")


@case(timeout=200)
def all_of_protocol_test_over_tls():
    """The file speaks TLS when it is told to."""
    if icap.OVER_TLS:
        skip("all does so already")
    here = os.path.dirname(os.path.abspath(__file__))
    run = subprocess.run(
        [sys.executable, os.path.join(here, "protocol.test.py")],
        env=dict(os.environ, ICAP_TLS="1"), capture_output=True, text=True,
        timeout=190)
    bad = [x for x in run.stdout.splitlines() if not x.startswith("ok ")]
    eq((run.returncode, bad), (0, []), "failures")
    check(run.stdout.count("\nok ") > 10, run.stdout[-500:])


# ---- certificates ----

def served(s):
    """Serial number of the certificate that new connections see."""
    with socket.create_connection(("127.0.0.1", s.tls_port), 10) as raw:
        context = tls.context()
        with context.wrap_socket(raw, server_hostname="127.0.0.1") as t:
            return t.getpeercert()["serialNumber"]


@case(timeout=90)
def reload_while_a_download_runs():
    folder = certs().dir
    for name in ("first", "second"):
        certs().signed(name, "ca", "IP:127.0.0.1")

    def use(name):
        for end in (".pem", ".key"):
            shutil.copy(certs().path(name + end), certs().path("now" + end))
            os.chmod(certs().path("now" + end), 0o644)
    use("first")
    s = tolsey.Tolsey("TlsCertificate %s/now.pem\nTlsKey %s/now.key" % (
        folder, folder), over_tls=True)
    try:
        first, nets = served(s), s.nets()
        body = samples.filler(20000000)
        slow, idle = s.tls_client(60), s.tls_client(60)
        idle.options()
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        threading.Thread(target=_send, daemon=True, args=(
            slow, respmod() + chunked(body))).start()
        begun = slow.sock.recv(100000)
        use("second")
        s.hup()
        wait_for(lambda: served(s) != first, 10, "the old certificate stays")
        # What is wrong is said with its file, and changes nothing.
        second = served(s)
        for text, why in (("garbage", "no certificate"), ("", "no certif")):
            with open(certs().path("now.pem"), "w") as f:
                f.write(text)
            s.hup()
            check("TlsCertificate %s/now.pem: there is %s" % (folder, why) in
                  s.events(), "not said: " + why)
        use("second")
        shutil.copy(certs().path("first.key"), certs().path("now.key"))
        s.hup()
        check("now.key: the key does not belong to" in s.events(), "not said")
        os.unlink(certs().path("now.key"))
        s.hup()
        check("TlsKey %s/now.key: No such file" % folder in s.events(),
              "not said")
        eq(served(s), second, "after wrong ones")
        slow.buffer = begun + slow.buffer
        got = slow.read()
        eq((got.status, got.body == body), (200, True), "the download")
        eq(idle.options().status, 200, "an idle connection")
        eq(s.nets(), nets, "nets")
        slow.close()
        idle.close()
    finally:
        s.close()


@case()
def wrong_files_are_configuration_errors():
    s = server()
    path = certs().path
    tls.openssl("pkey", "-in", path("server.key"), "-aes256", "-passout",
                "pass:secret", "-out", path("locked.key"))
    os.chmod(path("locked.key"), 0o644)
    with open(path("garbage"), "w") as f:
        f.write("-----BEGIN CERTIFICATE-----\nnot base64\n"
                "-----END CERTIFICATE-----\n")
    good = {"TlsCertificate": path("server.pem"), "TlsKey": path("server.key"),
            "TlsClientCA": path("ca.pem")}
    for change, words in (
            ({}, None),
            ({"TlsCertificate": "/nowhere"}, "/nowhere: No such file"),
            ({"TlsCertificate": path("garbage")}, "garbage: there is no cert"),
            ({"TlsCertificate": path("client.pem")}, "does not belong"),
            ({"TlsCertificate": certs().dir}, "not a regular file"),
            ({"TlsKey": path("server.pem")}, "there is no private key"),
            ({"TlsKey": path("locked.key")}, "has a passphrase"),
            ({"TlsClientCA": path("server.key")}, "there is no certificate"),
            ({"TlsCiphers": "NONE-SUCH"}, "no such cipher"),
            ({"TlsCiphers": "TLS_NONE_SUCH"}, "no such cipher")):
        with open(s.path("tls.conf"), "w") as f:
            f.write("\n".join("%s %s" % x for x in dict(
                good, **change).items()) + "\nTlsClientCert request\n"
                "ListenTls 127.0.0.1:%d\n" % s.tls_port)
        answer = subprocess.run(
            [os.path.join(s.programs, "tolseyd"), "--check-config", "-c",
             s.path("tls.conf")] + (
                ["-o", "User " + s.user, "-o", "ScanUser " + s.scan_user,
                 "-o", "ModuleDirectory " + s.modules]
                if os.getuid() == 0 else []),
            capture_output=True, text=True, timeout=30)
        eq(answer.returncode, 78 if words else 0, "%r: %s" % (
            change, answer.stderr))
        check(not words or words in answer.stderr, "%r lacks %r" % (
            answer.stderr, words))


@case()
def expired_certificate_is_said():
    certs().signed("expired", "ca", "IP:127.0.0.1", days="-1")
    s = tolsey.Tolsey("TlsCertificate " + certs().path("expired.pem") +
                      "\nTlsKey " + certs().path("expired.key"), wait=False,
                      over_tls=True)
    s.tls_port = 0
    try:
        s.wait_ready()
        check("certificate-expired" in s.events(), "not said")
        at = s.metric("tls_certificate_expires_timestamp_seconds")
        check(abs(at - time.time() + 86400) < 3600, "metric %d" % at)
    finally:
        s.close()


@case()
def chain_of_authorities():
    """What stands between the certificate and the root is sent along."""
    certs().key("middle")
    request = tls.openssl("req", "-new", "-key", certs().path("middle.key"),
                          "-subj", "/CN=tests middle")
    with open(certs().path("middle.ext"), "w") as f:
        f.write("basicConstraints=critical,CA:TRUE")
    tls.openssl("x509", "-req", "-CA", certs().path("ca.pem"), "-CAkey",
                certs().path("ca.key"), "-CAcreateserial", "-days", "2",
                "-extfile", certs().path("middle.ext"), "-out",
                certs().path("middle.pem"), stdin=request)
    certs().signed("leaf", "middle", "IP:127.0.0.1")
    # All in one file, the key too.
    with open(certs().path("chain.pem"), "wb") as f:
        for name in ("leaf.pem", "middle.pem", "leaf.key"):
            with open(certs().path(name), "rb") as g:
                f.write(g.read())
    os.chmod(certs().path("chain.pem"), 0o644)
    s = tolsey.Tolsey("TlsCertificate %s\nTlsKey \"\"" % certs().path(
        "chain.pem"), over_tls=True)
    try:
        with s.tls_client() as c:
            eq(c.options().status, 200, "status")
    finally:
        s.close()


# ---- Squid ----

@case(timeout=120)
def squid_over_icaps():
    """It verifies the server, and shows a certificate of its own."""
    s = tolsey.Tolsey("TlsClientCert require\nTlsClientCA " +
                      certs().path("ca.pem"), over_tls=True)
    web = origin.Origin()

    def proxy(ca, client="client"):
        return squid.Squid(
            "icaps://127.0.0.1:%d/avscan tls-cafile=%s tls-default-ca=off "
            "tls-domain=localhost tls-cert=%s tls-key=%s tls-min-version=1.2"
            % (s.tls_port, certs().path(ca), certs().path(client + ".pem"),
               certs().path(client + ".key")))
    try:
        p = proxy("ca.pem")
        try:
            for size in (0, 1000, 60000, 3000000):
                data = samples.filler(size)
                got = p.fetch(web.serve("/clean%d" % size, data))
                eq((got.status, got.body == data), (200, True),
                   "%d bytes" % size)
            for data in (samples.EICAR, samples.filler(30000) +
                         samples.MARKER):
                check(p.fetch(web.serve("/bad", data)).blocked, "not blocked")
            s.hup()
            got = p.fetch(web.serve("/after", b"after HUP"))
            eq((got.status, got.body), (200, b"after HUP"), "after HUP")
            check(s.metric("tls_handshakes_total") > 0, "no handshake")
        finally:
            p.close()
        for ca, client in (("other-ca.pem", "client"),
                           ("ca.pem", "other-client")):
            p = proxy(ca, client)
            try:
                eq(p.fetch(web.serve("/no", b"x")).status, 500,
                   "Squid with %s and %s" % (ca, client))
            finally:
                p.close()
    finally:
        web.close()
        s.close()


main()
