from __future__ import annotations

import threading
import time
from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch

from emotrace.training.loading import moved, prefetched

META = torch.device("meta")
Pair = namedtuple("Pair", "left right")


@dataclass(frozen=True, kw_only=True)
class Batch:
    frames: torch.Tensor
    names: tuple[str, ...]
    inner: dict[str, list[torch.Tensor]]


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_results_come_in_order_whoever_is_first(workers: int) -> None:
    def slow(number: int) -> int:
        time.sleep(0.01 if number % 3 == 0 else 0.0)
        return number * number

    assert list(prefetched(slow, range(20), workers=workers)) == [(n, n * n) for n in range(20)]


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_is_raised_where_its_result_was_due(workers: int) -> None:
    def fails_at_three(number: int) -> int:
        if number == 3:
            raise ValueError("clip 3 cannot be read")
        return number

    results = prefetched(fails_at_three, range(9), workers=workers)
    assert [next(results)[1] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="clip 3"):
        next(results)


def test_only_a_few_results_lie_ready_and_leaving_early_stops_the_threads() -> None:
    made: list[int] = []
    results = prefetched(lambda number: made.append(number) or number, range(1000), workers=2)
    for _ in range(5):
        next(results)
    results.close()
    assert len(made) <= 5 + 2
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("emotrace-loader")]


def test_every_tensor_of_a_nest_is_moved_and_the_rest_is_as_it_was() -> None:
    batch = Batch(frames=torch.zeros(2), names=("a", "b"), inner={"x": [torch.ones(1), torch.ones(2)]})
    there = moved((batch, Pair(torch.ones(3), "right"), None), META)
    assert there[0].frames.device == META
    assert [tensor.device for tensor in there[0].inner["x"]] == [META, META]
    assert there[0].names is batch.names
    assert isinstance(there[1], Pair)
    assert (there[1].left.device, there[1].right, there[2]) == (META, "right", None)


def test_what_is_there_already_is_not_copied() -> None:
    batch = Batch(frames=torch.zeros(2), names=(), inner={"x": [torch.ones(1)]})
    nest = [batch, {"y": (torch.ones(1),)}]
    assert moved(nest, torch.device("cpu")) is nest
