# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""Debian's Squid with a configuration of its own in a temporary folder, and
an HTTP client that shows exactly what came through it."""
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from tap import check, skip, wait_for
from tolsey import SOURCE, free_port, tree

CERTGEN = "/usr/lib/squid/security_file_certgen"
HOP_BY_HOP = {"connection", "keep-alive", "via", "x-cache", "x-cache-lookup",
              "transfer-encoding", "proxy-connection", "age", "cache-status"}



def icap_block(uri, limit):
    """What everybody is told to paste, for the server under test."""
    with open(os.path.join(SOURCE, "etc", "squid.conf.example")) as f:
        text = f.read()
    text = text.replace("icap://127.0.0.1:1344/avscan", uri)
    return text.replace("failure_limit -1", "failure_limit " + limit)


class Response:
    def __init__(self):
        self.status = 0
        self.version = ""
        self.headers = []
        self.body = b""
        self.cut = False
        self.first_byte = self.seconds = 0.0
        self.interim = []

    def header(self, name):
        for n, v in self.headers:
            if n.lower() == name.lower():
                return v
        return None

    def end_to_end(self):
        """The headers that a proxy has to leave alone."""
        return sorted((n.lower(), v) for n, v in self.headers
                      if n.lower() not in HOP_BY_HOP)

    @property
    def blocked(self):
        return self.status == 403 and b"</html>" in self.body.lower()

    def __repr__(self):
        return "<HTTP %d%s %d bytes %r>" % (
            self.status, " cut" if self.cut else "", len(self.body),
            self.body[:60])


class Connection:
    """One HTTP connection, through a proxy or not."""

    def __init__(self, address, timeout=60):
        self.sock = socket.create_connection(address, timeout)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.sock.makefile("rb", 1 << 18)

    def close(self):
        self.file.close()
        self.sock.close()

    def tunnel(self, host, port, cafile):
        self.sock.sendall(b"CONNECT %s:%d HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % (
            host.encode(), port, host.encode(), port))
        answer = self.read_head("CONNECT")
        check(answer.status == 200, "CONNECT: %r" % answer)
        context = ssl.create_default_context(cafile=cafile)
        context.check_hostname = False
        self.file.close()
        self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self.file = self.sock.makefile("rb", 1 << 18)

    def send(self, data):
        self.sock.sendall(data)

    def read_head(self, method="GET"):
        answer = Response()
        line = self.file.readline().decode("latin-1").rstrip("\r\n")
        check(line, "closed where an HTTP answer should begin")
        words = line.split(" ", 2)
        answer.version, answer.status = words[0], int(words[1])
        while True:
            raw = self.file.readline()
            check(raw, "closed inside an HTTP head")
            line = raw.decode("latin-1").rstrip("\r\n")
            if not line:
                break
            name, _, value = line.partition(":")
            answer.headers.append((name, value.strip()))
        if answer.status in (100, 102, 103) and method != "CONNECT":
            final = self.read_head(method)
            final.interim.append(answer)
            return final
        return answer

    def read_body(self, answer, method="GET", each=None):
        parts = []

        def take(data):
            parts.append(data)
            if each:
                each(data)
        try:
            self._read_body(answer, method, take)
        except (ConnectionResetError, ssl.SSLError):
            answer.cut = True
        answer.body = b"".join(parts)
        return answer

    def _read_body(self, answer, method, take):
        if method == "HEAD" or answer.status in (204, 304):
            return
        if "chunked" in (answer.header("Transfer-Encoding") or "").lower():
            while True:
                line = self.file.readline()
                if not line.endswith(b"\r\n"):
                    answer.cut = True
                    return
                size = int(line.split(b";")[0], 16)
                if size == 0:
                    while self.file.readline().strip():
                        pass
                    return
                data = self._some(size, take)
                if data < size or len(self.file.read(2)) < 2:
                    answer.cut = True
                    return
        length = answer.header("Content-Length")
        if length is None:
            self._some(1 << 62, take)
        elif self._some(int(length), take) < int(length):
            answer.cut = True

    def _some(self, size, take):
        have = 0
        while have < size:
            data = self.file.read1(min(1 << 20, size - have))
            if not data:
                break
            take(data)
            have += len(data)
        return have


def fetch(address, url, method="GET", headers=(), body=None, cafile=None,
          timeout=60, version="HTTP/1.1", each=None):
    """One request through the proxy at address (None: to the origin)."""
    scheme, rest = url.split("://", 1)
    host, slash, path = rest.partition("/")
    name, _, port = host.partition(":")
    start = time.monotonic()
    conn = Connection(address or (name, int(port)), timeout)
    try:
        target = url if address else slash + path
        if scheme == "https":
            conn.tunnel(name, int(port), cafile)
            target = slash + path
        lines = ["%s %s %s" % (method, target, version), "Host: " + host]
        lines += ["%s: %s" % h for h in headers]
        if body is not None and not any(
                h[0].lower() == "transfer-encoding" for h in headers):
            lines.append("Content-Length: %d" % len(body))
        lines.append("Connection: close")
        conn.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        if body is not None:
            try:
                conn.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass
        answer = conn.read_head(method)
        answer.first_byte = time.monotonic() - start
        conn.read_body(answer, method, each)
        answer.seconds = time.monotonic() - start
        return answer
    finally:
        conn.close()


def make_certificates(folder):
    """A CA for Squid and a certificate of the origin; paths in a dict."""
    out = {n: os.path.join(folder, n + ".pem") for n in (
        "ca", "ca-key", "ca-cert", "origin-key", "origin-cert")}

    def openssl(*args):
        subprocess.run(["openssl"] + list(args), check=True,
                       capture_output=True, timeout=30)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-keyout", out["ca-key"], "-out", out["ca-cert"], "-subj",
            "/CN=tests CA", "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-keyout", out["origin-key"], "-out", out["origin-cert"], "-subj",
            "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1")
    with open(out["ca"], "w") as f:
        for part in ("ca-cert", "ca-key"):
            with open(out[part]) as g:
                f.write(g.read())
    return out


class Squid:
    name = "squid"

    def __init__(self, uri=None, extra="", bump=None, limit="-1", access=None):
        """uri: of the ICAP service, None: without. bump: certificates."""
        if not shutil.which("squid"):
            skip("Squid is not installed")
        if bump and not os.path.exists(CERTGEN):
            skip("squid-openssl is not installed")
        self.dir = tempfile.mkdtemp(prefix="tolsey-squid-")
        os.chmod(self.dir, 0o755)
        self.port = free_port()
        self.address = ("127.0.0.1", self.port)
        self._write(uri, extra, bump, limit, access)
        if os.getuid() == 0:
            for base, _, files in os.walk(self.dir):
                for n in [base] + [os.path.join(base, f) for f in files]:
                    shutil.chown(n, "proxy", "proxy")
        with open(self.path("stderr"), "wb") as err:
            self.process = subprocess.Popen(
                ["squid", "-N", "-f", self.path("squid.conf")],
                stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                cwd=self.dir)
        wait_for(self._ready, 30, "Squid is not ready")

    def path(self, *names):
        return os.path.join(self.dir, *names)

    def log(self, name):
        try:
            with open(self.path(name), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def _write(self, uri, extra, bump, limit, access):
        port = "http_port 127.0.0.1:%d" % self.port
        lines = []
        if bump:
            subprocess.run([CERTGEN, "-c", "-s", self.path("ssl_db"), "-M",
                            "4MB"], check=True, capture_output=True)
            port += (" ssl-bump cert=%s generate-host-certificates=on "
                     "dynamic_cert_mem_cache_size=4MB" % bump["ca"])
            lines += [
                "sslcrtd_program %s -s %s -M 4MB" % (CERTGEN,
                                                     self.path("ssl_db")),
                "sslcrtd_children 2 startup=1 idle=1",
                "tls_outgoing_options cafile=" + bump["origin-cert"],
                "acl step1 at_step SslBump1", "ssl_bump peek step1",
                "ssl_bump bump all"]
        lines = [port] + lines + [
            "visible_hostname squid.test",
            "pid_filename " + self.path("pid"),
            "cache_log " + self.path("cache.log"),
            "logformat tests %>Hs %<st %rm %ru",
            "access_log stdio:%s tests" % self.path("access.log"),
            "logformat icaptests %icap::to/%03icap::Hs %icap::tr %rm %ru",
            "icap_log stdio:%s icaptests" % self.path("icap.log"),
            "coredump_dir " + self.dir, "cache deny all",
            "memory_cache_shared off", "cache_mem 8 MB",
            "pinger_enable off", "dns_nameservers 127.0.0.1",
            "shutdown_lifetime 1 second", "max_filedescriptors 4096",
            "http_access allow all" if access is None else access]
        if uri:
            lines.append(icap_block(uri, limit))
        with open(self.path("squid.conf"), "w") as f:
            f.write("\n".join(lines) + "\n" + extra + "\n")

    def _ready(self):
        check(self.process.poll() is None, "Squid ended: " +
              self.log("stderr")[-800:] + self.log("cache.log")[-800:])
        try:
            socket.create_connection(self.address, 2).close()
            return True
        except OSError:
            return False

    def fetch(self, url, **rest):
        return fetch(self.address, url, **rest)

    def close(self):
        left = set(tree(self.process.pid))
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)
        for pid in left - {self.process.pid}:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                pass
        shutil.rmtree(self.dir, ignore_errors=True)
