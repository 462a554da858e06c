"""Scores of one fold and of all folds, each with an interval: section 8 of the specification.

Peers report the mean over folds, so that is the headline; all clips taken together are given beside it. An interval
comes from 10,000 resamples of the clips inside each fold, averaged over the folds resample by resample [ours]: it says
what other test clips could have changed, not what another seed could have. All shares are in [0, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from jaxtyping import Float64, Int64
from pydantic import BaseModel, ConfigDict

from emotrace.errors import NamesDoNotMatch, UnknownLabel
from emotrace.metrics.calibration import calibrate
from emotrace.metrics.confusion_matrix import CLOSED_SET_SCORES, class_indices
from emotrace.metrics.resampling import SummedScore, draw_scores, from_cells, interval_of
from emotrace.training.predictions import Predictions

ROUNDS = 10_000
SCORES = ("uar", "war", "macro_f1")
"""Those that have intervals: unweighted and weighted average recall, and the mean F1 of the classes."""


class Frozen(BaseModel):
    """Base of what is written: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Estimate(Frozen):
    """A score with its 95 % interval."""

    value: float
    low: float
    high: float


class ClassRecall(Frozen):
    """The share of a class's clips that were recognised."""

    label: str
    recall: float
    clips: int


class Scores(Frozen):
    """What a list of predictions says."""

    clips: int
    uar: Estimate
    war: Estimate
    macro_f1: Estimate
    worst: ClassRecall
    calibration_error: float
    """ECE over 15 bins of the top probability."""
    confusion: tuple[tuple[int, ...], ...]
    """Counts: rows are truth, columns answers, both in the order of the labels."""
    absent: tuple[str, ...]
    """Classes without a test clip: left out of UAR, and named."""

    @property
    def row_shares(self) -> tuple[tuple[float, ...], ...]:
        """The confusion matrix with rows that sum to 1; a row without clips is 0."""
        counts = np.array(self.confusion, dtype=np.float64)
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1.0)
        return tuple(tuple(float(share) for share in row) for row in shares)


class FoldMean(Frozen):
    """The mean over folds."""

    folds: tuple[str, ...]
    uar: Estimate
    war: Estimate
    macro_f1: Estimate
    deviation: dict[str, float]
    """Score -> its standard deviation over the folds, with k - 1; absent for a single fold."""
    calibration_error: float


def scores_of(predictions: Predictions, *, allow_missing: bool = True, seed: int = 0) -> Scores:
    """The scores of a fold, or of the clips of several folds taken together.

    Args:
        predictions: What was answered, with the truth.
        allow_missing: Whether a class may have no test clip.
        seed: Of the resampling.

    Raises:
        UnknownLabel: A class has no test clip, and that is not allowed.
    """
    result = predictions.score()
    if result.classes_without_truth and not allow_missing:
        raise UnknownLabel(f"no test clip of: {', '.join(result.classes_without_truth)}", where="test list")
    rows = class_indices(predictions.truth, predictions.labels, what="truth")
    worst = min((each for each in result.per_class if each.support), key=lambda each: (each.recall, each.label))
    drawn = _draws(predictions, seed)
    return Scores(
        clips=result.clips,
        **{name: _estimate(getattr(result, name), drawn[name]) for name in SCORES},
        worst=ClassRecall(label=worst.label, recall=worst.recall, clips=worst.support),
        calibration_error=_calibration_error(predictions, rows),
        confusion=tuple(tuple(int(count) for count in row) for row in result.confusion[:, :-1]),
        absent=result.classes_without_truth,
    )


def mean_over_folds(folds: Mapping[str, Predictions], *, seed: int = 0) -> FoldMean:
    """The mean over folds, and how far they lie apart."""
    values = {name: np.array([getattr(each.score(), name) for each in folds.values()]) for name in SCORES}
    drawn = [_draws(each, seed + number) for number, each in enumerate(folds.values())]
    errors = [_calibration_error(p, class_indices(p.truth, p.labels, what="truth")) for p in folds.values()]
    return FoldMean(
        folds=tuple(folds),
        **{
            name: _estimate(float(values[name].mean()), np.mean([each[name] for each in drawn], axis=0))
            for name in SCORES
        },
        deviation={name: float(each.std(ddof=1)) for name, each in values.items() if len(each) > 1},
        calibration_error=float(np.mean(errors)),
    )


