"""Everything that a confusion matrix says about a closed set, checked against scikit-learn where that is installed.

Labels are matched by name. A clip without an answer counts as wrong: it fills a last column of the matrix, which
belongs to no class; `ClosedSetResult.answered` has the same scores over the answered clips alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emotrace.errors import InvalidScores
from emotrace.metrics.confusion_matrix import CLOSED_SET_SCORES, confusion, f1_per_class, margins
from emotrace.metrics.library_check import Engine, engine_name, raise_on_mismatch
from emotrace.metrics.quotient import quotient

if TYPE_CHECKING:
    from jaxtyping import Int64


@dataclass(frozen=True, kw_only=True)
class ClassScore:
    """One class of a closed set. A score without a denominator is 0, as in scikit-learn with `zero_division=0`."""

    label: str
    precision: float
    recall: float
    f1: float
    support: int
    """Clips of this truth, n_c."""
    predicted: int
    """Clips given this answer, m_c."""


@dataclass(frozen=True, kw_only=True)
class ClosedSetScores:
    """The four numbers in [0, 1]; each is nan when no clip is scored."""

    war: float
    """Weighted average recall, which is accuracy."""
    uar: float
    """Unweighted average recall, over the classes that have truth."""
    macro_f1: float
    waf: float
    """F1 weighted by support, the main number of the MER2023-2026 closed tracks [field]."""


@dataclass(frozen=True, kw_only=True)
class ClosedSetResult:
    """Everything that a confusion matrix says about a closed set."""

    labels: tuple[str, ...]
    confusion: Int64[np.ndarray, "truth predicted"]
    """Rows are truth. The last column, after the C classes, counts clips without an answer."""
    scores: ClosedSetScores
    """Clips without an answer count as wrong."""
    answered: ClosedSetScores
    """The answered clips alone; read together with `coverage`."""
    per_class: tuple[ClassScore, ...]
    clips: int
    abstained: int
    majority: ClosedSetScores
    """Always the most frequent truth."""
    random: ClosedSetScores
    """Expectation of drawing answers from the truth's own frequencies (F1 and WAF of the expected matrix)."""
    classes_without_truth: tuple[str, ...]
    """Left out of UAR."""
    classes_unused: tuple[str, ...]
    """Without truth and without answer: left out of macro-F1."""
    engine: str
    """Who computed the numbers: `emotrace`, or `scikit-learn VERSION` when the library agreed."""
    undefined: dict[str, str] = field(default_factory=dict)
    """Score -> why it is nan."""

    @property
    def coverage(self) -> float:
        """Share of clips with an answer, in [0, 1]; nan without clips."""
        return 1.0 - self.abstained / self.clips if self.clips else float("nan")

    @property
    def war(self) -> float:
        """Weighted average recall."""
        return self.scores.war

    @property
    def accuracy(self) -> float:
        """The same number as `war`."""
        return self.scores.war

    @property
    def uar(self) -> float:
        """Unweighted average recall."""
        return self.scores.uar

    @property
    def waf(self) -> float:
        """F1 weighted by support."""
        return self.scores.waf

    @property
    def macro_f1(self) -> float:
        """Unweighted mean F1."""
        return self.scores.macro_f1


def _scores(matrix: Any) -> ClosedSetScores:
    return ClosedSetScores(**{name: float(score(matrix)) for name, score in CLOSED_SET_SCORES.items()})


def classify(
    truth: Sequence[str], predicted: Sequence[str | None], *, labels: Sequence[str], engine: Engine = "auto"
) -> ClosedSetResult:
    """Scores answers by name against truth; None or the empty string is an abstention.

    Raises:
        UnknownLabel: See `confusion`.
        InvalidScores: See `confusion`.
        MetricMismatch: scikit-learn gives another number.
        MissingExtra: `engine="scikit-learn"` where it is not installed.
    """
    return from_confusion(confusion(truth, predicted, labels=labels), labels=labels, engine=engine)


def from_confusion(
    matrix: Int64[np.ndarray, "truth predicted"], *, labels: Sequence[str], engine: Engine = "auto"
) -> ClosedSetResult:
    """The scores of a confusion matrix of C rows and C columns, or C + 1 where the last counts missing answers.

    Raises:
        InvalidScores: Another shape, or a negative count.
        MetricMismatch: scikit-learn gives another number.
    """
    classes = len(labels)
    if matrix.shape not in {(classes, classes), (classes, classes + 1)} or (matrix < 0).any():
        raise InvalidScores(f"not a confusion matrix of {classes} labels: got {matrix.shape = }")
    if matrix.shape[1] == classes:
        matrix = np.concatenate([matrix, np.zeros((classes, 1), np.int64)], axis=1)
    hits, truths, answers = margins(matrix)
    precision, recall = quotient(hits, answers, empty=0.0), quotient(hits, truths, empty=0.0)
    f1 = f1_per_class(matrix)
    clips = int(truths.sum())
    result = ClosedSetResult(
        labels=tuple(labels),
        confusion=matrix,
        scores=_scores(matrix),
        answered=_scores(matrix[:, :classes]),
        per_class=tuple(
            ClassScore(
                label=label,
                precision=float(precision[c]),
                recall=float(recall[c]),
                f1=float(f1[c]),
                support=int(truths[c]),
                predicted=int(answers[c]),
            )
            for c, label in enumerate(labels)
        ),
        clips=clips,
        abstained=int(matrix[:, classes].sum()),
        majority=_scores(truths[:, None] * np.eye(classes)[int(np.argmax(truths))]),
        random=_scores(np.outer(truths, truths) / max(clips, 1)),
        classes_without_truth=tuple(label for c, label in enumerate(labels) if truths[c] == 0),
        classes_unused=tuple(label for c, label in enumerate(labels) if truths[c] + answers[c] == 0),
        engine=engine_name(engine),
        undefined={} if clips else dict.fromkeys(CLOSED_SET_SCORES, "no clip is scored"),
    )
    if result.engine != "emotrace" and clips:
        _check_against_library(result)
    return result


def _check_against_library(result: ClosedSetResult) -> None:
    """Computes each number with scikit-learn, from the matrix's cells as weighted samples."""
    library: Any = importlib.import_module("sklearn.metrics")
    truth, predicted = np.nonzero(result.confusion)
    weights = result.confusion[truth, predicted]
    every = list(range(len(result.labels)))
    present = [c for c in every if result.per_class[c].support > 0]
    used = [c for c in every if result.per_class[c].support + result.per_class[c].predicted > 0]

    def f1(labels: list[int], average: str | None) -> Any:
        return library.f1_score(
            truth, predicted, labels=labels, average=average, sample_weight=weights, zero_division=0
        )

    theirs = {
        "war": library.accuracy_score(truth, predicted, sample_weight=weights),
        "uar": library.recall_score(
            truth, predicted, labels=present, average="macro", sample_weight=weights, zero_division=0
        ),
        "macro_f1": f1(used, "macro"),
        "waf": f1(every, "weighted"),
        **{f"F1 of {label}": score for label, score in zip(result.labels, f1(every, None), strict=True)},
    }
    ours = {name: getattr(result.scores, name) for name in CLOSED_SET_SCORES}
    ours |= {f"F1 of {score.label}": score.f1 for score in result.per_class}
    raise_on_mismatch(ours, theirs, engine=result.engine)
