"""What repeats is looked at once, and gives what looking at all of it would."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from emotrace.hydra.rewards.arrays import numbered, of_pairs, padded, summed


@given(st.lists(st.text("ab", max_size=2)))
def test_items_are_numbered_in_the_order_in_which_they_come(items: list[str]) -> None:
    different, number = numbered(items)
    assert [different[each] for each in number] == items
    assert different == list(dict.fromkeys(items))


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5))))
def test_a_pair_is_asked_about_once(pairs: list[tuple[int, int]]) -> None:
    asked: list[tuple[int, int]] = []

    def value(a: int, b: int) -> float:
        asked.append((a, b))
        return 10.0 * a + b

    a, b = np.array(pairs, np.int64).reshape(-1, 2).T
    assert of_pairs(a, b, value).tolist() == [10.0 * one + other for one, other in pairs]
    assert sorted(asked) == sorted(set(pairs))


def test_pairs_may_stand_in_a_table_and_groups_may_be_empty() -> None:
    assert of_pairs(np.eye(2, dtype=np.int64), np.ones((2, 2), np.int64), lambda a, b: float(a + b)).tolist() == [
        [2.0, 1.0],
        [1.0, 2.0],
    ]
    assert summed(np.array([0, 2, 2]), [1, 2, 3], 4).tolist() == [1.0, 0.0, 5.0, 0.0]
    assert summed(np.array([], np.int64), [], 2).tolist() == [0.0, 0.0]


def test_rows_of_unequal_length_make_a_table() -> None:
    assert padded([[1, 2], [], [3]], 2, -1).tolist() == [[1, 2], [-1, -1], [3, -1]]
    assert padded([], 3, 0).shape == (0, 3)
    assert padded([[], []], 0, 0).shape == (2, 0)
