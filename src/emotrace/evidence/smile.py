"""How far a mouth is that of a smile (AU12), and the eyes those that go with one (AU06), from one aligned crop.

Two linear models on gradient histograms; `docs/cards/smile.md` says on whom they were trained and where they fail.
"""

from __future__ import annotations

import math
from functools import cache

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.media.align import FIT_PIXELS, gradient_histograms
from emotrace.models import resolve

MOUTH_ROWS = slice(3, 7)
"""Rows of the gradient histograms that the mouth's model sees."""
EYE_ROWS = slice(0, 4)


def smile_and_eyes(crop: UInt8[np.ndarray, "112 112"]) -> tuple[float, float]:
    """Probabilities, 0..1, that the mouth, and that eyes and upper cheeks, are those of a smiling portrait."""
    small = cv2.resize(crop, (FIT_PIXELS, FIT_PIXELS), interpolation=cv2.INTER_AREA)
    histograms = gradient_histograms(np.asarray(small, np.uint8))
    weights = _weights()
    return (
        _probability(histograms[MOUTH_ROWS].reshape(-1), weights["mouth"]),
        _probability(histograms[EYE_ROWS].reshape(-1), weights["eyes"]),
    )


def _probability(features: Float32[np.ndarray, " feature"], weight: Float32[np.ndarray, " coefficient"]) -> float:
    """Logistic regression; the last coefficient is the intercept."""
    return 1.0 / (1.0 + math.exp(-min(30.0, max(-30.0, float(features @ weight[:-1] + weight[-1])))))


@cache
def _weights() -> dict[str, Float32[np.ndarray, " coefficient"]]:
    with np.load(resolve("smile"), allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in ("mouth", "eyes")}
