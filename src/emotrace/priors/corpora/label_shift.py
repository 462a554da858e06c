"""Scores under other class shares than those of the clips at hand, and shares estimated from unlabelled answers.

MER2024 trains with 14.5 % sad clips and was tested with 25.2 % [field: its label files]. A validation score under other
shares is exact: each clip of class c weighs pi_new(c) / pi(c), which scales the rows of the confusion matrix.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Float64, Int64

from emotrace.errors import InvalidScores
from emotrace.metrics.confusion_matrix import CLOSED_SET_SCORES

SAD_FACTOR = 1.75
"""How much more frequent sad is in the third set of shares; MER2024's own shift was 1.74 [field]."""
_ITERATIONS, _CHANGE = 10_000, 1e-10


def shifted_shares(
    shares: Float64[np.ndarray, " label"], labels: Sequence[str]
) -> dict[str, Float64[np.ndarray, " label"]]:
    """The four sets of shares: natural, uniform over the classes that occur, sad x 1.75, and the root of the natural.

    Without a class `sad`, the third is left out.
    """
    found = {"natural": shares, "uniform": (shares > 0).astype(np.float64)}
    if "sad" in labels:
        found[f"sad x {SAD_FACTOR}"] = shares * np.where(np.array(labels) == "sad", SAD_FACTOR, 1.0)
    found["root"] = np.sqrt(shares)
    return {name: each / each.sum() for name, each in found.items()}


def under_shares(
    confusion: Int64[np.ndarray, "truth predicted"], shares: Float64[np.ndarray, " label"]
) -> dict[str, float]:
    """WAR, UAR, macro-F1 and WAF as they would be with these class shares and the same answers within each class.

    Raises:
        InvalidScores: A class that has a share but no clip.
    """
    counts = confusion.sum(axis=1).astype(np.float64)
    if ((counts == 0) & (shares > 0)).any():
        raise InvalidScores("a class without a clip cannot be given a share")
    weights = np.divide(shares * counts.sum(), counts, out=np.zeros_like(shares), where=counts > 0)
    weighted = confusion * weights[:, None]
    return {name: float(score(weighted)) for name, score in CLOSED_SET_SCORES.items()}


def shift_table(confusion: Int64[np.ndarray, "truth predicted"], labels: Sequence[str]) -> dict[str, dict[str, float]]:
    """The four scores under each set of shares, then their `mean` and their `worst`."""
    counts = confusion.sum(axis=1).astype(np.float64)
    table = {
        name: under_shares(confusion, shares) for name, shares in shifted_shares(counts / counts.sum(), labels).items()
    }
    names = list(CLOSED_SET_SCORES)
    rows: Mapping[str, list[float]] = {name: [row[name] for row in table.values()] for name in names}
    return table | {
        "mean": {name: float(np.mean(rows[name])) for name in names},
        "worst": {name: float(np.min(rows[name])) for name in names},
    }


def adapt_by_em(
    probabilities: Float[np.ndarray, "clip label"], train_shares: Float64[np.ndarray, " label"]
) -> tuple[Float64[np.ndarray, "clip label"], Float64[np.ndarray, " label"]]:
    """Answers with class shares estimated from the very clips that are answered: transductive, and to be called so.

    pi <- mean_i p_i with p_i proportional to p(c|x_i)·pi_c / pi_train,c, until nothing changes [field: Saerens et al.,
    Neural Computation 2002].

    Returns:
        The adapted probabilities, and the shares found.
    """
    if not len(probabilities):
        return probabilities.astype(np.float64), train_shares
    ratio = probabilities.astype(np.float64) / np.maximum(train_shares, 1e-12)
    shares = train_shares.copy()
    for _ in range(_ITERATIONS):
        adapted = ratio * shares
        adapted /= np.maximum(adapted.sum(axis=1, keepdims=True), 1e-300)
        found = adapted.mean(axis=0)
        if np.abs(found - shares).max() < _CHANGE:
            break
        shares = found
    return adapted, found
