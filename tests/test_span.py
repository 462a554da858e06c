from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.span import Span, gaps, union

times = st.floats(min_value=0.0, max_value=1e4, allow_nan=False).map(lambda t: round(t, 3))
spans = st.tuples(times, times).map(lambda ends: Span(min(ends), max(ends)))


@pytest.mark.parametrize(("start", "end"), [(-0.1, 1.0), (2.0, 1.0), (0.0, math.inf), (math.nan, 1.0)])
def test_ends_that_cannot_be_are_refused(start: float, end: float) -> None:
    with pytest.raises(ValueError, match=r"span needs"):
        Span(start, end)


def test_whole_numbers_become_seconds() -> None:
    assert repr(Span(0, 2)) == "Span(start_seconds=0.0, end_seconds=2.0)"


@given(spans, spans)
def test_what_two_spans_share_lies_in_both_and_in_their_cover(a: Span, b: Span) -> None:
    shared = a & b
    assert shared == (b & a)
    assert (a | b) == (b | a)
    assert a in (a | b)
    assert b in (a | b)
    if shared is not None:
        assert shared in a
        assert shared in b
        assert a.overlap_seconds(b) == shared.duration_seconds
    else:
        assert a.overlap_seconds(b) == 0.0


@given(spans, spans, spans)
def test_intersection_does_not_depend_on_grouping(a: Span, b: Span, c: Span) -> None:
    left = None if (ab := a & b) is None else ab & c
    right = None if (bc := b & c) is None else a & bc
    assert left == right


@given(st.lists(spans, max_size=8), spans)
def test_union_and_gaps_tile_the_whole(parts: list[Span], whole: Span) -> None:
    inside = [shared for part in union(parts) if (shared := part & whole) is not None]
    covered = sum(part.duration_seconds for part in inside)
    free = sum(part.duration_seconds for part in gaps(parts, whole))
    assert covered + free == pytest.approx(whole.duration_seconds, abs=1e-6)


@given(st.lists(spans, max_size=8))
def test_union_is_ordered_and_apart(parts: list[Span]) -> None:
    merged = union(parts)
    assert list(merged) == sorted(merged)
    assert all(a.end_seconds < b.start_seconds for a, b in pairwise(merged))
    assert all(any(part in whole for whole in merged) for part in parts)


def test_a_bridge_joins_what_lies_close() -> None:
    assert union([Span(0, 1), Span(1.2, 2)], bridge_seconds=0.5) == (Span(0, 2),)


def test_contains_times_and_spans_and_nothing_else() -> None:
    assert 1 in Span(0, 2)
    assert Span(0, 1) in Span(0, 2)
    assert "1" not in Span(0, 2)  # type: ignore[operator]
