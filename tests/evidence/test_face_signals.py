import sys
from dataclasses import fields
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotrace.evidence.face_signals import LEAST_FRAMES_FOR_REST, FaceMeter, FaceSeries
from emotrace.evidence.smile import smile_and_eyes
from emotrace.media.align import Pose
from emotrace.media.faces import EYE_DISTANCE, OpenCVDetector
from emotrace.media.tracking import CROP_PIXELS, FaceTrack, FaceTracker, TrackedFace
from emotrace.media.video import FrameReader
from emotrace.span import Span

YS, XS = np.mgrid[0:CROP_PIXELS, 0:CROP_PIXELS].astype(np.float32)
EYES = EYE_DISTANCE * CROP_PIXELS


def texture(seed: int = 5) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(128.0, 260.0, (CROP_PIXELS, CROP_PIXELS))
    return np.clip(cv2.GaussianBlur(noise, (0, 0), 2.5), 0, 255).astype(np.uint8)


FACE = texture()


def displaced(dx: np.ndarray | float, dy: np.ndarray | float) -> np.ndarray:
    """The face with each pixel moved by so many pixels (small, smooth displacements)."""
    from_x, from_y = (XS - dx).astype(np.float32), (YS - dy).astype(np.float32)
    return cv2.remap(FACE, from_x, from_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def bump(x: float, y: float, width: float = 0.14, height: float = 0.06) -> np.ndarray:
    return np.exp(-(((XS / CROP_PIXELS - x) / width) ** 2) - ((YS / CROP_PIXELS - y) / height) ** 2)


BROWS = bump(0.33, 0.26) + bump(0.67, 0.26)


def measured(crops: list[np.ndarray], track_id: int = 0) -> FaceSeries:
    meter = FaceMeter()
    for i, crop in enumerate(crops):
        meter.feed((tracked(crop, i / 5, track_id),))
    return meter.series(track((track_id,), (Span(0.0, (len(crops) - 1) / 5),)))


def tracked(crop: np.ndarray, time_seconds: float, track_id: int = 0) -> TrackedFace:
    pose = Pose(x=100.0, y=80.0, side=90.0, roll=0.0)
    return TrackedFace(track_id=track_id, time_seconds=time_seconds, pose=pose, detected=True, crop=crop)


def track(ids: tuple[int, ...], presence: tuple[Span, ...]) -> FaceTrack:
    return FaceTrack(person_id="P1", track_ids=ids, presence=presence, squares=np.zeros((0, 4), np.float32))


def test_earlier_rows_are_forgotten_and_those_of_faces_that_left_altogether() -> None:
    meter = FaceMeter()
    for i in range(20):
        meter.feed((tracked(FACE, i / 5, 0), *([tracked(FACE, i / 5, 1)] if i < 5 else [])))
    meter.forget(2.0)
    assert len(meter) == 10
    assert len(meter.series(track((1,), (Span(0.0, 4.0),)))) == 0
    series = meter.series(track((0,), (Span(0.0, 4.0),)))
    assert series.times_seconds.tolist() == [i / 5 for i in range(10, 20)]
    meter.feed((tracked(FACE, 4.0, 0),))
    assert len(meter) == 11
    assert len(meter.series(track((0,), (Span(0.0, 4.0),)))) == 11


def test_brows_that_rise_are_measured_in_eye_distances() -> None:
    crops = [FACE] * 6 + [displaced(0.0, -4.0 * BROWS)] * 3 + [FACE] * 3
    series = measured(crops)
    assert series.brow_rise[6:9].min() > 0.4 * 4.0 / EYES
    assert abs(series.brow_rise[:6]).max() < 0.01
    for other in ("chin_drop", "lip_corner_rise"):
        assert abs(getattr(series, other)).max() < 0.03


def test_brows_that_gather_come_nearer_to_each_other() -> None:
    inward = 3.0 * (bump(0.41, 0.27) - bump(0.59, 0.27))
    series = measured([FACE] * 6 + [displaced(inward, 0.0)] * 3)
    assert series.brow_gather[6:].min() > 0.05
    assert abs(series.brow_rise[6:]).max() < 0.03


def test_a_jaw_that_drops_is_the_chins_motion() -> None:
    lower = 5.0 / (1.0 + np.exp(-(YS / CROP_PIXELS - 0.74) / 0.03))
    series = measured([FACE] * 6 + [displaced(0.0, lower)] * 3)
    assert series.chin_drop[6:].min() > 0.7 * 5.0 / EYES
    assert abs(series.brow_rise[6:]).max() < 0.03


@pytest.mark.parametrize(
    ("dx", "dy"),
    [(3.0, -2.0), (0.05 * (YS - 56.0), -0.05 * (XS - 56.0)), (0.05 * (XS - 56.0), 0.05 * (YS - 56.0))],
    ids=["shift", "turn", "zoom"],
)
def test_motion_of_the_whole_head_is_no_motion_of_the_face(dx: float, dy: float) -> None:
    series = measured([FACE] * 6 + [displaced(dx, dy)] * 3)
    for name in ("brow_rise", "inner_brow_rise", "brow_gather", "cheek_rise", "lip_corner_rise"):
        assert abs(getattr(series, name)).max() < 0.025, name


def test_light_that_changes_is_no_motion() -> None:
    darker = np.clip(0.5 * FACE.astype(float) + 20.0, 0, 255).astype(np.uint8)
    series = measured([FACE] * 6 + [darker] * 3)
    assert abs(series.brow_rise).max() < 0.01
    assert np.nanmax(series.mouth_motion) < 0.05


def test_mouth_motion_is_where_the_mouth_moves() -> None:
    moving = [FACE if i % 2 else displaced(0.0, 4.0 * bump(0.5, 0.74, 0.12, 0.08)) for i in range(8)]
    talking, resting = measured(moving), measured([FACE] * 8)
    assert np.isnan(talking.mouth_motion[0])
    assert talking.mouth_motion[1:].min() > 0.1
    assert np.nanmax(resting.mouth_motion) == pytest.approx(0.0, abs=1e-6)
    assert np.nanmax(talking.eye_motion) < 0.1 * talking.mouth_motion[1:].min()


def test_a_stretch_too_brief_for_a_rest_has_no_motions() -> None:
    series = measured([FACE] * (LEAST_FRAMES_FOR_REST - 1))
    assert np.isnan(series.brow_rise).all()
    assert np.isfinite(series.smile).all()
    assert np.isfinite(measured([FACE] * LEAST_FRAMES_FOR_REST).brow_rise).all()


def test_a_face_unlike_its_reference_is_not_measured_until_a_new_reference_is_taken() -> None:
    other = np.random.default_rng(99).integers(0, 256, FACE.shape).astype(np.uint8)
    series = measured([FACE] * 6 + [other] * 12)
    assert np.isnan(series.brow_rise[6:11]).all()
    assert len(set(series.stretch.tolist())) == 2
    assert np.isfinite(series.brow_rise[-6:]).all()


def test_rows_outside_the_presence_are_left_out() -> None:
    meter = FaceMeter()
    for i in range(10):
        meter.feed((tracked(FACE, i / 5), tracked(FACE, i / 5, track_id=1)))
    series = meter.series(track((0,), (Span(0.4, 1.0),)))
    assert series.times_seconds.tolist() == pytest.approx([0.4, 0.6, 0.8, 1.0])
    assert len(meter.series(track((7,), (Span(0.0, 1.0),)))) == 0


def test_a_person_of_two_tracklets_is_one_series_in_order_of_time() -> None:
    meter = FaceMeter()
    for i in range(12):
        meter.feed((tracked(FACE, i / 5, track_id=0 if i < 6 else 3),))
    series = meter.series(track((0, 3), (Span(0.0, 1.0), Span(1.2, 2.2))))
    assert len(series) == 12
    assert np.all(np.diff(series.times_seconds) > 0)
    assert len(set(series.stretch.tolist())) == 2


def test_a_slice_cuts_every_column() -> None:
    part = measured([FACE] * 10).slice(Span(0.5, 1.1))
    assert len(part) == 3
    assert {len(getattr(part, f.name)) for f in fields(part)} == {3}
    assert len(part.slice(Span(50.0, 60.0))) == 0


def test_memory_grows_by_numbers_only() -> None:
    meter = FaceMeter()
    for i in range(300):
        meter.feed((tracked(FACE, i / 5),))
    assert sum(sys.getsizeof(rows) for rows in meter._rows.values()) < 300 * 260
    meter.feed(())
    assert not meter._watched


def test_probabilities_of_any_picture_lie_in_0_1() -> None:
    for crop in (FACE, np.zeros_like(FACE), np.full_like(FACE, 255)):
        assert all(0.0 <= p <= 1.0 for p in smile_and_eyes(crop))


def test_a_smile_on_a_real_face_is_seen_rising(shared_media: Path) -> None:
    tracker, meter = FaceTracker(OpenCVDetector()), FaceMeter()
    for frame in islice(FrameReader(shared_media / "pyfeat_single_face.mp4"), 12):
        meter.feed(tracker.update(frame))
    (person,) = tracker.finish()
    series = meter.series(person)
    assert series.smile[:3].max() < 0.3
    assert series.smile[-5:].min() > 0.8
    assert series.lip_corner_rise[-5:].mean() > series.lip_corner_rise[:3].mean()
