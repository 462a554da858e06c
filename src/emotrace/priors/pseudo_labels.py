"""Guessed labels for unlabelled clips: kept where the network is sure and the clip's joint trace agrees. Section 7.

The consensus of model and trace is the sister system's [field: zhuyjan/MER2025-MRAC25]; the default thresholds are
[ours]. Pure functions of probabilities: what may predict for which fold is the business of `stages.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int64

from emotrace.errors import UsageError
from emotrace.priors.clips import UNLABELLED

FLOOR = 0.8
"""Confidence below which `balanced` admits nothing."""
MRCCL: Mapping[str, float] = {
    "neutral": 0.99,
    "angry": 0.99,
    "happy": 0.99,
    "sad": 0.99,
    "worried": 0.85,
    "surprise": 0.85,
}
"""Thresholds of arXiv 2409.04447 [field]."""
Thresholds = Literal["balanced", "mrccl"] | Mapping[str, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class PseudoLabels:
    """The clips that were admitted."""

    rows: Int64[np.ndarray, " admitted"]
    """Rows of the unlabelled clips."""
    labels: Int64[np.ndarray, " admitted"]
    thresholds: Float[np.ndarray, " label"]
    """The confidence that each class asked for."""


@dataclass(frozen=True, kw_only=True)
class PseudoReport:
    """What the guesses of one fold are worth. Held-out clips are scored by the same rule, and decide nothing."""

    candidates: int
    admitted: Mapping[str, int]
    """By class."""
    thresholds: Mapping[str, float]
    shift: Mapping[str, float]
    """A class's share among the admitted minus its share among the labelled clips; 0 where none was admitted."""
    held_out_admitted: int
    """Clips of the validation part that the rule would have admitted."""
    held_out_accuracy: float | None
    """How many of them it would have labelled rightly; None without one."""


def admit(
    probabilities: Float[np.ndarray, "clip label"],
    label_counts: Int64[np.ndarray, " label"],
    *,
    labels: Sequence[str],
    thresholds: Thresholds = "balanced",
    verdicts: Int64[np.ndarray, " clip"] | None = None,
) -> PseudoLabels:
    """The clips whose guessed label may be learned from.

    `balanced` takes for each class the lowest threshold that admits at most as many clips as the class has labels,
    never one below 0.8; of equally sure clips it takes all or none.

    Args:
        probabilities: Of a model that never saw these clips' labels.
        label_counts: Labelled training clips of each class.
        labels: Names of the classes.
        thresholds: `balanced`, `mrccl`, or a number for each class.
        verdicts: The label of each clip's joint trace, -1 for none; where there is one it must agree.

    Raises:
        UsageError: Thresholds that do not name every class.
    """
    guesses, sure = probabilities.argmax(axis=1), probabilities.max(axis=1)
    agreed = np.ones(len(guesses), bool) if verdicts is None else (verdicts == UNLABELLED) | (verdicts == guesses)
    if thresholds == "balanced":
        asked = np.array(
            [_at_most(sure[agreed & (guesses == c)], int(label_counts[c])) for c in range(len(labels))], np.float64
        )
    else:
        given = MRCCL if thresholds == "mrccl" else thresholds
        if lacking := [label for label in labels if label not in given]:
            raise UsageError(f"say nothing about {', '.join(lacking)}", where="thresholds")
        asked = np.array([given[label] for label in labels], np.float64)
    rows = np.flatnonzero(_pass(guesses, sure, agreed, asked))
    return PseudoLabels(rows=rows, labels=guesses[rows].astype(np.int64), thresholds=asked)


def _at_most(sure: Float[np.ndarray, " clip"], count: int) -> float:
    """The lowest threshold from 0.8 up that at most `count` of these confidences reach."""
    reached = np.sort(sure[sure >= FLOOR])[::-1]
    if len(reached) <= count:
        return FLOOR
    above = reached[reached > reached[count]]
    return float(above[-1]) if len(above) else float(np.nextafter(reached[count], 2.0, dtype=np.float64))


def _pass(
    guesses: Int64[np.ndarray, " clip"],
    sure: Float[np.ndarray, " clip"],
    agreed: Bool[np.ndarray, " clip"],
    asked: Float[np.ndarray, " label"],
) -> Bool[np.ndarray, " clip"]:
    return np.asarray(agreed & (sure.astype(np.float64) >= asked[guesses]))


def report_on(
    found: PseudoLabels,
    *,
    candidates: int,
    label_counts: Int64[np.ndarray, " label"],
    labels: Sequence[str],
    held_out: Float[np.ndarray, "held label"],
    truth: Int64[np.ndarray, " held"],
    held_out_verdicts: Int64[np.ndarray, " held"] | None = None,
) -> PseudoReport:
    """What was admitted, how far its classes are from the labelled ones, and how right the rule is on held-out clips.

    Args:
        found: The admitted clips.
        candidates: Unlabelled clips in all.
        label_counts: Labelled training clips of each class.
        labels: Names of the classes.
        held_out: Probabilities of the fold's validation clips, by the same model.
        truth: Their labels.
        held_out_verdicts: Those of their joint traces.
    """
    counts = np.bincount(found.labels, minlength=len(labels))
    shift = counts / max(1, counts.sum()) - label_counts / max(1, label_counts.sum()) if counts.sum() else 0.0 * counts
    guesses = held_out.argmax(axis=1)
    agreed = np.ones(len(guesses), bool)
    if held_out_verdicts is not None:
        agreed = (held_out_verdicts == UNLABELLED) | (held_out_verdicts == guesses)
    passed = _pass(guesses, held_out.max(axis=1, initial=0.0), agreed, found.thresholds)
    right = guesses[passed] == truth[passed]
    return PseudoReport(
        candidates=candidates,
        admitted=dict(zip(labels, counts.tolist(), strict=True)),
        thresholds=dict(zip(labels, found.thresholds.tolist(), strict=True)),
        shift=dict(zip(labels, shift.tolist(), strict=True)),
        held_out_admitted=int(passed.sum()),
        held_out_accuracy=float(right.mean()) if passed.any() else None,
    )
