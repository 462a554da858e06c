"""A folder of small sounds, and workers that work in this process."""

from __future__ import annotations

import wave
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.batch.job import Job

SETTINGS = {"rate_hz": 5.0, "max_duration_seconds": 7200.0, "use_video": True, "use_audio": True}


def write_tone(path: Path, pitch_hz: float, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(16_000 * seconds)) / 16_000
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes((8000 * np.sin(2 * np.pi * pitch_hz * time)).astype("<i2").tobytes())
    return path


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Six files: four tones, the first of them twice, and one that is no media."""
    folder = tmp_path / "clips"
    for number in range(4):
        write_tone(folder / f"{number}.wav", 300 + 20 * number)
    write_tone(folder / "below" / "twin.wav", 300)
    (folder / "broken.mp4").write_bytes(b"not a film at all")
    return folder


@pytest.fixture
def job() -> Job:
    return Job(options=dict(SETTINGS))


class Here:
    """Workers that are none: each task is done at once, in this process."""

    done: list[str]

    def __init__(self, work: Callable[[Any], Any], count: int) -> None:
        self._work = work

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def run(self, tasks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for task in tasks:
            Here.done.append(task.id)
            yield task, self._work(task)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> type[Here]:
    """Puts `Here` in the place of processes; `here.done` are the ids that were worked on, in their order."""
    Here.done = []
    monkeypatch.setattr("emotrace.batch.run.LocalWorkers", Here)
    return Here


def files_of(folder: Path) -> dict[str, bytes]:
    """All bytes of a batch's folder, but the log of times and the lock."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.name not in ("log.jsonl", ".lock", ".rate")}


@pytest.fixture
def same() -> Callable[[Path, Path], None]:
    """Asserts that two batches' folders hold the same bytes."""

    def compare(one: Path, other: Path) -> None:
        first, second = files_of(one), files_of(other)
        assert sorted(first) == sorted(second)
        assert [name for name in first if first[name] != second[name]] == []

    return compare
