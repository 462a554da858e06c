"""Where cases come from: a file, the simulated world, or a corpus of clips. Sheets are made blind to every label.

A clip's sheet is measured by the embedded observers (`hydra/clip_cases.py`), which see pictures, sound and spoken words
of a clip without a name. Sheets are kept in a file that only grows, so that a second run watches no clip twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from emotrace.datasets.corpus import Corpus
from emotrace.datasets.leaks import OlderTest, refuse_leak
from emotrace.errors import UsageError, first_five
from emotrace.files import sha256_of
from emotrace.hydra.learning.cases import Case, read_cases, world_cases
from emotrace.progress import Watch

WORLD_TESTS = ("dev", "iid", "pairs", "clusters", "phrasing")
"""[ours] Splits of the simulated world that nobody may be taught on."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Cases, and where they came from."""

    name: str
    cases: tuple[Case, ...]
    sha256: str | None = None
    """Of the file."""
    left_out: Mapping[str, int] = field(default_factory=dict)
    """Why clips gave no case -> how many."""

    def first(self, count: int | None) -> Source:
        """The same with its first cases alone; None keeps all."""
        return self if count is None else replace(self, cases=self.cases[:count])


def from_file(path: Path) -> Source:
    """The cases of a JSON-lines file, with the whole paths of their frames.

    Raises:
        UnreadableTable: It is not there, or a line is no case.
    """
    return Source(name="cases", cases=tuple(_placed(case, path) for case in read_cases(path)), sha256=sha256_of(path))


def _placed(case: Case, path: Path) -> Case:
    if not case.frames:
        return case
    return replace(case, frames=tuple(replace(f, path=str((path.parent / f.path).resolve())) for f in case.frames))


def from_world(split: str) -> Source:
    """A split of the simulated world that may be taught on.

    Raises:
        UsageError: No such split, or one of the tests.
    """
    if split in WORLD_TESTS:
        raise UsageError("this split is for tests", where=split, hint="Choose train or rl")
    try:
        return Source(name=f"world/{split}", cases=tuple(world_cases(split)))
    except KeyError:
        raise UsageError("the world has no such split", where=split, hint="Choose train or rl") from None


def from_corpus(
    corpus: Corpus,
    *,
    split: str | None,
    sheets: Path,
    older: Iterable[OlderTest] = (),
    first: int | None = None,
    watch: Watch | None = None,
) -> Source:
    """The clips of a corpus that are labelled, as sheets.

    Args:
        corpus: Any adapter; open-vocabulary labels are what trajectories answer with.
        split: One split; None for all.
        sheets: Where sheets are kept, and looked up before a clip is watched.
        older: Test clips, by name and by bytes.
        first: So many clips at most.
        watch: Is told how far it is.

    Raises:
        LeakError: A clip is one of an older test.
        UsageError: Clips that are parts of files, or folders of frames: they have neither sound nor words.
        UnreadableTrace: The file of sheets is damaged.
        DatasetError, ScoringError: As `Corpus.examples` does.
    """
    from emotrace.hydra.clip_cases import measure_clips  # the observers' libraries, which no other source needs

    records = [record for record in corpus.records() if split in (None, record.split)]
    for test in older:
        refuse_leak(records, test)
    examples = list(corpus.examples(split=split, missing="skip"))
    if parts := [each.id for each in examples if each.span is not None or each.kind == "frames"]:
        raise UsageError(
            f"clips that are no files of their own: {first_five(parts)}", where=corpus.name, hint="Cut them into files"
        )
    labelled = [each for each in examples if each.target.labels][:first]
    measured = measure_clips([(f"{each.split}/{each.id}", each) for each in labelled], kept=sheets, watch=watch)
    left_out = {
        "not on disk": len(records) - len(examples),
        "no label": len(examples) - sum(bool(each.target.labels) for each in examples),
        "unreadable": len(measured.unread),
    }
    name = corpus.name if split is None else f"{corpus.name}/{split}"
    return Source(name=name, cases=tuple(measured.cases.values()), left_out=left_out)
