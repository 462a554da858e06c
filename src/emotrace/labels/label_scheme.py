"""`LabelScheme`: one label set, in which a label is a name and an index means nothing without a named order.

The schemes themselves are in `labels/schemes.py`. Pure Python.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from emotrace.errors import InvalidScores, UnknownChoice, UnknownLabel, first_five
from emotrace.labels.splitting import split_labels

CHINESE: dict[str, str] = {
    "neutral": "中性",
    "anger": "愤怒",
    "joy": "快乐",
    "sadness": "悲伤",
    "worry": "担忧",
    "surprise": "惊讶",
    "fear": "恐惧",
    "disgust": "厌恶",
    "contempt": "轻蔑",
    "helplessness": "无助",
    "disappointment": "失望",
    "calm": "平静",
    "boredom": "无聊",
    "excitement": "兴奋",
    "frustration": "沮丧",
    "amusement": "愉悦",
    "pride": "自豪",
    "affection": "喜爱",
    "relief": "释然",
    "interest": "好奇",
    "confusion": "困惑",
    "irritation": "恼怒",
    "shame": "羞愧",
    "negative": "消极",
    "positive": "积极",
}
"""Canonical word -> Chinese word [ours]."""

OWNER = "owner"
"""Name of the order in which the scheme's owner lists the labels."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bins:
    """How a value becomes a class, as the field's own code does it.

    With `edges`, class i holds the values up to and with edge i; the last class holds the rest. Without, the value is
    clipped to -`reach`..`reach` and rounded, halves to the even number as numpy rounds them.
    """

    edges: tuple[float, ...] = ()
    reach: int = 0
    skip: float | None = None
    """A value that belongs to no class, as 0 in "negative against positive"."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelScheme:
    """One label set: its names in the owner's order, and everything else that is written in their place."""

    name: str
    labels: tuple[str, ...]
    """In the owner's order. Empty for an open vocabulary and for a scheme of values alone."""
    concepts: tuple[str, ...]
    """The canonical word of each label; two schemes meet in these (see `labels/mapping.py`)."""
    written: Mapping[str, str] = field(default_factory=dict)
    """What else stands for a label in files: codes such as `W` or `3`, other spellings. Lower case -> label."""
    orders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Other index orders in circulation, each by its name."""
    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Dimensions that are rated as numbers, each with the ends of its scale."""
    bins: Bins | None = None
    """How the first dimension of the parent scheme becomes a label of this one."""
    multi: bool = False
    """Whether one clip may carry several labels."""
    open: bool = False
    """Any word is a label."""
    source: str
    """Where these facts were read."""

    def __post_init__(self) -> None:
        if len(self.labels) != len(set(self.labels)) or len(self.labels) != len(self.concepts):
            raise ValueError(f"scheme {self.name} needs distinct labels with one concept each")
        for name, order in self.orders.items():
            if sorted(order) != sorted(self.labels):
                raise ValueError(f"order {name} of scheme {self.name} is not a permutation of its labels")
        for code, label in self.written.items():
            if label not in self.labels or code != code.casefold():
                raise ValueError(f"{code!r} of scheme {self.name} must be lower case and stand for one of its labels")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def concept_of(self) -> dict[str, str]:
        """Label -> canonical word."""
        return dict(zip(self.labels, self.concepts, strict=True))

    def order(self, name: str = OWNER) -> tuple[str, ...]:
        """The labels in a named index order.

        Raises:
            UnknownChoice: Nobody uses an order of that name; the message lists the known ones.
        """
        if name == OWNER:
            return self.labels
        if name not in self.orders:
            raise UnknownChoice(
                f"label scheme {self.name} has no order {name!r}",
                hint=f"Known orders: {', '.join((OWNER, *self.orders))}",
            )
        return self.orders[name]

    def forms(self, language: str) -> dict[str, str]:
        """Label -> its word in `en` or `zh`. The Chinese words are ours, not the owners'.

        Raises:
            UnknownChoice: Another language.
        """
        if language == "en":
            return {label: label.replace("_", " ") for label in self.labels}
        if language != "zh":
            raise UnknownChoice(f"no label words in {language!r}", hint="Known languages: en, zh")
        return {label: CHINESE[word] for label, word in self.concept_of.items() if word in CHINESE}

    def read_one(self, text: str) -> str | None:
        """The label that `text` stands for, or None."""
        key = text.strip().casefold()
        if self.open:
            return key or None
        return self._known().get(key)

    def read(self, text: str) -> tuple[str, ...]:
        """The labels that a file's cell stands for: one, or several where the scheme is multi-label.

        Raises:
            UnknownLabel: A word that the scheme does not know; the message lists those that it knows.
        """
        parts = split_labels(text) if self.multi else [text]
        found = [self.read_one(part) for part in parts]
        unknown = [part.strip() for part, label in zip(parts, found, strict=True) if label is None]
        if unknown:
            raise self.unknown(unknown)
        return tuple(dict.fromkeys(label for label in found if label is not None))

    def unknown(self, words: Iterable[str]) -> UnknownLabel:
        """The error for labels that are not of this scheme."""
        return UnknownLabel(
            f"not labels of the scheme {self.name}: {first_five(words)}", hint=f"Its labels: {', '.join(self.labels)}"
        )

    def of_value(self, value: float) -> str | None:
        """The class of a value, or None where the scheme leaves the value out.

        Raises:
            InvalidScores: The scheme has no classes for values, or the value is not a number.
        """
        if self.bins is None or not math.isfinite(value):
            raise InvalidScores(f"the scheme {self.name} has no class for the value {value}")
        if value == self.bins.skip:
            return None
        if self.bins.edges:
            return self.labels[sum(value > edge for edge in self.bins.edges)]
        return self.labels[round(max(-self.bins.reach, min(self.bins.reach, value))) + self.bins.reach]

    def _known(self) -> dict[str, str]:
        return {**self.written, **{label.casefold(): label for label in self.labels}}
