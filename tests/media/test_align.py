import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.media.align import Pose, align, gradient_histograms, mean_face
from emotrace.media.faces import OpenCVDetector

RNG = np.random.default_rng(3)
TEXTURE = cv2.GaussianBlur(RNG.integers(0, 256, (200, 240)).astype(np.uint8), (0, 0), 2.0)


@given(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(-0.2, 0.2), st.floats(-0.5, 0.5))
def test_a_step_there_and_back_ends_where_it_began(dx: float, dy: float, dlog: float, droll: float) -> None:
    start = Pose(x=100.0, y=90.0, side=60.0, roll=0.1)
    turned = start.step(0.0, 0.0, dlog, droll).step(0.0, 0.0, -dlog, -droll)
    moved = start.step(dx, dy, 0.0, 0.0).step(-dx, -dy, 0.0, 0.0)
    for back in (turned, moved):
        assert (back.x, back.y, back.side, back.roll) == pytest.approx((100.0, 90.0, 60.0, 0.1))


def test_an_upright_crop_of_its_own_size_is_the_picture_itself() -> None:
    crop = Pose(x=99.5, y=79.5, side=64.0).crop(TEXTURE, 64)
    assert np.array_equal(crop, TEXTURE[48:112, 68:132])


def test_a_crop_turns_with_the_picture() -> None:
    turn = cv2.getRotationMatrix2D((120.0, 100.0), -20.0, 1.0)
    turned = cv2.warpAffine(TEXTURE, turn, (240, 200))
    before = Pose(x=120.0, y=100.0, side=60.0).crop(TEXTURE, 48).astype(float)
    after = Pose(x=120.0, y=100.0, side=60.0, roll=math.radians(20.0)).crop(turned, 48).astype(float)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.97


@pytest.mark.parametrize("pose", [Pose(x=-40.0, y=500.0, side=30.0), Pose(x=10.0, y=10.0, side=900.0)])
def test_a_crop_far_outside_is_still_a_crop(pose: Pose) -> None:
    assert pose.crop(TEXTURE, 112).shape == (112, 112)


def test_the_share_inside_is_an_area() -> None:
    assert Pose(x=50.0, y=50.0, side=20.0).share_inside(100, 100) == pytest.approx(1.0)
    assert Pose(x=0.0, y=50.0, side=20.0).share_inside(100, 100) == pytest.approx(0.5)
    assert Pose(x=0.0, y=0.0, side=20.0).share_inside(100, 100) == pytest.approx(0.25)
    assert Pose(x=-90.0, y=0.0, side=20.0).share_inside(100, 100) == 0.0


def test_histograms_are_laid_out_by_row_then_column() -> None:
    picture = np.full((64, 64), 128, np.uint8)
    picture[4:12, 48:60] = RNG.integers(0, 256, (8, 12))
    energy = gradient_histograms(picture).sum(axis=2)
    assert energy[0, 5:].sum() > 0.0
    assert energy[3:].sum() == pytest.approx(0.0)
    assert energy[:, :4].sum() == pytest.approx(0.0)


def test_rough_squares_of_one_face_settle_at_one_place(shared_media: Path) -> None:
    picture = cv2.cvtColor(cv2.imread(str(shared_media / "pexels_neutral.jpeg")), cv2.COLOR_BGR2RGB)
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    square = Pose.of(OpenCVDetector().detect(picture)[0])
    goal = align(grey, align(grey, square))
    for step in ((0.08, 0.0, 0.0, 0.0), (0.0, -0.08, 0.0, 0.0), (0.0, 0.0, 0.12, 0.0), (0.0, 0.0, 0.0, 0.2)):
        settled = align(grey, goal.step(*step))
        assert math.hypot(settled.x - goal.x, settled.y - goal.y) < 0.05 * goal.side
        assert abs(math.log(settled.side / goal.side)) < 0.08
        assert abs(settled.roll - goal.roll) < 0.07
    assert np.corrcoef(gradient_histograms(goal.crop(grey, 64)).ravel(), mean_face().ravel())[0, 1] > 0.5
