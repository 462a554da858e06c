from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score

from emotrace.errors import NamesDoNotMatch, UnknownLabel
from emotrace.grace.corpora.fold_scores import mean_gap, mean_over_folds, pooled, scores_of
from emotrace.training.predictions import Predictions

LABELS = ("happy", "sad", "fear")


def answered(truth: Sequence[str], answers: Sequence[str], *, prefix: str = "", sure: float = 0.8) -> Predictions:
    rows = np.full((len(truth), len(LABELS)), (1 - sure) / 2, dtype=np.float32)
    rows[np.arange(len(truth)), [LABELS.index(answer) for answer in answers]] = sure
    keys = tuple(f"{prefix}{number}" for number in range(len(truth)))
    return Predictions(labels=LABELS, keys=keys, truth=tuple(truth), probabilities=rows)


def noisy(seed: int, clips: int = 90, right: float = 0.6, prefix: str = "") -> Predictions:
    rng = np.random.default_rng(seed)
    truth = rng.choice(LABELS, clips, p=(0.6, 0.3, 0.1))
    answers = np.where(rng.random(clips) < right, truth, rng.choice(LABELS, clips))
    return answered(truth.tolist(), answers.tolist(), prefix=prefix)


def test_scores_are_those_of_scikit_learn_with_intervals_around_them() -> None:
    predictions = noisy(1)
    scores = scores_of(predictions)
    assert scores.uar.value == pytest.approx(balanced_accuracy_score(predictions.truth, predictions.answers))
    assert scores.war.value == pytest.approx(np.mean(np.array(predictions.truth) == predictions.answers))
    assert scores.macro_f1.value == pytest.approx(f1_score(predictions.truth, predictions.answers, average="macro"))
    for estimate in (scores.uar, scores.war, scores.macro_f1):
        assert estimate.low < estimate.value < estimate.high
    assert scores.war.high - scores.war.low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 90), rel=0.25)
    recalls = np.diag(scores.confusion) / np.sum(scores.confusion, axis=1)
    assert scores.worst.recall == pytest.approx(recalls.min())
    assert scores.worst.label == LABELS[int(recalls.argmin())]
    np.testing.assert_allclose(np.sum(scores.row_shares, axis=1), 1.0)


def test_a_class_without_test_clips_is_left_out_and_named_or_refused() -> None:
    predictions = answered(["happy", "sad", "sad"], ["happy", "sad", "happy"])
    scores = scores_of(predictions)
    assert scores.absent == ("fear",)
    assert scores.uar.value == pytest.approx(0.75)
    with pytest.raises(UnknownLabel, match="fear"):
        scores_of(predictions, allow_missing=False)


def test_the_mean_over_folds_is_the_mean_and_its_interval_is_of_all_folds() -> None:
    folds = {str(number): noisy(number) for number in range(1, 5)}
    mean = mean_over_folds(folds)
    values = [scores_of(each).uar.value for each in folds.values()]
    assert mean.uar.value == pytest.approx(np.mean(values))
    assert mean.deviation["uar"] == pytest.approx(np.std(values, ddof=1))
    widths = [scores_of(each).uar.high - scores_of(each).uar.low for each in folds.values()]
    # the mean of four independent folds varies half as much as one of them
    assert mean.uar.high - mean.uar.low == pytest.approx(np.mean(widths) / 2, rel=0.15)


def test_one_fold_has_its_own_interval_and_no_deviation() -> None:
    mean, own = mean_over_folds({"1": noisy(3)}), scores_of(noisy(3))
    assert (mean.uar, mean.war, mean.macro_f1) == (own.uar, own.war, own.macro_f1)
    assert mean.deviation == {}
    assert mean.calibration_error == own.calibration_error


def test_sureness_without_reason_shows_as_calibration_error() -> None:
    truth = ["happy"] * 6 + ["sad"] * 4
    assert scores_of(answered(truth, ["happy"] * 10)).calibration_error == pytest.approx(0.2)
    assert scores_of(answered(truth, ["happy"] * 10, sure=0.6)).calibration_error == pytest.approx(0.0, abs=1e-6)


def test_a_gap_is_paired_clip_by_clip() -> None:
    folds = {"1": [noisy(1, clips=200)]}
    same = mean_gap(folds, folds)
    assert (same.value, same.low, same.high) == (0.0, 0.0, 0.0)
    one = noisy(1, clips=200)
    answers = list(one.answers)
    wrong = next(n for n, (said, true) in enumerate(zip(answers, one.truth, strict=True)) if said == true == "happy")
    answers[wrong] = "sad"
    gap = mean_gap(folds, {"1": [answered(one.truth, answers)]})
    assert gap.value == pytest.approx(1 / one.truth.count("happy") / 3)
    assert gap.low == 0.0
    assert gap.high < 5 * gap.value


def test_gaps_of_several_runs_take_the_same_clips_from_each() -> None:
    a, b = noisy(1), noisy(1, right=0.6)
    once, thrice = mean_gap({"1": [a]}, {}), mean_gap({"1": [a, b, a]}, {})
    assert once == thrice  # three equal runs say no more than one about other clips
    assert once == scores_of(a).uar


def test_a_gap_between_other_clips_is_refused() -> None:
    with pytest.raises(NamesDoNotMatch, match="fold 1"):
        mean_gap({"1": [noisy(1)]}, {"1": [noisy(1, prefix="x")]})


def test_pooled_clips_are_all_clips() -> None:
    folds = [noisy(1), noisy(2, clips=30, prefix="x")]
    together = pooled(folds)
    assert len(together.keys) == 120
    assert np.sum(scores_of(together).confusion) == 120
    np.testing.assert_array_equal(
        scores_of(together).confusion, np.sum([scores_of(each).confusion for each in folds], axis=0)
    )
