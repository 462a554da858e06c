"""What all completions of one sheet share: its weights, and what was already found out about its quotes and cites."""

from __future__ import annotations

from typing import NamedTuple

from emotrace.evidence.observation import EvidenceSheet, Modality
from emotrace.hydra.grammar import LEAST_QUOTE_WORDS
from emotrace.hydra.propose import MAX_CITES
from emotrace.hydra.quotes import QUOTE_IS_NEAR, QUOTE_IS_TRUE, share_found
from emotrace.hydra.rewards.reading import CheckLine

UNITS = 10**9
"""Weights are kept as whole numbers of this unit, so that no sum depends on the order of the lines."""
ABSENT = -1
"""Stands for a check of an observation that does not exist."""

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
    """One sheet as the terms look things up in it.

    Args:
        sheet: The evidence; only texts, modalities and weights are read.
    """

    def __init__(self, sheet: EvidenceSheet) -> None:
        observations = sheet.observations
        self.texts = tuple(o.text for o in observations)
        self.modalities = tuple(o.modality for o in observations)
        self.weights = tuple(round(sheet.weight(o) * UNITS) for o in observations)
        self.grounded: list[Grounded] = []
        """Every different check that completions wrote."""
        self.unread: dict[Spoken, Alike] = {}
        """True quotes whose likeness is empty until `Likeness.prepare` fills it in."""
        self._near: dict[Modality, list[int]] = {}
        for place, modality in enumerate(self.modalities):
            self._near.setdefault(modality, []).append(place)
        self._place = {o.id: place for place, o in enumerate(observations)}
        self._likeness: dict[Spoken, Alike] = {}
        self._rows: dict[str, int] = {}
        self._cited: dict[tuple[str, ...], tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self.texts)

    def places(self, modality: Modality) -> list[int]:
        """Places of the observations of one modality."""
        return self._near.get(modality, [])

    def cited(self, cites: tuple[str, ...]) -> tuple[int, ...]:
        """Places of what the cites that count name: the first `MAX_CITES`, without repeats and what is absent."""
        places = self._cited.get(cites)
        if places is None:
            known = [self._place[id] for id in dict.fromkeys(cites[:MAX_CITES]) if id in self._place]
            places = self._cited[cites] = tuple(known)
        return places

    def rows(self, lines: list[CheckLine]) -> list[int]:
        """Where each check stands in `grounded`; `ABSENT` where no observation has its id."""
        known = self._rows
        return [known[line.written] if line.written in known else self._ground(line) for line in lines]

    def _ground(self, line: CheckLine) -> int:
        place = self._place.get(line.id)
        row = self._rows[line.written] = ABSENT if place is None else len(self.grounded)
        if place is not None:
            truth = self._truth(line.quote, place)
            likeness = self._like(line.quote, place) if truth else _LIKE_NOTHING
            self.grounded.append(Grounded(line, place, self.weights[place], truth, likeness))
        return row

    def _like(self, quote: str, place: int) -> Alike:
        spoken = (self.modalities[place], quote)
        if spoken not in self._likeness:
            self._likeness[spoken] = self.unread[spoken] = []
        return self._likeness[spoken]

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
