"""A world of three modalities and four trace sections whose every probability is known: its clips, and the best answer.

A clip's class y has known shares. Each modality m shows a class that is y with probability 1 - q_m, else another; what
is shown is a vertex of a regular simplex times a_m, blurred, turned into as many columns as features have, and blurred
again. Each trace section is good or bad; a good one's verdict is y with some probability, a bad one's is anything; its
vector is the verdict's code, blurred; its reliability is drawn high for good and low for bad ones. Numbers are [ours],
but for the class shares [field: MER2024]. It shows whether parts work as built, and says nothing about people.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from emotrace.priors.clips import PriorClips
from emotrace.priors.config import FEATURES, SECTIONS

LABELS = ("neutral", "angry", "happy", "sad", "worried", "surprise")
TRAIN_COUNTS = (1248, 1208, 1038, 730, 616, 190)
"""MER2024's training set [field]; its sum is the number of training clips here."""
TEST_COUNTS = (232, 236, 233, 295, 119, 55)
"""MER2024 NOISE [field]."""

AMPLITUDES = {"visual": 1.60, "vocal": 1.95, "verbal": 1.35}
FLIPS = {"visual": 0.08, "vocal": 0.05, "verbal": 0.12}
WIDTHS = {"visual": 96, "vocal": 128, "verbal": 128}
SHOWN_DIMENSIONS, SHOWN_VARIANCE, FEATURE_VARIANCE = 8, 1.0, 0.25
VERDICT_RIGHT = {"visual": 0.45, "vocal": 0.45, "verbal": 0.40, "joint": 0.50}
CODE_DIMENSIONS, CODE_VARIANCE = 64, 0.64
GOOD_RHO, BAD_RHO = (8.0, 2.0), (2.0, 8.0)
"""Parameters of the two Beta distributions."""


def shares_of(counts: tuple[int, ...]) -> Float64[np.ndarray, " label"]:
    """Shares of the classes, which sum to 1."""
    return np.array(counts, np.float64) / sum(counts)


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawn:
    """Clips of the world, with what only the world knows about them."""

    clips: PriorClips
    verdicts: Int64[np.ndarray, "clip section"]
    good: Bool[np.ndarray, "clip section"]


