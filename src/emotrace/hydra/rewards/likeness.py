"""Which observations a quote is like, by a sentence encoder [paper: MiniLM]; what `sem` counts as covered.

A level is 1 from a cosine of 0.7 on and 0.5 from 0.5 on. The numbers 0.7, 0.5 and 0 are the paper's [paper]; whether
these are thresholds or values, and what is compared with what, is unresolved, and read here as thresholds [ours].
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float64

from emotrace.encoders.text import SentenceEncoder
from emotrace.errors import RewardFailed
from emotrace.hydra.rewards.sheets import SheetIndex

ALIKE, ALMOST_ALIKE = 0.7, 0.5
ROUNDING = 1e-6
"""Vectors are single precision: a cosine this little below a level reaches it."""
VECTORS = 100_000
"""How many texts' vectors are kept: at most 400 MB at 1,024 numbers each."""


class Likeness:
    """Which observations a quote is like, by a sentence encoder. Every distinct text is read once.

    Args:
        encoder: Reads texts; `hashed` needs no download.
    """

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.encoder = encoder
        self._vectors: dict[str, Float64[np.ndarray, " width"]] = {}

    def prepare(self, sheets: Iterable[SheetIndex]) -> None:
        """Fills in what every true quote on these sheets is like.

        Raises:
            RewardFailed: The encoder gave other than one finite vector per text.
        """
        sheets = [sheet for sheet in sheets if sheet.unread]
        quotes = {quote for sheet in sheets for _, quote in sheet.unread}
        observed = {sheet.texts[place] for sheet in sheets for said, _ in sheet.unread for place in sheet.places(said)}
        vectors = self._read(sorted(quotes | observed))
        for sheet in sheets:
            for (modality, quote), likeness in sheet.unread.items():
                heard = vectors[quote]
                for place in sheet.places(modality):
                    text = sheet.texts[place]
                    if level := 1.0 if quote == text else _level(float(heard @ vectors[text])):
                        likeness.append((place, level))
            sheet.unread.clear()

    def _read(self, texts: Sequence[str]) -> dict[str, Float64[np.ndarray, " width"]]:
        """Text -> its vector at length 1, or zeros."""
        held = self._vectors
        if new := [text for text in texts if text not in held]:
            rows = np.asarray(self.encoder.encode([_writable(text) for text in new]), dtype=np.float64)
            if rows.ndim != 2 or len(rows) != len(new) or not np.isfinite(rows).all():
                raise RewardFailed(
                    f"{self.encoder.name} gave no finite vector for each of {len(new)} texts, such as {new[0]!r}"
                )
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)
            held.update(zip(new, rows, strict=True))
        found = {text: held[text] for text in texts}
        while len(held) > VECTORS:
            del held[next(iter(held))]
        return found


def _writable(text: str) -> str:
    """The text without halves of surrogate pairs, which no encoder can read."""
    return text.encode(errors="replace").decode()


def _level(cosine: float) -> float:
    if cosine >= ALIKE - ROUNDING:
        return 1.0
    return 0.5 if cosine >= ALMOST_ALIKE - ROUNDING else 0.0
