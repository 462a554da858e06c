"""What came of a batch: counts for whoever ran it, and `summary.csv` and `errors.csv` for the folder."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from emotrace.batch.inputs import in_unicode
from emotrace.batch.manifest import Entry

Column = Callable[[Entry], Any]

_SUMMARY: Final[Mapping[str, Column]] = {
    "id": lambda entry: entry.id,
    "path": lambda entry: entry.path,
    "state": lambda entry: entry.state,
    "same_as": lambda entry: entry.same_as,
    "duration_seconds": lambda entry: entry.facts and entry.facts.duration_seconds,
    "persons": lambda entry: entry.facts and entry.facts.persons,
    "labels": lambda entry: entry.facts and " ".join(entry.facts.labels),
    "confidence": lambda entry: entry.facts and entry.facts.confidence,
    "conflict": lambda entry: entry.facts and entry.facts.conflict,
    "abstain": lambda entry: entry.facts and entry.facts.abstain,
    "result": lambda entry: entry.result,
    "sha256": lambda entry: entry.sha256,
    "settings": lambda entry: entry.settings,
    "error": lambda entry: entry.failure and entry.failure.error,
}
_ERRORS: Final[Mapping[str, Column]] = {
    "id": lambda entry: entry.id,
    "path": lambda entry: entry.path,
    "error": lambda entry: entry.failure and entry.failure.error,
    "message": lambda entry: entry.failure and entry.failure.message,
}
_FORMULA_STARTS: Final = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


@dataclass(kw_only=True)
class Progress:
    """How far a batch is; grows while it runs."""

    total: int
    total_bytes: int
    analysed: int = 0
    kept: int = 0
    """Inputs whose result was there already, or was made for another input of the same content."""
    failed: int = 0
    abstained: int = 0
    media_seconds: float = 0.0
    """Of what was analysed now."""
    kept_media_seconds: float = 0.0
    bytes: int = 0
    """Of the inputs that are through."""
    analysed_bytes: int = 0
    seconds: float = 0.0
    """Since the start."""
    labels: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)

    @property
    def done(self) -> int:
        """Inputs with a result."""
        return self.analysed + self.kept

    @property
    def through(self) -> int:
        """Inputs with a result or an error."""
        return self.done + self.failed

    @property
    def times_real_time(self) -> float | None:
        """Seconds of media per second of the run; None before the first result."""
        return self.media_seconds / self.seconds if self.media_seconds and self.seconds else None

    @property
    def seconds_left(self) -> float | None:
        """By the bytes that are left, at the speed of those that were analysed; None before the first."""
        if not self.analysed_bytes:
            return None
        return self.seconds * (self.total_bytes - self.bytes) / self.analysed_bytes

    def count(self, entry: Entry, *, size: int, fresh: bool) -> None:
        """Takes note of an input that is through."""
        self.bytes += size
        self.analysed_bytes += size if fresh else 0
        if entry.failure is not None:
            self.failed += 1
            self.errors[entry.failure.error] += 1
        elif entry.facts is not None:
            self.analysed += fresh
            self.kept += not fresh
            self.abstained += entry.facts.abstained
            self.labels.update(entry.facts.labels)
            self.media_seconds += entry.facts.duration_seconds if fresh else 0.0
            self.kept_media_seconds += 0.0 if fresh else entry.facts.duration_seconds


def summary_csv(entries: Iterable[Entry]) -> str:
    """A row per input."""
    return _csv(_SUMMARY, entries)


def errors_csv(entries: Iterable[Entry]) -> str:
    """A row per input without a result."""
    return _csv(_ERRORS, (entry for entry in entries if entry.failure is not None))


def _csv(columns: Mapping[str, Column], entries: Iterable[Entry]) -> str:
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\r\n")
    writer.writerow(columns)
    for entry in entries:
        writer.writerow([_cell(value(entry)) for value in columns.values()])
    return table.getvalue()


def _cell(value: Any) -> Any:
    """Names of files may hold anything: nothing that a spreadsheet would run."""
    if not isinstance(value, str):
        return value
    value = in_unicode(value)
    return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
