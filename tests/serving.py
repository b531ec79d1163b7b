"""Files on a web server of a test's own, whose misbehaviour the test sets."""

import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from adm.artifacts import download


class Server:
    """What a server holds, `content` or the files of `folder`, and how it answers.

    `statuses` are those of the next answers, None for a good one; `asked` are the ranges that were asked for, and
    `names` of which files. Of a range it sends `at_most` bytes, `shifted` by some. The next `cuts` answers end after
    `cut_after` bytes.
    """

    def __init__(self, content=b"", folder=None):
        self.content, self.folder = content, folder
        self.etag = '"one"'
        self.cut_after = None
        self.cuts = 0
        self.supports_range = True
        self.statuses = []
        self.moved_to = None
        self.at_most = None
        self.shifted = 0
        self.asked, self.names = [], []

    def answer(self, handler):
        name, wanted = Path(handler.path).name, handler.headers.get("Range")
        self.asked.append(wanted)
        self.names.append(name)
        content = self.content if self.folder is None else (self.folder / name).read_bytes()
        status = self.statuses.pop(0) if self.statuses else None
        if status is not None:
            handler.send_error(status)
            return
        if self.moved_to:
            handler.send_response(302)
            handler.send_header("Location", self.moved_to)
            handler.end_headers()
            return
        start = 0
        if wanted and self.supports_range and handler.headers.get("If-Range") in (None, self.etag):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(content):
                handler.send_error(416)
                return
        body = content[start:]
        handler.send_response(206 if start else 200)
        if start:
            start += self.shifted
            body = content[start:][: self.at_most]
            handler.send_header("Content-Range", f"bytes {start}-{start + len(body) - 1}/{len(content)}")
        if self.etag:
            handler.send_header("ETag", self.etag)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if self.cuts:
            self.cuts -= 1
            body = body[: self.cut_after]
        handler.wfile.write(body)


@contextmanager
def serving(monkeypatch, **held):
    """A server that listens while the block runs, or until its `close`; downloads come in small pieces at once."""
    monkeypatch.setattr(download, "PAUSE", 0.0)
    monkeypatch.setattr(download, "PIECE", 1000)
    monkeypatch.setenv("NO_PROXY", "*")
    server = Server(**held)

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self):
            server.answer(self)

        def log_message(self, *_):
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()

    def close():
        listening.shutdown()
        thread.join(10)
        listening.server_close()

    server.root, server.close = f"http://127.0.0.1:{listening.server_port}/", close
    yield server
    if thread.is_alive():
        close()
