"""What `verify` reports: one `Finding` per check, a hash per split, and the whole as `VerifyReport`."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.errors import UnknownLabel, UnreadableTable

Level = Literal["ok", "note", "fault", "skipped"]
REPORT_SCHEMA: Literal["emotrace.verify/1"] = "emotrace.verify/1"
EXAMPLES = 5


class Frozen(BaseModel):
    """Base of what is written: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Finding(Frozen):
    """The outcome of one check."""

    check: str
    level: Level
    """`fault`: numbers from this copy cannot be compared. `note`: known or by design, and worth saying."""
    count: int
    """How many times it was found; 0 where it was not."""
    examples: tuple[str, ...]
    """The first five, in the order of the lists."""
    text: str
    """What was found, or what was checked."""


class SplitSummary(Frozen):
    """One split of the copy."""

    clips: int
    labels: dict[str, int]
    """Label -> clips, in the scheme's order."""
    sha256: str
    """Of the sorted lines `id <tab> labels and values`: two copies with the same hash ask the same question."""


class VerifyReport(Frozen):
    """What was found in one copy of one corpus."""

    schema_version: Literal["emotrace.verify/1"] = REPORT_SCHEMA
    emotrace: str
    corpus: str
    label_scheme: str
    published_source: str | None
    splits: dict[str, SplitSummary]
    sha256: str
    """Of all splits' hashes: the one number to quote with a result."""
    findings: tuple[Finding, ...]

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that make the copy unfit as it is."""
        return tuple(finding for finding in self.findings if finding.level == "fault")

    @property
    def clean(self) -> bool:
        """Whether no check found a fault."""
        return not self.faults

    def to_json(self) -> str:
        """The report as JSON text, the same for the same files and settings."""
        return self.model_dump_json(indent=1) + "\n"

    @classmethod
    def from_file(cls, path: Path) -> VerifyReport:
        """A report that was written before.

        Raises:
            UnreadableTable: Absent, or not such a report.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, ValidationError):
            raise UnreadableTable(
                f"not a report of schema {REPORT_SCHEMA}", where=path, hint="Write one with `emotrace verify --json`"
            ) from None

    def as_published(self) -> Published:
        """The counts of this report, for another copy to be compared with."""
        return Published(
            clips={name: split.clips for name, split in self.splits.items()},
            classes={name: split.labels for name, split in self.splits.items() if split.labels},
            source="an earlier report",
        )


def found(check: str, problems: Sequence[str], *, bad: str, good: str, level: Level = "fault") -> Finding:
    """A finding from the list of problems: `ok` where there are none."""
    if not problems:
        return Finding(check=check, level="ok", count=0, examples=(), text=good)
    return Finding(check=check, level=level, count=len(problems), examples=tuple(problems[:EXAMPLES]), text=bad)


def skipped(check: str, why: str) -> Finding:
    """A check that was not made, and why."""
    return Finding(check=check, level="skipped", count=0, examples=(), text=why)


def by_split(records: Iterable[Record]) -> dict[str, list[Record]]:
    """The records of each split, in the order of the lists."""
    parts: dict[str, list[Record]] = {}
    for record in records:
        parts.setdefault(record.split, []).append(record)
    return parts


def labels_of(corpus: Corpus, record: Record) -> tuple[str, ...]:
    """The record's labels; one that the scheme lacks stands as it is written, after a question mark."""
    if record.label is None:
        return ()
    try:
        return corpus.scheme.read(record.label)
    except UnknownLabel:
        return (f"?{record.label}",)


def summarise(corpus: Corpus, records: Sequence[Record]) -> SplitSummary:
    """Counts and hash of one split."""
    counts: Counter[str] = Counter()
    lines = []
    for record in records:
        labels = labels_of(corpus, record)
        counts.update(labels)
        values = (f"{name}={value!r}" for name, value in sorted(record.values.items()))
        lines.append(f"{record.id}\t{'|'.join((*sorted(labels), *values))}\n")
    order = {label: place for place, label in enumerate(corpus.scheme.labels)}
    ordered = sorted(counts, key=lambda label: (order.get(label, len(order)), label))
    return SplitSummary(
        clips=len(records),
        labels={label: counts[label] for label in ordered},
        sha256=hashlib.sha256("".join(sorted(lines)).encode()).hexdigest(),
    )


def hash_of(corpus: Corpus, splits: Mapping[str, SplitSummary]) -> str:
    """One hash for the corpus, its scheme and all its splits."""
    scheme = f"{corpus.scheme.name}\t{'|'.join(corpus.scheme.labels)}\n"
    lines = (f"{name}\t{split.sha256}\n" for name, split in sorted(splits.items()))
    return hashlib.sha256((scheme + "".join(lines)).encode()).hexdigest()
