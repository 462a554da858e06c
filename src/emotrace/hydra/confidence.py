"""How sure a verdict is: a logistic regression on what the scores look like, and on what it was fitted.

The shipped coefficients come from the simulated world (`recipes/hydra_world_reference.py` writes them), so their basis
is `simulated`: they order verdicts sensibly and say nothing about accuracy on people. [ours]
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from jaxtyping import Bool, Float64

MARGIN_LIMIT = 6.0
CONFLICT_IF_UNKNOWN = 0.7
"""[ours] What stands in where fewer than two modalities give a reading."""


@dataclass(frozen=True, kw_only=True)
class Features:
    """What the regression sees of one decision."""

    margin: float
    """Score of the winner less that of the best reading in another sector, in nats."""
    log_posterior: float
    """ln of the posterior share of the first label's sector."""
    log_score: float
    """Score of the winner, in nats against the average affect."""
    conflict: float | None
    observations: int
    """How many observations say anything."""

    def vector(self) -> tuple[float, ...]:
        """The numbers in the order of the coefficients, the margin clipped at 6."""
        conflict = CONFLICT_IF_UNKNOWN if self.conflict is None else self.conflict
        margin = max(min(self.margin, MARGIN_LIMIT), -MARGIN_LIMIT)
        return margin, self.log_posterior, self.log_score, conflict, float(self.observations)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Coefficients, and what they were fitted on."""

    intercept: float
    coefficients: tuple[float, ...]
    """margin, log_posterior, log_score, conflict, observations."""
    basis: str
    """`none`, `simulated` or `fitted:<id>`; printed beside every confidence."""

    def probability(self, features: Features) -> float:
        """Probability that the first label's sector is right, 0..1."""
        terms = zip(self.coefficients, features.vector(), strict=True)
        return sigmoid(self.intercept + math.fsum(coefficient * value for coefficient, value in terms))


def sigmoid(x: float) -> float:
    """1 / (1 + e^−x), without overflow.

    >>> sigmoid(0.0), sigmoid(-1000.0)
    (0.5, 0.0)
    """
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0.0 else math.exp(x) / (1.0 + math.exp(x))


@cache
def shipped_calibration() -> Calibration:
    """The coefficients of `tables/confidence.json`."""
    record = json.loads(files("emotrace.hydra").joinpath("tables/confidence.json").read_text(encoding="utf-8"))
    return Calibration(
        intercept=record["intercept"],
        coefficients=tuple(record["coefficients"][name] for name in Features.__dataclass_fields__),
        basis=record["basis"],
    )


def fit_logistic(
    features: Float64[np.ndarray, "example feature"], right: Bool[np.ndarray, " example"], *, ridge: float = 1e-3
) -> tuple[float, tuple[float, ...]]:
    """Intercept and coefficients of a logistic regression, by Newton's method.

    Args:
        features: One row per example.
        right: Whether the example's answer was right.
        ridge: Weight of the squared coefficients, on features scaled to unit deviation; the intercept is free.
    """
    centre, scale = features.mean(axis=0), np.maximum(features.std(axis=0), 1e-9)
    x = np.column_stack([np.ones(len(features)), (features - centre) / scale])
    penalty = np.diag([0.0, *[ridge * len(features)] * features.shape[1]])
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1.0 / (1.0 + np.exp(-(x @ weights)))
        step = np.linalg.solve((x.T * (p * (1.0 - p))) @ x + penalty, x.T @ (right - p) - penalty @ weights)
        weights = weights + step
        if np.abs(step).max() < 1e-10:
            break
    slopes = weights[1:] / scale
    return float(weights[0] - slopes @ centre), tuple(float(slope) for slope in slopes)
