"""Where cases come from: a file, the simulated world, a corpus of clips, or descriptions. Sheets are blind to labels.

A clip's sheet is measured by the embedded observers (`hydra/clip_cases.py`), which see pictures, sound and spoken words
of a clip without a name. Sheets are kept in a file that only grows, so that a second run watches no clip twice.
Descriptions are split by a text model (`captions.py`), which is never told a label; its replies are kept as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotrace.datasets.corpus import Corpus
from emotrace.datasets.leaks import OlderTest, refuse_leak
from emotrace.errors import MalformedCompletion, UsageError, first_five
from emotrace.files import sha256_of
from emotrace.hydra.learning.cases import Case, read_cases, world_cases
from emotrace.hydra.together import in_order
from emotrace.progress import Watch

if TYPE_CHECKING:
    from emotrace.hydra.coldstart.captions import CaptionReader, CaptionSheet

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
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Who made the sheets, where that was a model, and what was lost of its replies."""

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


def from_world(split: str, *, first: int | None = None) -> Source:
    """A split of the simulated world that may be taught on, or its first cases.

    Raises:
        UsageError: No such split, or one of the tests.
    """
    if split in WORLD_TESTS:
        raise UsageError("this split is for tests", where=split, hint="Choose train or rl")
    try:
        return Source(name=f"world/{split}", cases=tuple(world_cases(split, first)))
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


def from_captions(
    path: Path,
    reader: CaptionReader,
    *,
    older: Iterable[OlderTest] = (),
    first: int | None = None,
    concurrency: int = 1,
    watch: Watch | None = None,
) -> Source:
    """Descriptions of clips whose videos need not be at hand, as sheets.

    A clip is known by the hash of its name. What is lost of a model's replies is counted in the settings.

    Args:
        path: A table as `caption_table.read_captions` reads it.
        reader: Splits descriptions.
        older: Test clips, by name.
        first: So many descriptions at most.
        concurrency: How many descriptions the model is asked about at once.
        watch: Is told how far it is.

    Raises:
        UnreadableTable, DuplicateName: The table is damaged, lacks a column, or names a clip twice.
        LeakError: A clip is one of an older test. Nothing was sent then.
        ServerFailed: Nobody answered; what was answered before is kept.
    """
    from emotrace.hydra.coldstart.caption_table import Described, read_captions  # which no other source needs

    table, watch = read_captions(path, older=older), watch or Watch()
    clips = table.clips[:first]

    def one(clip: Described) -> CaptionSheet | None:
        try:
            return reader.read(clip.caption, clip.subtitle, clip_id=clip.clip_id, withheld=clip.gold)
        except MalformedCompletion:
            return None

    cases: list[Case] = []
    lost: Counter[str] = Counter()
    with closing(in_order(one, clips, at_once=concurrency)) as sheets:
        for number, (clip, read) in enumerate(zip(clips, sheets, strict=True), start=1):
            watch.progress("reading captions", number, len(clips))
            if read is not None:
                cases.append(Case(sheet=read.sheet, gold=clip.gold))
                lost.update({str(loss): count for loss, count in read.lost.items()})
    return Source(
        name="captions",
        cases=tuple(cases),
        sha256=table.sha256,
        left_out={**table.left_out, "unusable reply": len(clips) - len(cases)},
        settings={**reader.settings, "lost": dict(sorted(lost.items()))},
    )
