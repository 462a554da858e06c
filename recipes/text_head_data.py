"""The texts that train the words head, with what is known and what is unknown about each in GoEmotions' 28 labels.

Three sets with three label schemes. A label of one scheme stands for a union of GoEmotions' labels: a line that XED
marks `joy` may be joyful, amused or excited, nobody said which. What is unknown is left out of the loss, never absent.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np

from emotrace.datasets.goemotions import NAMES, read_goemotions
from emotrace.datasets.tables import read_lines

Part = Literal["train", "dev"]

XED: Final = ("anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust", "neutral")
SEMEVAL: Final = ("anger", "fear", "joy", "sadness", "surprise")

UNIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "anger": ("anger", "annoyance"),
    "anticipation": ("optimism", "desire", "curiosity"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": ("joy", "amusement", "excitement", "love", "pride", "relief", "gratitude", "optimism"),
    "sadness": ("sadness", "grief", "disappointment", "remorse"),
    "surprise": ("surprise", "realization", "confusion"),
    "trust": ("approval", "caring", "admiration"),
    "neutral": ("neutral",),
}
"""A label of XED or SemEval -> the labels of GoEmotions whose largest probability answers for it [ours]."""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Texts of one set and one part, with the labels of that set's own scheme."""

    name: str
    labels: tuple[str, ...]
    texts: tuple[str, ...]
    truth: np.ndarray
    """float32, text x label, 0 or 1."""


def goemotions(data: Path, part: Part) -> Texts:
    """GoEmotions (Demszky et al. 2020, CC BY 4.0)."""
    comments = read_goemotions(data / "text_goemotions", (part,))
    return _texts("goemotions", NAMES, [(comment.text, comment.labels) for comment in comments])


def xed(data: Path, part: Part) -> Texts:
    """XED, English (Oehman et al. 2020, CC BY 4.0), its tokenised punctuation joined again."""
    rows = [line.rsplit("\t", 1) for line in list(read_lines(data / "text_xed" / f"{part}.tsv"))[1:]]
    return _texts("xed", XED, [(_joined(text), labels.split(",")) for text, labels in rows])


def semeval(data: Path, part: Part) -> Texts:
    """SemEval-2025 task 11, English, track A (Muhammad et al. 2025, CC BY 4.0)."""
    with (data / "text_semeval2025t11" / f"track_a_{part}.csv").open(encoding="utf-8", newline="") as stream:
        rows = [(row["text"], [name for name in SEMEVAL if row[name] == "1"]) for row in csv.DictReader(stream)]
    return _texts("semeval", SEMEVAL, rows)


def _texts(name: str, labels: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]]) -> Texts:
    truth = np.array([[label in marked for label in labels] for _, marked in rows], np.float32)
    return Texts(name=name, labels=tuple(labels), texts=tuple(text for text, _ in rows), truth=truth)


def _joined(text: str) -> str:
    """Words and signs as they are written: `That 's it .` -> `That's it.`, say."""
    text = re.sub(r"\s+(['’](?:s|m|re|ve|ll|d|t)\b|n['’]t\b)", r"\1", text, flags=re.IGNORECASE)
    return re.sub(r"\s+([.,!?;:])", r"\1", text)
