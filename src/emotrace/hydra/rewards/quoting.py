"""evid and sem: are the quotes true, and how much of the sheet do they cover? The precision and the recall of quoting.

    evid   mean over checks of e = 1 where 0.8 of the quote's trigrams are in the observation, 0.5 where 0.6 are, else
           0; 0 too for an unknown or repeated id, a quote below 3 words that is not the whole text, or one that fits
           another observation of that modality better
    sem    Σ s_o · Q(largest cosine of o's text with the quotes of its modality) / Σ s_o
           Q(c) = 1 for c >= 0.7, 0.5 for c >= 0.5, else 0

Matching quotes roughly, MiniLM vectors and the numbers 0.7, 0.5 and 0 are the paper's [paper]; whether these are
thresholds or values, and what is compared with what, is unresolved, and read here as written above [ours]. Only quotes
that `evid` finds true or nearly true count for `sem` [ours]: what cites an absent observation covers nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from operator import mul

import numpy as np
from jaxtyping import Float64

from emotrace.encoders.text import SentenceEncoder
from emotrace.errors import RewardFailed
from emotrace.hydra.rewards.sheets import Trajectory

ALIKE, ALMOST_ALIKE = 0.7, 0.5
ROUNDING = 1e-6
"""Vectors are single precision: a cosine this little below a level reaches it."""
VECTORS = 100_000
"""How many texts' vectors are kept: at most 400 MB at 1,024 numbers each."""


def evid(trajectory: Trajectory) -> float:
    """The precision of quoting, 0..1; 0 without a check."""
    written = len(trajectory.reading.checks)
    return sum([check.truth for check in trajectory.checks]) / written if written else 0.0


def sem(trajectory: Trajectory) -> float:
    """The share of the sheet's weight that true quotes cover, 0..1; `Likeness.prepare` must have seen the quotes."""
    sheet = trajectory.sheet
    best = [0.0] * len(sheet)
    for check in trajectory.checks:
        for place, level in check.likeness:
            if level > best[place]:
                best[place] = level
    # Levels are halves and weights whole numbers, so that a sheet covered in full gives exactly 1.
    return math.fsum(map(mul, sheet.weights, best)) / max(sheet.total, 1)


class Likeness:
    """Which observations a quote is like, by a sentence encoder. Every distinct text is read once.

    Args:
        encoder: Reads texts; `hashed` needs no download.
    """

    def __init__(self, encoder: SentenceEncoder) -> None:
        self.encoder = encoder
        self._vectors: dict[str, Float64[np.ndarray, " width"]] = {}

    def prepare(self, trajectories: Iterable[Trajectory]) -> None:
        """Fills in what every true quote is like.

        Raises:
            RewardFailed: The encoder gave other than one finite vector per text.
        """
        sheets = [sheet for sheet in dict.fromkeys(each.sheet for each in trajectories) if sheet.unread]
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
