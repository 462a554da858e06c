"""What repeats is looked at once, and rows of unequal length are arrays: the small tools of the terms."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float64, Int64

T = TypeVar("T")


def numbered(items: Sequence[T]) -> tuple[list[T], Int64[np.ndarray, " item"]]:
    """All different items in the order in which they come, and which of them each is."""
    numbers: defaultdict[T, int] = defaultdict()
    numbers.default_factory = numbers.__len__  # a new item gets the next number
    number = np.fromiter(map(numbers.__getitem__, items), np.int64, len(items))
    return list(numbers), number


def of_pairs(
    a: Int64[np.ndarray, "*pair"], b: Int64[np.ndarray, "*pair"], value: Callable[[int, int], float]
) -> Float64[np.ndarray, "*pair"]:
    """One value for each pair of numbers from 0 on, found once for each different pair."""
    width = int(b.max(initial=0)) + 1
    pairs, which = np.unique(a * width + b, return_inverse=True)
    values = [value(*divmod(pair, width)) for pair in pairs.tolist()]
    found: Float64[np.ndarray, "*pair"] = np.array(values, np.float64)[which].reshape(a.shape)
    return found


def summed(of: Int64[np.ndarray, " item"], values: Any, groups: int) -> Float64[np.ndarray, " group"]:
    """The sum of one number per item over the items of each group; 0 for a group without any."""
    return np.bincount(of, values, minlength=groups).astype(np.float64)


def padded(rows: Sequence[Sequence[int]], width: int, fill: int) -> Int64[np.ndarray, "row {width}"]:
    """Rows of at most so many whole numbers as one array; `fill` stands behind the last number of each."""
    return np.array([[*row, *[fill] * (width - len(row))] for row in rows], np.int64).reshape(len(rows), width)
