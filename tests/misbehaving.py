"""An HTTP server on this machine that misbehaves in every way that tests of downloads ask for; fixtures."""

import hashlib
import http.server
import threading

import pytest

CONTENT = bytes(range(256)) * 4096  # 1 MiB
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        action, _, argument = self.path.strip("/").partition("/")
        getattr(self, f"serve_{action}")(argument)

    def answer(self, content, code=200, **headers):
        self.send_response(code)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def serve_good(self, _):
        self.answer(CONTENT, Content_Length=len(CONTENT))

    def serve_good_without_length(self, _):
        self.answer(CONTENT)

    def serve_status(self, code):
        self.answer(b"no", int(code))

    def serve_once(self, code):
        """Fails the first time only."""
        if self.server.asked.count(self.path) == 1:
            self.serve_status(code)
        else:
            self.serve_good("")

    def serve_cut(self, _):
        self.answer(CONTENT[:500_000], Content_Length=len(CONTENT))

    def serve_cut_without_length(self, _):
        self.answer(CONTENT[:500_000])

    def serve_closed(self, _):
        """Hangs up without a word."""

    def serve_other(self, _):
        self.answer(CONTENT[::-1], Content_Length=len(CONTENT))

    def serve_longer(self, _):
        self.answer(CONTENT + b"x", Content_Length=len(CONTENT) + 1)

    def serve_endless(self, _):
        self.send_response(200)
        self.end_headers()
        try:
            while True:
                self.wfile.write(CONTENT)
                self.server.sent += len(CONTENT)
        except OSError:
            self.server.gave_up.set()

    def serve_html(self, _):
        self.answer(b"<html>Please log in</html>", Content_Type="text/html", Content_Length=26)

    def serve_bad_length(self, _):
        self.answer(CONTENT, Content_Length="many")

    def serve_to(self, path):
        self.answer(b"", 302, Location=f"/{path}")

    def serve_circle(self, _):
        self.answer(b"", 302, Location="/circle/")

    def serve_to_a_file(self, _):
        self.answer(b"", 302, Location="file:///etc/passwd")

    def serve_stall(self, _):
        self.answer(CONTENT[:500_000], Content_Length=len(CONTENT))
        self.wfile.flush()
        self.server.end.wait(60)

    def serve_slow(self, _):
        """In pieces, each of which comes before a client may lose its patience."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        for start in range(0, len(CONTENT), 1 << 18):
            self.wfile.write(CONTENT[start : start + (1 << 18)])
            self.wfile.flush()
            self.server.end.wait(0.05)

    def serve_drip(self, what):
        """A byte at a time and never silent for long: the "headers", or the content after some that comes at once."""
        if what == "headers":
            content = b"HTTP/1.0 200 OK\r\nX-More: " + b"x" * 60_000
        else:
            self.answer(CONTENT[: int(what)], Content_Length=len(CONTENT))
            content = CONTENT[int(what) :]
        for byte in content:
            self.wfile.write(bytes([byte]))
            if self.server.end.wait(0.02):
                break

    def serve_silent(self, _):
        self.server.end.wait(60)


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Clients that hang up are what is tested here."""


@pytest.fixture(scope="module")
def running():
    server = Server(("127.0.0.1", 0), Handler)
    server.end, server.gave_up = threading.Event(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.end.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(running):
    running.asked, running.sent = [], 0
    running.gave_up.clear()
    return running


@pytest.fixture
def cache(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("TFVIZ_CACHE", str(folder))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return folder