def mean_gap(
    ours: Mapping[str, Sequence[Predictions]],
    theirs: Mapping[str, Sequence[Predictions]],
    score: str = "uar",
    *,
    seed: int = 0,
) -> Estimate:
    """How much higher `ours` score than `theirs` on the same clips: the mean over folds, and in a fold over its runs.

    Paired: a resample takes the same clips from both, and from every run of a fold.

    Args:
        ours: Fold -> the predictions of its runs, such as one for each seed.
        theirs: The same for the other side; with no runs at all, the gap is the score of ours.
        score: Which of `SCORES`.
        seed: Of the resampling.

    Raises:
        NamesDoNotMatch: They are not over the same clips.
    """
    values, drawn = [], []
    for number, fold in enumerate(ours):
        runs = (*ours[fold], *theirs.get(fold, ()))
        if any(run.keys != runs[0].keys for run in runs):
            raise NamesDoNotMatch(f"fold {fold} was answered for other clips")
        gap = _gap([_summed(run)[score] for run in runs], len(ours[fold]))
        values.append(gap.value)
        drawn.append(draw_scores(gap, rounds=ROUNDS, seed=seed + number))
    return _estimate(float(np.mean(values)), np.mean(drawn, axis=0))


def pooled(folds: Sequence[Predictions]) -> Predictions:
    """The clips of all folds as one list."""
    return Predictions(
        labels=folds[0].labels,
        keys=tuple(key for each in folds for key in each.keys),
        truth=tuple(label for each in folds for label in each.truth),
        probabilities=np.concatenate([each.probabilities for each in folds]),
    )


def _summed(predictions: Predictions) -> dict[str, SummedScore]:
    classes = len(predictions.labels)
    truth = class_indices(predictions.truth, predictions.labels, what="truth")
    answers = class_indices(predictions.answers, predictions.labels, what="predictions")
    cells = truth * classes + answers
    return {name: from_cells(cells, shape=(classes, classes), score=CLOSED_SET_SCORES[name]) for name in SCORES}


@lru_cache(maxsize=64)
def _draws(predictions: Predictions, seed: int) -> dict[str, Float64[np.ndarray, " round"]]:
    """The scores of the same resamples; kept, since a fold's own row and the mean over folds both need them."""
    return {name: draw_scores(each, rounds=ROUNDS, seed=seed) for name, each in _summed(predictions).items()}


def _gap(scores: Sequence[SummedScore], count: int) -> SummedScore:
    """The mean of the first `count` scores less the mean of the others as one score: one draw of clips serves all."""
    parts = scores[0].rows.shape[1]

    def finish(totals: Float64[np.ndarray, "*round part"]) -> Float64[np.ndarray, "*round"]:
        values = [each.finish(totals[..., n * parts : (n + 1) * parts]) for n, each in enumerate(scores)]
        others = np.mean(values[count:], axis=0) if count < len(values) else 0.0
        return np.asarray(np.mean(values[:count], axis=0) - others)

    return SummedScore(rows=np.concatenate([each.rows for each in scores], axis=1), finish=finish)


def _estimate(value: float, drawn: Float64[np.ndarray, " round"]) -> Estimate:
    interval = interval_of(drawn, estimate=value, seed=0)
    return Estimate(value=value, low=interval.low, high=interval.high)


def _calibration_error(predictions: Predictions, truth: Int64[np.ndarray, " clip"]) -> float:
    """Nine printed digits of a float32 distribution need not sum to 1 as closely as `calibrate` demands."""
    exact = predictions.probabilities.astype(np.float64)
    return calibrate(exact / exact.sum(axis=1, keepdims=True), truth, engine="base").ece
