"""A sheet as the terms look things up in it."""

from __future__ import annotations

from emotrace.evidence.observation import MODALITIES, EvidenceSheet
from emotrace.hydra.grammar import LEAST_QUOTE_WORDS
from emotrace.hydra.quotes import QUOTE_IS_NEAR, QUOTE_IS_TRUE, is_found_above, share_found

UNITS = 10**9
"""Weights are kept as whole numbers of this unit, so that no sum depends on the order of the lines."""


class SheetIndex:
    """One sheet; its observations go by their place on it.

    Args:
        sheet: The evidence; only texts, modalities and weights are read.
    """

    def __init__(self, sheet: EvidenceSheet) -> None:
        observations = sheet.observations
        self.ids = [o.id for o in observations]
        self.texts = [o.text for o in observations]
        self.weights = [round(sheet.weight(o) * UNITS) for o in observations]
        self.modalities = [MODALITIES.index(o.modality) for o in observations]
        """As numbers."""

    def __len__(self) -> int:
        return len(self.texts)

    def truth(self, quote: str, place: int) -> float:
        """How much of a quote is in the observation: 0, 0.5 or 1; see `quoting`."""
        if quote.count(" ") + 1 < LEAST_QUOTE_WORDS:
            return 1.0 if quote == self.texts[place] else 0.0
        share = share_found(quote, self.texts[place])
        if share < QUOTE_IS_NEAR:
            return 0.0
        if share < 1.0 and any(is_found_above(share, quote, other) for other in self._others(place)):
            return 0.0
        return 1.0 if share >= QUOTE_IS_TRUE else 0.5

    def _others(self, place: int) -> list[str]:
        """Texts of the other observations of a modality."""
        modality = self.modalities[place]
        return [text for other, text in enumerate(self.texts) if self.modalities[other] == modality and other != place]
