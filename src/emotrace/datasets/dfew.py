"""DFEW: movie clips, seven expressions, five folds (Jiang et al., ACM MM 2020; jiangxingxun/DFEW).

    EmoLabel_DataSplit/{train,test}(single-labeled)/set_<1..5>.csv    header video_name,label; label 1 to 7
    Clip/clip_224x224/<5 digits>/*.jpg                                faces; also Clip/jpg_256, Clip/clip_224x224_16f

Names are written as integers and padded to five digits on disk. Copies with labels 0 to 6 circulate; they are refused,
because 1 to 6 would silently name other classes. The frame folder changes published numbers by several points, so it is
an argument. Folds share films and actors: the owner gives no film names, so no group can be checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.tables import first_that_exists, read_rows

FrameFolder = Literal["clip_224x224", "jpg_256", "clip_224x224_16f"]


class Dfew(Corpus):
    """DFEW's single-labelled folds. Splits are named `set_1/train` to `set_5/test`."""

    name: ClassVar[str] = "dfew"
    scheme_name: ClassVar[str] = "dfew"
    published: ClassVar[Published | None] = Published(
        clips={
            f"set_{fold}/{part}": count
            for fold, sizes in enumerate(
                ((9356, 2341), (9356, 2341), (9357, 2340), (9358, 2339), (9361, 2336)), start=1
            )
            for part, count in zip(("train", "test"), sizes, strict=True)
        },
        classes={
            "set_1/test": {
                "happy": 489,
                "sad": 379,
                "neutral": 534,
                "angry": 435,
                "surprise": 294,
                "disgust": 29,
                "fear": 181,
            }
        },
        source="lists in jiangxingxun/DFEW's release, as counted by zengqunzhao/DFER-CLIP",
    )

    def __init__(self, root: str | Path, *, frames: FrameFolder = "clip_224x224") -> None:
        super().__init__(root)
        self.frames = frames

    def records(self) -> Iterator[Record]:
        """The rows of all folds."""
        folder = self.root / "Clip" / self.frames
        for fold in range(1, 6):
            for part in ("train", "test"):
                lists = self.root / "EmoLabel_DataSplit"
                path = first_that_exists(
                    lists / f"{part}(single-labeled)" / f"set_{fold}.csv", lists / part / f"set_{fold}.csv"
                )
                for row in read_rows(path, "video_name", "label"):
                    clip = row["video_name"].zfill(5)
                    yield Record(
                        id=clip,
                        split=f"set_{fold}/{part}",
                        media=folder / clip,
                        label=row["label"],
                        frames_listed=16 if self.frames == "clip_224x224_16f" else None,
                    )
