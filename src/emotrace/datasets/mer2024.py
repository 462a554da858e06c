"""MER2024: the clips of MER2023, all labelled, and new test clips (Lian et al., MRAC 2024; MERTools).

As released:              video-labeled/<name>.mp4, label-disdim.csv with name,discrete,valence;
                          video-unlabeled-with-test2noise/<name>.mp4 holds the tests, whose labels are hidden
As MERTools prepares it:  video/<name>.mp4, label-6way.npz (members train_corpus, test1_corpus)

The training set is MER2023's training set and all three of its tests: who trains here cannot test there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.example import VIDEO_SUFFIXES
from emotrace.datasets.mer2023 import record_of
from emotrace.datasets.mertools import clip_path, labels_of_csv, labels_of_npz, transcripts
from emotrace.errors import CorpusNotFound

HIDDEN = "video-unlabeled-with-test2noise"


class Mer2024(Corpus):
    """MER2024, as released or as MERTools prepares it. Clips without labels are the split `unlabeled`."""

    name: ClassVar[str] = "mer2024"
    scheme_name: ClassVar[str] = "mer6"
    published: ClassVar[Published | None] = Published(
        clips={"train": 5030, "semi": 1169, "noise": 1170},
        classes={
            "train": {"neutral": 1248, "angry": 1208, "happy": 1038, "sad": 730, "worried": 616, "surprise": 190},
            "noise": {"neutral": 232, "angry": 236, "happy": 233, "sad": 295, "worried": 119, "surprise": 55},
        },
        optional=frozenset(("semi", "noise")),
        source="MER 2024, arXiv 2404.17113, and the label files",
    )

    def records(self) -> Iterator[Record]:
        """The labelled clips, then those whose labels are hidden."""
        said = transcripts(self.root)
        packed, listed = self.root / "label-6way.npz", self.root / "label-disdim.csv"
        if listed.is_file():
            for row in labels_of_csv(listed):
                media = clip_path(self.root / "video-labeled", row.name)
                yield record_of(row, split="train", media=media, said=said)
            for part in ("semi", "noise"):
                path = self.root / f"{part}-label.csv"
                for row in labels_of_csv(path) if path.is_file() else ():
                    yield record_of(row, split=part, media=clip_path(self.root / HIDDEN, row.name), said=said)
            yield from self._unlabeled(said)
        elif packed.is_file():
            # MERTools writes `neutral` for every test clip: a place holder, which must not be read as a label
            for row in labels_of_npz(packed, "train"):
                yield record_of(row, split="train", media=clip_path(self.root / "video", row.name), said=said)
        else:
            raise CorpusNotFound(
                "neither label-disdim.csv nor label-6way.npz is there",
                where=self.root,
                hint="Name the folder that holds the label files",
            )

    def _unlabeled(self, said: dict[str, tuple[str, str]]) -> Iterator[Record]:
        labelled: set[str] = set()
        for part in ("semi", "noise"):
            path = self.root / f"{part}-label.csv"
            labelled.update(row.name for row in (labels_of_csv(path) if path.is_file() else ()))
        folder = self.root / HIDDEN
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix.casefold() in VIDEO_SUFFIXES and path.stem not in labelled:
                text, language = said.get(path.stem, (None, None))
                yield Record(id=path.stem, split="unlabeled", media=path, label=None, text=text, language=language)
