"""Labelled files: a table with path, label and, where known, who it is; labels meet a head's own by name.

    path,label,speaker        other names of the columns are known: file; emotion, expression; person, id, subject
    clips/a.wav,happy,03

Paths are relative to the table. Several labels of one row stand apart by commas or semicolons.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from emotrace.datasets.tables import read_lines, read_rows
from emotrace.errors import CorpusNotFound, UnknownLabel, UnreadableTable, UsageError
from emotrace.labels.label_scheme import LabelScheme
from emotrace.labels.mapping import map_labels
from emotrace.labels.schemes import CONCEPTS, scheme
from emotrace.labels.splitting import split_labels
from emotrace.labels.wheel import affect_of

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "path": ("path", "file", "filename", "clip", "name"),
    "text": ("text", "sentence", "utterance"),
    "label": ("label", "labels", "emotion", "expression"),
    "group": ("speaker", "person", "subject", "group", "id"),
}
"""What a column may be called, the first one that is there."""


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One row of the table."""

    content: str
    """The file's path, or the text itself."""
    labels: tuple[str, ...]
    """As the head calls them."""
    group: str | None
    """Who it is: resampled as a whole, since two recordings of one person are no two people."""


def read_labelled(
    table: Path, *, content: str, head_scheme: str, only: Mapping[str, str] | None = None
) -> tuple[Labelled, ...]:
    """The rows of a table, or of the one table in a folder.

    Args:
        table: A csv or tsv file with a header, or a folder that holds one.
        content: `path` or `text`.
        head_scheme: The label scheme of the head that will be checked.
        only: Column -> the value that its rows must have.

    Raises:
        CorpusNotFound: No such table, several in the folder, or a file that a row names is not there.
        UnreadableTable: A column is missing, or a row has no label; the message says which.
        UnknownLabel: A label that the head has no name for; the message lists those it has.
        UsageError: `only` names no column, or leaves nothing.
    """
    file = _the_table(table)
    rows = list(_rows(file))
    header = list(rows[0]) if rows else []
    columns = {what: _column(header, what, file) for what in (content, "label")}
    group = next((name for name in COLUMNS["group"] if name in header and name not in columns.values()), None)
    for name in only or {}:
        if name not in header:
            raise UsageError(f"the table has no column {name!r}", where=file, hint=f"It has: {', '.join(header)}")
    chosen = [row for row in rows if all(row[name] == value for name, value in (only or {}).items())]
    if not chosen:
        raise UsageError("no row is left to score", where=file)
    named = _Names(head_scheme, file)
    return tuple(
        Labelled(
            content=_found(file, row[columns["path"]]) if content == "path" else row[columns["text"]],
            labels=named.of(row[columns["label"]], number),
            group=row[group] if group else None,
        )
        for number, row in enumerate(chosen, start=1)
    )


def _the_table(table: Path) -> Path:
    if not table.is_dir():
        return table
    found = sorted(path for path in table.iterdir() if path.suffix.lower() in (".csv", ".tsv"))
    fitting = [path for path in found if _fits(path)]
    if len(fitting) != 1:
        names = ", ".join(path.name for path in fitting) or "none"
        raise CorpusNotFound(f"the folder needs one table with paths and labels, it has {names}", where=table)
    return fitting[0]


def _fits(path: Path) -> bool:
    header = next(iter(read_lines(path)), "").replace("\t", ",").split(",")
    names = {name.strip().strip('"').lower() for name in header}
    return any(name in names for name in COLUMNS["label"]) and any(
        name in names for name in (*COLUMNS["path"], *COLUMNS["text"])
    )


def _rows(file: Path) -> Iterator[dict[str, str]]:
    if file.suffix.lower() != ".tsv":
        yield from ({name.lower(): cell for name, cell in row.items()} for row in read_rows(file))
        return
    lines = csv.reader(read_lines(file), delimiter="\t", quoting=csv.QUOTE_NONE)
    header = [name.strip().lower() for name in next(lines, [])]
    for number, cells in enumerate(lines, start=2):
        if len(cells) != len(header):
            raise UnreadableTable(f"line {number} has {len(cells)} fields, the header {len(header)}", where=file)
        yield dict(zip(header, cells, strict=True))


def _column(header: Sequence[str], what: str, file: Path) -> str:
    found = next((name for name in COLUMNS[what] if name in header), None)
    if found is None:
        known = ", ".join(COLUMNS[what])
        raise UnreadableTable(f"no column for the {what}: one of {known}; it has {', '.join(header)}", where=file)
    return found


def _found(file: Path, named: str) -> str:
    path = file.parent / named
    if not path.is_file():
        raise CorpusNotFound(f"{named} is not there", where=file, hint="Paths are relative to the table")
    return str(path)


class _Names:
    """From what a table writes to what a head calls it, by name."""

    def __init__(self, head_scheme: str, file: Path) -> None:
        self._head, self._file = scheme(head_scheme), file
        self._known: dict[str, str] = {}

    def of(self, cell: str, row: int) -> tuple[str, ...]:
        words = split_labels(cell) if cell else []
        if not words:
            raise UnreadableTable(f"row {row} has no label", where=self._file)
        return tuple(dict.fromkeys(self._label(word, row) for word in words))

    def _label(self, written: str, row: int) -> str:
        if written not in self._known:
            self._known[written] = self._look_up(written, row)
        return self._known[written]

    def _look_up(self, written: str, row: int) -> str:
        if written.lower() in self._head.labels:
            return written.lower()
        word = written.lower()
        for concept in filter(None, (CONCEPTS.get(word, word), affect_of(word))):
            one = LabelScheme(name="table", labels=(concept,), concepts=(concept,), source="a table of the user's")
            becomes = map_labels(one, self._head).apply(concept, allow_loss=True)
            if becomes is not None:
                return becomes
        raise UnknownLabel(
            f"row {row}: this head has no label for {written!r}",
            where=self._file,
            hint=f"It knows: {', '.join(self._head.labels)}. Leave such rows out with --only, or rename them",
        )
