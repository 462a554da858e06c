"""What MOSI, MOSEI and CH-SIMS have in common: one label table in the layout of thuiar/MMSA.

    label.csv (also meta.csv)   video_id,clip_id,text,label[,label_T,label_A,label_V],annotation,mode
    Raw/<video_id>/<clip_id>.mp4

`label` is a value; `annotation` is Negative, Neutral or Positive and so a second witness of its sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from emotrace.datasets.corpus import Corpus, Record
from emotrace.datasets.tables import first_that_exists, number, read_rows

DIMENSIONS = {
    "label": "sentiment",
    "label_T": "text_sentiment",
    "label_A": "audio_sentiment",
    "label_V": "visual_sentiment",
}


class SentimentTable(Corpus):
    """A corpus in MMSA's layout."""

    language: ClassVar[str]
    group_is: ClassVar[str | None] = "source video"

    def records(self) -> Iterator[Record]:
        """The rows of the label table."""
        path = first_that_exists(self.root / "label.csv", self.root / "meta.csv")
        for row in read_rows(path, "video_id", "clip_id", "text", "label", "mode"):
            name = f"{row['video_id']}/{row['clip_id']}"
            rated = {dimension: number(row.get(column), where=path) for column, dimension in DIMENSIONS.items()}
            values = {dimension: value for dimension, value in rated.items() if value is not None}
            folder = self.root / "Raw" / row["video_id"]
            yield Record(
                id=name,
                split=row["mode"],
                # spreadsheets turn 0001 into 1 when a table passes through them; the files keep their names
                media=first_that_exists(folder / f"{row['clip_id']}.mp4", folder / f"{row['clip_id'].zfill(4)}.mp4"),
                label=None,
                values=values,
                group=row["video_id"],
                text=row["text"] or None,
                language=self.language,
                doubt=self._doubt(name, values, row.get("annotation", "")),
            )

    def _doubt(self, name: str, values: Mapping[str, float], annotation: str) -> str | None:
        value = values.get("sentiment")
        if value is None:
            return f"{name}: no value"
        sign = "Positive" if value > 0 else "Negative" if value < 0 else "Neutral"
        if annotation and annotation.capitalize() != sign:
            return f"{name}: value {value:g} with annotation {annotation}"
        return None
