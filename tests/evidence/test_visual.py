from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.evidence.face_signals import FaceMeter, FaceSeries
from emotrace.evidence.observation import Finding
from emotrace.evidence.visual import mouth_activity, observe, reliability
from emotrace.media.faces import OpenCVDetector
from emotrace.media.tracking import FaceTracker
from emotrace.media.video import FrameReader
from emotrace.span import Span
from emotrace.testing.face_series import changed, resting, whole

STRONG = {"au06_12", "au12_alone", "au01_02", "au04", "au26", "lean_in", "head_tilt"}


def seen(series: FaceSeries, span: Span | None = None) -> dict[str | None, Finding]:
    return {finding.cue: finding for finding in observe(series, span or whole(series))}


def test_a_face_at_rest_is_still_and_nothing_more() -> None:
    found = seen(resting())
    assert set(found) == {"still_face"}
    assert found["still_face"].span == Span(0.0, 5.8)
    assert "5.8 s" in found["still_face"].text


def test_stillness_needs_time_and_measured_motion() -> None:
    assert "still_face" not in seen(resting(8))
    assert "still_face" not in seen(changed(resting(), 0, 29, brow_rise=float("nan")))
    assert "still_face" not in seen(changed(resting(), 10, 20, cheek_rise=0.2))


def test_stillness_counts_the_time_on_screen_only() -> None:
    early, late = resting(15), resting(15, start_seconds=60.0)
    both = FaceSeries(
        **{f.name: np.concatenate([getattr(early, f.name), getattr(late, f.name)]) for f in fields(early)}
    )
    assert "5.6 s" in seen(both)["still_face"].text


def test_speech_does_not_disturb_stillness() -> None:
    talking = resting()
    mouth = (0.1 * np.sin(np.arange(30))).astype(np.float32)
    assert set(seen(replace(talking, chin_drop=mouth, mouth_dark=mouth))) == {"still_face"}


@pytest.mark.parametrize(("eyes", "cue"), [(0.9, "au06_12"), (0.2, "au12_alone")])
def test_a_smile_has_onset_apex_and_offset_and_says_what_the_eyes_do(eyes: float, cue: str) -> None:
    series = changed(resting(), 10, 17, smile=0.97, smiling_eyes=eyes)
    series = changed(series, 13, 14, smile=0.995)
    finding = seen(series)[cue]
    assert finding.span == Span(2.0, 3.4)
    assert "from 2.0 s, most at 2.6 s, until 3.4 s" in finding.text
    assert finding.strength > 0.7
    assert finding.confidence > 0.6


def test_one_frame_makes_no_smile() -> None:
    for row in (0, 12, 29):
        assert not STRONG & set(seen(changed(resting(), row, row, smile=0.99)))


def test_a_mouth_that_is_made_like_a_slight_smile_is_none() -> None:
    shaped = changed(resting(), 0, 29, smile=0.6)
    assert not STRONG & set(seen(changed(shaped, 10, 16, smile=0.88)))


def test_a_smile_held_throughout_is_seen_with_less_confidence() -> None:
    held = seen(changed(resting(), 0, 29, smile=0.98, smiling_eyes=0.9))["au06_12"]
    rising = seen(changed(resting(), 10, 17, smile=0.98, smiling_eyes=0.9))["au06_12"]
    assert held.confidence < rising.confidence
    assert "rise" not in held.text


def test_brows_up_and_brows_together() -> None:
    up = seen(changed(resting(), 10, 14, brow_rise=0.15, inner_brow_rise=0.14))
    assert up["au01_02"].span == Span(2.0, 2.8)
    assert "0.15 eye distances" in up["au01_02"].text
    together = seen(changed(resting(), 10, 14, brow_rise=-0.05, brow_gather=0.09))
    assert "au04" in together
    assert not {"au01_02", "au04"} & set(seen(changed(resting(), 10, 14, brow_rise=0.05, inner_brow_rise=0.05)))


def test_outer_brows_alone_are_not_both() -> None:
    assert "au01_02" not in seen(changed(resting(), 10, 14, brow_rise=0.15, inner_brow_rise=0.0))


def test_only_a_mouth_both_dark_and_low_opens_wide() -> None:
    assert "au26" in seen(changed(resting(), 10, 13, mouth_dark=0.6, chin_drop=0.25))
    assert "au26" not in seen(changed(resting(), 10, 13, mouth_dark=0.6))
    assert "au26" not in seen(changed(resting(), 10, 13, mouth_dark=0.2, chin_drop=0.15))


def test_a_tilt_lasts_and_has_a_side() -> None:
    assert "to the right" in seen(changed(resting(), 10, 18, roll_degrees=18.0))["head_tilt"].text
    assert "to the left" in seen(changed(resting(), 10, 18, roll_degrees=-18.0))["head_tilt"].text
    assert "head_tilt" not in seen(changed(resting(), 10, 11, roll_degrees=18.0))


