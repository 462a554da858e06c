"""What the MER challenges have in common: `name` columns, clips by name, transcripts, and label files with pickles.

MERTools writes labels twice: as CSV (`name,discrete,valence`) and, after its preprocessing, as `label-6way.npz` whose
members `train_corpus`, `test1_corpus`, ... each hold one pickled dict, name -> {emo, val}. The npz goes through the
restricted reader; valence -10 stands for "not rated". Transcripts are `name,chinese,english` or `name,sentence`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from emotrace.datasets.tables import first_that_exists, number, read_rows
from emotrace.errors import UnreadableTable
from emotrace.labels.pickled import read_npz

NOT_RATED = -10.0
TRANSCRIPTS = ("transcription-engchi-polish.csv", "transcription-merge.csv", "subtitle_chieng.csv", "transcription.csv")


class Labelled(NamedTuple):
    """One clip's label and valence, from either kind of label file."""

    name: str
    label: str | None
    values: Mapping[str, float]


def labels_of_csv(path: Path, column: str = "discrete") -> Iterator[Labelled]:
    """The rows of a label CSV; a `valence` column is read where there is one.

    Raises:
        CorpusNotFound: The file is absent.
        UnreadableTable: A column is absent, or a valence is not a number.
    """
    for row in read_rows(path, "name", column):
        valence = number(row.get("valence"), where=path, missing=(NOT_RATED,))
        yield Labelled(row["name"], row[column], {} if valence is None else {"valence": valence})


def labels_of_npz(path: Path, split: str) -> Iterator[Labelled]:
    """The clips of one member of `label-6way.npz`, in its order.

    Raises:
        UnsafePickle: The file asks for more than plain values; nothing of it was run.
        UnreadableTable: No such member, or not a dict of dicts.
    """
    member = read_npz(path).get(f"{split}_corpus")
    if not isinstance(member, Mapping) or not all(isinstance(each, Mapping) for each in member.values()):
        raise UnreadableTable(f"no dict of clips called {split}_corpus is in it", where=path)
    for name, said in member.items():
        valence = number(str(said.get("val", "")), where=path, missing=(NOT_RATED,))
        yield Labelled(str(name), str(said.get("emo", "")), {} if valence is None else {"valence": valence})


def transcripts(root: Path) -> dict[str, tuple[str, str]]:
    """Name -> (text, language), Chinese before English; clips without words are left out."""
    path = first_that_exists(*(root / name for name in TRANSCRIPTS))
    if not path.is_file():
        return {}
    found: dict[str, tuple[str, str]] = {}
    for row in read_rows(path, "name"):
        for column, language in (("chinese", "zh"), ("sentence", "zh"), ("english", "en")):
            if row.get(column):
                found[row["name"]] = (row[column], language)
                break
    return found


def clip_path(folder: Path, name: str, suffixes: Sequence[str] = (".mp4", ".avi")) -> Path:
    """The clip of that name, with the first suffix that exists."""
    return first_that_exists(*(folder / f"{name}{suffix}" for suffix in suffixes))
