from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from emotrace.errors import InvalidScores
from emotrace.metrics.calibration import calibrate, risk_coverage


def two_classes(confidence: list[float]) -> np.ndarray:
    return np.stack([np.array(confidence), 1 - np.array(confidence)], axis=1)


def test_constant_confidence_against_accuracy() -> None:
    result = calibrate(two_classes([0.8] * 10), np.array([0] * 6 + [1] * 4), engine="base")
    assert result.ece == pytest.approx(0.2)
    assert result.ece_mass == pytest.approx(0.2)
    assert result.accuracy == 0.6


@pytest.mark.parametrize("classes", [2, 6, 27])
def test_uniform_probabilities(classes: int) -> None:
    p = np.full((classes * 3, classes), 1 / classes)
    result = calibrate(p, np.tile(np.arange(classes), 3), engine="base")
    assert result.brier == pytest.approx(1 - 1 / classes)
    assert result.nll == pytest.approx(math.log(classes))
    assert result.ece == pytest.approx(0.0, abs=1e-12)


def test_a_perfect_answer_has_no_error() -> None:
    result = calibrate(np.eye(4), np.arange(4), engine="base")
    assert (result.ece, result.ece_mass, result.brier, result.nll, result.accuracy) == (0.0, 0.0, 0.0, 0.0, 1.0)


def test_a_certain_wrong_answer_costs_a_finite_amount() -> None:
    result = calibrate(np.eye(2), np.array([1, 0]), engine="base")
    assert result.brier == 2.0
    assert result.nll == pytest.approx(-math.log(1e-15))


def test_bins_partition_the_clips() -> None:
    generator = np.random.default_rng(0)
    result = calibrate(generator.dirichlet(np.ones(5), 200), generator.integers(5, size=200), engine="base")
    assert sum(b.clips for b in result.bins) == 200
    assert len(result.bins) == 15
    assert all(b.low < b.confidence <= b.high + 1e-12 for b in result.bins if b.clips)


@pytest.mark.parametrize("row", [[0.5, 0.4], [1.2, -0.2], [math.nan, 1.0]])
def test_a_row_that_is_no_distribution_is_named(row: list[float]) -> None:
    with pytest.raises(InvalidScores, match="row 2 of 2 is no distribution"):
        calibrate(np.array([[0.5, 0.5], row]), np.array([0, 0]), engine="base")


def test_a_truth_outside_the_columns_is_refused() -> None:
    with pytest.raises(InvalidScores, match="one column number below 2"):
        calibrate(np.full((1, 2), 0.5), np.array([2]), engine="base")


@given(st.integers(0, 10_000))
def test_shuffling_clips_and_permuting_columns_change_nothing(seed: int) -> None:
    generator = np.random.default_rng(seed)
    p = np.round(generator.dirichlet(np.ones(3), 30), 1)
    p[:, 2] = 1 - p[:, 0] - p[:, 1]
    p = np.abs(p)
    y = generator.integers(3, size=30)
    order, columns = generator.permutation(30), generator.permutation(3)
    a, b = calibrate(p, y, engine="base"), calibrate(p[order][:, columns], np.argsort(columns)[y[order]], engine="base")
    for name in ("ece", "ece_mass", "brier", "nll", "accuracy"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), abs=1e-12)


def test_the_worked_risk_coverage_example() -> None:
    curve = risk_coverage(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, True, False]))
    assert curve.risk.tolist() == [0, 0, 0, 0.25]
    assert curve.aurc == 1 / 16
    assert curve.excess_aurc == 0.0
    assert curve.coverage_at_risk_10 == 0.75
    assert curve.risk_at_80 == 0.25


def test_equal_confidence_spreads_its_errors() -> None:
    curve = risk_coverage(np.ones(4), np.array([True, False, True, False]))
    assert curve.risk.tolist() == [0.5] * 4


@given(
    hnp.arrays(np.float64, 25, elements=st.sampled_from([0.1, 0.3, 0.5, 0.9])),
    hnp.arrays(np.bool_, 25),
    st.integers(0, 99),
)
def test_risk_does_not_depend_on_the_order_of_clips(confidence: np.ndarray, correct: np.ndarray, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(25)
    a, b = risk_coverage(confidence, correct), risk_coverage(confidence[order], correct[order])
    np.testing.assert_allclose(a.risk, b.risk, atol=1e-12)
    assert a.excess_aurc >= -1e-12
    assert a.risk[-1] == pytest.approx(1 - correct.mean())


def test_risk_needs_clips() -> None:
    with pytest.raises(InvalidScores):
        risk_coverage(np.zeros(0), np.zeros(0, bool))
