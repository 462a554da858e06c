"""Small sounds for the commands."""

from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def write_wav() -> Callable[..., Path]:
    """Writes a tenth of a second of sound, and beside it what is said; every number gives other bytes."""

    def write(path: Path, number: int, said: str | None = None) -> Path:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(16_000)
            file.writeframes(np.full(1600, number, "<i2").tobytes())
        if said is not None:
            path.with_suffix(".txt").write_text(said, encoding="utf-8")
        return path

    return write
