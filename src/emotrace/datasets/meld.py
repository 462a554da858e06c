"""MELD: utterances of a television series, seven emotions and three sentiments (Poria et al., ACL 2019).

    {train,dev,test}_sent_emo.csv     also under data/MELD/
    train_splits/, dev_splits_complete/, output_repeated_splits_test/   dia<D>_utt<U>.mp4; also train/, dev/, test/

Dialogue numbers start anew in each split, so an id is `dev_dia110_utt7`. The text holds Windows-1252 quotation marks as
control characters; they are mended. Sentiment is a second witness of emotion. The main cast speaks in every split, by
the owners' design. Known faults of the release are in `known_faults`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from emotrace.datasets.corpus import Corpus, Published, Record
from emotrace.datasets.tables import first_that_exists, mend_c1, read_rows

FOLDERS = {
    "train": ("train_splits", "train"),
    "dev": ("dev_splits_complete", "dev"),
    "test": ("output_repeated_splits_test", "test"),
}
COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
SENTIMENT = {
    "joy": "positive",
    "neutral": "neutral",
    "anger": "negative",
    "disgust": "negative",
    "fear": "negative",
    "sadness": "negative",
}
"""The sentiment that goes with each emotion; surprise goes with any."""

_CLASSES = ["anger", "disgust", "sadness", "joy", "neutral", "surprise", "fear"]


class Meld(Corpus):
    """MELD with its owners' three splits."""

    name: ClassVar[str] = "meld"
    scheme_name: ClassVar[str] = "meld"
    published: ClassVar[Published | None] = Published(
        clips={"train": 9989, "dev": 1109, "test": 2610},
        classes={
            "train": dict(zip(_CLASSES, (1109, 271, 683, 1743, 4710, 1205, 268), strict=True)),
            "dev": dict(zip(_CLASSES, (153, 22, 111, 163, 470, 150, 40), strict=True)),
            "test": dict(zip(_CLASSES, (345, 68, 208, 402, 1256, 281, 50), strict=True)),
        },
        source="declare-lab/MELD, README.md",
    )
    group_is: ClassVar[str | None] = "speaker"
    groups_apart: ClassVar[bool] = False
    known_faults: ClassVar[dict[str, str]] = {
        "train_dia125_utt3": "damaged in the release (declare-lab/MELD issue 39)",
        "dev_dia110_utt7": "absent from the release (declare-lab/MELD issues 22 and 27)",
        "test_dia38_utt4": "cut wrongly, minutes long (declare-lab/MELD issue 20)",
        "test_dia220_utt0": "cut wrongly, minutes long (declare-lab/MELD issue 20)",
    }

    def records(self) -> Iterator[Record]:
        """The rows of the three lists."""
        for split, names in FOLDERS.items():
            listed = f"{split}_sent_emo.csv"
            path = first_that_exists(self.root / listed, self.root / "data" / "MELD" / listed)
            folder = first_that_exists(*(self.root / name for name in names))
            for row in read_rows(path, *COLUMNS, encodings=("utf-8-sig", "cp1252")):
                clip = f"dia{row['Dialogue_ID']}_utt{row['Utterance_ID']}"
                yield Record(
                    id=f"{split}_{clip}",
                    split=split,
                    media=folder / f"{clip}.mp4",
                    label=row["Emotion"],
                    group=mend_c1(row["Speaker"]),
                    text=mend_c1(row["Utterance"]),
                    language="en",
                    doubt=_doubt(f"{split}_{clip}", row["Emotion"].casefold(), row["Sentiment"].casefold()),
                )


def _doubt(name: str, emotion: str, sentiment: str) -> str | None:
    expected = SENTIMENT.get(emotion, sentiment)
    return None if sentiment == expected else f"{name}: emotion {emotion} with sentiment {sentiment}"
