"""Scores of a rated value: MSE, CCC, and MER2023's combination of one with a closed-set score.

CCC = 2 cov / (var_y + var_p + (mean_y - mean_p)^2), population moments
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from emotrace.errors import InvalidScores

if TYPE_CHECKING:
    from jaxtyping import Float64


def mse(truth: Float64[np.ndarray, " clip"], predicted: Float64[np.ndarray, " clip"]) -> float:
    """Mean squared error over the clips that have a truth; a truth of nan has no value. nan when no clip has one.

    Raises:
        InvalidScores: Different lengths, or a clip with a truth but without a finite prediction.
    """
    known = ~np.isnan(truth) if truth.shape == predicted.shape else np.zeros(0, bool)
    if truth.shape != predicted.shape or not np.isfinite(predicted[known]).all():
        raise InvalidScores(f"every value needs a finite prediction: got {truth.shape = }, {predicted.shape = }")
    return float(np.mean((predicted[known] - truth[known]) ** 2)) if known.any() else float("nan")


def ccc(truth: Float64[np.ndarray, " clip"], predicted: Float64[np.ndarray, " clip"]) -> float:
    """Lin's concordance correlation in [-1, 1]; nan when both sides are constant, or no clip has a truth.

    `ccc([1, 2, 3], [2, 3, 4])` is 4/7.
    """
    if truth.shape != predicted.shape:
        raise InvalidScores(f"got {truth.shape = } and {predicted.shape = }")
    known = ~np.isnan(truth)
    if not known.any():
        return float("nan")
    y, p = truth[known], predicted[known]
    covariance = float(np.mean((y - y.mean()) * (p - p.mean())))
    spread = float(y.var() + p.var() + (y.mean() - p.mean()) ** 2)
    both_constant = np.ptp(y) == 0 and np.ptp(p) == 0
    return float("nan") if both_constant else 2.0 * covariance / spread


def mer2023_combined(waf_score: float, mse_score: float) -> float:
    """WAF - 0.25 MSE, the score of the MULTI and NOISE tracks of MER2023 [field]; SEMI uses WAF alone."""
    return waf_score - 0.25 * mse_score
