"""MAFW: 10,045 clips, 11 single and 32 compound expressions, bilingual captions (Liu et al., ACM MM 2022).

    Train_Test_Set/single/no_caption/set_<1..5>/{train,test}.txt       `00025.mp4 anger`
    Train_Test_Set/single/with_caption/set_<1..5>/{train,test}.txt     clip, label, Chinese, English; tabs, GBK
    Train_Test_Set/compound/...                                        the same for all 43 classes
    data/faces/<id>/ (default), data/frames/<id>/*.png, data/clips/*.mp4

The archive's list folder is also met as `Train & Test Set` and `split`. Captions are people's descriptions of the
emotion, and neutral clips have none, so whether one exists tells the label: they are an example's `description`, never
its `text`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.tables import first_that_exists, read_lines
from emotrace.errors import UnreadableTable

MediaFolder = Literal["faces", "frames", "clips"]
CAPTION_ENCODINGS = ("utf-8-sig", "gb18030")
"""The owners' files are GBK, of which GB 18030 is a superset; copies in UTF-8 circulate. Chinese text in GBK is almost
never valid UTF-8, while UTF-8 often passes for GBK, so UTF-8 is tried first."""


class Mafw(Corpus):
    """MAFW's five folds of single expressions."""

    name: ClassVar[str] = "mafw"
    scheme_name: ClassVar[str] = "mafw"
    setting: ClassVar[str] = "single"
    published: ClassVar[Published | None] = Published(
        clips={
            f"set_{fold}/{part}": count
            for fold, sizes in enumerate(
                ((7333, 1839), (7335, 1837), (7339, 1833), (7340, 1832), (7341, 1831)), start=1
            )
            for part, count in zip(("train", "test"), sizes, strict=True)
        },
        classes={
            "set_1/test": {
                "anger": 278,
                "disgust": 128,
                "fear": 125,
                "happiness": 249,
                "neutral": 228,
                "sadness": 294,
                "surprise": 215,
                "contempt": 48,
                "anxiety": 184,
                "helplessness": 53,
                "disappointment": 37,
            }
        },
        source="lists in MAFW-database/MAFW's release, as counted by sunlicai/MAE-DFER",
    )

    def __init__(self, root: str | Path, *, media: MediaFolder = "faces", captions: bool = False) -> None:
        super().__init__(root)
        self.media = media
        self.captions = captions

    def records(self) -> Iterator[Record]:
        """The rows of all folds."""
        lists = first_that_exists(*(self.root / name for name in ("Train_Test_Set", "Train & Test Set", "split")))
        folder = lists / self.setting / ("with_caption" if self.captions else "no_caption")
        for fold in range(1, 6):
            for part in ("train", "test"):
                path = folder / f"set_{fold}" / f"{part}.txt"
                for line in read_lines(path, encodings=CAPTION_ENCODINGS):
                    yield self._record(line, f"set_{fold}/{part}", path)

    def _record(self, line: str, split: str, path: Path) -> Record:
        fields = line.strip("\r").split("\t") if self.captions else line.split()
        if len(fields) < 2 or (not self.captions and len(fields) != 2):
            raise UnreadableTable(f"expected a clip and its label, got {line.strip()!r}", where=path)
        name, label, *captions = (each.strip() for each in fields)
        clip = Path(name).stem
        media = self.root / "data" / self.media
        return Record(
            id=clip,
            split=split,
            media=media / f"{clip}.mp4" if self.media == "clips" else media / clip,
            label=label,
            description=" ".join(each for each in captions if each) or None,
        )


class MafwCompound(Mafw):
    """MAFW's five folds of all 43 classes, single and compound."""

    name: ClassVar[str] = "mafw-compound"
    scheme_name: ClassVar[str] = "mafw-compound"
    setting: ClassVar[str] = "compound"
    published: ClassVar[Published | None] = None
