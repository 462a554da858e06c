from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from emotrace.files import sha256_of
from emotrace.heads.face import (
    EXPRESSIONS,
    UNITS,
    FaceHead,
    FaceReading,
    expression_odds,
    eye_opening,
    mouth_opening,
)
from emotrace.models import REGISTRY, resolve

ROOT = Path(__file__).resolve().parents[2]
LONDON = ROOT.parent / "shared" / "data" / "face_london"
SYNTH_DFER = ROOT.parent / "shared" / "data" / "synth_dfer"


@pytest.fixture(scope="module")
def head() -> FaceHead:
    return FaceHead()


def drawn_face() -> np.ndarray:
    """A face of discs and lines, eyes where the tracker puts them."""
    crop = np.full((112, 112), 70, np.uint8)
    cv2.ellipse(crop, (56, 60), (36, 50), 0, 0, 360, 180, -1)
    for x in (38, 74):
        cv2.ellipse(crop, (x, 40), (8, 4), 0, 0, 360, 235, -1)
        cv2.circle(crop, (x, 40), 3, 30, -1)
        cv2.ellipse(crop, (x, 31), (10, 2), 0, 0, 360, 60, -1)
    cv2.line(crop, (56, 42), (53, 64), 150, 2)
    cv2.ellipse(crop, (56, 66), (7, 2), 0, 0, 360, 120, -1)
    cv2.ellipse(crop, (56, 84), (15, 4), 0, 0, 360, 110, -1)
    return np.asarray(cv2.GaussianBlur(crop, (0, 0), 1.2), np.uint8)


def generated() -> np.ndarray:
    """The golden inputs: a drawn face, its mirror image, noise, and a slope."""
    noise = np.random.default_rng(7).integers(0, 256, (112, 112), np.uint8)
    slope = np.tile(np.linspace(0, 255, 112).astype(np.uint8), (112, 1))
    return np.stack([drawn_face(), drawn_face()[:, ::-1], noise, slope])


def test_the_shipped_file_is_the_one_of_the_card() -> None:
    file = resolve("face")
    assert sha256_of(file) == REGISTRY["face"].sha256
    head_of_card = "\n".join((ROOT / "docs" / "cards" / "face.md").read_text().splitlines()[:6])
    assert REGISTRY["face"].sha256 in head_of_card
    assert REGISTRY["face"].bytes == file.stat().st_size < 4_000_000


def test_golden_outputs(head: FaceHead) -> None:
    golden = json.loads((Path(__file__).parent / "face_golden.json").read_text())
    reading = head.read(generated())
    np.testing.assert_allclose(reading.landmarks[:, ::9] / 112, golden["landmarks"], atol=1e-4)
    np.testing.assert_allclose(reading.units, golden["units"], atol=1e-4)
    np.testing.assert_allclose(reading.pose_degrees / 90, golden["pose"], atol=1e-4)
    np.testing.assert_allclose(reading.quality, golden["quality"], atol=1e-4)


def test_crops_do_not_see_each_other(head: FaceHead) -> None:
    few = generated()
    many = head.read(np.concatenate([few] * 33))
    assert many.units.shape == (132, len(UNITS))
    alone = head.read(few[2:3])
    for name in FaceReading.__dataclass_fields__:
        np.testing.assert_allclose(getattr(many, name)[130:131], getattr(alone, name), atol=1e-4)


def test_no_crop_at_all(head: FaceHead) -> None:
    reading = head.read(np.zeros((0, 112, 112), np.uint8))
    assert reading.landmarks.shape == (0, 68, 2)
    assert reading.eye_opening.shape == reading.mouth_opening.shape == reading.quality.shape == (0,)
    assert expression_odds(reading.units).shape == (0, len(EXPRESSIONS))


@pytest.mark.parametrize("value", [0, 128, 255])
def test_a_flat_crop_is_finite_and_no_face(head: FaceHead, value: int) -> None:
    reading = head.read(np.full((1, 112, 112), value, np.uint8))
    assert all(np.isfinite(getattr(reading, name)).all() for name in FaceReading.__dataclass_fields__)
    assert reading.quality[0] < 0.1


def test_noise_and_slopes_are_less_of_a_face_than_a_drawn_one(head: FaceHead) -> None:
    face, _, noise, slope = head.read(generated()).quality
    assert noise < 0.6 < face
    assert slope < 0.1


def test_units_and_quality_stay_within_bounds(head: FaceHead) -> None:
    crops = np.random.default_rng(3).integers(0, 256, (16, 14, 14), np.uint8).repeat(8, 1).repeat(8, 2)
    reading = head.read(crops)
    for values in (reading.units, reading.quality):
        assert values.min() >= 0.0
        assert values.max() <= 1.0


