"""What labelled recordings say of observers and heads, where such recordings exist.

`tables/fitted.json` holds how often an observer's cues were met with each affect, and what a trained head reads on
average, so that a reading counts by how far it departs from that. `recipes/fit_likelihoods.py` makes it, on train parts
only. A cue that an observer of the same name and version measured uses the counts in place of the hand-made levels of
`tables/likelihood.toml`; for an affect without data, and for every other observer, those stay. [ours]

    p(c|a) = (n_ca + κ·h_ca) / (N_a + κ/b_c)        ρ_c(a) = p(c|a) / b_c, scaled to the mean of h_c

n_ca counts the units of affect a that showed cue c, N_a all of them, b_c is the mean rate of c over the affects with
data, h_ca the hand-made ratio at mean 1 over those affects: κ cues' worth of belief, which a thousand counts outvote
and three do not. How these affects stand against the others cannot be measured and stays as it was: that is the scale.
Neutral keeps its hand-made levels even where it was counted: they also stand for how common it is, for which the
reasoner has no other place. (Counted too, it gained no more UAR on GoEmotions dev and lost 0.19 of the share right.)
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from jaxtyping import Float64

from emotrace.errors import EvidenceError
from emotrace.labels.affects import AFFECT_NAMES

BELIEF_CUES = 8.0
"""κ [ours]."""
LEAST_UNITS = 30
"""[ours] An affect with fewer labelled units has no data."""
LEAST_CUES = 10
"""[ours] A cue that was met less often keeps its hand-made levels."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What one observer reported in one set of labelled units."""

    observer: str
    """`name@version`, the `source` of its observations."""
    corpus: str
    part: str
    """Which part, and what one unit is."""
    units: Mapping[str, int]
    """Affect -> labelled units."""
    cues: Mapping[str, Mapping[str, int]]
    """Cue -> affect -> units in which it was reported."""

    def measured(self) -> tuple[str, ...]:
        """The affects with data, in the fixed order; never neutral."""
        return tuple(affect for affect in AFFECT_NAMES[:-1] if self.units.get(affect, 0) >= LEAST_UNITS)

    def ratios(self, cue: str, by_hand: Float64[np.ndarray, " affect"]) -> Float64[np.ndarray, " affect"] | None:
        """ρ of every affect for a cue, without the floor; None where the cue was met too seldom.

        Args:
            cue: Key of the cue table.
            by_hand: What the table says, for every affect.
        """
        counted, measured = self.cues.get(cue, {}), self.measured()
        if sum(counted.get(affect, 0) for affect in measured) < LEAST_CUES:
            return None
        places = [AFFECT_NAMES.index(affect) for affect in measured]
        met = np.array([counted.get(affect, 0) for affect in measured], dtype=np.float64)
        units = np.array([self.units[affect] for affect in measured], dtype=np.float64)
        base, level = float((met / units).mean()), float(by_hand[places].mean())
        hand = by_hand[places] / level
        shares = (met + BELIEF_CUES * hand) / (units + BELIEF_CUES / base)
        ratios = by_hand.copy()
        ratios[places] = shares * level / shares.mean()
        return ratios


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """All that was measured."""

    observers: Mapping[str, Counts]
    """By the `source` of their observations."""
    readings: Mapping[str, Mapping[str, float]]
    """Source of a head's readings -> label -> the head's mean probability over the labelled units it was fitted on."""


NOTHING_FITTED = Fitted(observers={}, readings={})


def load_fitted(text: str) -> Fitted:
    """Reads a table.

    Raises:
        EvidenceError: No such affect, a cue met in more units than there are, or a mean that is no share.
    """
    record = json.loads(text)
    observers = {counts.observer: counts for counts in map(_counts, record["observers"])}
    readings = {each["source"]: each["mean"] for each in record["readings"]}
    for source, mean in readings.items():
        if not mean or not all(0.0 < share < 1.0 for share in mean.values()):
            raise EvidenceError(f"means must lie between 0 and 1, got {mean}", where=source)
    return Fitted(observers=observers, readings=readings)


def _counts(record: Mapping[str, Any]) -> Counts:
    counts = Counts(**{name: record[name] for name in ("observer", "corpus", "part", "units", "cues")})
    if unknown := set(counts.units) - set(AFFECT_NAMES):
        raise EvidenceError(f"no affects: {sorted(unknown)}", where=counts.observer)
    for cue, met in counts.cues.items():
        if any(number > counts.units.get(affect, 0) for affect, number in met.items()):
            raise EvidenceError(f"{cue!r} was met in more units than there are", where=counts.observer)
    return counts


@cache
def shipped_fitted() -> Fitted:
    """The table that comes with emotrace, read once."""
    return load_fitted(files("emotrace.hydra").joinpath("tables/fitted.json").read_text(encoding="utf-8"))
