"""What has become of each input: JSON lines that grow while a batch runs, and are sorted when it is through.

The line of a result is on disk before the result is (with the result's hash), so whatever is there has its line, and a
line without its result says that the work has to be done. A last line that a killed run left unfinished is cut off.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from emotrace.batch.work import Facts, Failure
from emotrace.errors import UnreadableTable, UnwritableOutput
from emotrace.files import write_atomically


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One input. Nothing in it depends on the clock, or on how often the batch was interrupted."""

    id: str
    path: str
    state: Literal["done", "failed"]
    sha256: str | None = None
    """Of the file; None where it could not be read."""
    key: str | None = None
    """Of the file and its words."""
    settings: str
    """Hash of all else that the result depends on."""
    same_as: str | None = None
    """The id of the input whose result this is too, being of the same bytes and words."""
    result: str | None = None
    """File name in `results/`."""
    result_sha256: str | None = None
    report: str | None = None
    report_sha256: str | None = None
    facts: Facts | None = None
    failure: Failure | None = None

    def to_line(self) -> bytes:
        """The entry as a line. What is no Unicode in a file's name is escaped, so that it can be read back."""
        values = asdict(self)
        text = json.dumps(values, ensure_ascii=False, separators=(",", ":"))
        try:
            return text.encode() + b"\n"
        except UnicodeEncodeError:
            return json.dumps(values, separators=(",", ":")).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> Entry:
        """The inverse of `to_line`. Raises `ValueError`, `TypeError` or `KeyError` for anything else."""
        values: dict[str, Any] = json.loads(line)
        facts, failure = values.pop("facts"), values.pop("failure")
        if set(values) | {"facts", "failure"} != {each.name for each in fields(cls)}:
            raise ValueError("other fields than an entry has")
        if facts is not None:
            facts = Facts(**{**facts, "labels": tuple(facts["labels"])})
        return cls(**values, facts=facts, failure=None if failure is None else Failure(**failure))


class Manifest:
    """The entries of a folder's inputs. One process at a time may hold one: see `Folder`.

    Args:
        path: A `.jsonl` file, which need not exist.

    Raises:
        UnreadableTable: A line other than an unfinished last one is no entry.
    """

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self.entries: dict[str, Entry] = {}
        """Id -> what became of it last."""
        self.files: set[str] = set()
        """Every result and report that was ever begun, so that those which were replaced can be removed."""
        self._by_work: dict[tuple[str, str], Entry] = {}
        self._end = 0
        if path.exists():
            self._read()

    def find(self, key: str, settings: str) -> Entry | None:
        """The newest entry of any input of this content under these settings."""
        return self._by_work.get((key, settings))

    def append(self, *entries: Entry) -> None:
        """Adds lines, and returns when they are on disk.

        Raises:
            UnwritableOutput: They cannot be written; the file is as it was.
        """
        data = b"".join(entry.to_line() for entry in entries)
        try:
            with self.path.open("ab", buffering=0) as file:
                file.truncate(self._end)
                try:
                    written = 0
                    while written < len(data):
                        written += file.write(data[written:])
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(self._end)
                    raise
        except OSError as error:
            raise UnwritableOutput(
                f"cannot be written ({error.strerror})", where=self.path, hint="Make room, and run the batch again"
            ) from error
        self._end += len(data)
        for entry in entries:
            self._note(entry)

    def finish(self, entries: Iterable[Entry]) -> None:
        """Puts exactly these in the place of all lines, sorted by id.

        Raises:
            UnwritableOutput: It cannot be written; the file is as it was.
        """
        in_order = sorted(entries, key=lambda each: each.id)
        write_atomically(self.path, b"".join(each.to_line() for each in in_order))

    def _read(self) -> None:
        with self.path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    return
                try:
                    self._note(Entry.from_line(line))
                except (ValueError, TypeError, KeyError, AttributeError) as error:
                    raise UnreadableTable(
                        f"line {number} is no entry of a batch ({type(error).__name__}: {error})",
                        where=self.path,
                        hint="Remove the line: what it spoke of is done again. Or use another folder",
                    ) from None
                self._end += len(line)

    def _note(self, entry: Entry) -> None:
        self.entries[entry.id] = entry
        self.files |= {name for name in (entry.result, entry.report) if name is not None}
        if entry.key is not None:
            self._by_work[entry.key, entry.settings] = entry