def test_openings_are_ratios() -> None:
    marks = np.random.default_rng(5).uniform(20, 90, (3, 68, 2)).astype(np.float32)
    for opening in (eye_opening, mouth_opening):
        np.testing.assert_allclose(opening(marks), opening(marks * 2 + 7), rtol=1e-4)
    marks[:, [61, 62, 63]] = marks[:, [67, 66, 65]]
    assert mouth_opening(marks).max() < 0.1
    square = np.zeros((1, 68, 2), np.float32)
    for start in (36, 42):  # lids 4 px apart, eye 10 px wide
        square[0, start : start + 6] = [(0, 2), (3, 0), (7, 0), (10, 2), (7, 4), (3, 4)]
    np.testing.assert_allclose(eye_opening(square), 0.4)


def test_odds_are_probabilities_and_follow_the_units() -> None:
    units = np.random.default_rng(4).random((50, len(UNITS)), np.float32)
    np.testing.assert_allclose(expression_odds(units).sum(1), 1.0, atol=1e-5)
    rest = np.zeros((1, len(UNITS)), np.float32)

    def likeliest(*names: str) -> str:
        face = rest.copy()
        face[0, [UNITS.index(name) for name in names]] = 0.9
        return EXPRESSIONS[int(expression_odds(face).argmax())]

    assert likeliest() == "neutral"
    assert likeliest("AU06", "AU12") == "happiness"
    assert likeliest("AU01", "AU02", "AU05", "AU26") == "surprise"
    assert likeliest("AU04", "AU07", "AU23") == "anger"
    assert likeliest("AU01", "AU04", "AU15") == "sadness"


def test_no_torch_is_needed() -> None:
    code = (
        "import sys, numpy; from emotrace.heads.face import FaceHead;"
        "FaceHead().read(numpy.zeros((1, 112, 112), numpy.uint8)); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def _rows(name: str) -> csv.DictReader[str]:
    return csv.DictReader((LONDON / f"{name}.csv").read_text().splitlines())


def test_photographs_of_people_it_never_saw(head: FaceHead) -> None:
    """The dev people's marked pupils give the crop, so that only the head is tested."""
    if not LONDON.is_dir():
        pytest.skip("needs the portraits beside the repository")
    from emotrace.media.align import Pose
    from emotrace.media.faces import EYE_DISTANCE, EYE_LINE

    points = {int(r["index"]): r["multipie68"] for r in _rows("landmark_order")}
    mapped = {index: int(number) for index, number in points.items() if number}
    split = {r["id"]: r["split"] for r in _rows("people")}
    errors, qualities, smiles = [], [], []
    for row in _rows("landmarks"):
        if split[row["id"]] != "dev":
            continue
        at = lambda i, row=row: np.array([float(row[f"x{i}"]), float(row[f"y{i}"])])  # noqa: E731
        side = float(np.linalg.norm(at(1) - at(0))) / EYE_DISTANCE
        middle = 0.5 * (at(0) + at(1))
        pose = Pose(x=float(middle[0]), y=float(middle[1]) + side * (0.5 - EYE_LINE), side=side)
        pictures = [
            cv2.imread(str(LONDON / "images" / f"{row['id']}_{kind}.jpg"), cv2.IMREAD_GRAYSCALE)
            for kind in ("neutral", "smiling")
        ]
        reading = head.read(np.stack([pose.crop(picture, 112) for picture in pictures]))
        found = (reading.landmarks[0] - 55.5) * side / 112 + [pose.x, pose.y]
        off = [np.linalg.norm(found[number] - at(index)) for index, number in mapped.items()]
        errors.append(np.mean(off) / np.linalg.norm(at(27) - at(18)))
        qualities.append(reading.quality.min())
        smiles.append(reading.units[1, UNITS.index("AU12")] > reading.units[0, UNITS.index("AU12")])
    assert np.mean(errors) < 0.06
    assert min(qualities) > 0.5
    assert np.mean(smiles) >= 0.8


def test_units_of_rendered_faces_that_it_never_saw(head: FaceHead) -> None:
    if not SYNTH_DFER.is_dir():
        pytest.skip("needs the rendered clips beside the repository")
    frames, truth = np.load(SYNTH_DFER / "frames_test.npz"), np.load(SYNTH_DFER / "meta_test.npz")
    blob, offset = frames["blob"], frames["offset"]
    to_product = np.array([[0.86, 0, 0.14 * 55.5], [0, 0.86, 0.14 * 55.5 + 5.5]])
    crops = []
    for clip in range(0, 700, 5):
        strip = cv2.imdecode(blob[offset[clip] : offset[clip + 1]], cv2.IMREAD_GRAYSCALE).reshape(16, 112, 112)
        crops.append(cv2.warpAffine(strip[8], to_product, (112, 112), borderMode=cv2.BORDER_REFLECT_101))
    found = head.read(np.stack(crops)).units
    true = (truth["au"] + truth["au_rest"][:, None])[::5, 8].astype(np.float32)
    names = truth["au_names"].tolist()
    for name, least in {"AU1": 0.4, "AU2": 0.55, "AU12": 0.8, "AU26": 0.7}.items():
        mine = found[:, UNITS.index(f"AU{int(name[2:]):02d}")]
        assert np.corrcoef(mine, true[:, names.index(name)])[0, 1] > least, name
