"""What the tests of traces share: small clips that are generated."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emotrace.testing.synthetic import Bars, Caption, Tone, write_clip

SAID = "I have never seen anything like that before"


@pytest.fixture
def small_clip(tmp_path: Path) -> Path:
    """One second of bars and a tone, with a caption."""
    path = write_clip(
        tmp_path / "happy_0042.mp4",
        pictures=[Bars(width=64, height=48)],
        sounds=[Tone(duration_seconds=1.0)],
        captions=[Caption(text=SAID, start_seconds=0.0, end_seconds=0.9)],
    )
    assert path.is_file()
    return path


@pytest.fixture(scope="session")
def write_wav() -> Callable[..., Path]:
    """Writes a tenth of a second of sound, and beside it what is said; every number gives other bytes."""

    def write(path: Path, number: int, said: str | None = None) -> Path:
        samples = np.full(1600, number, "<i2")
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(samples.tobytes())
        if said is not None:
            path.with_suffix(".txt").write_text(said, encoding="utf-8")
        return path

    return write