def test_a_head_that_is_tilted_all_along_may_be_a_tilted_camera() -> None:
    found = observe(changed(resting(), 0, 29, roll_degrees=25.0), Span(0.0, 5.8))
    assert [(f.cue, f.text) for f in found if f.modality == "visual" and f.cue != "still_face"] == [
        (None, "line of the eyes slopes by 25 degrees to the right of the picture")
    ]


def test_a_face_comes_nearer_but_a_cut_does_not_bring_it() -> None:
    near = changed(resting(), 20, 29, side=160.0)
    assert "lean_in" in seen(near)
    assert "lean_in" not in seen(changed(near, 20, 29, stretch=1))


def test_a_photograph_gives_what_needs_no_movement() -> None:
    photo = changed(resting(1), 0, 0, smile=0.97, smiling_eyes=0.9)
    found = observe(photo, Span(0.0, 0.0))
    assert [finding.cue for finding in found] == ["au06_12"]
    assert "rise" not in found[0].text
    assert found[0].confidence < 0.6
    assert observe(resting(1), Span(0.0, 0.0)) == []


def test_rest_is_read_from_the_whole_clip() -> None:
    series = changed(resting(40), 20, 39, smile=0.98, smiling_eyes=0.9)
    assert "rise" in seen(series, Span(4.0, 7.0))["au06_12"].text


def test_outside_the_presence_nothing_is_seen() -> None:
    assert observe(resting(), Span(100.0, 120.0)) == []
    assert reliability(resting(), Span(100.0, 120.0)) == 0.0


@pytest.mark.parametrize(
    "worse", [{"side": 28.0}, {"sharpness": 0.03}, {"brightness": 0.03}, {"brightness": 0.98}, {"detected": False}]
)
def test_poor_pictures_are_less_reliable_and_make_findings_less_sure(worse: dict[str, float]) -> None:
    good = changed(resting(), 10, 17, smile=0.98)
    poor = changed(good, 0, 29, **worse)
    assert reliability(poor, whole(poor)) < 0.75 * reliability(good, whole(good))
    assert max(f.confidence for f in observe(poor, whole(poor))) < max(f.confidence for f in observe(good, whole(good)))


def test_mouth_activity_keeps_apart_what_is_still_and_what_is_unknown() -> None:
    times, values = mouth_activity(changed(resting(), 0, 0, mouth_motion=float("nan")))
    assert times.shape == values.shape == (30,)
    assert np.isnan(values[0])
    assert np.isfinite(values[1:]).all()


LEVEL = st.floats(0.0, 1.0, width=32)
SHIFT = st.one_of(st.floats(-2.0, 2.0, width=32), st.just(float("nan")))


@given(
    st.integers(1, 12),
    st.lists(st.tuples(LEVEL, LEVEL, SHIFT, SHIFT, SHIFT, st.floats(-90.0, 90.0, width=32)), min_size=12, max_size=12),
    st.floats(0.0, 7000.0),
)
def test_whatever_was_measured_findings_are_legal_and_inside(
    rows: int, values: list[tuple[float, ...]], start_seconds: float
) -> None:
    names = ("smile", "smiling_eyes", "brow_rise", "inner_brow_rise", "chin_drop", "roll_degrees")
    columns = np.array(values[:rows], np.float32).T
    series = replace(resting(rows, start_seconds), **dict(zip(names, columns, strict=True)))
    span = whole(series)
    found = observe(series, span)
    assert found == observe(series, span)
    assert all(finding.span in span for finding in found)
    assert all(finding.source == "visual@1" for finding in found)


def real(path: Path) -> list[Finding]:
    tracker, meter = FaceTracker(OpenCVDetector()), FaceMeter()
    end = 0.0
    for frame in FrameReader(path):
        meter.feed(tracker.update(frame))
        end = frame.time_seconds
    return [finding for track in tracker.finish() for finding in observe(meter.series(track), Span(0.0, end))]


@pytest.mark.parametrize("name", ["grid_bbaf2n", "grid_lbax4n", "grid_lwbsza", "grid_swiz3n"])
def test_people_who_read_a_sentence_in_a_neutral_tone_show_nothing_strong(shared_media: Path, name: str) -> None:
    cues = {finding.cue for finding in real(shared_media / f"{name}.mpg")}
    assert not STRONG & cues
    assert "still_face" in cues


def test_a_man_who_begins_to_smile_does_so_with_cheeks(shared_media: Path) -> None:
    (smile,) = [f for f in real(shared_media / "pyfeat_single_face.mp4") if f.cue == "au06_12"]
    assert 0.3 < smile.span.start_seconds < 0.9
    assert smile.strength > 0.7


def test_a_photograph_of_a_still_mouth_has_no_smile(shared_media: Path) -> None:
    assert not STRONG & {finding.cue for finding in real(shared_media / "pexels_neutral.jpeg")}
