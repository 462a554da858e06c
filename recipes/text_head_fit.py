"""Calibration, thresholds, 8-bit rows and scores of the words head: everything after the training proper."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from text_head_linear import Linear, Table

BINS = 15
ROUNDS = 40
"""Resamples of a threshold."""
PULL, USUAL = 2.0, 2.2
"""How strongly a ceiling is drawn to its usual value, and that value in log odds."""


def calibration(logits: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Slope, intercept and ceiling per label: p = ceiling * sigmoid(slope * logit + intercept), by maximum likelihood.

    Platt scaling (1999) with an upper asymptote, since readers differ even on the plainest sentence. A slight pull
    draws the ceiling of labels with few texts to 0.9.
    """

    def loss(at: np.ndarray, scores: np.ndarray, marked: np.ndarray) -> tuple[float, np.ndarray]:
        ceiling, inner = float(sigmoid(at[2])), sigmoid(at[0] * scores + at[1])
        p = ceiling * inner
        by_p = (1 - marked) / (1 - p) - marked / p
        by_inner = by_p * ceiling * inner * (1 - inner)
        by_ceiling = (by_p * inner).sum() * ceiling * (1 - ceiling) + 2 * PULL * (at[2] - USUAL)
        value = -(marked * np.log(p) + (1 - marked) * np.log(1 - p)).sum() + PULL * (at[2] - USUAL) ** 2
        return value / len(p), np.array([by_inner @ scores, by_inner.sum(), by_ceiling]) / len(p)

    options = {"ftol": 1e-13, "gtol": 1e-8}
    found = np.array(
        [
            minimize(
                loss, [1.0, 0.0, USUAL], args=(scores, marked), jac=True, method="L-BFGS-B", options=options,
                bounds=[(0.1, 10.0), (-10.0, 10.0), (-2.0, 6.0)],
            ).x
            for scores, marked in zip(logits.T, truth.T.astype(np.float64), strict=True)
        ]
    )  # fmt: skip
    return found[:, 0], found[:, 1], sigmoid(found[:, 2])


def thresholds(probabilities: np.ndarray, truth: np.ndarray, seed: int) -> np.ndarray:
    """The probability from which a label is decided: where its F1 is highest, averaged over resamples of the texts."""
    generator = np.random.default_rng(seed)
    found = np.zeros((ROUNDS, truth.shape[1]))
    for draw in range(ROUNDS):
        rows = generator.integers(0, len(truth), len(truth))
        for k in range(truth.shape[1]):
            order = rows[np.argsort(-probabilities[rows, k], kind="stable")]
            hits = np.cumsum(truth[order, k])
            f1 = 2 * hits / (np.arange(1, len(order) + 1) + hits[-1])
            found[draw, k] = probabilities[order[int(np.argmax(f1))], k]
    return found.mean(axis=0)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Logistic function without overflow."""
    return 1.0 / (1.0 + np.exp(-np.clip(x, -30.0, 30.0)))


def _rows_of_bytes(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows as 8-bit numbers and their scales."""
    scales = (np.abs(weights).max(axis=1) / 127.0).astype(np.float16)
    safe = np.maximum(scales.astype(np.float32), 1e-7)
    return np.clip(np.rint(weights / safe[:, None]), -127, 127).astype(np.int8), scales


def save(
    path: Path,
    *,
    linear: Linear,
    table: Table,
    words: np.ndarray,
    slope: np.ndarray,
    intercept: np.ndarray,
    ceiling: np.ndarray,
    cuts: np.ndarray,
) -> None:
    """Writes the model file: the same bytes for the same numbers. The calibration goes into the weights."""
    rows, scales = _rows_of_bytes(linear.weights * slope * table.sizes[:, None])
    arrays = {
        "feature_hashes": table.hashes,
        "feature_rows": rows,
        "feature_scales": scales,
        "feature_sizes": table.sizes.astype(np.float16),
        "word_hashes": words,
        "bias": slope * linear.bias + intercept,
        "ceilings": ceiling,
        "thresholds": cuts,
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, array in arrays.items():
            stream = io.BytesIO()
            np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            archive.writestr(entry, stream.getvalue(), zipfile.ZIP_DEFLATED)


def f1_per_label(decided: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """F1 of each label; 0 where it is neither decided nor true."""
    hits = (decided & (truth > 0)).sum(axis=0)
    return 2 * hits / np.maximum(decided.sum(axis=0) + truth.sum(axis=0), 1)


def best_f1_per_label(scores: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The F1 of the best threshold of each label on these very texts: for comparing candidates alone."""
    best = np.zeros(truth.shape[1])
    for k in range(truth.shape[1]):
        hits = np.cumsum(truth[np.argsort(-scores[:, k], kind="stable"), k])
        best[k] = (2 * hits / (np.arange(1, len(hits) + 1) + hits[-1])).max()
    return best


def calibration_error(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error over 15 equal-width bins, every given probability counted once."""
    p, y = probabilities.ravel().astype(np.float64), truth.ravel()
    which = np.clip(np.ceil(p * BINS).astype(int) - 1, 0, BINS - 1)
    return float(np.abs(np.bincount(which, weights=p - y, minlength=BINS)).sum() / len(p))


def area_under_roc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Probability that a text with the label is ranked above one without, ties counting half."""
    _, block, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2.0)[block]
    positive = truth > 0
    n, m = int(positive.sum()), int((~positive).sum())
    return float((rank[positive].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")
