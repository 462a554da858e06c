"""Tests in closed form: McNemar for two accuracies, a t-test over folds, and Holm's adjustment of several p-values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from emotrace.errors import InvalidScores

if TYPE_CHECKING:
    from jaxtyping import Bool, Float64


def mcnemar(correct_a: Bool[np.ndarray, " clip"], correct_b: Bool[np.ndarray, " clip"]) -> float:
    """Exact two-sided McNemar p for two accuracies.

    min(1, 2 sum_{k <= min(b,c)} C(b+c, k) / 2^(b+c)), with b and c the clips that only one of the two got right.
    """
    if correct_a.shape != correct_b.shape:
        raise InvalidScores(f"got {correct_a.shape = } and {correct_b.shape = }")
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    discordant = only_a + only_b
    term, total = 1, 0
    for k in range(min(only_a, only_b) + 1):
        total += term
        term = term * (discordant - k) // (k + 1)
    return min(1.0, float(2 * total / 2**discordant))


def holm(p_values: dict[str, float]) -> dict[str, float]:
    """Holm's step-down adjustment of several p-values, given and returned by name in the same order."""
    adjusted: dict[str, float] = {}
    running = 0.0
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        running = max(running, min(1.0, (len(p_values) - rank) * p))
        adjusted[name] = running
    return {name: adjusted[name] for name in p_values}


def fold_t_test(differences: Float64[np.ndarray, " fold"], *, test_clips: int, train_clips: int) -> tuple[float, float]:
    """Corrected resampled t-test over k folds (Nadeau and Bengio): variance factor 1/k + n_test/n_train.

    Returns:
        t and its two-sided p with k - 1 degrees of freedom; (nan, nan) when all differences are equal.

    Raises:
        InvalidScores: Fewer than two folds.
    """
    folds = len(differences)
    if folds < 2:
        raise InvalidScores(f"a test over folds needs at least two of them: got {folds}")
    variance = float(differences.var(ddof=1)) * (1.0 / folds + test_clips / train_clips)
    if variance == 0.0:
        return float("nan"), float("nan")
    t = float(differences.mean()) / math.sqrt(variance)
    return t, _student_two_sided(t, folds - 1)


def _student_two_sided(t: float, freedom: int) -> float:
    """P(|T| >= |t|) for whole degrees of freedom, by the finite series of Abramowitz and Stegun 26.7.3-4."""
    angle = math.atan(abs(t) / math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2 == 1
    term = cosine if odd else 1.0
    series = 0.0
    for k in range(3 if odd else 2, freedom + 1, 2):
        series += term
        term *= cosine * cosine * (k - 1) / k
    inside = 2.0 / math.pi * (angle + sine * series) if odd else sine * series
    return max(0.0, 1.0 - inside)
