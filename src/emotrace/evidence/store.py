"""Traces kept once per clip, provider and prompt: JSON lines that only grow, and go on where a killed run stopped.

A trace is any record that knows its key and what it was made from. One made from something else (other frames, another
model) gets a line of its own; no line is ever changed. Each line is written in one piece behind a lock, so that several
processes may share a file; what a killed process left of its last line is cut off before the next one is written. The
records stay on disk: in memory is only where they lie. Threads may share a store.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar, runtime_checkable

from emotrace.errors import UnreadableTrace, UnwritableOutput
from emotrace.files import make_folder

try:
    import fcntl
except ImportError:  # Windows: one writer at a time
    fcntl = None  # type: ignore[assignment]

MAX_LINE_BYTES: Final = 16 * 2**20
"""No trace of one clip is near this size."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TraceKey:
    """What a trace is about, and who was asked what."""

    clip_id: str
    """A hash: never a name, which may spell the label."""
    provider: str
    prompt_sha256: str


@runtime_checkable
class Trace(Protocol):
    """What a store can hold."""

    @property
    def key(self) -> TraceKey:
        """Clip, provider, prompt."""
        ...

    @property
    def made_from(self) -> Mapping[str, str]:
        """What else the record depends on, by name: hashes of the frames, of the model, of a word list ..."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        ...


TraceT = TypeVar("TraceT", bound=Trace)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    start: int
    length: int
    made_from: frozenset[tuple[str, str]]


class TraceStore(Generic[TraceT]):
    """The traces of one file, which need not exist yet.

    Args:
        path: A `.jsonl` file.
        read: The record of a line's values; the inverse of `to_dict`.

    Raises:
        UnreadableTrace: A line that is no trace, other than an unfinished last one.
    """

    def __init__(self, path: str | Path, read: Callable[[Mapping[str, Any]], TraceT]) -> None:
        self.path = Path(path)
        self._read = read
        self._places: dict[TraceKey, list[_Place]] = {}
        self._end = 0
        self._lines = 0
        self._lock = threading.Lock()
        self._catch_up()

    def __len__(self) -> int:
        """How many lines there are."""
        return self._lines

    def __contains__(self, key: object) -> bool:
        return key in self._places

    def __iter__(self) -> Iterator[TraceT]:
        """The newest trace of each key, in the order in which the keys first came."""
        for places in list(self._places.values()):
            yield self._at(places[-1])

    def get(self, key: TraceKey, made_from: Mapping[str, str] | None = None) -> TraceT | None:
        """The newest trace of a key, or the newest made from just this; None where there is none."""
        places = self._places.get(key, [])
        if made_from is not None:
            wanted = frozenset(made_from.items())
            places = [place for place in places if place.made_from == wanted]
        return self._at(places[-1]) if places else None

    def history(self, key: TraceKey) -> list[TraceT]:
        """Every trace of a key, oldest first."""
        return [self._at(place) for place in self._places.get(key, [])]

    def append(self, trace: TraceT) -> bool:
        """Adds a line, unless the same key has one that was made from the same; returns whether it did.

        Raises:
            UnwritableOutput: The line cannot be written; the file is as it was.
        """
        line = json.dumps(trace.to_dict(), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if len(line) > MAX_LINE_BYTES:
            raise UnwritableOutput(f"a trace of {len(line)} bytes is longer than a line may be", where=self.path)
        make_folder(self.path.parent)
        try:
            with self._lock, self._locked() as file:
                self._catch_up()
                if any(place.made_from == _items(trace) for place in self._places.get(trace.key, [])):
                    return False
                self._mend(file)
                self._write(file, line)
                self._note(trace, len(line))
        except OSError as error:
            raise UnwritableOutput(f"cannot be written ({error.strerror})", where=self.path) from error
        return True

    @contextmanager
    def _locked(self) -> Iterator[int]:
        file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
            yield file
        finally:
            os.close(file)

    def _mend(self, file: int) -> None:
        """Cuts off what a killed process left behind the last whole line."""
        if os.fstat(file).st_size > self._end:
            os.ftruncate(file, self._end)

    def _write(self, file: int, line: bytes) -> None:
        written = 0
        try:
            while written < len(line):
                written += os.write(file, line[written:])
        except OSError:
            os.ftruncate(file, self._end)
            raise

    def _catch_up(self) -> None:
        """Takes note of whole lines that were added since the last look, by this process or another."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._end)
            while (line := file.readline(MAX_LINE_BYTES + 1)).endswith(b"\n"):
                self._note(self._parsed(line), len(line))
            if len(line) > MAX_LINE_BYTES:
                raise UnreadableTrace(f"line {self._lines + 1} is longer than a trace", where=self.path)

    def _note(self, trace: TraceT, length: int) -> None:
        place = _Place(start=self._end, length=length, made_from=_items(trace))
        self._places.setdefault(trace.key, []).append(place)
        self._end += length
        self._lines += 1

    def _at(self, place: _Place) -> TraceT:
        with self.path.open("rb") as file:
            file.seek(place.start)
            return self._parsed(file.read(place.length))

    def _parsed(self, line: bytes) -> TraceT:
        try:
            return self._read(json.loads(line))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise UnreadableTrace(
                f"line {self._lines + 1} is no trace ({type(error).__name__}: {error})",
                where=self.path,
                hint="Remove the line, or use another file",
            ) from error


def _items(trace: Trace) -> frozenset[tuple[str, str]]:
    return frozenset(trace.made_from.items())
