"""The drawing holds every observation once, where it happened, and inside its frame."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.report.timeline import lay_out
from emotrace.testing.analysis import every_abstention, synthetic_analysis


@settings(max_examples=12, deadline=None)
@given(
    seconds=st.floats(0.5, 4000.0),
    persons=st.integers(1, 4),
    segments=st.integers(1, 6),
    observations=st.integers(0, 24),
)
def test_every_observation_is_drawn_once_and_inside(
    seconds: float, persons: int, segments: int, observations: int
) -> None:
    analysis = synthetic_analysis(seconds=seconds, persons=persons, segments=segments, observations=observations)
    timeline = lay_out(analysis)
    bars = [bar for track in timeline.tracks for lane in track.lanes for bar in lane.bars]
    assert len({bar.key for bar in bars}) == len(bars)
    assert len(bars) == sum(len(s.sheet.observations) for person in analysis.persons for s in person.segments)
    for track in timeline.tracks:
        for lane in track.lanes:
            for bar in lane.bars:
                assert 0.0 <= bar.x_percent <= bar.x_percent + bar.width_percent <= 100.001
                assert lane.y_pixels <= bar.y_pixels
                assert bar.y_pixels + bar.height_pixels <= lane.y_pixels + lane.height_pixels + 0.1
    assert 2 <= len(timeline.ticks) <= 10


def test_a_bar_lies_at_its_time() -> None:
    analysis = synthetic_analysis(seconds=10.0)
    observation = analysis.persons[0].segments[1].sheet.observations[0]
    lanes = lay_out(analysis).tracks[0].lanes
    bar = next(bar for lane in lanes for bar in lane.bars if bar.key == f"p0s1{observation.id}")
    assert bar.x_percent == pytest.approx(10 * observation.span.start_seconds, abs=0.001)
    assert bar.width_percent == pytest.approx(10 * observation.span.duration_seconds, abs=0.001)


def test_a_missing_modality_has_a_lane_with_its_reason() -> None:
    analysis = synthetic_analysis(missing={"vocal": "not_recorded"})
    lanes = {lane.letter: lane for lane in lay_out(analysis).tracks[0].lanes}
    assert lanes["A"].missing == "the file has no sound"
    assert lanes["A"].bars == ()
    assert lanes["V"].missing is None


def test_abstentions_are_marked_on_the_band() -> None:
    blocks = lay_out(every_abstention()).tracks[0].blocks
    assert [block.abstained for block in blocks] == [True] * 5 + [False]
    assert [block.text for block in blocks[:5]] == ["—"] * 5
