"""Does reliability predict that a trace is right? Over sections with a verdict on labelled clips: area and diagram.

A reliability that does not tell right from wrong is no reliability: below an area of 0.55 the report says so [ours].
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float64
from pydantic import BaseModel, ConfigDict

LEAST_AREA: Final = 0.55
FEWEST: Final = 10
"""Right and wrong sections that there must be of each, before an area says anything [ours]."""
BINS: Final = 5
_DRAWS: Final = 1000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class TrustBin(_Frozen):
    """The sections whose reliability lies in (low, high]."""

    low: float
    high: float
    sections: int
    mean_rho: float | None
    """None for an empty bin; so the next."""
    right: float | None
    """Share whose verdict is the clip's label."""


class TrustCheck(_Frozen):
    """Reliability against correctness, over sections of one kind."""

    sections: int
    """With a verdict and a reliability above 0, on labelled clips."""
    right: float | None
    """Share of right verdicts; None without a section."""
    area: float | None
    """Under ROC: chance that a right section has the higher reliability than a wrong one; None with few of either."""
    low: float | None
    """95 % bootstrap interval of the area, over clips."""
    high: float | None
    bins: tuple[TrustBin, ...]

    @property
    def is_blind(self) -> bool:
        """Whether reliability does not tell right from wrong."""
        return self.area is not None and self.area < LEAST_AREA


def check_trust(
    rho: Float64[np.ndarray, " section"], right: Bool[np.ndarray, " section"], *, seed: int = 0
) -> TrustCheck:
    """How far reliability tells right verdicts from wrong ones.

    Args:
        rho: Reliability, above 0 and at most 1: a section that is shut out takes no part.
        right: Whether the section's verdict is the clip's label.
        seed: Of the bootstrap.
    """
    counts = int(right.sum()), int((~right).sum())
    area = low = high = None
    if min(counts) >= FEWEST:
        area = area_under_roc(rho, right)
        rng = np.random.default_rng(seed)
        drawn = (rng.integers(0, len(rho), len(rho)) for _ in range(_DRAWS))
        areas = [area_under_roc(rho[rows], right[rows]) for rows in drawn if 0 < right[rows].sum() < len(rows)]
        low, high = (float(each) for each in np.quantile(areas, (0.025, 0.975)))
    return TrustCheck(
        sections=len(rho),
        right=float(right.mean()) if len(rho) else None,
        area=area,
        low=low,
        high=high,
        bins=_bins(rho, right),
    )


def area_under_roc(values: Float64[np.ndarray, " item"], positive: Bool[np.ndarray, " item"]) -> float:
    """Chance that a positive item has the higher value, ties counting half.

    >>> area_under_roc(np.array([0.1, 0.4, 0.4, 0.9]), np.array([False, False, True, True]))
    0.875
    """
    _, block, sizes = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2)[block]  # mean rank among equals, from 1
    first, second = int(positive.sum()), int((~positive).sum())
    return float((ranks[positive].sum() - first * (first + 1) / 2) / (first * second))


def _bins(rho: Float64[np.ndarray, " section"], right: Bool[np.ndarray, " section"]) -> tuple[TrustBin, ...]:
    places = np.clip(np.ceil(rho * BINS).astype(np.int64) - 1, 0, BINS - 1)
    found = []
    for place in range(BINS):
        inside = places == place
        found.append(
            TrustBin(
                low=place / BINS,
                high=(place + 1) / BINS,
                sections=int(inside.sum()),
                mean_rho=float(rho[inside].mean()) if inside.any() else None,
                right=float(right[inside].mean()) if inside.any() else None,
            )
        )
    return tuple(found)
