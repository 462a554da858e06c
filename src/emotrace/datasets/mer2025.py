"""MER2025: one pool of 132,171 clips and three tracks (Lian et al., arXiv 2504.19423; MERTools).

    video/<name>.mp4, audio/<name>.wav, subtitle_chieng.csv with name,chinese,english
    track1_train_disdim.csv             name,discrete,valence              six emotions, 7,369 clips
    track1_test_dis.csv                 name,discrete                      after the challenge
    track_all_candidates.csv            name                               20,000 clips that hold every test clip
    track2_train_{ovmerd,mercaptionplus}.csv   name,openset                open vocabulary
    track3_train_{ovmerd,mercaptionplus}.csv   name,reason                 descriptions of the same clips

The training set of track 1 is MER2024's training set and both of its tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.mer2023 import record_of
from emotrace.datasets.mertools import Labelled, clip_path, labels_of_csv, transcripts
from emotrace.datasets.tables import read_rows


class Mer2025(Corpus):
    """MER2025, track 1: six emotions."""

    name: ClassVar[str] = "mer2025"
    scheme_name: ClassVar[str] = "mer6"
    published: ClassVar[Published | None] = Published(
        clips={"train": 7369, "candidates": 20000},
        optional=frozenset(("test", "candidates")),
        source="zeroQiaoba/MERTools, MER2025/README.md",
    )
    overlapping: ClassVar[frozenset[str]] = frozenset(("candidates",))

    def records(self) -> Iterator[Record]:
        """The training list, then the test list and the candidates where they are there."""
        said = transcripts(self.root)
        test, candidates = self.root / "track1_test_dis.csv", self.root / "track_all_candidates.csv"
        for split, rows in (
            ("train", labels_of_csv(self.root / "track1_train_disdim.csv")),
            ("test", labels_of_csv(test) if test.is_file() else iter(())),
            ("candidates", _names(candidates) if candidates.is_file() else iter(())),
        ):
            for row in rows:
                yield record_of(row, split=split, media=clip_path(self.root / "video", row.name), said=said)


class Mer2025OpenVocabulary(Corpus):
    """MER2025, tracks 2 and 3: open-vocabulary labels, and descriptions of the same clips."""

    name: ClassVar[str] = "mer2025-ov"
    scheme_name: ClassVar[str] = "ov-merd"
    parts: ClassVar[tuple[str, ...]] = ("ovmerd", "mercaptionplus")
    published: ClassVar[Published | None] = Published(
        clips={"ovmerd": 332, "mercaptionplus": 31327},
        optional=frozenset(("ovmerd", "mercaptionplus")),
        source="AffectGPT, arXiv 2501.16566, table of datasets",
    )
    overlapping: ClassVar[frozenset[str]] = frozenset(parts)

    def records(self) -> Iterator[Record]:
        """The label lists that are there, each joined with its descriptions by name."""
        said = transcripts(self.root)
        there = [part for part in self.parts if (self.root / f"track2_train_{part}.csv").is_file()]
        for part in there or self.parts[:1]:
            reasons = _reasons(self.root / f"track3_train_{part}.csv")
            for row in labels_of_csv(self.root / f"track2_train_{part}.csv", "openset"):
                text, language = said.get(row.name, (None, None))
                yield Record(
                    id=row.name,
                    split=part,
                    media=clip_path(self.root / "video", row.name),
                    label=row.label,
                    text=text,
                    language=language,
                    description=reasons.get(row.name),
                )


def _names(path: Path) -> Iterator[Labelled]:
    return (Labelled(row["name"], None, {}) for row in read_rows(path, "name"))


def _reasons(path: Path) -> dict[str, str]:
    return {row["name"]: row["reason"] for row in read_rows(path, "name", "reason")} if path.is_file() else {}
