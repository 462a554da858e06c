from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.hydra.coldstart.ordering import TOLERANCE, dealt, renumbered, share_of_first
from emotrace.hydra.grammar import parse, render
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.trace import Answer, Check, Trace

WORDS = ("happy", "sad", "angry", "calm")


def trace_of(k: int, winner: int) -> Trace:
    """A trajectory in which hypothesis n supports observation n alone."""
    numbers = range(1, k + 1)
    return Trace(
        hypotheses=tuple(
            Hypothesis(number=n, perspective="face", labels=(WORDS[n - 1],), story="", cites=(f"V{n}",))
            for n in numbers
        ),
        checks=tuple(
            Check(id=f"V{n}", quote="one two three", marks={m: "supports" if m == n else "silent" for m in numbers})
            for n in numbers
        ),
        verdict=(winner, *(n for n in numbers if n != winner)) if k else (),
        answers=(Answer(word=WORDS[winner - 1], confidence=0.5, cites=(f"V{winner}",)),),
    )


@pytest.mark.parametrize("k", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [40, 401])
def test_the_winner_stands_at_every_place_equally_often(k: int, count: int) -> None:
    traces = {f"{n:064x}": trace_of(k, 1) for n in range(count)}
    assert share_of_first(traces.values()) == 1.0
    for place in range(k):
        share = sum(trace.verdict[0] == place + 1 for trace in dealt(traces, seed=0).values()) / count
        assert abs(share - 1 / k) <= max(TOLERANCE, 1 / count)


@given(st.permutations([1, 2, 3, 4]), st.integers(1, 4))
def test_renumbering_changes_names_and_nothing_else(order: list[int], winner: int) -> None:
    before, after = trace_of(4, winner), renumbered(trace_of(4, winner), order)
    assert [h.number for h in after.hypotheses] == [1, 2, 3, 4]
    word_of = {h.number: h.labels[0] for h in before.hypotheses}
    new_word_of = {h.number: h.labels[0] for h in after.hypotheses}
    assert [word_of[n] for n in before.verdict] == [new_word_of[n] for n in after.verdict]
    for one, other in zip(before.checks, after.checks, strict=True):
        assert {word_of[n]: m for n, m in one.marks.items()} == {new_word_of[n]: m for n, m in other.marks.items()}
        assert list(other.marks) == sorted(other.marks)
    assert after.answers == before.answers
    back = [order.index(n) + 1 for n in (1, 2, 3, 4)]
    assert renumbered(after, back) == before
    assert parse(render(after), k=4).trace == after


def test_the_seed_decides_and_a_trajectory_without_hypotheses_stays() -> None:
    traces = {f"{n:064x}": trace_of(2, 1) for n in range(50)}
    assert dealt(traces, seed=1) == dealt(dict(reversed(traces.items())), seed=1)
    assert dealt(traces, seed=1) != dealt(traces, seed=2)
    assert list(dealt(traces, seed=1)) == list(traces)
    plain = trace_of(0, 1)
    assert dealt({"a": plain}, seed=0) == {"a": plain}
    assert share_of_first([plain]) is None
