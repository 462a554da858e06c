"""What all completions of one sheet share, and one completion seen against its sheet."""

from __future__ import annotations

from typing import NamedTuple

from emotrace.evidence.observation import EvidenceSheet, Modality
from emotrace.hydra.grammar import LEAST_QUOTE_WORDS
from emotrace.hydra.quotes import QUOTE_IS_NEAR, QUOTE_IS_TRUE, share_found
from emotrace.hydra.rewards.reading import CheckLine, Reading

UNITS = 10**9
"""Weights are kept as whole numbers of this unit, so that no sum depends on the order of the lines."""

Spoken = tuple[Modality, str]
"""A quote and the modality that it claims to quote."""
Alike = list[tuple[int, float]]
"""Places of observations that a quote is like, each with how much; what quotes nothing true is like none."""
_LIKE_NOTHING: Alike = []


class Grounded(NamedTuple):
    """A check of one observation that exists."""

    line: CheckLine
    place: int
    """Of the observation on the sheet."""
    weight: int
    """s_o, in `UNITS`."""
    truth: float
    """How much of the quote is in the observation: 0, 0.5 or 1."""
    likeness: Alike


class SheetIndex:
    """One sheet as the terms look things up in it, with what was already found out about its quotes.

    Args:
        sheet: The evidence; only texts, modalities and weights are read.
    """

    def __init__(self, sheet: EvidenceSheet) -> None:
        observations = sheet.observations
        self.texts = tuple(o.text for o in observations)
        self.modalities = tuple(o.modality for o in observations)
        self.weights = tuple(round(sheet.weight(o) * UNITS) for o in observations)
        self.total = sum(self.weights)
        self.unread: dict[Spoken, Alike] = {}
        """True quotes whose likeness is empty until `quoting.Likeness.prepare` fills it in."""
        self._near: dict[Modality, list[int]] = {}
        for place, modality in enumerate(self.modalities):
            self._near.setdefault(modality, []).append(place)
        self._place = {o.id: place for place, o in enumerate(observations)}
        self._likeness: dict[Spoken, Alike] = {}
        self._grounded: dict[str, Grounded | None] = {}

    def __len__(self) -> int:
        return len(self.texts)

    def places(self, modality: Modality) -> list[int]:
        """Places of the observations of one modality."""
        return self._near.get(modality, [])

    def ground(self, line: CheckLine) -> Grounded | None:
        """The check and its observation; None where no observation has that id."""
        if line.written not in self._grounded:
            place = self._place.get(line.id)
            self._grounded[line.written] = None if place is None else self._ground(line, place)
        return self._grounded[line.written]

    def _ground(self, line: CheckLine, place: int) -> Grounded:
        truth = self._truth(line.quote, place)
        spoken = (self.modalities[place], line.quote)
        likeness = self._likeness.get(spoken) if truth else _LIKE_NOTHING
        if likeness is None:
            likeness = self._likeness[spoken] = self.unread[spoken] = []
        return Grounded(line, place, self.weights[place], truth, likeness)

    def _truth(self, quote: str, place: int) -> float:
        text = self.texts[place]
        if quote == text:
            return 1.0
        if quote.count(" ") + 1 < LEAST_QUOTE_WORDS:
            return 0.0
        share = share_found(quote, text)
        if share < QUOTE_IS_NEAR:
            return 0.0
        others = (self.texts[other] for other in self.places(self.modalities[place]) if other != place)
        if share < 1.0 and any(share_found(quote, other) > share for other in others):
            return 0.0
        return 1.0 if share >= QUOTE_IS_TRUE else 0.5


class Trajectory(NamedTuple):
    """A legal completion against its sheet: all that the four process terms see. It holds no gold label."""

    k: int
    reading: Reading
    sheet: SheetIndex
    checks: list[Grounded]
    """Checks of observations that exist. One that is checked twice counts as not checked at all [ours]: otherwise
    the first of two checks would have to win, and the order of lines would matter."""
    supports: dict[str, int]
    """Observation id -> mask of the hypotheses that its check says it supports."""
    plus: list[int]
    """Per hypothesis, the weight of what supports it by its own marks, in `UNITS`."""
    minus: list[int]
    """The same for what contradicts it."""


def ground(reading: Reading, sheet: SheetIndex, k: int) -> Trajectory:
    """The completion against its sheet."""
    lines = reading.checks
    ids = [line.id for line in lines]
    if len(set(ids)) < len(ids):
        lines = [line for line in lines if ids.count(line.id) == 1]
    checks = [check for line in lines if (check := sheet.ground(line)) is not None]
    supports: dict[str, int] = {}
    plus, minus = [0] * k, [0] * k
    for line, _, weight, _, _ in checks:
        supports[line.id] = line.supports
        for number in range(k):
            bit = 2 << number
            if line.supports & bit:
                plus[number] += weight
            elif line.contradicts & bit:
                minus[number] += weight
    return Trajectory(k, reading, sheet, checks, supports, plus, minus)
