from __future__ import annotations

import math

import numpy as np
import pytest

from emotrace.errors import InvalidScores
from emotrace.metrics.exact_tests import fold_t_test, holm, mcnemar


@pytest.mark.parametrize(("b", "c", "p"), [(0, 0, 1.0), (1, 0, 1.0), (10, 2, 2 * (1 + 12 + 66) / 4096), (5, 5, 1.0)])
def test_mcnemar_in_closed_form(b: int, c: int, p: float) -> None:
    correct_a = np.array([True] * b + [False] * c + [True] * 7)
    correct_b = np.array([False] * b + [True] * c + [True] * 7)
    assert mcnemar(correct_a, correct_b) == pytest.approx(p)


def test_mcnemar_of_many_discordant_clips_does_not_overflow() -> None:
    a = np.arange(6_000) < 3_100
    assert 0.005 < mcnemar(a, ~a) < 0.02


def test_holm_in_closed_form() -> None:
    assert holm({"x": 0.01, "y": 0.04, "z": 0.03}) == pytest.approx({"x": 0.03, "y": 0.06, "z": 0.06})
    assert list(holm({"b": 0.9, "a": 0.8})) == ["b", "a"]


def test_student_p_in_closed_form() -> None:
    # Two folds: one degree of freedom, where P(|T| > t) = 1 - 2 atan(t) / pi.
    t, p = fold_t_test(np.array([1.0, 3.0]), test_clips=1, train_clips=2)
    assert t == pytest.approx(2.0 / math.sqrt(2.0 * (0.5 + 0.5)))
    assert p == pytest.approx(1 - 2 * math.atan(t) / math.pi)
    # Three folds: two degrees of freedom, where P(|T| > t) = 1 - t / sqrt(2 + t^2).
    t, p = fold_t_test(np.array([1.0, 2.0, 4.0]), test_clips=1, train_clips=4)
    assert p == pytest.approx(1 - t / math.sqrt(2 + t * t))
    # Ten folds: 2.262 is the tabulated two-sided 5 % point of nine degrees of freedom.
    values = np.arange(10.0)
    scale = values.std(ddof=1) * math.sqrt(0.1 + 1 / 9)
    _, p = fold_t_test(values - values.mean() + 2.2622 * scale, test_clips=1, train_clips=9)
    assert p == pytest.approx(0.05, abs=1e-4)


def test_a_fold_test_needs_two_folds() -> None:
    with pytest.raises(InvalidScores):
        fold_t_test(np.ones(1), test_clips=1, train_clips=1)
    assert math.isnan(fold_t_test(np.ones(3), test_clips=1, train_clips=1)[1])
