"""The emotrace wheel: every known word has one place on a middle ring of 44 names and an inner ring of 11.

Level 1 is the inner ring, level 2 the middle ring, as in the field's open-vocabulary metrics; unlike their wheels, ours
[ours] has one place per word, so nothing is decided alphabetically, and a place for `neutral`. The twenty affects of
`labels/affects.py` are names of the middle ring. Scores on this wheel are not comparable with OV-MERD, MER-UniBench,
MER2025 or MER2026 numbers. Definition: metrics specification, section 9. Pure Python.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from emotrace.labels.lexicon import Lexicon, fold, lexicon

Level = Literal[1, 2]
"""1: inner ring; 2: middle ring."""

INNER_RING = (
    "joy", "affection", "calm", "interest", "surprise", "fear", "anger", "disgust", "sadness", "shame", "neutral",
)  # fmt: skip

AFFECT_OF_MIDDLE: Mapping[str, str | None] = {
    "joy": "joy", "amusement": "amusement", "pride": "pride", "excitement": "joy", "hope": "joy", "satisfaction": "joy",
    "affection": "affection", "gratitude": "affection", "compassion": "affection", "admiration": "affection",
    "trust": "affection", "desire": None,
    "calm": "calm", "relief": "relief",
    "interest": "interest", "anticipation": "interest", "determination": "interest",
    "surprise": "surprise", "awe": "surprise", "confusion": "confusion", "doubt": "confusion",
    "fear": "fear", "worry": "worry", "insecurity": "worry",
    "anger": "anger", "resentment": "anger", "hostility": "anger", "irritation": "irritation", "envy": "irritation",
    "disgust": "disgust", "contempt": "contempt", "disapproval": "contempt",
    "sadness": "sadness", "loneliness": "sadness", "despair": "sadness", "helplessness": "sadness", "hurt": "sadness",
    "disappointment": "disappointment", "boredom": "boredom",
    "shame": "shame", "guilt": "shame", "shyness": "shame",
    "neutral": "neutral", "indifference": None,
}  # fmt: skip
"""Name of the middle ring -> the nearest of the twenty affects, always one of the same inner ring [ours].

Desire has none near it, and indifference is not the measured stillness that `neutral` demands: None."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a word stands on the wheel."""

    base: str
    """The canonical word that it is a form of."""
    middle: str
    inner: str


@dataclass(frozen=True, kw_only=True)
class EmotionWheel:
    """Places of words, from a lexicon. The shipped wheel is `emotion_wheel()`."""

    places: Mapping[str, Place]
    """Folded form -> place."""
    content_hash: str
    """SHA-256 of the table's sorted rows."""

    @classmethod
    def of(cls, words: Lexicon) -> EmotionWheel:
        """The wheel of a lexicon; rows in another order give the same wheel.

        Raises:
            ValueError: A middle name on two inner names, or an inner name that is not on the ring.
        """
        inner_of: dict[str, str] = {}
        for base in words.bases.values():
            if base.inner not in INNER_RING or inner_of.setdefault(base.middle, base.inner) != base.inner:
                raise ValueError(f"{base.word!r} puts {base.middle!r} in {base.inner!r}, which is not its inner ring")
        place_of = {b.word: Place(base=b.word, middle=b.middle, inner=b.inner) for b in words.bases.values()}
        places = {form: place_of[base.word] for form, base in words.forms.items()}
        return cls(places=places, content_hash=words.content_hash)

    @property
    def name(self) -> str:
        """`emotrace-wheel/1:` and the first 8 digits of the content hash."""
        return f"emotrace-wheel/1:{self.content_hash[:8]}"

    @property
    def inner_ring(self) -> tuple[str, ...]:
        """The 11 names of level 1."""
        return INNER_RING

    @property
    def middle_ring(self) -> tuple[str, ...]:
        """The names of level 2, ordered by the inner ring, then alphabetically."""
        pairs = {(INNER_RING.index(place.inner), place.middle) for place in self.places.values()}
        return tuple(middle for _, middle in sorted(pairs))

    def place(self, word: str) -> Place | None:
        """The place of a word or one of its forms, whatever its case; None when the wheel does not know it."""
        return self.places.get(fold(word))

    def cluster(self, word: str, level: Level) -> str | None:
        """Name of the ring that a word belongs to: inner for level 1, middle for level 2; None when unknown."""
        place = self.place(word)
        if place is None:
            return None
        return place.inner if level == 1 else place.middle

    def distance(self, word: str, other: str) -> float:
        """0 for words of one middle name, 0.5 of one inner name, else 1. An unknown word is near itself alone."""
        a, b = self.place(word), self.place(other)
        if a is None or b is None:
            return 0.0 if fold(word) == fold(other) else 1.0
        if a.middle == b.middle:
            return 0.0
        return 0.5 if a.inner == b.inner else 1.0

    def jaccard(self, words: Iterable[str], others: Iterable[str], level: Level) -> float:
        """Shared clusters over all clusters of two sets of words, 0..1; an unknown word is a cluster of its own.

        Two empty sets are the same set: 1.

        >>> emotion_wheel().jaccard(["happy", "angry"], ["delighted"], level=1)
        0.5
        """
        a, b = self._clusters(words, level), self._clusters(others, level)
        return len(a & b) / len(a | b) if a | b else 1.0

    def _clusters(self, words: Iterable[str], level: Level) -> set[tuple[str, bool]]:
        """Clusters, each beside whether it is a ring's name: the unknown word `foo` is not a ring called `foo`."""
        named = ((fold(word), self.cluster(word, level)) for word in words)
        return {(word, False) if cluster is None else (cluster, True) for word, cluster in named}


@lru_cache(maxsize=1)
def emotion_wheel() -> EmotionWheel:
    """The shipped wheel, built from the package's table once."""
    return EmotionWheel.of(lexicon())


def affect_of(word: str) -> str | None:
    """The one of the twenty affects of `labels/affects.py` that a known word names; None when there is none near.

    >>> affect_of("Furious"), affect_of("lonely"), affect_of("table")
    ('anger', 'sadness', None)
    """
    place = emotion_wheel().place(word)
    return None if place is None else AFFECT_OF_MIDDLE[place.middle]
