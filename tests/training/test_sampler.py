from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.training.learner import Item
from emotrace.training.sampler import Sampler, class_quotas, cut, epoch_order
from emotrace.training.settings import SamplerName, TrainingSettings

LONG_TAIL = [Item(key=f"h{i:03d}", label="happy") for i in range(90)] + [
    Item(key=f"d{i}", label="disgust") for i in range(7)
]


def sampler(items: list[Item] = LONG_TAIL, *, fold: str = "1", **settings: object) -> Sampler:
    return Sampler.of(items, settings=TrainingSettings(**settings), fold=fold)  # type: ignore[arg-type]


def keys(batches: list[list[Item]]) -> list[list[str]]:
    return [[item.key for item in batch] for batch in batches]


def test_every_clip_has_its_place_once_an_epoch_in_batches_of_one_size() -> None:
    batches = sampler(batch_size=16).batches(1)
    assert sorted(key for batch in keys(batches) for key in batch) == sorted(item.key for item in LONG_TAIL)
    assert [len(batch) for batch in batches] == [14, 14, 14, 14, 14, 14, 13]


def test_the_order_is_of_run_fold_and_epoch_and_not_of_the_list() -> None:
    here = keys(sampler().batches(1))
    assert keys(sampler(LONG_TAIL[::-1]).batches(1)) == here
    assert keys(sampler(workers=0, precision="bf16").batches(1)) == here
    others = [sampler().batches(2), sampler(fold="2").batches(1), sampler(seed=1).batches(1)]
    assert all(keys(other) != here for other in others)


@given(st.integers(1, 60), st.integers(1, 40), st.none() | st.integers(1, 40), st.integers(1, 8))
def test_pieces_make_up_their_batch_and_every_process_has_as_many(
    clips: int, batch_size: int, micro: int | None, processes: int
) -> None:
    plan = sampler(LONG_TAIL[:clips], batch_size=batch_size, micro_batch_size=micro)
    for number, (batch, pieces) in enumerate(
        zip(plan.batches(3), plan.pieces(3, processes=processes), strict=True)
    ):  # fmt: skip
        real = [piece for piece in pieces if piece.share > 0]
        assert [item for piece in real for item in piece.items] == batch
        assert sum(piece.share for piece in pieces) == pytest.approx(1.0)
        assert len(pieces) % processes == 0
        assert len(pieces) - len(real) < processes
        assert all(piece.items for piece in pieces)
        assert [(piece.batch, piece.number) for piece in pieces] == [(number, i) for i in range(len(pieces))]
        assert max(len(piece.items) for piece in real) <= (micro or batch_size)


@given(st.integers(1, 50), st.integers(1, 12), st.integers(1, 5))
def test_with_a_micro_batch_size_the_pieces_do_not_depend_on_the_processes(
    clips: int, micro: int, processes: int
) -> None:
    alone = cut(LONG_TAIL[:clips], number=0, micro_batch_size=micro, processes=1)
    many = cut(LONG_TAIL[:clips], number=0, micro_batch_size=micro, processes=processes)
    assert many[: len(alone)] == alone
    assert all(piece.share == 0 for piece in many[len(alone) :])


@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.integers(1, 400), min_size=1), st.sampled_from(SamplerName.__args__)
)  # type: ignore[attr-defined]
def test_quotas_fill_the_epoch_in_proportion(counts: dict[str, int], name: SamplerName) -> None:
    quotas = class_quotas(Counter(counts), sampler=name)
    total = sum(counts.values())
    power = {"shuffled": 1.0, "sqrt_inverse": 0.5, "balanced": 0.0}[name]
    weights = {label: count**power for label, count in counts.items()}
    assert sum(quotas.values()) == total
    for label, quota in quotas.items():
        assert abs(quota - total * weights[label] / sum(weights.values())) < 1
    if name == "shuffled":
        assert quotas == counts


@pytest.mark.parametrize("name", ["sqrt_inverse", "balanced"])
def test_a_rare_class_is_seen_more_often_and_its_clips_evenly(name: SamplerName) -> None:
    order = epoch_order(LONG_TAIL, sampler=name, seed=0, fold="1", epoch=1)
    times = Counter(LONG_TAIL[index].key for index in order)
    quotas = class_quotas(Counter(item.label for item in LONG_TAIL), sampler=name)
    assert Counter(LONG_TAIL[index].label for index in order) == quotas
    for label in quotas:
        seen = [times[item.key] for item in LONG_TAIL if item.label == label]
        assert max(seen) - min(seen) <= 1
    again = epoch_order(LONG_TAIL, sampler=name, seed=0, fold="1", epoch=2)
    assert not np.array_equal(order, again)
    assert {LONG_TAIL[i].key for i in order} != {LONG_TAIL[i].key for i in again}  # other clips of the large class
