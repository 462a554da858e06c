from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import ChecksumMismatch, ModelNotFound, UsageError
from emotrace.media.faces import (
    MAX_OVERLAP,
    Detection,
    FaceDetector,
    OpenCVDetector,
    YuNetDetector,
    detector,
    suppress_overlaps,
)

NUMBER = st.floats(0.0, 200.0)
SIDE = st.floats(1.0, 100.0)


def square(x: float, y: float, side: float, score: float) -> Detection:
    return Detection(x=x, y=y, width=side, height=side, score=score)


SQUARES = st.builds(square, NUMBER, NUMBER, SIDE, st.floats(0.0, 1.0))


@pytest.fixture(scope="session")
def yunet(shared_media: Path) -> YuNetDetector:
    file = shared_media.parent / "data" / "models" / "face_detection_yunet_2026may.onnx"
    if not file.is_file():
        pytest.skip("needs the YuNet weights beside the repository")
    return YuNetDetector(file)


def photograph(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


@given(SQUARES, SQUARES)
def test_overlap_is_symmetric_and_a_share(a: Detection, b: Detection) -> None:
    assert a.overlap(b) == pytest.approx(b.overlap(a))
    assert 0.0 <= a.overlap(b) <= 1.0 + 1e-9
    assert a.overlap(a) == pytest.approx(1.0)


@given(SQUARES, SQUARES, st.floats(0.1, 10.0), NUMBER, NUMBER)
def test_overlap_does_not_depend_on_the_scale(a: Detection, b: Detection, scale: float, x: float, y: float) -> None:
    moved = a.moved(scale=scale, x=x, y=y).overlap(b.moved(scale=scale, x=x, y=y))
    assert moved == pytest.approx(a.overlap(b), abs=1e-6)


@given(st.lists(SQUARES, max_size=12))
def test_what_remains_does_not_overlap_and_the_surest_stays(squares: list[Detection]) -> None:
    kept = suppress_overlaps(squares)
    assert set(kept) <= set(squares)
    assert kept == suppress_overlaps(reversed(squares))
    assert all(a.overlap(b) <= MAX_OVERLAP for i, a in enumerate(kept) for b in kept[:i])
    if squares:
        assert kept[0].score == max(s.score for s in squares)


def test_a_plain_or_tiny_picture_has_no_face() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)
    for picture in (np.zeros((90, 160, 3), np.uint8), np.full((5, 3, 3), 200, np.uint8), noise):
        assert OpenCVDetector().detect(picture) == ()


def test_a_detector_has_a_name_or_is_refused() -> None:
    assert isinstance(detector(), OpenCVDetector)
    with pytest.raises(UsageError, match="retina"):
        detector("retina")
    with pytest.raises(UsageError, match="no weights file"):
        detector("opencv", "weights.onnx")


def test_yunet_takes_the_pinned_file_only(tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(b"not a network")
    with pytest.raises(ChecksumMismatch, match="emotrace pull yunet"):
        YuNetDetector(other)
    with pytest.raises(ModelNotFound, match=r"missing\.onnx"):
        detector("yunet", tmp_path / "missing.onnx")


def test_both_detectors_put_the_same_square_on_a_face(shared_media: Path, yunet: YuNetDetector) -> None:
    picture = photograph(shared_media / "pexels_neutral.jpeg")
    (ours,), (theirs,) = OpenCVDetector().detect(picture), yunet.detect(picture)
    assert ours.overlap(theirs) > 0.7
    height, width = picture.shape[:2]
    assert 0.0 < ours.center[0] < width
    assert 0.0 < ours.center[1] < height


@pytest.mark.parametrize("scale", [0.4, 1.0, 1.7])
def test_a_face_is_found_at_any_size_of_the_picture(shared_media: Path, yunet: YuNetDetector, scale: float) -> None:
    picture = photograph(shared_media / "pexels_neutral.jpeg")
    resized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    finder: FaceDetector
    for finder in (OpenCVDetector(), yunet):
        (there,), (here,) = finder.detect(resized), finder.detect(picture)
        assert there.moved(scale=1.0 / scale, x=0.0, y=0.0).overlap(here) > 0.75


def test_detection_is_deterministic(shared_media: Path) -> None:
    picture = photograph(shared_media / "pexels_group.jpeg")
    assert OpenCVDetector().detect(picture) == OpenCVDetector().detect(picture.copy())
