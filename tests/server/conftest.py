"""A real server on this machine, and a client that knows its addresses."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")

import requests

from emotrace.samples import sample_clip
from emotrace.server.running import serving
from emotrace.server.settings import Limits, Settings
from emotrace.testing.synthetic import Bars, Tone, write_clip

LIMITS = Limits(upload_bytes=300_000, duration_seconds=15.0, analysis_seconds=60.0, stall_seconds=1.0)


class Client:
    """Requests to one server, as one user."""

    def __init__(self, url: str, key: str | None = None) -> None:
        self.url, self._session = url, requests.Session()
        self._session.trust_env = False
        if key is not None:
            self._session.headers["Authorization"] = f"Bearer {key}"

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        return self._session.request(method, f"{self.url}{path}", timeout=60, **options)

    def get(self, path: str, **options: Any) -> requests.Response:
        return self("GET", path, **options)

    def send(self, content: bytes | Path, name: str = "clip.mp4", **fields: Any) -> requests.Response:
        data = content.read_bytes() if isinstance(content, Path) else content
        files = {"file": (name, data), **{key: each for key, each in fields.items() if isinstance(each, tuple)}}
        plain = {key: each for key, each in fields.items() if not isinstance(each, tuple)}
        return self("POST", "/v1/analyses", files=files, data=plain)

    def accepted(self, content: bytes | Path, **options: Any) -> str:
        """The address of an upload that was taken."""
        answer = self.send(content, **options)
        assert answer.status_code == 202, answer.text
        return answer.headers["Location"]

    def finished(self, path: str, seconds: float = 60.0) -> dict[str, Any]:
        """The analysis, once it is finished."""
        return self.until(path, lambda status: status["state"] not in ("queued", "running"), seconds)

    def until(self, path: str, is_so: Callable[[dict[str, Any]], bool], seconds: float = 60.0) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while not is_so(status := self.get(path).json()):
            assert time.monotonic() < deadline, status
            time.sleep(0.05)
        return status

    def error(self, answer: requests.Response) -> dict[str, Any]:
        """The error of an answer, which has the one shape."""
        body = answer.json()
        assert set(body) == {"error"}
        assert set(body["error"]) == {"code", "message", "hint"}
        return body["error"]

    def close(self) -> None:
        self._session.close()


Start = Callable[..., AbstractContextManager[Client]]


@contextmanager
def started(data: Path, *, limits: Limits = LIMITS, key: str | None = None, **options: Any) -> Iterator[Client]:
    with serving(Settings(data=data, port=0, limits=limits, **options)) as url:
        client = Client(url, key)
        try:
            yield client
        finally:
            client.close()


@pytest.fixture(scope="session")
def start() -> Start:
    """Starts a server in a folder, as a context manager that gives a client."""
    return started


@pytest.fixture(scope="session")
def connect() -> Callable[..., Client]:
    """A client of a server that runs, as another user."""
    return Client


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One server for all tests that leave it as it was."""
    with started(tmp_path_factory.mktemp("server")) as client:
        yield client


@pytest.fixture(scope="session")
def data_of(server: Client, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of `server`."""
    return next(path for path in tmp_path_factory.getbasetemp().iterdir() if path.name.startswith("server"))


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of colour bars and a tone: nobody is in it."""
    path = tmp_path_factory.mktemp("clip") / "bars.mp4"
    return write_clip(path, pictures=[Bars(width=64, height=48)], sounds=[Tone(duration_seconds=1.0)])


@pytest.fixture(scope="session")
def busy_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip that keeps a worker busy for seconds: large pictures, and every one is looked at with rate_hz=30."""
    path = tmp_path_factory.mktemp("busy") / "busy.mp4"
    times = tuple(number / 25 for number in range(200))
    bars = Bars(width=1280, height=720, frame_times_seconds=times)
    return write_clip(path, pictures=[bars], sounds=[])


@pytest.fixture(scope="session")
def done(server: Client) -> str:
    """The address of an analysis of the sample clip that is done."""
    words = ("talk.srt", sample_clip().with_suffix(".srt").read_bytes())
    path = server.accepted(sample_clip(), name="talk.mp4", transcript=words)
    assert server.finished(path)["state"] == "done"
    return path


def postgres_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = str(found[-1]) if found else shutil.which("initdb")
    return None if path is None else Path(path).parent


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a PostgreSQL database: one that was named, or one that is made for these tests."""
    pytest.importorskip("psycopg", reason="needs the extra [postgres]")
    if url := os.environ.get("EMOTRACE_TEST_POSTGRES"):
        yield url
        return
    binaries = postgres_binaries()
    if binaries is None:
        pytest.skip("needs PostgreSQL: name a database in EMOTRACE_TEST_POSTGRES, or install one")
    folder = tmp_path_factory.mktemp("postgres")
    who: list[str] = []
    if os.geteuid() == 0:  # it refuses to be run by root
        if shutil.which("setpriv") is None:
            pytest.skip("PostgreSQL does not run as root, and there is no setpriv")
        who = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        folder = Path("/tmp") / f"emotrace-postgres-{os.getpid()}"
        folder.mkdir(mode=0o700)
        shutil.chown(folder, "postgres", "postgres")
    run = {"check": True, "capture_output": True, "cwd": "/", "timeout": 60}
    subprocess.run([*who, binaries / "initdb", "-D", folder / "db", "-U", "tester", "-A", "trust", "-N"], **run)
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    control = [*who, binaries / "pg_ctl", "-D", folder / "db", "-w"]
    subprocess.run([*control, "-l", folder / "log", "-o", options, "start"], **run)
    try:
        yield f"postgresql://tester@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], **run)
        shutil.rmtree(folder)
