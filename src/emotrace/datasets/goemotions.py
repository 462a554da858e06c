"""GoEmotions: Reddit comments with 27 emotions and neutral, several of which may hold (CC BY 4.0, arXiv 2005.00547).

    train.tsv, dev.tsv     comment, label numbers with commas between, comment id; no header

The owners' third list, `test.tsv`, is kept for a last comparison: nothing here opens it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from emotrace.datasets.tables import read_lines
from emotrace.errors import DuplicateName, UnreadableTable
from emotrace.labels.schemes import scheme

Part = Literal["train", "dev"]

NAMES: tuple[str, ...] = scheme("goemotions").labels
"""All 28 labels in the order of their numbers."""
EMOTIONS: tuple[str, ...] = tuple(name for name in NAMES if name != "neutral")
"""The 27 labels that are emotions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Comment:
    """One comment with what its readers marked."""

    id: str
    text: str
    labels: tuple[str, ...]
    part: Part


def read_goemotions(folder: Path, parts: Sequence[Part] = ("train", "dev")) -> tuple[Comment, ...]:
    """The comments of some parts, in the owners' order.

    Raises:
        CorpusNotFound: A list is not in the folder.
        UnreadableTable: A line without three fields, an empty id, or a label number out of range; the message names it.
        DuplicateName: A comment that stands in the lists twice.
    """
    seen: dict[str, Part] = {}
    comments = []
    for part in parts:
        for comment in _read(folder / f"{part}.tsv", part):
            if comment.id in seen:
                raise DuplicateName(
                    f"comment {comment.id!r} stands here and in {seen[comment.id]}.tsv", where=folder / f"{part}.tsv"
                )
            seen[comment.id] = part
            comments.append(comment)
    return tuple(comments)


def with_one_emotion(comments: Sequence[Comment]) -> tuple[Comment, ...]:
    """The comments with exactly one label that is not neutral."""
    return tuple(comment for comment in comments if len(comment.labels) == 1 and comment.labels[0] in EMOTIONS)


def _read(path: Path, part: Part) -> Iterator[Comment]:
    for number, line in enumerate(read_lines(path), start=1):
        fields = line.split("\t")
        if len(fields) != 3 or not fields[2].strip():
            raise UnreadableTable(f"comment {number} has {len(fields)} fields; needed: text, labels, id", where=path)
        text, numbers, name = fields
        yield Comment(id=name.strip(), text=text, labels=_labels(numbers, number, path), part=part)


def _labels(numbers: str, line: int, path: Path) -> tuple[str, ...]:
    codes = [code.strip() for code in numbers.split(",")]
    if any(not code.isascii() or not code.isdigit() or int(code) >= len(NAMES) for code in codes):
        raise UnreadableTable(
            f"comment {line} has labels {numbers!r}; they are numbers from 0 to {len(NAMES) - 1}", where=path
        )
    return tuple(NAMES[int(code)] for code in codes)
