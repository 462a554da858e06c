"""Which observations a quote is like, by a sentence encoder [paper: MiniLM]; what `sem` counts as covered.

A level is 1 from a cosine of 0.7 on and 0.5 from 0.5 on. The numbers 0.7, 0.5 and 0 are the paper's [paper]; whether
these are thresholds or values, and what is compared with what, is unresolved, and read here as thresholds [ours].
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64

from emotrace.encoders.text import SentenceEncoder
from emotrace.errors import RewardFailed
from emotrace.hydra.rewards.arrays import of_pairs

ALIKE, ALMOST_ALIKE = 0.7, 0.5
ROUNDING = 1e-6
"""Vectors are single precision: a cosine this little below a level reaches it."""
VECTORS = 100_000
"""How many texts' vectors are kept: at most 400 MB at 1,024 numbers each."""

Vector = Float32[np.ndarray, " width"]


class Likeness:
    """Which observations a quote is like, by a sentence encoder. Every distinct text is read once.

    Args:
        encoder: Reads texts; `hashed` needs no download.
    """

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.encoder = encoder
        self._vectors: dict[str, Vector] = {}

    def levels(
        self, texts: Sequence[str], a: Int64[np.ndarray, " pair"], b: Int64[np.ndarray, " pair"]
    ) -> Float64[np.ndarray, " pair"]:
        """How much the one text of each pair covers the other: 0, 0.5 or 1. Texts of a pair go by their number.

        Raises:
            RewardFailed: The encoder gave other than one finite vector per text.
        """
        used = np.unique(np.concatenate([a, b])).tolist()
        vectors = dict(zip(used, self._read([texts[number] for number in used]), strict=True))
        cosines = of_pairs(a, b, lambda one, other: 1.0 if one == other else vectors[one].dot(vectors[other]))
        return (cosines >= ALIKE - ROUNDING) * 0.5 + (cosines >= ALMOST_ALIKE - ROUNDING) * 0.5

    def _read(self, texts: Sequence[str]) -> list[Vector]:
        """The vector of each text at length 1, or zeros."""
        held = self._vectors
        if new := sorted({*texts} - held.keys()):
            rows = np.asarray(self.encoder.encode([_writable(text) for text in new]), dtype=np.float64)
            if rows.ndim != 2 or len(rows) != len(new) or not np.isfinite(rows).all():
                raise RewardFailed(
                    f"{self.encoder.name} gave no finite vector for each of {len(new)} texts, such as {new[0]!r}"
                )
            rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)
            held.update(zip(new, rows.astype(np.float32), strict=True))
        found = [held[text] for text in texts]
        while len(held) > VECTORS:
            del held[next(iter(held))]
        return found


def _writable(text: str) -> str:
    """The text without halves of surrogate pairs, which no encoder can read."""
    return text.encode(errors="replace").decode()
