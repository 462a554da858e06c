"""A table of descriptions: clips by name, what was written of them, what is said in them, and the gold words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotrace.datasets.leaks import OlderTest
from emotrace.errors import LeakError, first_five
from emotrace.hydra.coldstart.captions import MOST_CHARACTERS
from emotrace.labels.splitting import split_labels
from emotrace.metrics.answer_files import TRUTH_COLUMNS, read_answers


@dataclass(frozen=True, kw_only=True)
class Described:
    """One clip of the table."""

    name: str
    caption: str
    subtitle: str
    gold: tuple[str, ...]

    @property
    def clip_id(self) -> str:
        """SHA-256 of the name: there are no bytes to hash."""
        return hashlib.sha256(self.name.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class CaptionTable:
    """What can be made sheets of, and why the rest cannot."""

    clips: tuple[Described, ...]
    left_out: Mapping[str, int]
    sha256: str
    """Of the file."""


def read_captions(path: Path, *, older: Iterable[OlderTest] = ()) -> CaptionTable:
    """The clips of a csv, tsv or jsonl table that have a description and gold words.

    Columns are `name`, `caption`, `labels` (or another name that tables of truth have, such as `openset`), and perhaps
    `subtitle`.

    Raises:
        UnreadableTable, DuplicateName: It is damaged, lacks a column, or names a clip twice.
        LeakError: A clip is one of an older test, by name.
    """
    table = read_answers(path)
    caption = table.column("caption", (), what="descriptions")
    labels = table.column(None, ("labels", *TRUTH_COLUMNS), what="gold words")
    tested = frozenset[str]().union(*(test.names for test in older))
    if shared := [name for name in table.rows if name in tested or Path(name).stem in tested]:
        raise LeakError(
            f"clips to be taught stand in a test: {first_five(shared)}",
            hint="Take them out of the table: a score on that test would be no test",
        )
    clips: list[Described] = []
    left_out = {"no caption": 0, "no label": 0, "too long": 0}
    for name, row in table.rows.items():
        clip = Described(
            name=name,
            caption=_text(row.get(caption)),
            subtitle=_text(row.get("subtitle")),
            gold=_words(row.get(labels)),
        )
        if why := _unfit(clip):
            left_out[why] += 1
        else:
            clips.append(clip)
    return CaptionTable(clips=tuple(clips), left_out=left_out, sha256=table.sha256)


def _unfit(clip: Described) -> str | None:
    """Why no sheet can be made of a clip, or none is of use."""
    if not clip.caption:
        return "no caption"
    if not clip.gold:
        return "no label"
    return "too long" if len(clip.caption) + len(clip.subtitle) > MOST_CHARACTERS else None


def _text(cell: object) -> str:
    """A cell's text, single-spaced; empty where there is none."""
    return " ".join(cell.split()) if isinstance(cell, str) else ""


def _words(cell: object) -> tuple[str, ...]:
    """Gold words of a cell: a list, or text that is split as the field does."""
    if isinstance(cell, str):
        return tuple(dict.fromkeys(split_labels(cell.strip())))
    listed: Sequence[object] = cell if isinstance(cell, list) else ()
    return tuple(dict.fromkeys(word.strip() for word in listed if isinstance(word, str) and word.strip()))
