# SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception
"""An origin server on loopback: every path is a function of the test."""
import http.server
import socket
import socketserver
import ssl
import threading
import time

import samples

# What an origin may well send with each status.
STATUS_HEADERS = {
    201: [("Location", "/made/1")],
    206: [("Content-Range", "bytes 0-{last}/1000000"),
          ("Accept-Ranges", "bytes")],
    302: [("Location", "/elsewhere?a=1&b=2"), ("Set-Cookie", "a=b; Path=/")],
    304: [("ETag", '"v1"'), ("Cache-Control", "max-age=60")],
    307: [("Location", "/again")],
    401: [("WWW-Authenticate", 'Basic realm="inner"')],
    407: [("Proxy-Authenticate", 'Basic realm="outer"')],
    416: [("Content-Range", "bytes */1000000")],
    503: [("Retry-After", "120")],
}
NO_BODY = (204, 304)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "origin"
    wbufsize = -1

    def log_message(self, *_):
        pass

    def date_time_string(self, timestamp=None):
        return "Tue, 18 Nov 2025 10:00:00 GMT"

    def handle_expect_100(self):
        self.server.origin.expected += 1
        return super().handle_expect_100()

    def _serve(self):
        origin = self.server.origin
        path = self.path
        if "://" in path:
            path = "/" + path.split("://", 1)[1].partition("/")[2]
        path = path.split("?")[0]
        route = origin.routes.get(path)
        for prefix, function in origin.prefixes.items():
            if route is None and path.startswith(prefix):
                route = function
        body = self._body()
        origin.seen.append((self.command, self.path, dict(self.headers), body))
        if route is None:
            self.answer(404, b"nothing here\n")
            return
        try:
            route(self, path, body)
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            parts = []
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                if size == 0:
                    while self.rfile.readline().strip():
                        pass
                    return b"".join(parts)
                parts.append(self.rfile.read(size))
                self.rfile.readline()
        size = int(self.headers.get("Content-Length", 0))
        return self.rfile.read(size)

    # ---- for routes ----
    def begin(self, status, headers=(), length=None, chunked=False):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if length is not None:
            self.send_header("Content-Length", str(length))
        elif chunked:
            self.send_header("Transfer-Encoding", "chunked")
        elif status not in NO_BODY:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.chunking = chunked

    def put(self, data):
        if getattr(self, "chunking", False):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        else:
            self.wfile.write(data)
        self.wfile.flush()

    def finish_chunks(self):
        self.wfile.write(b"0\r\n\r\n")

    def answer(self, status, body=b"", headers=(), framing="length",
               type_="text/plain"):
        headers = [("Content-Type", type_)] + list(headers)
        if status in NO_BODY:
            self.begin(status, headers)
            return
        if framing == "http10":
            self.protocol_version = "HTTP/1.0"
            self.begin(status, headers)
        elif framing == "chunked":
            self.begin(status, headers, chunked=True)
        else:
            self.begin(status, headers, length=len(body))
        if self.command == "HEAD":
            return
        if framing == "chunked":
            for i in range(0, len(body), 65536):
                self.put(body[i:i + 65536])
            self.finish_chunks()
        else:
            self.put(body)


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request, client_address):
        pass


class Origin:
    name = "origin"

    def __init__(self, tls=None):
        self.routes = {}
        self.prefixes = {"/status/": status_route}
        self.seen = []
        self.expected = 0
        self.server = _Server(("127.0.0.1", 0), Handler)
        self.server.origin = self
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self.server.socket = context.wrap_socket(
                self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.scheme = "https" if tls else "http"
        threading.Thread(target=self.server.serve_forever, args=(0.05,),
                         daemon=True).start()

    def url(self, path):
        return "%s://127.0.0.1:%d%s" % (self.scheme, self.port, path)

    def serve(self, path, body, type_="application/octet-stream", status=200,
              headers=(), framing="length"):
        """The same bytes for everybody; returns the URL."""
        self.routes[path] = lambda h, p, b: h.answer(
            status, body, headers, framing, type_)
        return self.url(path)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


BODIES = {
    "clean": b"a clean body of an answer\n",
    "eicar": samples.EICAR,
    "marker": b"some text, then " + samples.MARKER + b" and more\n",
    "none": b"",
}


def status_route(handler, path, _body):
    """/status/CODE/BODY[/FRAMING]"""
    words = path.split("/")[2:]
    status, body = int(words[0]), BODIES[words[1]]
    framing = words[2] if len(words) > 2 else "length"
    headers = [(n, v.format(last=len(body) - 1))
               for n, v in STATUS_HEADERS.get(status, ())]
    headers += [("X-Origin", "kept")]
    handler.answer(status, body, headers, framing)


def drip(size_of_part, pause, total, data=None):
    """A route that sends in parts with pauses between them."""
    def route(handler, _path, _body):
        out = data if data is not None else samples.filler(total)
        handler.begin(200, [("Content-Type", "application/octet-stream")],
                      length=len(out))
        for i in range(0, len(out), size_of_part):
            handler.put(out[i:i + size_of_part])
            time.sleep(pause)
    return route


def dead_port():
    """A port on which nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
