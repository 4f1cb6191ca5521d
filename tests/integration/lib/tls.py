# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Certificates for tests, and the client's end of a TLS connection that shows
how the other end was closed."""
import atexit
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading

_made = []


def openssl(*args, stdin=None):
    return subprocess.run(["openssl"] + list(args), check=True, input=stdin,
                          capture_output=True, timeout=30).stdout


class Certificates:
    """An authority, what it signed, and strangers. Files in a folder that
    everybody can read; path("server.pem") and so on."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="tolsey-tls-")
        os.chmod(self.dir, 0o755)
        self.authority("ca")
        self.signed("server", "ca", "IP:127.0.0.1,DNS:localhost")
        self.signed("client", "ca")
        self.authority("other-ca")
        self.signed("other-client", "other-ca")

    def path(self, name):
        return os.path.join(self.dir, name)

    def key(self, name):
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out",
                self.path(name + ".key"))
        os.chmod(self.path(name + ".key"), 0o644)

    def authority(self, name):
        self.key(name)
        openssl("req", "-x509", "-new", "-key", self.path(name + ".key"),
                "-days", "2", "-out", self.path(name + ".pem"), "-subj",
                "/CN=tests " + name, "-addext",
                "basicConstraints=critical,CA:TRUE")

    def signed(self, name, by, names="DNS:tests", days="2"):
        self.key(name)
        request = openssl("req", "-new", "-key", self.path(name + ".key"),
                          "-subj", "/O=tests/CN=" + name)
        with open(self.path(name + ".ext"), "w") as f:
            f.write("subjectAltName=" + names)
        openssl("x509", "-req", "-CA", self.path(by + ".pem"), "-CAkey",
                self.path(by + ".key"), "-CAcreateserial", "-days", days,
                "-extfile", self.path(name + ".ext"), "-out",
                self.path(name + ".pem"), stdin=request)

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)


def certificates():
    """The same for all of a test file."""
    if not _made:
        _made.append(Certificates())
        atexit.register(_made[0].close)
    return _made[0]


def context(certificate=None, version=None, certs=None):
    """Of a client that believes the tests' authority. certificate: the name
    of its own. version: the only one that it speaks."""
    certs = certs or certificates()
    made = ssl.create_default_context(cafile=certs.path("ca.pem"))
    if certificate:
        made.load_cert_chain(certs.path(certificate + ".pem"),
                             certs.path(certificate + ".key"))
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def hello():
    """What a client sends first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context().wrap_bio(incoming, outgoing,
                           server_hostname="127.0.0.1").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class Socket:
    """What icap.Icap needs of a socket, over TLS. Not ssl.SSLSocket: that one
    cannot be closed in one direction, and hides how it ended."""

    def __init__(self, sock, ctx, session=None, name="127.0.0.1"):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.object = ctx.wrap_bio(self.incoming, self.outgoing,
                                   server_hostname=name, session=session)
        self.lock, self.order = threading.Lock(), threading.Lock()
        # How the other end stopped: "close_notify", "eof" or "reset".
        self.end = None
        self._until_done(self.object.do_handshake)

    def _flush(self):
        with self.order:
            with self.lock:
                data = self.outgoing.read()
            if data:
                self.sock.sendall(data)

    def _fill(self):
        data = self.sock.recv(262144)
        with self.lock:
            if data:
                self.incoming.write(data)
            else:
                self.incoming.write_eof()

    def _until_done(self, function, *args):
        while True:
            try:
                with self.lock:
                    out = function(*args)
                self._flush()
                return out
            except ssl.SSLWantReadError:
                self._flush()
                self._fill()
            except ssl.SSLError:
                try:
                    self._flush()  # an alert
                except OSError:
                    pass
                raise

    def sendall(self, data):
        for i in range(0, len(data), 16384):
            with self.lock:
                self.object.write(data[i:i + 16384])
            self._flush()

    def recv(self, size):
        try:
            data = self._until_done(self.object.read, size)
            if not data:
                self.end = "close_notify"
            return data
        except ssl.SSLZeroReturnError:
            self.end = "close_notify"
        except ssl.SSLEOFError:
            self.end = "eof"
        except ConnectionResetError:
            self.end = "reset"
            raise
        return b""

    def shutdown(self, _how=socket.SHUT_WR):
        """close_notify, then the end of the stream; reading goes on."""
        try:
            with self.lock:
                self.object.unwrap()
        except ssl.SSLError:
            pass
        self._flush()
        self.sock.shutdown(socket.SHUT_WR)

    def __getattr__(self, name):
        return getattr(self.sock, name)
