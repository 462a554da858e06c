"""Miniature corpora need hundreds of small files: they are written to memory where the machine has such a folder."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that goes away, in memory if possible."""
    memory = Path("/dev/shm")
    fast = memory if memory.is_dir() and os.access(memory, os.W_OK) else None
    with tempfile.TemporaryDirectory(dir=fast) as name:
        yield Path(name)
