from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from emotrace.evidence.visual_units import MOVEMENTS, Movement, observe
from emotrace.hydra.likelihood import shipped_table
from emotrace.testing.face_series import changed, moved, resting, whole


@pytest.mark.parametrize("movement", MOVEMENTS, ids=lambda movement: movement.cue)
def test_every_movement_is_told_with_its_time_and_amount(movement: Movement) -> None:
    series = moved(resting(), 10, 16, **dict.fromkeys(movement.units, 0.8))
    (found,) = [finding for finding in observe(series, whole(series)) if finding.cue == movement.cue]
    assert found.span.start_seconds == pytest.approx(2.0)
    assert found.span.end_seconds == pytest.approx(3.2)
    assert "0.80" in found.text
    assert movement.units[0] in found.text
    assert movement.cue in shipped_table().index


def test_rest_is_the_persons_own() -> None:
    assert observe(resting(), whole(resting())) == []
    frowning = moved(resting(), 0, 29, AU01=0.7, AU04=0.7, AU09=0.7)
    assert observe(frowning, whole(frowning)) == []


def test_units_that_go_together_must_both_rise() -> None:
    series = moved(resting(), 10, 16, AU01=0.8)
    assert "au01_04" not in {finding.cue for finding in observe(series, whole(series))}


def test_a_talking_mouth_is_not_read_and_brows_are() -> None:
    series = moved(resting(), 10, 16, AU15=0.8, AU01=0.8, AU04=0.8)
    talking = changed(series, 0, 29, mouth_motion=0.3)
    assert {finding.cue for finding in observe(talking, whole(talking))} == {"au01_04", "au04"}


def test_one_frame_and_poor_crops_make_no_movement() -> None:
    brief = moved(resting(), 10, 10, AU09=0.9)
    poor = changed(moved(resting(), 10, 16, AU09=0.9), 8, 18, quality=0.1)
    assert observe(brief, whole(brief)) == []
    assert observe(poor, whole(poor)) == []


def test_faint_movements_count_less_than_marked_ones() -> None:
    faint, marked = (moved(resting(), 10, 16, AU09=rise) for rise in (0.35, 0.9))
    (one,), (other,) = (observe(series, whole(series)) for series in (faint, marked))
    assert one.strength < other.strength
    assert one.confidence < other.confidence


def test_a_series_without_frames_gives_nothing() -> None:
    empty = replace(resting(), **{name: getattr(resting(), name)[:0] for name in vars(resting())})
    assert observe(empty, whole(resting())) == []
    assert np.isfinite(resting().units).all()
