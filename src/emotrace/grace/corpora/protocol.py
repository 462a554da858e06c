"""The protocol of a corpus: which clips are learned from and which are tested, fold by fold, and the hash of it.

Labels are names of the corpus's own scheme, in its owner's order; no index is read anywhere. A copy's frame folder is
part of the protocol, because it moves published numbers by several points [field: MSA-LMC/S2D issue 14].
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emotrace.datasets.corpora import open_corpus
from emotrace.datasets.corpus import Corpus, Record
from emotrace.datasets.example import Example
from emotrace.datasets.findings import by_split, hash_of, summarise
from emotrace.errors import UnknownChoice, UnknownLabel, first_five
from emotrace.training.learner import Item

EPOCHS: Final[Mapping[str, int]] = {"dfew": 25, "ferv39k": 15, "mafw": 30}
"""How long each corpus is trained [ours]; others take `OTHER_EPOCHS`."""
OTHER_EPOCHS: Final = 25
_RESEARCH = "non-commercial research only, on application to its owners; derived data are not to be passed on"
_TERMS: Final[Mapping[str, str]] = {
    "dfew": "DFEW: for academic research, on application to its owners (dfew-dataset.github.io)",
    "ferv39k": f"FERV39k: {_RESEARCH} (wangyanckxx/FERV39k)",
    "mafw": f"MAFW: {_RESEARCH} (MAFW-database/MAFW)",
    "mafw-compound": f"MAFW: {_RESEARCH} (MAFW-database/MAFW)",
}


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One training list and one test list."""

    name: str
    train: tuple[Example, ...]
    test: tuple[Example, ...]

    @property
    def train_items(self) -> tuple[Item, ...]:
        """The clips to learn from, by id and label name."""
        return items_of(self.train)

    @property
    def test_items(self) -> tuple[Item, ...]:
        """The clips to be tested on."""
        return items_of(self.test)


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """A corpus, cut as its owner cuts it."""

    corpus: str
    labels: tuple[str, ...]
    folds: tuple[Fold, ...]
    """Those that were asked for."""
    fold_names: tuple[str, ...]
    """All that there are."""
    media_folder: str
    """Where below the root the clips lie, such as `Clip/clip_224x224`."""
    lists_sha256: str
    """What `emotrace verify` prints: the ids and labels of all splits."""

    @property
    def sha256(self) -> str:
        """Of the lists, the folder of the clips and the order of the labels: what every result repeats."""
        lines = (self.lists_sha256, self.media_folder, "|".join(self.labels))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    @property
    def examples(self) -> dict[str, Example]:
        """Every clip of the chosen folds by its id."""
        return {example.id: example for fold in self.folds for example in (*fold.train, *fold.test)}


def terms_of(corpus: str) -> str:
    """Under which terms a corpus's owner gives its clips away, in a few words; the owner's own text decides."""
    return _TERMS.get(corpus, "not known here: ask the corpus's owner")


def open_protocol(name: str, root: str | Path, *, fold: str = "all", options: Mapping[str, object]) -> Protocol:
    """The protocol of a copy of a corpus.

    Args:
        name: `dfew`, `ferv39k`, `mafw`, `table`, or any corpus that has training and test lists.
        root: The folder that the owner's archive unpacks to.
        fold: `all`, a fold's name, or several with commas between them.
        options: What the adapter takes, as `frames="jpg_256"` for DFEW.

    Raises:
        UnknownChoice: No such corpus or fold, or one without training and test lists.
        UnknownLabel: Clips without exactly one label.
        DatasetError: The copy is incomplete; see `Corpus.examples`.
    """
    corpus = open_corpus(name, root, **options)
    records = by_split(corpus.records())
    names = _folds_of(records)
    if not names:
        raise UnknownChoice(
            f"{corpus.name} has no training list with a test list here; its splits: {', '.join(records)}",
            where=root,
            hint="A table names them in its column `split`, and folds in `fold`",
        )
    return Protocol(
        corpus=corpus.name,
        labels=corpus.scheme.labels,
        folds=tuple(_fold(corpus, each, names[each]) for each in _chosen(fold, tuple(names))),
        fold_names=tuple(names),
        media_folder=_media_folder(corpus.root, [record for part in records.values() for record in part]),
        lists_sha256=hash_of(corpus, {split: summarise(corpus, part) for split, part in records.items()}),
    )


def items_of(examples: Sequence[Example]) -> tuple[Item, ...]:
    """The examples as training sees them.

    Raises:
        UnknownLabel: A clip has no label, or several.
    """
    if unfit := [example.id for example in examples if len(example.target.labels) != 1]:
        raise UnknownLabel(f"clips that do not have exactly one label: {first_five(unfit)}")
    return tuple(Item(key=each.id, label=each.target.labels[0], group=each.group) for each in examples)


def _folds_of(splits: Mapping[str, object]) -> dict[str, str]:
    """Fold name -> what stands before `train` and `test` in the names of its splits."""
    prefixes = [split.removesuffix("train") for split in splits if split.endswith("train")]
    complete = [prefix for prefix in prefixes if f"{prefix}test" in splits]
    return {prefix.rstrip("/").removeprefix("set_") or "1": prefix for prefix in complete}


def _chosen(fold: str, names: Sequence[str]) -> Sequence[str]:
    if fold == "all":
        return names
    wanted = [part.strip() for part in fold.split(",")]
    if unknown := [part for part in wanted if part not in names]:
        raise UnknownChoice(
            f"no fold is called {', '.join(unknown)}", where="--fold", hint=f"Choose all, or of {', '.join(names)}"
        )
    return list(dict.fromkeys(wanted))


def _fold(corpus: Corpus, name: str, prefix: str) -> Fold:
    parts = [tuple(corpus.examples(split=f"{prefix}{part}")) for part in ("train", "test")]
    return Fold(name=name, train=parts[0], test=parts[1])


def _media_folder(root: Path, records: Sequence[Record]) -> str:
    """The deepest folder that holds every clip, relative to the root."""
    folders = {os.path.relpath(record.media.parent, root) for record in records}
    return Path(os.path.commonpath(folders)).as_posix()
