"""A reverse proxy that can go away and come back, may serve below a prefix, and may answer by itself."""

import http.client
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        """A browser breaks connections off as it likes."""


class Proxy:
    def __init__(self, origin, prefix="", answers=lambda _: None):
        """`answers` takes the path of a request; it gives headers and body, or None to pass it on."""
        self.answers = answers
        self.target = urlsplit(origin).netloc
        self.prefix = prefix
        self.is_away = False
        self.requests = []
        handler = type("Handler", (Handler,), {"proxy": self})
        self.server = Server(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.base = f"http://127.0.0.1:{self.server.server_port}{prefix}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def forward(self):
        proxy = self.proxy
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length) if length else None
        if proxy.is_away:
            self.close_connection = True
            return
        if not self.path.startswith(f"{proxy.prefix}/"):
            self.answer(404, [], b"outside of the prefix")
            return
        made_up = proxy.answers(self.path)
        if made_up:
            headers, content = made_up
            self.answer(200, headers.items(), content)
            return
        headers = {name: value for name, value in self.headers.items() if name.lower() not in {"connection", "content-length"}}
        headers["X-Forwarded-Host"] = self.headers["Host"]
        if proxy.prefix:
            headers["X-Forwarded-Prefix"] = proxy.prefix
        proxy.requests.append((self.command, self.path))
        upstream = http.client.HTTPConnection(proxy.target, timeout=60)
        upstream.request(self.command, self.path[len(proxy.prefix) :], body, headers)
        response = upstream.getresponse()
        kept = [(name, value) for name, value in response.getheaders() if name.lower() not in HOP_BY_HOP]
        self.answer(response.status, kept, response.read())

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PATCH = do_DELETE = do_OPTIONS = forward
