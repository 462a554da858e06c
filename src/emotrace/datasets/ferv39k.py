"""FERV39k: 38,935 clips of 22 scenes, seven expressions (Wang et al., CVPR 2022; wangyanckxx/FERV39k).

    4_setups/All_scenes/{train,test}_All.csv              no header, `Scene/Emotion/id Word`
    2_ClipsforFaceCrop/<Scene>/<Emotion>/<id>/*.jpg       faces

The path holds the label, so it is a second witness of it, and no model may see it. Two index orders circulate; words
are read here, so neither matters.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.tables import read_lines
from emotrace.errors import UnreadableTable


class Ferv39k(Corpus):
    """FERV39k, the setup of all scenes."""

    name: ClassVar[str] = "ferv39k"
    scheme_name: ClassVar[str] = "ferv39k"
    published: ClassVar[Published | None] = Published(
        clips={"train": 31088, "test": 7847},
        classes={
            "test": {
                "happy": 1473,
                "sad": 1393,
                "neutral": 1958,
                "angry": 1487,
                "surprise": 638,
                "disgust": 467,
                "fear": 431,
            }
        },
        source="lists in wangyanckxx/FERV39k's release, as counted by sunlicai/MAE-DFER",
    )

    def records(self) -> Iterator[Record]:
        """The rows of both lists."""
        for part in ("train", "test"):
            path = self.root / "4_setups" / "All_scenes" / f"{part}_All.csv"
            for line in read_lines(path):
                place, _, word = line.strip().rpartition(" ")
                if place.count("/") != 2:
                    raise UnreadableTable(f"expected `Scene/Emotion/id Word`, got {line.strip()!r}", where=path)
                in_path = place.split("/")[1]
                yield Record(
                    id=place,
                    split=part,
                    media=self.root / "2_ClipsforFaceCrop" / place,
                    label=word,
                    doubt=None if in_path == word else f"{place}: the path says {in_path}, the list says {word}",
                )
