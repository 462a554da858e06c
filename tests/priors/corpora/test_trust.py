"""Reliability against correctness."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from emotrace.priors.corpora.trust import BINS, FEWEST, LEAST_AREA, area_under_roc, check_trust


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.5, 0.9, 1.0]), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_scikit_learns(pairs: list[tuple[float, bool]]) -> None:
    values, positive = np.array([v for v, _ in pairs]), np.array([p for _, p in pairs])
    if positive.all() or not positive.any():
        return
    assert area_under_roc(values, positive) == pytest.approx(roc_auc_score(positive, values), abs=1e-12)


def test_reliability_that_tells_right_from_wrong_is_not_blind() -> None:
    rng = np.random.default_rng(0)
    right = rng.random(400) < 0.5
    rho = np.where(right, rng.beta(8, 2, 400), rng.beta(2, 8, 400))
    found = check_trust(rho, right)
    assert found.area is not None
    assert found.low is not None
    assert found.high is not None
    assert 0.95 < found.low <= found.area <= found.high <= 1.0
    assert not found.is_blind
    shares = [each.right for each in found.bins if each.right is not None]
    assert shares == sorted(shares)
    assert sum(each.sections for each in found.bins) == 400


def test_reliability_that_knows_nothing_is_blind() -> None:
    rng = np.random.default_rng(1)
    found = check_trust(rng.uniform(0.01, 1.0, 2000), rng.random(2000) < 0.5)
    assert found.area is not None
    assert found.area < LEAST_AREA
    assert found.is_blind


@pytest.mark.parametrize("right", [[], [True] * 30, [True] * 30 + [False] * (FEWEST - 1)])
def test_too_few_of_either_say_nothing(right: list[bool]) -> None:
    found = check_trust(np.full(len(right), 0.5), np.array(right, bool))
    assert found.area is None
    assert not found.is_blind
    assert len(found.bins) == BINS
    assert found.sections == len(right)
    assert (found.right is None) == (not right)
