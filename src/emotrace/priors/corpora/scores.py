"""What the answers of several seeds say about labelled clips: means over seeds, with intervals over clips.

WAF is the main number of the MER challenges [field]. An interval resamples clips, the same for all seeds: it says what
other clips could have changed. `deviation` is over seeds: it says what other weights could have.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float32, Float64, Int64
from pydantic import BaseModel, ConfigDict

from emotrace.metrics.calibration import calibrate
from emotrace.metrics.classification import classify
from emotrace.metrics.confusion_matrix import CLOSED_SET_SCORES
from emotrace.metrics.resampling import SummedScore, bootstrap
from emotrace.metrics.values import mer2023_combined, mse
from emotrace.priors.corpora.label_shift import adapt_by_em, shift_table

ROUNDS = 2_000


class Frozen(BaseModel):
    """Base of what is written: frozen, and unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Estimate(Frozen):
    """A score in [0, 1]: mean over seeds, 95 % interval over clips, standard deviation over seeds."""

    value: float
    low: float
    high: float
    deviation: float


class PriorScores(Frozen):
    """What the answers are worth."""

    clips: int
    waf: Estimate
    war: Estimate
    """Accuracy."""
    uar: Estimate
    macro_f1: Estimate
    f1_per_class: dict[str, float]
    recall_per_class: dict[str, float]
    calibration_error: float
    """ECE over 15 bins of the top probability."""
    confusion: tuple[tuple[int, ...], ...]
    """Of all seeds together; rows are truth."""
    label_shift: dict[str, dict[str, float]]
    """The four scores under other class shares, their mean and their worst; mean over seeds."""
    adapted_by_em: dict[str, float]
    """The four scores after class shares were estimated from the same clips: transductive."""
    adjusted: dict[str, float]
    """The four scores of logits - ln pi, as if training had balanced the classes (post hoc, kappa = 1)."""
    valence_mse: float | None = None
    combined: float | None = None
    """WAF - 0.25 MSE, of MER2023's MULTI and NOISE tracks [field]."""


def score(
    logits: Mapping[int, Float32[np.ndarray, "clip label"]],
    truth: Int64[np.ndarray, " clip"],
    *,
    labels: Sequence[str],
    train_shares: Float64[np.ndarray, " label"],
    valence: Mapping[int, Float32[np.ndarray, " clip"]] | None = None,
    rated: Float32[np.ndarray, " clip"] | None = None,
) -> PriorScores:
    """Scores answers.

    Args:
        logits: By seed.
        truth: Label numbers of the same clips.
        labels: Their names.
        train_shares: Class shares that were learned from.
        valence: Predicted valence by seed, where the network has it.
        rated: Rated valence, nan where it was not.
    """
    names = [labels[number] for number in truth.tolist()]
    probabilities = [softmax(each) for each in logits.values()]
    answers = [each.argmax(axis=1) for each in probabilities]
    by_seed = [classify(names, [labels[c] for c in each], labels=labels, engine="base") for each in answers]
    cells = np.stack([truth * len(labels) + each for each in answers], axis=1)
    adapted = [adapt_by_em(each, train_shares)[0] for each in probabilities]
    adjusted = [each / np.maximum(train_shares, 1e-12) for each in probabilities]
    errors = None if valence is None or rated is None else [_mse(rated, each) for each in valence.values()]
    estimates = {name: _estimate(cells, name, len(labels)) for name in CLOSED_SET_SCORES}
    squares = None if errors is None else float(np.mean(errors))
    return PriorScores(
        clips=len(truth),
        **estimates,
        f1_per_class={
            label: float(np.mean([each.per_class[c].f1 for each in by_seed])) for c, label in enumerate(labels)
        },
        recall_per_class={
            label: float(np.mean([each.per_class[c].recall for each in by_seed])) for c, label in enumerate(labels)
        },
        calibration_error=float(np.mean([calibrate(each, truth, engine="base").ece for each in probabilities])),
        confusion=tuple(tuple(row) for row in _square([each.confusion for each in by_seed])),
        label_shift=_mean_tables([shift_table(_matrix(truth, each, len(labels)), labels) for each in answers]),
        adapted_by_em=_mean_scores([_matrix(truth, each.argmax(axis=1), len(labels)) for each in adapted]),
        adjusted=_mean_scores([_matrix(truth, each.argmax(axis=1), len(labels)) for each in adjusted]),
        valence_mse=squares,
        combined=None if squares is None else mer2023_combined(estimates["waf"].value, squares),
    )


def softmax(logits: Float32[np.ndarray, "clip label"]) -> Float64[np.ndarray, "clip label"]:
    """In float64; every row sums to 1."""
    shifted = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.asarray(shifted / shifted.sum(axis=1, keepdims=True))


def _estimate(cells: Int64[np.ndarray, "clip seed"], name: str, classes: int) -> Estimate:
    clips, seeds = cells.shape
    rows = np.zeros((clips, seeds, classes * classes))
    rows[np.arange(clips)[:, None], np.arange(seeds), cells] = 1.0

    def each_seed(totals: np.ndarray) -> np.ndarray:
        matrices = np.reshape(totals, (*np.shape(totals)[:-1], seeds, classes, classes))
        return np.asarray(CLOSED_SET_SCORES[name](matrices))

    flat = rows.reshape(clips, -1)
    interval = bootstrap(SummedScore(rows=flat, finish=lambda totals: each_seed(totals).mean(axis=-1)), rounds=ROUNDS)
    own = each_seed(flat.sum(axis=0))
    return Estimate(
        value=interval.estimate,
        low=interval.low,
        high=interval.high,
        deviation=float(own.std(ddof=1)) if seeds > 1 else 0.0,
    )


def _matrix(
    truth: Int64[np.ndarray, " clip"], answers: Int64[np.ndarray, " clip"], classes: int
) -> Int64[np.ndarray, "truth predicted"]:
    counts = np.bincount(truth * classes + answers, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def _square(confusions: Sequence[Int64[np.ndarray, "truth predicted"]]) -> list[list[int]]:
    """The sum, without the column of clips that have no answer: here all have one."""
    found: list[list[int]] = np.sum(confusions, axis=0)[:, :-1].tolist()
    return found


def _mean_scores(matrices: Sequence[Int64[np.ndarray, "truth predicted"]]) -> dict[str, float]:
    return {name: float(np.mean([score(matrix) for matrix in matrices])) for name, score in CLOSED_SET_SCORES.items()}


def _mean_tables(tables: Sequence[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        row: {name: float(np.mean([table[row][name] for table in tables])) for name in columns}
        for row, columns in tables[0].items()
    }


def _mse(rated: Float32[np.ndarray, " clip"], found: Float32[np.ndarray, " clip"]) -> float:
    return mse(rated.astype(np.float64), found.astype(np.float64))
