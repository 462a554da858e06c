"""Clips and servers that several tests of the live room share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emotrace.live.line import LiveVerdict
from emotrace.live.watch import LiveWatch
from emotrace.samples import sample_clip
from emotrace.testing.synthetic import write_clip


@pytest.fixture(scope="session")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of colour bars and a tone: nobody is in it."""
    return write_clip(tmp_path_factory.mktemp("bars") / "bars.mkv")


@pytest.fixture(scope="session")
def talked() -> tuple[list[LiveVerdict], LiveWatch]:
    """The sample clip, watched as fast as possible."""
    live = LiveWatch(address=sample_clip(), real_time=False)
    return list(live), live


@contextmanager
def serving(*bodies: bytes, promised: int) -> Iterator[str]:
    """A server that gives each client the next body, the last one again and again, whatever it promised."""
    asked = 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal asked
            body = bodies[min(asked, len(bodies) - 1)]
            asked += 1
            self.send_response(200)
            self.send_header("Content-Length", str(promised))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://somebody:secret@127.0.0.1:{server.server_port}/bars.mkv?token=hidden"
        finally:
            server.shutdown()
            thread.join()
