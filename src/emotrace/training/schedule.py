"""The learning rate of a step: a linear rise, then a cosine. A pure function: a resume has nothing to restore."""

from __future__ import annotations

import math


def learning_rate(peak: float, *, step: int, total_steps: int, warmup_share: float, final: float) -> float:
    """The learning rate of one optimiser step.

    It rises linearly to `peak` over the first steps, then falls as half a cosine to `final` at the last one. A peak
    below `final` is kept throughout after the rise.

    Args:
        peak: Learning rate at the top.
        step: Counted from 0.
        total_steps: Steps of the whole run.
        warmup_share: Share of the steps that rise, in [0, 1].
        final: Learning rate of the last step.

    >>> [round(learning_rate(1.0, step=s, total_steps=5, warmup_share=0.4, final=0.0), 3) for s in range(5)]
    [0.5, 1.0, 0.75, 0.25, 0.0]
    """
    warmup_steps = math.ceil(warmup_share * total_steps)
    if step < warmup_steps:
        return peak * (step + 1) / warmup_steps
    final = min(peak, final)
    done = (step + 1 - warmup_steps) / (total_steps - warmup_steps)
    return final + (peak - final) * 0.5 * (1 + math.cos(math.pi * done))
