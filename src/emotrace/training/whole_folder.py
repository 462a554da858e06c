"""A folder that is there whole or not at all: the new one takes the old one's place only when all of it is written.

The old folder steps aside as `.<name>.old` for the moment between two renames; a reader who comes just then, or after a
kill just then, is sent there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from emotrace.errors import UnwritableOutput


def standing(folder: Path) -> Path:
    """Where the folder is to be read: its old version where the new one has not taken its place."""
    old = _beside(folder, "old")
    return old if old.is_dir() and not folder.exists() else folder


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
    """Gives an empty folder to fill, which then takes the place of `folder`. An error inside leaves that as it was.

    Raises:
        UnwritableOutput: The disk is full, or the place is closed.
    """
    part, old = _beside(folder, "part"), _beside(folder, "old")
    try:
        if standing(folder) == old:
            old.rename(folder)
        for leftover in (part, old):
            if leftover.exists():
                shutil.rmtree(leftover)
        part.mkdir(parents=True)
        yield part
        _flush(part)
        if folder.exists():
            folder.rename(old)
        part.rename(folder)
        shutil.rmtree(old, ignore_errors=True)  # the next call tries again
    except OSError as error:
        if isinstance(error, UnwritableOutput):
            raise
        reason = f"the folder cannot be written ({error.strerror or error})"
        raise UnwritableOutput(
            reason, where=folder, hint="Choose a folder that you may write to, and make room"
        ) from error


def _beside(folder: Path, purpose: str) -> Path:
    return folder.with_name(f".{folder.name}.{purpose}")


def _flush(folder: Path) -> None:
    """Sees to it that the bytes are on the disk before the names are: else a power cut leaves empty files."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb+") as file:
                os.fsync(file.fileno())
