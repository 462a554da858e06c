"""Two ways in which a policy games its reward, noticed while it learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

WINDOW = 5
"""[ours] Steps that a mean is taken over."""
GROWTH_STEPS = 50
MOST_GROWTH = 0.5
"""[ours] Growth of the labels per answer over the first steps, as a share, beyond which a policy is listing words."""
FIRST_WINS_WITHIN = 0.15
"""[ours] How far the rate at which h1 wins may be from 1/K before the place of a rival decides, not the evidence."""


def alarms(lines: Sequence[Mapping[str, Any]], *, k: int) -> dict[str, str]:
    """What is wrong at the last of the steps: a sentence by name, empty where nothing is.

    Args:
        lines: The metrics of all steps so far.
        k: How many hypotheses there are.
    """
    found = {}
    labels = _values(lines, "labels_per_answer")
    if labels and len(lines) <= GROWTH_STEPS and len(labels) > WINDOW:
        before, now = fmean(labels[:WINDOW]), fmean(labels[-WINDOW:])
        if now > (1.0 + MOST_GROWTH) * before:
            found["labels_per_answer"] = (
                f"labels per answer grew from {before:.2f} to {now:.2f}: the policy may be listing words"
            )
    first = _values(lines, "winner_is_h1")
    if k >= 2 and len(first) >= WINDOW:
        rate = fmean(first[-WINDOW:])
        if abs(rate - 1.0 / k) > FIRST_WINS_WITHIN:
            found["winner_is_h1"] = (
                f"h1 wins {rate:.0%} of the time where {1 / k:.0%} is even: the place of a rival may decide"
            )
    return found


def _values(lines: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [line[name] for line in lines if line.get(name) is not None]
