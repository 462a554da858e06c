"""The same budget for every baseline: random settings from the ranges that their authors search [field: MERTools]."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from emotrace.training.seeds import generator_of

BUDGET = 12
"""Settings that each baseline may try."""


def random_settings(
    baseline: Literal["merbench", "mult"], *, seed: int = 0, count: int = BUDGET
) -> list[dict[str, Any]]:
    """Settings to try, the same for the same seed; `learning_rate` is the learner's, the rest the network's.

    >>> sorted(random_settings("merbench")[0])
    ['dim', 'dropout', 'learning_rate']
    """
    rng = generator_of(seed, "", 0, "baseline search", baseline)
    return [_one(baseline, rng) for _ in range(count)]


def _one(baseline: str, rng: np.random.Generator) -> dict[str, Any]:
    rate = float(rng.choice([1e-3, 1e-4]))
    if baseline == "merbench":
        dim, dropout = int(rng.choice([64, 128, 256])), round(float(rng.uniform(0.2, 0.5)), 3)
        return {"dim": dim, "dropout": dropout, "learning_rate": rate}
    dim, layers = int(rng.choice([64, 128])), int(rng.integers(2, 5))
    return {"dim": dim, "layers": layers, "dropout": round(float(rng.uniform(0.0, 0.3)), 3), "learning_rate": rate}
