"""Locks that end with the process that holds them, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


@contextmanager
def locked(path: Path, *, wait: bool) -> Iterator[int]:
    """Holds the lock of a file, which is made if it is not there; gives its open descriptor.

    Args:
        path: The file. What is in it does not matter to the lock.
        wait: Whether to wait for whoever holds it.

    Raises:
        BlockingIOError: Somebody else holds it, and we were not to wait.
        OSError: The file cannot be opened.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)  # not inherited by children
    try:
        _lock(file, wait=wait)
        yield file
    finally:
        os.close(file)


if sys.platform == "win32":

    def _lock(file: int, *, wait: bool) -> None:
        try:
            msvcrt.locking(file, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(*error.args) from None

else:

    def _lock(file: int, *, wait: bool) -> None:
        fcntl.flock(file, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
