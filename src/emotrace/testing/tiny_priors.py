"""A small made-up corpus for tests of priors: class centres with noise, and traces that tell the class when trusted."""

from __future__ import annotations

import numpy as np

from emotrace.priors.clips import UNLABELLED, PriorClips
from emotrace.priors.config import FEATURES, SECTIONS

LABELS = ("neutral", "angry", "happy")
WIDTHS = {"visual": 10, "vocal": 12, "verbal": 14}
TRACE_WIDTH = 8


def tiny_clips(
    count: int = 90,
    *,
    first: int = 0,
    seed: int = 0,
    labels: tuple[str, ...] = LABELS,
    spread: float = 2.0,
    labelled: bool = True,
    traces: bool = True,
    valence: bool = False,
    whole: bool = False,
) -> PriorClips:
    """Made-up clips of an uneven class distribution; they know nothing of people.

    Args:
        count: How many clips.
        first: Number of the first, so that two sets of one world share no key.
        seed: Draws the clips. The world, its class centres, is always the same.
        labels: The classes; the first is the most frequent.
        spread: Distance of the class centres in standard deviations of the noise.
        labelled: Whether labels are told.
        traces: Whether there are traces.
        valence: Whether some clips are rated.
        whole: Whether every clip has all three modalities; else about one in ten lacks one.
    """
    world, rng = np.random.default_rng(20_000), np.random.default_rng([seed, first])
    shares = 0.7 ** np.arange(len(labels))
    truth = rng.choice(len(labels), size=count, p=shares / shares.sum())
    features = {}
    for name, width in WIDTHS.items():
        centres = spread * world.normal(size=(len(labels), width)) / width**0.5
        features[name] = (centres[truth] + rng.normal(size=(count, width)) + 3.0).astype(np.float32)
    words = world.normal(size=(len(labels), TRACE_WIDTH))
    said = np.where(rng.random((count, len(SECTIONS))) < 0.8, truth[:, None], rng.integers(0, len(labels), (count, 4)))
    good = said == truth[:, None]
    rho = np.where(good, rng.beta(8, 2, good.shape), rng.beta(2, 8, good.shape)) * (rng.random(good.shape) < 0.9)
    present = np.ones((count, len(FEATURES)), bool)
    if not whole:
        present[np.arange(count), rng.integers(0, len(FEATURES), count)] = rng.random(count) > 0.1
    rated = np.where(rng.random(count) < 0.7, truth + rng.normal(size=count), np.nan)
    return PriorClips(
        keys=tuple(f"clip{first + number:05d}" for number in range(count)),
        label_names=labels,
        features=features,
        present=present,
        traces=(words[said] + 0.5 * rng.normal(size=(count, 4, TRACE_WIDTH))).astype(np.float32) if traces else None,
        rho=(rho if traces else np.zeros_like(rho)).astype(np.float32),
        labels=truth.astype(np.int64) if labelled else np.full(count, UNLABELLED, np.int64),
        valence=rated.astype(np.float32) if valence else None,
        verdicts=said[:, 3].astype(np.int64) if traces else None,
    )
