"""The queue and its workers: bounded, and one bad file never takes another with it."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emotrace.server.settings import Limits

if TYPE_CHECKING:
    from conftest import Client, Start

ROOMY = Limits(analysis_seconds=60.0, queue=3, uploads=100)
BUSY = {"rate_hz": "30"}


def children() -> set[int]:
    """Processes of this one that run a worker."""
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == os.getpid() and b"emotrace.server.worker" in (path / "cmdline").read_bytes():
                found.add(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def running(client: Client, path: str) -> None:
    client.until(path, lambda status: status["progress"]["stage"] == "watching")


@pytest.fixture(scope="module")
def client(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Client:
    before = children()
    with start(tmp_path_factory.mktemp("jobs"), limits=ROOMY) as client:
        client.workers = lambda: children() - before
        yield client


def test_a_hundred_uploads_at_once_are_taken_or_told_to_come_back(client: Client, clip: Path) -> None:
    content = clip.read_bytes()
    with ThreadPoolExecutor(100) as pool:
        answers = [*pool.map(lambda number: client.send(content, name=f"{number}.mp4"), range(100))]
        assert client.get("/healthz").json()["status"] == "ok"
    taken = [answer for answer in answers if answer.status_code == 202]
    assert {answer.status_code for answer in answers} <= {202, 429}
    assert 1 <= len(taken) < 100
    for answer in answers:
        if answer.status_code == 429:
            assert client.error(answer)["code"] in ("queue_full", "too_many_uploads")
            assert 1 <= int(answer.headers["Retry-After"]) <= 600
    for answer in taken:
        path, name = answer.headers["Location"], answer.json()["name"]
        status = client.finished(path)
        assert (status["state"], status["name"], status["result"]["source"]["name"]) == ("done", name, name)


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs to find the worker's process")
def test_a_killed_worker_fails_its_file_alone_and_is_replaced(client: Client, clip: Path, busy_clip: Path) -> None:
    victim = client.accepted(busy_clip, **BUSY)
    running(client, victim)
    bystander = client.accepted(clip)
    assert client.get(bystander).json()["progress"]["position"] == 0
    for pid in client.workers():  # the one that only opens files too
        os.kill(pid, signal.SIGKILL)
    failed = client.finished(victim)
    assert failed["state"] == "failed"
    assert failed["error"]["code"] == "worker_lost"
    assert "SIGKILL" in failed["error"]["message"]
    assert failed["result"] is None
    assert client.get(f"{victim}/report").status_code == 409
    assert client.finished(bystander)["state"] == "done"
    assert client.finished(client.accepted(clip))["state"] == "done"


def test_what_is_deleted_while_it_runs_is_ended_and_gone(client: Client, clip: Path, busy_clip: Path) -> None:
    path, behind = client.accepted(busy_clip, **BUSY), client.accepted(busy_clip, **BUSY)
    running(client, path)
    assert client("DELETE", behind).status_code == 204
    started = time.monotonic()
    assert client("DELETE", path).status_code == 204
    assert time.monotonic() - started < 5
    for gone in (path, behind):
        for part in ("", "/events", "/result", "/report", "/media", "/export?to=csv"):
            assert client.get(gone + part).status_code == 404
        assert client("DELETE", gone).status_code == 404
    assert client.finished(client.accepted(clip))["state"] == "done"


def test_an_analysis_that_takes_too_long_is_ended(start: Start, busy_clip: Path, clip: Path, tmp_path: Path) -> None:
    with start(tmp_path, limits=replace(ROOMY, analysis_seconds=1.0)) as client:
        status = client.finished(client.accepted(busy_clip, **BUSY))
        assert (status["state"], status["error"]["code"]) == ("failed", "took_too_long")
        assert "1 s" in status["error"]["message"]
        assert client.get("/healthz").json()["running"] == 0
