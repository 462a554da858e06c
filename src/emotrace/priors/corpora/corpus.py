"""The clips of a corpus as priors are trained on them: learned from with a label, guessed without one, or tested.

    learned from   the split `train`, or `all` where the owner cut nothing
    guessed        `unlabeled` (MER2024) or `candidates` (MER2025), and rows of the above without a label
    tested         every other split: test1, test2, test3 (MER2023), semi, noise (MER2024, where held), test

Where the tests are hidden in the unlabelled pool, as the challenges do it, the pool is what is answered and no score
is printed. Media need not be on disk: features stand for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, Int64

from emotrace.datasets.corpora import open_corpus
from emotrace.datasets.example import Example
from emotrace.datasets.mertools import TRANSCRIPTS
from emotrace.datasets.mertools_features import silent_clips
from emotrace.datasets.tables import first_that_exists, read_rows
from emotrace.errors import LeakError, NamesDoNotMatch, UnknownChoice, UnknownLabel, first_five
from emotrace.labels.label_scheme import LabelScheme
from emotrace.priors.clips import UNLABELLED

LEARNED: Final = ("train", "all")
"""The split to learn from: the first of these that there is."""
POOLS: Final = ("unlabeled", "unlabelled", "candidates")
_MER: Final = "for research, under its owners' agreement, which forbids uploading samples (zeroQiaoba/MERTools)"
_TERMS: Final[Mapping[str, str]] = {name.lower(): f"{name}: {_MER}" for name in ("MER2023", "MER2024", "MER2025")}


@dataclass(frozen=True, kw_only=True)
class PriorCorpus:
    """A corpus, cut into its parts. No clip is in two of them, except that a hidden test may also be guessed."""

    name: str
    scheme: LabelScheme
    labelled: tuple[Example, ...]
    unlabelled: tuple[Example, ...]
    tests: Mapping[str, tuple[Example, ...]]
    """By name; a test whose labels are hidden has examples without a label."""
    silent: frozenset[str]
    """Clips in which nothing is said, as the transcripts have it: zeros for their words are no words."""

    @property
    def terms(self) -> str:
        """Under which terms its owner gives the clips away; the owner's own text decides."""
        return _TERMS.get(self.name, "not known here: ask the corpus's owner")

    @property
    def examples(self) -> tuple[Example, ...]:
        """Every clip once: labelled, unlabelled, tested."""
        every = (*self.labelled, *self.unlabelled, *(each for part in self.tests.values() for each in part))
        return tuple({example.id: example for example in every}.values())

    def limited(self, count: int) -> PriorCorpus:
        """At most so many clips of each part, with the classes' shares kept: for trials."""
        tests = {name: _thinned(part, count) for name, part in self.tests.items()}
        return replace(
            self, labelled=_thinned(self.labelled, count), unlabelled=_thinned(self.unlabelled, count), tests=tests
        )

    def labels_of(self, examples: Sequence[Example]) -> Int64[np.ndarray, " clip"]:
        """Numbers into the scheme's labels, -1 where hidden."""
        number = {label: place for place, label in enumerate(self.scheme.labels)}
        found = [number[each.target.labels[0]] if each.target.labels else UNLABELLED for each in examples]
        return np.array(found, np.int64)


def valence_of(examples: Sequence[Example]) -> Float32[np.ndarray, " clip"]:
    """Rated valence, nan where it was not."""
    rated = [each.target.values.get("valence", each.target.values.get("value", np.nan)) for each in examples]
    return np.array(rated, np.float32)


