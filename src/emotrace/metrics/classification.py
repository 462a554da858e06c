"""Closed-set scores from a confusion matrix (WAR, UAR, F1, WAF), and scores of a value (MSE, CCC, MER2023's combined).

Letters [field]: n clips, C classes of a fixed label list, N_ct clips of truth c predicted t, n_c = sum_t N_ct, m_c =
sum_t N_tc.

    WAR = sum_c N_cc / n            UAR = mean over classes with n_c > 0 of N_cc / n_c
    F1_c = 2 N_cc / (n_c + m_c)     macro-F1 = mean of F1_c over classes with n_c + m_c > 0
    WAF = sum_c (n_c / n) F1_c      CCC = 2 cov / (var_y + var_p + (mean_y - mean_p)^2), population moments

Labels are matched by name. A clip without an answer counts as wrong: it fills a last column of the matrix, which
belongs to no class; `ClosedSetResult.answered` has the same scores over the answered clips alone. Where scikit-learn is
installed every number that it has a function for is computed there too, and `MetricMismatch` is raised where the two
differ by more than 1e-12.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from emotrace.errors import InvalidScores, MetricMismatch, MissingExtra, UnknownLabel, first_five

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64

Engine = Literal["auto", "base", "scikit-learn"]
TOLERANCE = 1e-12
"""Largest difference between our number and the library's that is taken for rounding."""


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
            todo=f"The known labels are: {', '.join(labels)}",
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


def _ratio(numerator: Any, denominator: Any, *, empty: float) -> Any:
    """Elementwise quotient with `empty` where the denominator is 0."""
    out = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), empty)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) != 0)


def _margins(matrix: Any) -> tuple[Any, Any, Any]:
    """Hits N_cc, truths n_c and answers m_c of one matrix or of a stack of them, `[... truth predicted]`."""
    matrix = np.asarray(matrix, dtype=np.float64)
    classes = matrix.shape[-2]
    hits = np.diagonal(matrix, axis1=-2, axis2=-1)[..., :classes]
    return hits, matrix.sum(axis=-1), matrix.sum(axis=-2)[..., :classes]


def war(matrix: Any) -> Any:
    """Share of clips answered rightly. Takes one confusion matrix, or a stack `[... truth predicted]` of them."""
    hits, truths, _ = _margins(matrix)
    return _ratio(hits.sum(-1), truths.sum(-1), empty=np.nan)


def uar(matrix: Any) -> Any:
    """Mean recall over the classes that have truth, of one matrix or a stack."""
    hits, truths, _ = _margins(matrix)
    return _ratio(_ratio(hits, truths, empty=0.0).sum(-1), (truths > 0).sum(-1), empty=np.nan)


def f1_per_class(matrix: Any) -> Any:
    """F1 of each class, 0 for a class with neither truth nor answer."""
    hits, truths, answers = _margins(matrix)
    return _ratio(2.0 * hits, truths + answers, empty=0.0)


def macro_f1(matrix: Any) -> Any:
    """Mean F1 over the classes that have truth or an answer, of one matrix or a stack."""
    _, truths, answers = _margins(matrix)
    return _ratio(f1_per_class(matrix).sum(-1), (truths + answers > 0).sum(-1), empty=np.nan)


def waf(matrix: Any) -> Any:
    """F1 weighted by support, of one matrix or a stack."""
    _, truths, _ = _margins(matrix)
    return _ratio((truths * f1_per_class(matrix)).sum(-1), truths.sum(-1), empty=np.nan)


CLOSED_SET_SCORES = {"war": war, "uar": uar, "macro_f1": macro_f1, "waf": waf}
"""Name -> function of a confusion matrix; what intervals and paired tests resample."""


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
    hits, truths, answers = _margins(matrix)
    precision, recall = _ratio(hits, answers, empty=0.0), _ratio(hits, truths, empty=0.0)
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
        engine=_engine_name(engine),
        undefined={} if clips else dict.fromkeys(CLOSED_SET_SCORES, "no clip is scored"),
    )
    if result.engine != "emotrace" and clips:
        _check_against_library(result)
    return result


def sklearn_is_used(engine: Engine) -> bool:
    """Whether scikit-learn checks the numbers: never for `base`, else where it is installed."""
    installed = engine != "base" and importlib.util.find_spec("sklearn") is not None
    if engine == "scikit-learn" and not installed:
        raise MissingExtra("scoring with scikit-learn", extra="eval")
    return installed


def _engine_name(engine: Engine) -> str:
    import importlib.metadata

    return f"scikit-learn {importlib.metadata.version('scikit-learn')}" if sklearn_is_used(engine) else "emotrace"


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


def raise_on_mismatch(ours: dict[str, float], theirs: dict[str, Any], *, engine: str) -> None:
    """Raises `MetricMismatch` where two engines differ by more than `TOLERANCE`, relative to values above 1."""
    for name, own in ours.items():
        other = float(theirs[name])
        if abs(own - other) > TOLERANCE * max(1.0, abs(other)):
            raise MetricMismatch(
                f"{name} is {own!r} by emotrace and {other!r} by {engine}",
                todo="Please report this with the confusion matrix; `--engine base` prints our number alone",
            )


def mse(truth: Float64[np.ndarray, " clip"], predicted: Float64[np.ndarray, " clip"]) -> float:
    """Mean squared error over the clips that have a truth; a truth of nan has no value. nan when no clip has one.

    Raises:
        InvalidScores: Different lengths, or a clip with a truth but without a finite prediction.
    """
    known = ~np.isnan(truth) if truth.shape == predicted.shape else np.zeros(0, bool)
    if truth.shape != predicted.shape or not np.isfinite(predicted[known]).all():
        raise InvalidScores(f"every value needs a finite prediction: got {truth.shape = }, {predicted.shape = }")
    return float(np.mean((predicted[known] - truth[known]) ** 2)) if known.any() else float("nan")


def ccc(truth: Float64[np.ndarray, " clip"], predicted: Float64[np.ndarray, " clip"]) -> float:
    """Lin's concordance correlation in [-1, 1]; nan when both sides are constant, or no clip has a truth.

    `ccc([1, 2, 3], [2, 3, 4])` is 4/7.
    """
    if truth.shape != predicted.shape:
        raise InvalidScores(f"got {truth.shape = } and {predicted.shape = }")
    known = ~np.isnan(truth)
    if not known.any():
        return float("nan")
    y, p = truth[known], predicted[known]
    covariance = float(np.mean((y - y.mean()) * (p - p.mean())))
    spread = float(y.var() + p.var() + (y.mean() - p.mean()) ** 2)
    both_constant = np.ptp(y) == 0 and np.ptp(p) == 0
    return float("nan") if both_constant else 2.0 * covariance / spread


def mer2023_combined(waf_score: float, mse_score: float) -> float:
    """WAF - 0.25 MSE, the score of the MULTI and NOISE tracks of MER2023 [field]; SEMI uses WAF alone."""
    return waf_score - 0.25 * mse_score
