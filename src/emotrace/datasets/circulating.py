"""Lists that others made of a corpus, `path frames index`: which label order they use, and whether their counts hold.

Such lists circulate with published code (DFER-CLIP's, for one), and two groups' index 0 need not be the same class. A
list is compared with the owner's labels under every order that the scheme knows, starting at 0 and at 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from emotrace.datasets.corpus import Corpus, Record
from emotrace.datasets.example import frame_paths, kind_of
from emotrace.datasets.findings import Finding, found, labels_of, skipped
from emotrace.datasets.tables import read_lines
from emotrace.errors import UnreadableTable
from emotrace.labels.label_scheme import OWNER

AGREEMENT = 0.99
"""The share of rows that must fit an order for the list to be said to use it."""


class Row(NamedTuple):
    """One line of a circulating list."""

    path: str
    frames: int | None
    code: int


def read_list(path: Path) -> Iterator[Row]:
    """The lines `path frames index` or `path index` of a list.

    Raises:
        CorpusNotFound: It is absent.
        UnreadableTable: A line is neither.
    """
    for line in read_lines(path):
        place, *numbers = line.strip().rsplit(maxsplit=2) if len(line.split()) > 2 else line.split()
        if not numbers or not all(each.isdigit() for each in numbers):
            raise UnreadableTable(f"expected `path frames index`, got {line.strip()!r}", where=path)
        yield Row(place, int(numbers[0]) if len(numbers) == 2 else None, int(numbers[-1]))


def check_list(corpus: Corpus, records: Sequence[Record], path: Path | None) -> tuple[Finding, Finding]:
    """Which order a list uses, and whether the frames that it counts are on disk."""
    if path is None:
        why = "no circulating list was given; --list takes one"
        return skipped("list_order", why), skipped("list_frames", why)
    known: dict[str, Record] = {}
    for record in records:
        known.setdefault(record.id, record)
    matched: list[tuple[Row, Record]] = []
    strangers: list[str] = []
    for row in read_list(path):
        name = next((name for name in _names(row.path) if name in known), None)
        if name is None:
            strangers.append(f"{row.path}: not in the owner's lists")
        else:
            matched.append((row, known[name]))
    return _order_finding(corpus, matched, strangers), _frames_finding(matched)


def _order_finding(corpus: Corpus, matched: Sequence[tuple[Row, Record]], strangers: Sequence[str]) -> Finding:
    fits: dict[str, list[str]] = {}
    for name in (OWNER, *corpus.scheme.orders):
        order = corpus.scheme.order(name)
        for first in (0, 1):
            misfits = [
                f"{record.id}: index {row.code}, the owner says {'|'.join(labels_of(corpus, record))}"
                for row, record in matched
                if not 0 <= row.code - first < len(order) or (order[row.code - first],) != labels_of(corpus, record)
            ]
            fits[f"{name}, from {first}"] = misfits
    best = min(fits, key=lambda name: len(fits[name]))
    if not matched or len(fits[best]) > (1 - AGREEMENT) * len(matched):
        worst = fits[best] or list(strangers)
        return found("list_order", worst, bad=f"the list fits no known label order (best: {best})", good="")
    problems = [*strangers, *fits[best]]
    return found(
        "list_order",
        problems,
        bad=f"the list uses the order `{best}`, with exceptions",
        good=f"the list uses the order `{best}`",
    )


def _frames_finding(matched: Sequence[tuple[Row, Record]]) -> Finding:
    differ = []
    for row, record in matched:
        if row.frames is not None and kind_of(record.media) == "frames" and record.media.is_dir():
            here = len(frame_paths(record.media))
            if here != row.frames:
                differ.append(f"{record.id}: {here} frames, the list says {row.frames}")
    return found("list_frames", differ, bad="other numbers of frames than the list says", good="as the list says")


def _names(path: str) -> tuple[str, ...]:
    """The ids that a path can stand for: its last part, or its last three as in FERV39k."""
    parts = Path(path).with_suffix("").parts if Path(path).suffix else Path(path).parts
    return "/".join(parts[-3:]), "/".join(parts[-2:]), parts[-1]
