"""Crops at 8 Hz: where the square is between two samples, and that it can be found again in the picture."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import cv2
import numpy as np
import pytest

from emotrace.evidence.face_signals import FaceSeries
from emotrace.evidence.sheets import Witness
from emotrace.grace.video.crops import FacePath, face_crops
from emotrace.heads.face import UNITS
from emotrace.media.tracking import FaceTrack
from emotrace.span import Span


@dataclass(frozen=True)
class Picture:
    image: np.ndarray
    time_seconds: float


def someone(*stretches: list[tuple[float, float, float, float]], person: str = "P1") -> Witness:
    track = FaceTrack(
        person_id=person,
        track_ids=tuple(range(len(stretches))),
        presence=tuple(Span(rows[0][0], rows[-1][0]) for rows in stretches),
        squares=np.array([row for rows in stretches for row in rows], np.float32),
    )
    return Witness(id=person, track=track)


def path_of(*stretches: list[tuple[float, float, float, float]]) -> FacePath:
    path = FacePath.of(someone(*stretches))
    assert path is not None
    return path


def test_between_two_samples_the_square_moves_evenly() -> None:
    found = path_of([(0.0, 100.0, 50.0, 40.0), (0.2, 110.0, 54.0, 44.0)]).at(0.05)
    assert found is not None
    stretch, pose = found
    assert (stretch, pose.x, pose.y, pose.side) == (0, pytest.approx(102.5), pytest.approx(51.0), pytest.approx(41.0))


def test_off_screen_there_is_none() -> None:
    path = path_of([(1.0, 9.0, 9.0, 9.0), (1.4, 9.0, 9.0, 9.0)], [(3.0, 9.0, 9.0, 9.0)])
    assert path.at(0.9) is None
    assert path.at(2.0) is None
    assert [found[0] for time in (1.0, 1.4, 3.0) if (found := path.at(time)) is not None] == [0, 0, 1]


def test_samples_far_apart_hold_only_near_themselves() -> None:
    path = path_of([(0.0, 10.0, 9.0, 9.0), (2.0, 90.0, 9.0, 9.0)])
    near = path.at(0.2)
    assert near is not None
    assert near[1].x == 10.0
    assert path.at(1.0) is None
    late = path.at(1.9)
    assert late is not None
    assert late[1].x == 90.0


def test_a_voice_has_no_path() -> None:
    assert FacePath.of(Witness(id="voice")) is None


def test_a_crop_s_square_leads_back_to_the_picture() -> None:
    picture = np.zeros((200, 400, 3), np.uint8)
    picture[80:120, 180:220] = (10, 200, 30)  # what the square encloses
    crops = list(face_crops([Picture(picture, 0.0)], [path_of([(0.0, 199.5, 99.5, 40.0)])], pixels=16))
    assert len(crops) == 1
    inner = crops[0].picture[2:-2, 2:-2].astype(int)
    assert np.abs(inner - (10, 200, 30)).max() <= 1, "the edge mixes with what lies around"
    frame = crops[0].frame
    assert frame.x * 400 == pytest.approx(180, abs=0.6)
    assert frame.y * 200 == pytest.approx(80, abs=0.6)
    assert (frame.width * 400, frame.height * 200) == (pytest.approx(40), pytest.approx(40))


def test_a_picture_takes_the_place_at_which_it_first_was_on_screen() -> None:
    black = np.zeros((40, 40, 3), np.uint8)
    path = path_of([(t / 5, 20.0, 20.0, 20.0) for t in range(6)])
    times = [0.0, 0.12, 0.24, 0.36, 0.48, 0.6, 0.99]  # 25 pictures a second, met by a grid of 8
    crops = list(face_crops([Picture(black, t) for t in times], [path], pixels=8))
    assert [crop.slot for crop in crops] == [0, 1, 2, 3, 4, 5, 8]


def test_everybody_on_screen_is_cut_out_of_each_picture() -> None:
    black = np.zeros((40, 80, 3), np.uint8)
    paths = [
        FacePath.of(someone([(0.0, 20.0, 20.0, 20.0), (1.0, 20.0, 20.0, 20.0)], person="P1")),
        FacePath.of(someone([(0.4, 60.0, 20.0, 20.0), (1.0, 60.0, 20.0, 20.0)], person="P2")),
    ]
    crops = face_crops([Picture(black, t) for t in (0.0, 0.5, 1.0)], [p for p in paths if p is not None], pixels=8)
    assert [crop.person for crop in crops] == ["P1", "P1", "P2", "P1", "P2"]


def test_a_turned_head_is_cut_upright() -> None:
    rows = [(t / 5, 100.0, 100.0, 60.0) for t in range(4)]
    columns = {f.name: np.zeros(len(rows), np.float32) for f in fields(FaceSeries)}
    columns |= {
        "units": np.zeros((len(rows), len(UNITS)), np.float32),
        "pose_degrees": np.zeros((len(rows), 3), np.float32),
    }
    columns |= {"times_seconds": np.array([row[0] for row in rows]), "detected": np.ones(len(rows), bool)}
    columns |= {name: np.array([row[k] for row in rows], np.float32) for k, name in ((1, "x"), (2, "y"), (3, "side"))}
    columns |= {"stretch": np.zeros(len(rows), np.int32), "roll_degrees": np.full(len(rows), 30.0, np.float32)}
    path = FacePath.of(replace(someone(rows), face=FaceSeries(**columns)))
    assert path is not None
    upright = np.full((200, 200, 3), 255, np.uint8)
    upright[100:] = 0  # dark below the middle of the face
    turn = cv2.getRotationMatrix2D((99.5, 99.5), -30.0, 1.0)  # clockwise on screen
    picture = np.asarray(cv2.warpAffine(upright, turn, (200, 200), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    crop = next(face_crops([Picture(picture, 0.2)], [path], pixels=32))
    assert crop.frame.roll_degrees == 30.0
    assert crop.picture[:14].mean() > 250
    assert crop.picture[18:].mean() < 5
