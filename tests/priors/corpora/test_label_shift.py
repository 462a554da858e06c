"""Scores under other class shares are what resampling would give; EM finds the shares that made the clips."""

from __future__ import annotations

import numpy as np
import pytest

from emotrace.errors import InvalidScores
from emotrace.metrics.confusion_matrix import CLOSED_SET_SCORES
from emotrace.priors.corpora.label_shift import adapt_by_em, shift_table, shifted_shares, under_shares

MATRIX = np.array([[40, 8, 2], [5, 20, 5], [2, 2, 16]])
SHARES = MATRIX.sum(1) / MATRIX.sum()


def test_natural_shares_give_the_scores_as_they_are() -> None:
    for name, value in under_shares(MATRIX, SHARES).items():
        assert value == pytest.approx(float(CLOSED_SET_SCORES[name](MATRIX)), abs=1e-12)


def test_whole_copies_of_a_class_give_the_same_scores_as_its_weight() -> None:
    copied = MATRIX * np.array([[1], [1], [3]])
    found = under_shares(MATRIX, copied.sum(1) / copied.sum())
    for name, score in CLOSED_SET_SCORES.items():
        assert found[name] == pytest.approx(float(score(copied)), abs=1e-12)


def test_recall_does_not_depend_on_shares_and_accuracy_under_uniform_ones_is_recall() -> None:
    table = shift_table(MATRIX, ("neutral", "angry", "sad"))
    assert list(table) == ["natural", "uniform", "sad x 1.75", "root", "mean", "worst"]
    assert len({round(row["uar"], 12) for row in table.values()}) == 1
    assert table["uniform"]["war"] == pytest.approx(table["uniform"]["uar"])
    assert table["worst"]["waf"] == min(table[name]["waf"] for name in list(table)[:4])


def test_shares_sum_to_one_and_sad_grows_by_its_factor() -> None:
    found = shifted_shares(SHARES, ("neutral", "angry", "sad"))
    assert all(each.sum() == pytest.approx(1) for each in found.values())
    grown = found["sad x 1.75"]
    assert grown[2] / grown[0] == pytest.approx(1.75 * SHARES[2] / SHARES[0])
    assert "sad x 1.75" not in shifted_shares(SHARES, ("a", "b", "c"))


def test_a_class_without_a_clip_stays_without_a_share() -> None:
    empty = np.array([[5, 1, 0], [1, 5, 0], [0, 0, 0]])
    assert shift_table(empty, ("a", "b", "c"))["uniform"]["war"] == pytest.approx(5 / 6)
    with pytest.raises(InvalidScores):
        under_shares(empty, np.full(3, 1 / 3))


def test_em_finds_the_shares_of_the_clips() -> None:
    rng = np.random.default_rng(0)
    train, test = np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])
    truth = rng.choice(3, size=20_000, p=test)
    x = rng.normal(size=(20_000, 3)) + 2 * np.eye(3)[truth]
    posterior = np.exp(2 * x) * train
    posterior /= posterior.sum(1, keepdims=True)
    adapted, found = adapt_by_em(posterior, train)
    np.testing.assert_allclose(found, test, atol=0.02)
    np.testing.assert_allclose(adapted.sum(1), 1)
    assert (adapted.argmax(1) == truth).mean() > (posterior.argmax(1) == truth).mean() + 0.02
    same, shares = adapt_by_em(np.eye(3), np.full(3, 1 / 3))
    np.testing.assert_allclose(same, np.eye(3))
    np.testing.assert_allclose(shares, np.full(3, 1 / 3))
