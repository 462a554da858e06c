"""OV-MERD: 332 clips of MER2024 with open-vocabulary labels, checked by people (Lian et al., arXiv 2410.01495).

Met in three layouts, and read in each: `track2_train_ovmerd.csv` of MER2025 (name,openset), `check-openset.csv` of
MER2024-OV (name,openset), and `ovmerd-openset.npz` with the members `filenames` and `fileitems`. A label cell is a list
such as `['anxious', 'confused']`; how it is split is the open-vocabulary metric's rule. Clips lie in `video/`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.mertools import Labelled, clip_path, labels_of_csv, transcripts
from emotrace.datasets.tables import first_that_exists
from emotrace.errors import UnreadableTable
from emotrace.labels.pickled import read_npz

LISTS = ("track2_train_ovmerd.csv", "check-openset.csv", "ovmerd-openset.npz", "openset.csv")


class OvMerd(Corpus):
    """OV-MERD, whose owner names no splits: everything is `all`."""

    name: ClassVar[str] = "ov-merd"
    scheme_name: ClassVar[str] = "ov-merd"
    published: ClassVar[Published | None] = Published(clips={"all": 332}, source="OV-MER, arXiv 2410.01495")

    def records(self) -> Iterator[Record]:
        """The rows of whichever list is there."""
        said = transcripts(self.root)
        path = first_that_exists(*(self.root / name for name in LISTS))
        for row in _labels_of_npz(path) if path.suffix == ".npz" else labels_of_csv(path, "openset"):
            text, language = said.get(row.name, (None, None))
            media = clip_path(self.root / "video", row.name)
            yield Record(id=row.name, split="all", media=media, label=row.label, text=text, language=language)


def _labels_of_npz(path: Path) -> Iterator[Labelled]:
    members = read_npz(path)
    names, items = members.get("filenames"), members.get("fileitems")
    if names is None or items is None or len(names) != len(items):
        raise UnreadableTable("the members filenames and fileitems are absent or of different lengths", where=path)
    for name, item in zip(names, items, strict=True):
        yield Labelled(str(name), item if isinstance(item, str) else ", ".join(map(str, item)), {})