class World:
    """One world: its mixing of columns and its codes of verdicts are drawn once.

    Args:
        seed: Draws both.
        good_share: Probability that a section is good.
        verdict_right: Probability that a good section's verdict is right; None takes each section's own.
    """

    def __init__(self, seed: int, *, good_share: float = 0.75, verdict_right: float | None = None) -> None:
        generator = np.random.default_rng((seed, 0))
        self.good_share = good_share
        self.right = {name: VERDICT_RIGHT[name] if verdict_right is None else verdict_right for name in SECTIONS}
        self.vertices = _simplex(len(LABELS), SHOWN_DIMENSIONS)
        self.mixing = {name: _orthonormal(generator, WIDTHS[name], SHOWN_DIMENSIONS) for name in FEATURES}
        self.codes = generator.standard_normal((len(LABELS), CODE_DIMENSIONS))
        self._seed = seed

    def draw(self, clips: int, counts: tuple[int, ...], *, part: str, number: int) -> Drawn:
        """Clips with classes drawn by these shares.

        Args:
            clips: How many.
            counts: Class counts whose shares are meant.
            part: Prefix of the clips' names.
            number: Of the part: the same number draws the same clips.
        """
        generator = np.random.default_rng((self._seed, number))
        labels = generator.choice(len(LABELS), clips, p=shares_of(counts))
        features = {name: self._features(generator, labels, name) for name in FEATURES}
        good = generator.random((clips, len(SECTIONS))) < self.good_share
        right = generator.random(good.shape) < np.array([self.right[name] for name in SECTIONS])
        uniform = generator.integers(len(LABELS), size=good.shape)
        verdicts = np.where(good, np.where(right, labels[:, None], _others(generator, labels, good.shape[1])), uniform)
        traces = self.codes[verdicts] + math.sqrt(CODE_VARIANCE) * generator.standard_normal(
            (*good.shape, CODE_DIMENSIONS)
        )
        rho = np.where(good, generator.beta(*GOOD_RHO, size=good.shape), generator.beta(*BAD_RHO, size=good.shape))
        return Drawn(
            clips=PriorClips(
                keys=tuple(f"{part}{number:05d}" for number in range(clips)),
                label_names=LABELS,
                features={name: values.astype(np.float32) for name, values in features.items()},
                present=np.ones((clips, len(FEATURES)), bool),
                traces=traces.astype(np.float32),
                rho=rho.astype(np.float32),
                labels=labels.astype(np.int64),
            ),
            verdicts=verdicts,
            good=good,
        )

    def posterior(
        self, clips: PriorClips, shares: Float64[np.ndarray, " label"], *, traces: bool, only: str | None = None
    ) -> Float64[np.ndarray, "clip label"]:
        """p(y | features and, if asked for, traces with their reliability), exact, for these class shares.

        Args:
            clips: Of this world; masked modalities and sections with reliability 0 tell nothing.
            shares: Prior probabilities of the classes.
            traces: Whether the sections are seen.
            only: One modality to see instead of all three.
        """
        logs = np.tile(np.log(shares), (len(clips), 1))
        for m, name in enumerate(FEATURES):
            if only in (None, name):
                logs += clips.present[:, m, None] * self._log_features(clips.features[name], name)
        if traces and clips.traces is not None:
            for s, name in enumerate(SECTIONS):
                seen = clips.rho[:, s] > 0
                logs[seen] += self._log_section(clips.traces[seen, s], clips.rho[seen, s], name)
        odds = np.exp(logs - logs.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)

    def _features(self, generator: np.random.Generator, labels: Any, name: str) -> Float64[np.ndarray, "clip width"]:
        flipped = generator.random(len(labels)) < FLIPS[name]
        shown = np.where(flipped, _others(generator, labels, 1)[:, 0], labels)
        hidden = AMPLITUDES[name] * self.vertices[shown]
        hidden = hidden + math.sqrt(SHOWN_VARIANCE) * generator.standard_normal(hidden.shape)
        columns = hidden @ self.mixing[name].T
        return columns + math.sqrt(FEATURE_VARIANCE) * generator.standard_normal(columns.shape)

    def _log_features(self, columns: Any, name: str) -> Float64[np.ndarray, "clip label"]:
        # only what lies along the mixing's columns depends on the class; there both blurs add up
        along = columns.astype(np.float64) @ self.mixing[name]
        shown = _log_normal(along, AMPLITUDES[name] * self.vertices, SHOWN_VARIANCE + FEATURE_VARIANCE)
        return _log_mix(shown, np.log(_confusion(1.0 - FLIPS[name])))

    def _log_section(self, vectors: Any, rho: Any, name: str) -> Float64[np.ndarray, "clip label"]:
        said = _log_normal(vectors.astype(np.float64), self.codes, CODE_VARIANCE)
        # float32 rounds a reliability beside 1 to 1, where the density of bad ones ends
        inside = np.clip(rho.astype(np.float64), 1e-9, 1.0 - 1e-9)
        good = math.log(self.good_share) if self.good_share > 0 else -math.inf
        bad = math.log1p(-self.good_share) if self.good_share < 1 else -math.inf
        if_good = _log_mix(said, np.log(_confusion(self.right[name]))) + (good + _log_beta(inside, *GOOD_RHO))[:, None]
        if_bad = np.logaddexp.reduce(said, axis=1) - math.log(len(LABELS)) + bad + _log_beta(inside, *BAD_RHO)
        return np.logaddexp(if_good, if_bad[:, None])


def _simplex(count: int, dimensions: int) -> Float64[np.ndarray, "vertex dimension"]:
    """Unit vectors, each as far from every other."""
    centred = np.eye(count) - 1.0 / count
    return np.pad(centred / np.linalg.norm(centred, axis=1, keepdims=True), ((0, 0), (0, dimensions - count)))


def _orthonormal(generator: np.random.Generator, rows: int, columns: int) -> Float64[np.ndarray, "row column"]:
    return np.asarray(np.linalg.qr(generator.standard_normal((rows, columns)))[0])


def _others(generator: np.random.Generator, labels: Any, columns: int) -> Int64[np.ndarray, "clip column"]:
    """Classes that are not the clip's, each as likely."""
    steps = generator.integers(1, len(LABELS), size=(len(labels), columns))
    return np.asarray((labels[:, None] + steps) % len(LABELS))


def _confusion(right: float) -> Float64[np.ndarray, "label shown"]:
    """p(shown | class): `right` on the diagonal, the rest shared out evenly."""
    others = (1.0 - right) / (len(LABELS) - 1)
    return np.full((len(LABELS), len(LABELS)), others) + (right - others) * np.eye(len(LABELS))


def _log_normal(values: Any, means: Any, variance: float) -> Float64[np.ndarray, "clip mean"]:
    """Log density under each mean, less what all means have in common."""
    return np.asarray((values @ means.T - 0.5 * (means**2).sum(axis=1)) / variance)


def _log_mix(shown: Any, log_confusion: Any) -> Float64[np.ndarray, "clip label"]:
    """Logarithm of Σ over shown classes of p(shown | class) p(observed | shown)."""
    return np.asarray(np.logaddexp.reduce(shown[:, None, :] + log_confusion[None, :, :], axis=2))


def _log_beta(values: Any, a: float, b: float) -> Float64[np.ndarray, " clip"]:
    constant = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return np.asarray(constant + (a - 1.0) * np.log(values) + (b - 1.0) * np.log1p(-values))