def open_prior_corpus(
    name: str,
    root: str | Path,
    *,
    options: Mapping[str, object],
    tests: str | None = None,
    unlabelled: bool = True,
) -> PriorCorpus:
    """A corpus's parts.

    Args:
        name: `mer2023`, `mer2024`, `mer2025`, or `table`: a table of your own.
        root: Its folder.
        options: What the adapter takes.
        tests: Splits with commas between them, `none`, or a csv file whose column `name` lists the clips to answer;
            every test that there is, by default.
        unlabelled: Whether clips without a label are guessed.

    Raises:
        UnknownChoice: No such corpus or test, or no split to learn from.
        UnknownLabel: A label that the scheme lacks, or clips with several.
        LeakError: Clips are both learned from and tested.
        NamesDoNotMatch: The list of clips to answer names some that the corpus does not have.
        DatasetError: The lists cannot be read; see `Corpus.examples`.
    """
    corpus = open_corpus(name, root, **options)
    corpus.examples(missing="skip")  # its checks of labels, ids and paths; clips need not be on disk
    splits: dict[str, list[Example]] = {}
    for record in corpus.records():
        splits.setdefault(record.split, []).append(corpus.example(record))
    learned = next((split for split in LEARNED if split in splits), None)
    if learned is None:
        raise UnknownChoice(
            f"{corpus.name} has nothing to learn from here; its splits: {', '.join(splits) or 'none'}",
            where=root,
            hint=f"A table names the split {LEARNED[0]!r} in its column `split`, or none at all; folds are made here",
        )
    labelled = tuple(each for each in splits[learned] if each.target.labels)
    if several := [each.id for each in labelled if len(each.target.labels) != 1]:
        raise UnknownLabel(f"clips that do not have exactly one label: {first_five(several)}", where=root)
    pool = [each for each in splits[learned] if not each.target.labels]
    pool += [each for split in POOLS for each in splits.get(split, ())]
    chosen = _tests(splits, {learned, *POOLS}, pool, tests)
    own = {each.id for each in labelled}
    for test, part in chosen.items():
        if shared := [each.id for each in part if each.id in own]:
            raise LeakError(f"clips of {test!r} are learned from: {first_five(shared)}", where=root)
    known = own | {each.id for part in chosen.values() for each in part if each.target.labels}
    guessed = {each.id: replace(each, target=replace(each.target, labels=())) for each in pool if each.id not in known}
    said = first_that_exists(*(corpus.root / table for table in TRANSCRIPTS))
    return PriorCorpus(
        name=corpus.name,
        scheme=corpus.scheme,
        labelled=labelled,
        unlabelled=tuple(guessed.values()) if unlabelled else (),
        tests=chosen,
        silent=silent_clips(said) if said.is_file() else frozenset(),
    )


def _tests(
    splits: Mapping[str, Sequence[Example]], others: set[str], pool: Sequence[Example], tests: str | None
) -> dict[str, tuple[Example, ...]]:
    """The tests that were asked for."""
    there = {split: tuple(part) for split, part in splits.items() if split not in others}
    hidden = {split: tuple(splits[split]) for split in POOLS if split in splits}
    if tests is None:
        return there or hidden
    if tests == "none":
        return {}
    if Path(tests).suffix == ".csv":
        return {Path(tests).stem: _listed(Path(tests), [*pool, *(each for part in there.values() for each in part)])}
    known, wanted = {**there, **hidden}, [part.strip() for part in tests.split(",")]
    if unknown := [each for each in wanted if each not in known]:
        raise UnknownChoice(
            f"no test is called {', '.join(unknown)}",
            where="--test",
            hint=f"Choose of {', '.join(known) or 'none'}, or name a csv file with a column `name`",
        )
    return {each: known[each] for each in wanted}


def _listed(path: Path, examples: Sequence[Example]) -> tuple[Example, ...]:
    """The clips of a challenge's name list, in its order."""
    known = {example.id: example for example in examples}
    names = [row["name"] for row in read_rows(path, "name")]
    if strangers := [name for name in names if name not in known]:
        raise NamesDoNotMatch(f"names clips that are no test here: {first_five(strangers)}", where=path)
    return tuple(known[name] for name in names)


def _thinned(examples: tuple[Example, ...], count: int) -> tuple[Example, ...]:
    """Evenly spaced clips of the list sorted by label, in the list's own order."""
    if len(examples) <= count:
        return examples
    by_label = sorted(range(len(examples)), key=lambda place: (examples[place].target.labels, place))
    chosen = np.linspace(0, len(examples) - 1, count).round().astype(int)
    return tuple(examples[place] for place in sorted(by_label[row] for row in chosen.tolist()))
