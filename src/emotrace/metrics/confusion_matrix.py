"""Confusion matrices by name, and the four scores that are functions of one: WAR, UAR, macro-F1, WAF.

Letters [field]: n clips, C classes of a fixed label list, N_ct = clips of truth c predicted t, n_c = sum_t N_ct, m_c =
sum_t N_tc.

    WAR = sum_c N_cc / n            UAR = mean over classes with n_c > 0 of N_cc / n_c
    F1_c = 2 N_cc / (n_c + m_c)     macro-F1 = mean of F1_c over classes with n_c + m_c > 0
    WAF = sum_c (n_c / n) F1_c

Each takes one matrix or a stack `[... truth predicted]` of them: thousands of resamples are one call.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from emotrace.errors import InvalidScores, UnknownLabel, first_five
from emotrace.metrics.quotient import quotient

if TYPE_CHECKING:
    from jaxtyping import Int64


def class_indices(names: Sequence[str | None], labels: Sequence[str], *, what: str) -> Int64[np.ndarray, " clip"]:
    """Positions of `names` in `labels`; C (one past the last) for None and the empty string.

    Raises:
        UnknownLabel: A name is not listed; the first five are named with their rows, and how many there are.
    """
    position: dict[str | None, int] = {label: index for index, label in enumerate(labels)}
    position_or_none: dict[str | None, int] = {None: len(labels), "": len(labels)} | position
    unknown = [f"{name!r} (row {row})" for row, name in enumerate(names, start=1) if name not in position_or_none]
    if unknown:
        raise UnknownLabel(
            f"unknown label in the {what}: {first_five(unknown)}",
            hint=f"The known labels are: {', '.join(labels)}",
        )
    return np.fromiter((position_or_none[name] for name in names), dtype=np.int64, count=len(names))


def confusion(
    truth: Sequence[str], predicted: Sequence[str | None], *, labels: Sequence[str]
) -> Int64[np.ndarray, "truth predicted"]:
    """Counts of (truth, answer) pairs, C rows and C + 1 columns; the last column counts clips without an answer.

    Raises:
        UnknownLabel: A label that is not in `labels`, or a clip without truth.
        InvalidScores: The two sequences differ in length, or a label is listed twice.
    """
    if len(truth) != len(predicted):
        raise InvalidScores(f"got {len(truth)} truths and {len(predicted)} predictions")
    if len(set(labels)) != len(labels):
        raise InvalidScores(f"a label is listed twice in {', '.join(labels)}")
    classes = len(labels)
    rows = class_indices(truth, labels, what="truth")
    if (rows == classes).any():
        raise UnknownLabel(f"row {int(np.argmax(rows == classes)) + 1} has no truth")
    cells = rows * (classes + 1) + class_indices(predicted, labels, what="predictions")
    return np.bincount(cells, minlength=classes * (classes + 1)).reshape(classes, classes + 1).astype(np.int64)


def margins(matrix: Any) -> tuple[Any, Any, Any]:
    """Hits N_cc, truths n_c and answers m_c of one matrix or of a stack of them, `[... truth predicted]`."""
    matrix = np.asarray(matrix, dtype=np.float64)
    classes = matrix.shape[-2]
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)[..., :classes]
    return hits, matrix.sum(axis=-1), matrix.sum(axis=-2)[..., :classes]


def war(matrix: Any) -> Any:
    """Share of clips answered rightly. Takes one confusion matrix, or a stack `[... truth predicted]` of them."""
    hits, truths, _ = margins(matrix)
    return quotient(hits.sum(-1), truths.sum(-1), empty=np.nan)


def uar(matrix: Any) -> Any:
    """Mean recall over the classes that have truth, of one matrix or a stack."""
    hits, truths, _ = margins(matrix)
    return quotient(quotient(hits, truths, empty=0.0).sum(-1), (truths > 0).sum(-1), empty=np.nan)


def f1_per_class(matrix: Any) -> Any:
    """F1 of each class, 0 for a class with neither truth nor answer."""
    hits, truths, answers = margins(matrix)
    return quotient(2.0 * hits, truths + answers, empty=0.0)


def macro_f1(matrix: Any) -> Any:
    """Mean F1 over the classes that have truth or an answer, of one matrix or a stack."""
    _, truths, answers = margins(matrix)
    return quotient(f1_per_class(matrix).sum(-1), (truths + answers > 0).sum(-1), empty=np.nan)


def waf(matrix: Any) -> Any:
    """F1 weighted by support, of one matrix or a stack."""
    _, truths, _ = margins(matrix)
    return quotient((truths * f1_per_class(matrix)).sum(-1), truths.sum(-1), empty=np.nan)


CLOSED_SET_SCORES = {"war": war, "uar": uar, "macro_f1": macro_f1, "waf": waf}
"""Name -> function of a confusion matrix; what intervals and paired tests resample."""
