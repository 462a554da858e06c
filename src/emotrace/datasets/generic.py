"""Any corpus: a table with one row per clip, or folders named after the labels.

    table    CSV with id (or name, clip_id) and path, label; and where known split, fold, group, text, language, value,
             frames (their number), start_seconds, end_seconds. `path` is relative to the table.
    folder   <split>/<label>/<clip> or <label>/<clip>, a clip being a media file or a folder of frames

Labels are read by a scheme that you name; without one, the labels that occur, sorted, are the scheme.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from emotrace.datasets.corpus import Corpus, Record
from emotrace.datasets.example import AUDIO_SUFFIXES, IMAGE_SUFFIXES, VIDEO_SUFFIXES
from emotrace.datasets.tables import number, read_rows, span_of
from emotrace.errors import CorpusNotFound, UnreadableTable
from emotrace.labels.label_scheme import LabelScheme
from emotrace.labels.schemes import scheme

TABLES = ("table.csv", "clips.csv", "labels.csv", "label.csv")
_ID_COLUMNS = ("id", "name", "clip_id")


class Generic(Corpus):
    """A table or a folder tree.

    Args:
        root: The folder that holds the table or the label folders.
        table: Name of the table in it; by default one of `TABLES`, where it exists.
        labels: Name of the label scheme; by default the labels that occur.
        outside: Allows paths that leave the folder: absolute ones, and those with `..`.

    Raises:
        CorpusNotFound: The folder, or a table that was named, does not exist.
    """

    name: ClassVar[str] = "generic"
    scheme_name: ClassVar[str] = "generic"
    may_leave_machine: ClassVar[bool] = True
    group_is: ClassVar[str | None] = "group"

    def __init__(
        self, root: str | Path, *, table: str | None = None, labels: str | None = None, outside: bool = False
    ) -> None:
        super().__init__(root)
        self.outside = outside
        there = [self.root / name for name in ((table,) if table else TABLES) if (self.root / name).is_file()]
        if table and not there:
            raise CorpusNotFound("this table is not there", where=self.root / table)
        self.table = there[0] if there else None
        self._named = labels

    @cached_property
    def scheme(self) -> LabelScheme:
        """The scheme that was named, or the labels that occur."""
        if self._named is not None:
            return scheme(self._named)
        labels = tuple(sorted({record.label for record in self.records() if record.label is not None}))
        return LabelScheme(name="generic", labels=labels, concepts=labels, source="the labels that occur in the corpus")

    def records(self) -> Iterator[Record]:
        """The rows of the table, or the clips of the folders."""
        return self._rows(self.table) if self.table else self._folders()

    def _rows(self, table: Path) -> Iterator[Record]:
        for row in read_rows(table, "path"):
            name = next((row[column] for column in _ID_COLUMNS if row.get(column)), None)
            if name is None:
                raise UnreadableTable(f"a row lacks one of the columns {', '.join(_ID_COLUMNS)}", where=table)
            value, frames = number(row.get("value"), where=table), number(row.get("frames"), where=table)
            split = row.get("split") or "all"
            yield Record(
                id=name,
                split=f"{row['fold']}/{split}" if row.get("fold") else split,
                media=self.root / row["path"],
                label=row.get("label") or None,
                values={} if value is None else {"value": value},
                group=row.get("group") or None,
                text=row.get("text") or None,
                language=row.get("language") or None,
                span=span_of(row.get("start_seconds"), row.get("end_seconds"), where=table),
                frames_listed=None if frames is None else int(frames),
            )

    def _folders(self) -> Iterator[Record]:
        found = False
        for outer in _folders_in(self.root):
            inner = _folders_in(outer)
            deep = [(outer.name, label) for label in inner if not _is_frames(label)]
            for split, label in deep or [("all", outer)]:
                for clip in _clips_in(label):
                    found = True
                    name = clip.relative_to(self.root).with_suffix("" if clip.is_file() else clip.suffix).as_posix()
                    yield Record(id=name, split=split, media=clip, label=label.name)
        if not found:
            raise CorpusNotFound(
                "neither a table nor folders named after labels are there",
                where=self.root,
                hint=f"Put a table there ({', '.join(TABLES)}) or name one",
            )


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_frames(folder: Path) -> bool:
    return any(path.suffix.casefold() in IMAGE_SUFFIXES for path in folder.iterdir())


def _clips_in(folder: Path) -> list[Path]:
    suffixes = VIDEO_SUFFIXES | AUDIO_SUFFIXES
    return sorted(
        path
        for path in folder.iterdir()
        if (path.is_file() and path.suffix.casefold() in suffixes) or (path.is_dir() and _is_frames(path))
    )
