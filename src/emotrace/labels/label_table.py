"""What the open-vocabulary metrics ask of any wheel: where does a label go, and why.

A *target* is one way of grouping labels (a wheel at a level, or a list of canonical words). Every label goes to at most
one cluster of a target; a label that goes nowhere is dropped there. `official_tables.WheelTables` is the field's table;
`OwnTable` gives emotrace's own wheel the same face.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from emotrace.labels.lexicon import fold
from emotrace.labels.wheel import EmotionWheel, emotion_wheel

INNER, MIDDLE = "inner", "middle"
"""The two targets of emotrace's own wheel."""

LabelStatus = Literal["scored", "unknown_form", "off_wheel"]


@dataclass(frozen=True, kw_only=True)
class LabelPath:
    """The way of one label through a table, with the alternatives that lost alphabetically."""

    label: str
    words: tuple[str, ...]
    """Canonical words that list the label as a form; the first is the one taken."""
    wheel_words: tuple[str, ...]
    """Wheel words of all canonical words, in the alphabetical order in which they are tried."""
    chosen: dict[str, str]
    """Wheel -> the wheel word that was taken."""
    clusters: dict[str, str]
    """Target -> cluster."""
    status: LabelStatus
    """`unknown_form`: not in the table. `off_wheel`: known, and on no wheel."""


@runtime_checkable
class LabelTable(Protocol):
    """A table of labels, looked up by their `key`."""

    @property
    def name(self) -> str:
        """`v1`, `v2`, `custom:<8 hex digits>` or `emotrace-wheel/<version>`."""

    @property
    def sha256(self) -> str:
        """Content hash: independent of row order and file format."""

    def key(self, label: str) -> str:
        """The spelling under which a label is looked up."""

    @property
    def known(self) -> Collection[str]:
        """Every label that the table lists."""

    @property
    def clusters(self) -> Mapping[str, Mapping[str, str]]:
        """Target -> label -> cluster; a label without entry is dropped."""

    def explain(self, label: str) -> LabelPath:
        """How `label` reaches its clusters."""


@dataclass(frozen=True, kw_only=True)
class OwnTable:
    """emotrace's wheel as a label table. Its scores are not comparable with published numbers."""

    wheel: EmotionWheel

    @classmethod
    def shipped(cls) -> OwnTable:
        """The wheel that comes with the package."""
        return cls(wheel=emotion_wheel())

    @property
    def name(self) -> str:
        """`emotrace-wheel/1:` and eight digits of the content hash."""
        return self.wheel.name

    @property
    def sha256(self) -> str:
        """Content hash of the wheel's rows."""
        return self.wheel.content_hash

    def key(self, label: str) -> str:
        """Lower case, single spaces, hyphens as spaces."""
        return fold(label)

    @property
    def known(self) -> Collection[str]:
        """Every form of every word."""
        return self.wheel.places.keys()

    @functools.cached_property
    def clusters(self) -> Mapping[str, Mapping[str, str]]:
        """`inner` and `middle` -> form -> name on that ring."""
        places = self.wheel.places
        return {
            INNER: {form: place.inner for form, place in places.items()},
            MIDDLE: {form: place.middle for form, place in places.items()},
        }

    def explain(self, label: str) -> LabelPath:
        """The one place of `label`: no alternatives exist on this wheel."""
        place = self.wheel.place(label)
        found = (place.base,) if place else ()
        return LabelPath(
            label=self.key(label),
            words=found,
            wheel_words=found,
            chosen=dict.fromkeys((INNER, MIDDLE), place.base) if place else {},
            clusters={INNER: place.inner, MIDDLE: place.middle} if place else {},
            status="scored" if place else "unknown_form",
        )
