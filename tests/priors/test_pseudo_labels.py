"""What is admitted: at most as many as there are labels, never below 0.8, never against the trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import UsageError
from emotrace.priors.pseudo_labels import FLOOR, admit, report_on

LABELS = ("neutral", "angry")


def sure_of(first: list[float]) -> np.ndarray:
    return np.array([[p, 1 - p] for p in first])


def test_the_threshold_admits_at_most_as_many_as_there_are_labels() -> None:
    found = admit(sure_of([0.99, 0.95, 0.9, 0.85, 0.1, 0.3]), np.array([2, 5]), labels=LABELS)
    assert found.rows.tolist() == [0, 1, 4]
    assert found.labels.tolist() == [0, 0, 1]
    assert found.thresholds.tolist() == [0.95, FLOOR]


def test_equally_sure_clips_are_taken_all_or_none() -> None:
    assert admit(sure_of([0.95, 0.9, 0.9, 0.9]), np.array([2, 0]), labels=LABELS).rows.tolist() == [0]
    assert admit(sure_of([0.9, 0.9, 0.9]), np.array([2, 0]), labels=LABELS).rows.tolist() == []


def test_a_trace_must_agree_where_there_is_one() -> None:
    sure = sure_of([0.99, 0.98, 0.97])
    found = admit(sure, np.array([1, 1]), labels=LABELS, verdicts=np.array([1, 0, -1]))
    assert found.rows.tolist() == [1]


@given(st.lists(st.floats(0, 1, width=32), max_size=40), st.integers(0, 10), st.integers(0, 10))
def test_never_more_than_labels_nor_less_sure_than_the_floor(sure: list[float], first: int, second: int) -> None:
    probabilities, counts = sure_of(sure).reshape(-1, 2), np.array([first, second])
    found = admit(probabilities, counts, labels=LABELS)
    assert (np.bincount(found.labels, minlength=2) <= counts).all()
    assert (probabilities[found.rows, found.labels] >= FLOOR).all()


def test_thresholds_may_be_given_for_every_class() -> None:
    sure = sure_of([0.99, 0.95, 0.05])
    assert admit(sure, np.array([9, 9]), labels=LABELS, thresholds="mrccl").rows.tolist() == [0]
    assert admit(sure, np.array([0, 0]), labels=LABELS, thresholds={"neutral": 0.9, "angry": 0.99}).rows.tolist() == [
        0,
        1,
    ]
    with pytest.raises(UsageError, match="say nothing about angry"):
        admit(sure, np.array([1, 1]), labels=LABELS, thresholds={"neutral": 0.9})


def test_the_report_counts_shift_and_held_out_accuracy() -> None:
    counts = np.array([3, 1])
    found = admit(sure_of([0.99, 0.95, 0.05]), counts, labels=LABELS)
    report = report_on(
        found,
        candidates=3,
        label_counts=counts,
        labels=LABELS,
        held_out=sure_of([0.99, 0.97, 0.5, 0.01]),
        truth=np.array([0, 1, 0, 1]),
        held_out_verdicts=np.array([-1, 0, 0, 0]),
    )
    assert report.admitted == {"neutral": 2, "angry": 1}
    assert report.shift["neutral"] == pytest.approx(2 / 3 - 3 / 4)
    assert report.held_out_admitted == 2
    assert report.held_out_accuracy == 0.5
