from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.evidence.segments import segment
from emotrace.media.transcript import Transcript, Utterance
from emotrace.span import Span


def transcript(*spans: Span, timed: bool = True) -> Transcript:
    utterances = tuple(Utterance(text=f"line {i}", span=span, words=()) for i, span in enumerate(spans))
    return Transcript(utterances=utterances, source="option", timed=timed)


def test_utterances_come_first_and_what_they_leave_is_filled() -> None:
    found = segment(Span(0, 12), transcript(Span(0.5, 3)), [Span(0.2, 3.5), Span(5, 7)])
    assert [(s.kind, s.span) for s in found] == [
        ("utterance", Span(0.5, 3)),
        ("window", Span(3, 5)),
        ("speech", Span(5, 7)),
        ("window", Span(7, 12)),
    ]
    assert found[0].text_of(found[0].utterances) == "line 0"
    assert found[0].text_of(()) is None


def test_without_words_speech_turns_are_taken_and_without_speech_windows() -> None:
    assert [s.kind for s in segment(Span(0, 6), None, [Span(1, 5)])] == ["window", "speech", "window"]
    windows = segment(Span(0, 12), None, [])
    assert [s.span.duration_seconds for s in windows] == pytest.approx([4.0, 4.0, 4.0])


def test_a_long_turn_is_cut() -> None:
    assert [s.span.duration_seconds for s in segment(Span(0, 25), None, [Span(0, 25)])] == pytest.approx(
        [25 / 3] * 3, abs=2e-3
    )


def test_a_photograph_is_one_window() -> None:
    assert [s.span for s in segment(Span(0, 0), None, [])] == [Span(0, 0)]


def test_a_text_without_times_is_an_utterance_of_a_short_clip_only() -> None:
    assert [s.kind for s in segment(Span(0, 10), transcript(Span(0, 10), timed=False), [])] == ["utterance"]
    assert {s.kind for s in segment(Span(0, 60), transcript(Span(0, 60), timed=False), [])} == {"window"}


times = st.floats(min_value=0.0, max_value=60.0).map(lambda t: round(t, 2))
turns = st.lists(st.tuples(times, times).map(lambda t: Span(min(t), max(t))), max_size=6)


@given(st.floats(min_value=0.5, max_value=60.0), turns)
def test_stretches_are_in_order_apart_and_inside(length: float, speech: list[Span]) -> None:
    found = segment(Span(0, length), None, speech)
    assert found
    assert all(s.span in Span(0, length) for s in found)
    assert all(a.span.end_seconds <= b.span.start_seconds + 1e-9 for a, b in itertools.pairwise(found))
