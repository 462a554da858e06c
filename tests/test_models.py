import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from emotrace import models
from emotrace.errors import ChecksumMismatch, DownloadFailed, ModelNotFound, UnwritableOutput, UsageError
from emotrace.models import REGISTRY, Weights, cache_folder, pull, resolve, verify

CONTENT = b"weights" * 30_000


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://example.org/weights")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = {"/right": CONTENT, "/other": CONTENT[::-1], "/long": CONTENT + b"!", "/short": CONTENT[:-1]}
        if self.path not in body:
            self.send_error(404)
            return
        self.send_response(200)
        cut = self.path == "/short"
        self.send_header("Content-Length", str(len(body[self.path]) if not cut else len(CONTENT) - 1))
        self.end_headers()
        self.wfile.write(body[self.path])

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as served:
        thread = threading.Thread(target=served.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()
        thread.join()


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "home"))
    entry = Weights(
        name="toy",
        file="toy.onnx",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=len(CONTENT),
        licence="MIT",
        origin="a test",
        url="https://localhost:9/toy.onnx",
    )
    monkeypatch.setitem(models.REGISTRY, "toy", entry)
    return tmp_path / "home"


def test_every_entry_says_what_a_reader_must_know() -> None:
    for name, entry in REGISTRY.items():
        assert entry.name == name
        assert len(bytes.fromhex(entry.sha256)) == 32
        assert entry.bytes > 0
        assert entry.licence
        assert entry.origin
        assert entry.url is None or entry.url.startswith("https://")


@pytest.mark.parametrize("name", [name for name, entry in REGISTRY.items() if entry.shipped])
def test_shipped_weights_are_there_small_and_the_pinned_ones(name: str) -> None:
    file = resolve(name)
    assert file.stat().st_size == REGISTRY[name].bytes < 4_000_000
    assert hashlib.sha256(file.read_bytes()).hexdigest() == REGISTRY[name].sha256
    assert pull(name) == file


def test_what_is_not_there_says_how_to_get_it(home: Path) -> None:
    with pytest.raises(ModelNotFound, match="emotrace pull toy"):
        resolve("toy")
    assert not home.exists()
    with pytest.raises(UsageError, match="yunet"):
        resolve("nothing")


def test_pull_keeps_what_is_right(home: Path, server: str) -> None:
    file = pull("toy", url=f"{server}/right")
    assert file == home / "toy.onnx" == resolve("toy")
    assert file.read_bytes() == CONTENT
    assert pull("toy", url="https://localhost:9/not-asked-again") == file
    assert [path.name for path in home.iterdir()] == ["toy.onnx"]


@pytest.mark.parametrize(
    ("path", "error"),
    [("/other", ChecksumMismatch), ("/long", ChecksumMismatch), ("/short", DownloadFailed), ("/none", DownloadFailed)],
)
def test_pull_keeps_nothing_else(home: Path, server: str, path: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        pull("toy", url=server + path)
    assert list(home.iterdir()) == []


def test_a_wrong_file_in_the_cache_is_replaced(home: Path, server: str) -> None:
    home.mkdir()
    (home / "toy.onnx").write_bytes(b"half")
    with pytest.raises(ChecksumMismatch):
        resolve("toy")
    assert pull("toy", url=f"{server}/right").read_bytes() == CONTENT


@pytest.mark.parametrize("url", ["http://example.org/toy.onnx", "file:///etc/passwd", "ftp://localhost/toy"])
def test_pull_refuses_insecure_addresses(home: Path, url: str) -> None:
    with pytest.raises(UsageError, match="https"):
        pull("toy", url=url)
    assert not home.exists()


def test_pull_follows_no_redirect_to_an_insecure_address(home: Path, server: str) -> None:
    with pytest.raises(UsageError, match=r"example\.org"):
        pull("toy", url=f"{server}/redirect")
    assert list(home.iterdir()) == []


def test_a_server_that_is_not_there(home: Path) -> None:
    with pytest.raises(DownloadFailed, match="by hand"):
        pull("toy", url="http://127.0.0.1:9/toy.onnx", timeout_seconds=5.0)


def test_a_cache_that_cannot_be_made(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "file"))
    with pytest.raises(UnwritableOutput):
        pull("toy", url="http://127.0.0.1:9/toy.onnx")


def test_verify_sees_a_file_that_changed(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "toy.onnx"
    file.write_bytes(CONTENT)
    assert verify(file, name="toy") == file
    file.write_bytes(CONTENT + b"more")
    with pytest.raises(ChecksumMismatch):
        verify(file, name="toy")


def test_the_cache_is_where_the_platform_wants_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EMOTRACE_HOME", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "emotrace"
    monkeypatch.setattr("sys.platform", "darwin")
    assert cache_folder() == Path.home() / "Library" / "Caches" / "emotrace"
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"


def test_a_closed_folder_holds_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", closed)
    assert not models.is_here("yunet")
    with pytest.raises(ModelNotFound):
        resolve("yunet")
