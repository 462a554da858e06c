from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from emotrace.errors import InvalidScores
from emotrace.metrics.localisation import apex_errors, localise, mean_of, span_iou
from emotrace.metrics.resampling import bootstrap

MAPS = arrays(np.float64, (3, 4, 5), elements=st.integers(0, 4).map(float))
TRUTHS = arrays(np.bool_, (3, 4, 5))


@given(truth=TRUTHS)
@settings(max_examples=50, deadline=None)
def test_the_truth_as_a_map_is_perfect(truth: np.ndarray) -> None:
    found = localise(truth.astype(float), truth)
    there = truth.any(axis=(1, 2))
    for score in (found.pointing, found.average_precision, found.iou):
        assert (score[there] == 1.0).all()
        assert np.isnan(score[~there]).all()
    np.testing.assert_allclose(found.energy[there], 20 / truth.sum(axis=(1, 2))[there])
    assert found.undefined == (~there).sum()


@given(truth=TRUTHS)
@settings(max_examples=50, deadline=None)
def test_an_even_map_scores_chance_exactly(truth: np.ndarray) -> None:
    found = localise(np.full(truth.shape, 0.25), truth)
    there = truth.any(axis=(1, 2))
    share = truth.mean(axis=(1, 2))[there]
    np.testing.assert_allclose(found.pointing[there], share)
    np.testing.assert_allclose(found.average_precision[there], share)
    np.testing.assert_allclose(found.energy[there], 1.0)
    np.testing.assert_allclose(found.iou[there], share / (2 - share))


@given(heat=MAPS, truth=TRUTHS, seed=st.integers(0, 9), factor=st.floats(0.1, 10.0))
@settings(max_examples=50, deadline=None)
def test_neither_the_order_of_cells_nor_the_scale_matters(
    heat: np.ndarray, truth: np.ndarray, seed: int, factor: float
) -> None:
    order = np.random.default_rng(seed).permutation(20)
    plain = localise(heat, truth)
    moved = localise(factor * heat.reshape(3, 20)[:, order], truth.reshape(3, 20)[:, order])
    np.testing.assert_allclose(plain.pointing, moved.pointing)
    np.testing.assert_allclose(plain.average_precision, moved.average_precision)
    np.testing.assert_allclose(plain.iou, moved.iou)
    np.testing.assert_allclose(plain.energy, moved.energy)


def test_average_precision_is_the_librarys_where_no_cells_tie() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    heat, truth = rng.random((20, 36)), rng.random((20, 36)) < 0.2
    expected = [sklearn.average_precision_score(t, h) for h, t in zip(heat, truth, strict=True)]
    np.testing.assert_allclose(localise(heat, truth).average_precision, expected)


def test_ties_at_the_edge_of_the_area_are_shared() -> None:
    heat = np.array([[3.0, 1.0, 1.0, 0.0]])
    found = localise(heat, np.array([[True, True, False, False]]))
    assert found.iou[0] == pytest.approx(1.5 / 2.5)
    assert found.pointing[0] == 1.0


def test_a_map_without_heat_is_not_scored() -> None:
    found = localise(np.zeros((1, 4)), np.array([[True, False, False, False]]))
    assert found.undefined == 1
    assert np.isnan(found.means()["pointing"])


@pytest.mark.parametrize("heat", [np.array([[-1.0, 2.0]]), np.array([[np.nan, 1.0]]), np.ones((1, 3))])
def test_what_is_no_map_is_refused(heat: np.ndarray) -> None:
    with pytest.raises(InvalidScores):
        localise(heat, np.array([[True, False]]))


def test_the_apex_error_counts_frames() -> None:
    heat = np.array([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.0] * 4])
    np.testing.assert_array_equal(apex_errors(heat, np.array([3, 0, -1, 1])), [2.0, 1.5, np.nan, np.nan])


def test_spans_overlap_by_their_shared_time() -> None:
    found, true = np.array([[0.0, 2.0], [0.0, 1.0], [np.nan, 1.0]]), np.array([[1.0, 3.0], [2.0, 3.0], [0.0, 1.0]])
    np.testing.assert_allclose(span_iou(found, true), [1 / 3, 0.0, np.nan])


def test_means_leave_out_what_is_not_defined_and_can_be_resampled() -> None:
    score = mean_of(np.array([1.0, np.nan, 0.0, 1.0]))
    assert score.value == pytest.approx(2 / 3)
    interval = bootstrap(score, rounds=200)
    assert 0.0 <= interval.low <= interval.high <= 1.0
