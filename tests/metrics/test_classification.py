from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import ExitCode, InvalidScores, MissingExtra, UnknownLabel
from emotrace.metrics import library_check
from emotrace.metrics.classification import classify, from_confusion
from emotrace.metrics.confusion_matrix import CLOSED_SET_SCORES, class_indices, confusion
from emotrace.metrics.values import ccc, mer2023_combined, mse

LABELS = ("angry", "happy", "neutral", "sad")
pairs = st.lists(st.tuples(st.sampled_from(LABELS), st.sampled_from((*LABELS, None))), min_size=1, max_size=40)


def scores(rows: list[tuple[str, str | None]], labels: tuple[str, ...] = LABELS) -> tuple[float, ...]:
    result = classify([t for t, _ in rows], [p for _, p in rows], labels=labels, engine="base")
    return result.war, result.uar, result.macro_f1, result.waf


def test_counts_pairs_by_name_with_a_last_column_for_missing_answers() -> None:
    matrix = confusion(["sad", "sad", "happy"], ["sad", None, ""], labels=LABELS)
    assert matrix.tolist() == [[0] * 5, [0, 0, 0, 0, 1], [0] * 5, [0, 0, 0, 1, 1]]


def test_a_worked_example() -> None:
    # Truth a a a b, answers a a b b: recall a 2/3, b 1; F1 a 4/5, b 2/3.
    result = classify(list("aaab"), list("aabb"), labels="ab", engine="base")
    assert result.war == result.accuracy == 3 / 4
    assert result.uar == pytest.approx(5 / 6)
    assert result.macro_f1 == pytest.approx(11 / 15)
    assert result.waf == pytest.approx(3 / 4 * 4 / 5 + 1 / 4 * 2 / 3)
    assert result.majority.war == 3 / 4
    assert result.random.war == pytest.approx(10 / 16)


def test_classes_without_truth_are_left_out_of_uar_and_listed() -> None:
    result = classify(["sad", "sad"], ["sad", "happy"], labels=LABELS, engine="base")
    assert result.uar == 0.5
    assert result.classes_without_truth == ("angry", "happy", "neutral")
    assert result.classes_unused == ("angry", "neutral")


def test_an_abstention_is_wrong_and_is_left_out_of_the_answered_scores() -> None:
    result = classify(["sad", "happy", "sad", "sad"], ["sad", None, None, "sad"], labels=LABELS, engine="base")
    assert (result.war, result.coverage, result.abstained) == (0.5, 0.5, 2)
    assert result.answered.war == result.answered.uar == 1.0


def test_no_clip_gives_nan_with_a_reason() -> None:
    result = classify([], [], labels=LABELS, engine="base")
    assert all(math.isnan(getattr(result, name)) for name in CLOSED_SET_SCORES)
    assert set(result.undefined) == set(CLOSED_SET_SCORES)


def test_unknown_labels_are_named_with_their_rows_and_their_number() -> None:
    with pytest.raises(
        UnknownLabel, match=r"'x0' \(row 1\).*'x4' \(row 5\) and 3 more \(8 in all\).*angry, happy"
    ) as caught:
        classify([f"x{i}" for i in range(8)], ["sad"] * 8, labels=LABELS)
    assert int(caught.value.exit_code) == 3


def test_a_clip_without_truth_is_refused() -> None:
    with pytest.raises(UnknownLabel, match="row 2 has no truth"):
        confusion(["sad", ""], ["sad", "sad"], labels=LABELS)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (4, 6)])
def test_a_matrix_of_another_shape_is_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(InvalidScores, match="not a confusion matrix of 4 labels"):
        from_confusion(np.ones(shape, np.int64), labels=LABELS)


def test_lengths_and_repeated_labels_are_checked() -> None:
    with pytest.raises(InvalidScores, match="1 truths and 2 predictions"):
        confusion(["sad"], ["sad", "sad"], labels=LABELS)
    with pytest.raises(InvalidScores, match="twice"):
        confusion(["a"], ["a"], labels=("a", "a"))


def test_asking_for_an_absent_library_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library_check.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"emotrace\[eval\]") as caught:
        classify(["a"], ["a"], labels="a", engine="scikit-learn")
    assert caught.value.exit_code is ExitCode.MISSING_EXTRA


@given(pairs)
def test_all_scores_lie_between_0_and_1(rows: list[tuple[str, str | None]]) -> None:
    assert all(0.0 <= score <= 1.0 for score in scores(rows))


@given(pairs, st.randoms())
def test_shuffling_clips_and_renaming_classes_change_nothing(rows: list[tuple[str, str | None]], random) -> None:
    shuffled = random.sample(rows, len(rows))
    assert scores(shuffled) == scores(rows)
    new_name: dict[str | None, str | None] = {label: f"new-{label}" for label in LABELS} | {None: None}
    renamed = [(str(new_name[t]), new_name[p]) for t, p in rows]
    order = tuple(f"new-{label}" for label in random.sample(LABELS, len(LABELS)))
    assert scores(renamed, order) == pytest.approx(scores(rows), abs=1e-15)


@given(pairs, st.integers(2, 5))
def test_duplicating_the_corpus_changes_nothing(rows: list[tuple[str, str | None]], times: int) -> None:
    assert scores(rows * times) == pytest.approx(scores(rows), abs=1e-15)


@given(st.lists(st.sampled_from(LABELS), min_size=1, max_size=40))
def test_a_perfect_answer_scores_one(truth: list[str]) -> None:
    assert scores([(t, t) for t in truth]) == pytest.approx((1.0,) * 4)


def test_ccc_and_mse_in_closed_form() -> None:
    y = np.array([1.0, 2.0, 3.0])
    assert ccc(y, y + 1.0) == pytest.approx(4 / 7)
    assert ccc(y, y) == pytest.approx(1.0)
    assert ccc(y, -y + 4.0) == pytest.approx(-1.0)
    assert ccc(y, np.full(3, 2.0)) == 0.0
    assert math.isnan(ccc(np.ones(3), np.ones(3)))
    assert mse(y, y + 2.0) == 4.0
    assert mse(np.array([1.0, np.nan]), np.array([2.0, 50.0])) == 1.0
    assert math.isnan(mse(np.array([np.nan]), np.array([1.0])))
    assert mer2023_combined(0.9, 0.4) == pytest.approx(0.8)


def test_a_value_without_a_prediction_is_refused() -> None:
    with pytest.raises(InvalidScores, match="finite prediction"):
        mse(np.array([1.0]), np.array([np.nan]))


def test_the_position_after_the_last_label_stands_for_no_answer() -> None:
    assert class_indices(["sad", None, ""], LABELS, what="answers").tolist() == [3, 4, 4]
