from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import UnknownLabel, UsageError
from emotrace.training.learner import Item
from emotrace.training.splits import DataSplit, hold_out

GROUPED = [Item(key=f"{i}", label="ab"[i % 2], group=f"person {i // 5}") for i in range(100)]
PLAIN = [Item(key=f"{i:03d}", label="a" if i % 10 else "b") for i in range(200)]


def split(train: list[Item], test: list[Item]) -> DataSplit:
    return DataSplit(train=tuple(train), validation=(), test=tuple(test))


def test_groups_are_held_out_whole() -> None:
    train, held = hold_out(GROUPED, share=0.2, seed=0, fold="1")
    assert {item.group for item in train}.isdisjoint(item.group for item in held)
    assert sorted(train + held, key=lambda item: int(item.key)) == GROUPED
    assert len(held) == 20


@given(st.permutations(range(40)), st.floats(0.1, 0.5))
def test_what_is_held_out_does_not_depend_on_the_order_of_the_list(order: list[int], share: float) -> None:
    _, held = hold_out(GROUPED[:40], share=share, seed=1, fold="2")
    _, again = hold_out([GROUPED[i] for i in order], share=share, seed=1, fold="2")
    assert {item.key for item in held} == {item.key for item in again}


@pytest.mark.parametrize("share", [0.1, 0.25, 0.5])
def test_without_groups_each_label_gives_its_share(share: float) -> None:
    _, held = hold_out(PLAIN, share=share, seed=0, fold="1")
    assert Counter(item.label for item in held) == {"a": round(180 * share), "b": round(20 * share)}


def test_another_run_or_fold_holds_out_others() -> None:
    def held(seed: int, fold: str) -> set[str]:
        return {item.key for item in hold_out(PLAIN, share=0.1, seed=seed, fold=fold)[1]}

    assert held(0, "1") == held(0, "1")
    assert held(0, "1") != held(1, "1")
    assert held(0, "1") != held(0, "2")


def test_groups_too_large_or_too_few_are_refused() -> None:
    one_group = [replace(item, group="film") for item in PLAIN]
    with pytest.raises(UsageError, match="200 clips in 1 groups cannot be held out"):
        hold_out(one_group, share=0.1, seed=0, fold="1")
    with pytest.raises(UsageError, match="validation_share"):
        hold_out(PLAIN[:2], share=0.1, seed=0, fold="1")


def test_lists_that_share_clips_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^test: shares clips with train: 003$"):
        split(PLAIN[:5], PLAIN[3:4] + PLAIN[50:60])
    with pytest.raises(UsageError, match=r"^train: names a clip twice: 000"):
        split([PLAIN[0], PLAIN[0]], [])
    with pytest.raises(UsageError, match="no clip to train on"):
        split([], PLAIN)


def test_labels_that_the_learner_lacks_are_named() -> None:
    with pytest.raises(UnknownLabel, match=r"^test: has labels that the learner does not know: b\. It knows a, c$"):
        split(PLAIN[1:3], PLAIN[:1]).demand_labels(["a", "c"])


def test_the_hash_is_of_clips_labels_groups_and_lists() -> None:
    here = split(PLAIN[:20], PLAIN[20:30])
    assert split(PLAIN[:20][::-1], PLAIN[20:30]).sha256 == here.sha256
    others = [
        split(PLAIN[:19], PLAIN[20:30]),
        split(PLAIN[:20], PLAIN[20:31]),
        split([replace(PLAIN[0], label="a"), *PLAIN[1:20]], PLAIN[20:30]),
        split([replace(PLAIN[0], group="x"), *PLAIN[1:20]], PLAIN[20:30]),
        split(PLAIN[:20] + PLAIN[20:21], PLAIN[21:30]),
    ]
    assert len({here.sha256, *(other.sha256 for other in others)}) == 6
    assert str(here) == f"{here.sha256} (20 train, 0 validation, 10 test)"
