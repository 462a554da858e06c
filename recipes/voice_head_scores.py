"""Scores of probabilities over the seven emotions, with intervals over sentences within speakers.

Part of `voice_head.py`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from emotrace.heads.voice import AROUSAL, VALENCE
from emotrace.metrics.values import ccc

DRAWS = 1000
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


def recall(p: np.ndarray, truth: np.ndarray) -> float:
    """Unweighted average recall over the emotions that occur."""
    right = p.argmax(1) == truth
    return float(np.mean([right[truth == emotion].mean() for emotion in np.unique(truth)]))


def accuracy(p: np.ndarray, truth: np.ndarray) -> float:
    """Share of right answers."""
    return float(np.mean(p.argmax(1) == truth))


def macro_f1(p: np.ndarray, truth: np.ndarray) -> float:
    """Mean F1 over the emotions that occur."""
    guess = p.argmax(1)
    each = [
        2 * np.sum((guess == e) & (truth == e)) / (np.sum(guess == e) + np.sum(truth == e)) for e in np.unique(truth)
    ]
    return float(np.mean(each))


def surprise(p: np.ndarray, truth: np.ndarray) -> float:
    """Mean negative log likelihood."""
    return float(-np.log(np.maximum(p[np.arange(len(truth)), truth], 1e-9)).mean())


def calibration_error(p: np.ndarray, truth: np.ndarray) -> float:
    """Expected calibration error, 10 equal-width bins of the highest probability."""
    confidence, right = p.max(1), p.argmax(1) == truth
    bins = np.minimum((confidence * 10).astype(int), 9)
    gaps = [abs(confidence[bins == b].mean() - right[bins == b].mean()) * np.mean(bins == b) for b in np.unique(bins)]
    return float(np.sum(gaps))


def arousal_ccc(p: np.ndarray, truth: np.ndarray) -> float:
    """Concordance of the mean arousal with the place of the true emotion."""
    return float(ccc(np.array(AROUSAL)[truth], (p @ np.array(AROUSAL)).astype(np.float64)))


def valence_ccc(p: np.ndarray, truth: np.ndarray) -> float:
    """Concordance of the mean valence with the place of the true emotion."""
    return float(ccc(np.array(VALENCE)[truth], (p @ np.array(VALENCE)).astype(np.float64)))


SCORES: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "UAR": recall,
    "accuracy": accuracy,
    "macro F1": macro_f1,
    "NLL": surprise,
    "ECE": calibration_error,
    "arousal CCC": arousal_ccc,
    "valence CCC": valence_ccc,
}


def scores(p: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """All scores."""
    p = p.astype(np.float64)
    return {name: round(score(p, truth), 4) for name, score in SCORES.items()}


def with_intervals(
    p: np.ndarray, truth: np.ndarray, speakers: np.ndarray, sentences: np.ndarray, seed: int
) -> dict[str, list[float]]:
    """Each score with its 95 % interval over draws of the sentences of each speaker: [score, low, high]."""
    rng = np.random.default_rng(seed)
    groups = [
        [np.flatnonzero((speakers == who) & (sentences == said)) for said in np.unique(sentences[speakers == who])]
        for who in np.unique(speakers)
    ]
    drawn: dict[str, list[float]] = {name: [] for name in SCORES}
    for _ in range(DRAWS):
        rows = np.concatenate([own[i] for own in groups for i in rng.integers(0, len(own), len(own))])
        for name, value in scores(p[rows], truth[rows]).items():
            drawn[name].append(value)
    return {
        name: [value, *(round(float(end), 4) for end in np.percentile(drawn[name], (2.5, 97.5)))]
        for name, value in scores(p, truth).items()
    }


def abstention(p: np.ndarray, truth: np.ndarray) -> dict[str, dict[str, float]]:
    """Accuracy and UAR when the least certain are left out."""
    order = np.argsort(-p.max(1), kind="stable")
    kept = {f"{share:.0%}": order[: round(share * len(order))] for share in COVERAGES}
    return {
        share: {"accuracy": round(accuracy(p[rows], truth[rows]), 4), "UAR": round(recall(p[rows], truth[rows]), 4)}
        for share, rows in kept.items()
    }
