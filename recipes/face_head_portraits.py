"""Fits the head of `face_head_render.py` to the London portraits, so that their skin can be moved by known units.

Face Research Lab London Set: DeBruine & Jones 2017, doi 10.6084/m9.figshare.5047666.v5, CC BY 4.0. Neutral portraits
carry 189 points marked by hand; 34 of them are Multi-PIE points, the lids' four follow by going along the lids. The
smiling ones have none: there a teacher's points are used (`face_head_teacher.py`), its habits first corrected on the
neutral portraits. The fit is Gauss-Newton on identity, resting face and pose; what misfit is left is bent away in the
picture, so that a marked point lies exactly where the mesh has it.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from face_head_render import CAMERA, UNIT_NAMES, UNIT_SHAPES, Head, projected, rotation

RESTING = (
    *("eyeBlink", "eyeWide", "eyeSquint", "browDown", "browInnerUp", "browOuterUp", "mouthFrown", "mouthSmile"),
    *("mouthPress", "mouthUpperUp", "mouthLowerDown", "mouthStretch", "mouthPucker", "jawOpen"),
)
SMILING = (
    *("mouthSmile", "cheekSquint", "cheekRaiser", "mouthUpperUp", "mouthLowerDown", "mouthStretch", "mouthDimple"),
    *("eyeSquint", "browDown", "browInnerUp", "browOuterUp", "jawOpen", "mouthPress"),
)
JAW = tuple(range(125, 134))


@dataclass(frozen=True, kw_only=True)
class Portrait:
    """One photograph with the head that fits it."""

    person: str
    smiling: bool
    photograph: np.ndarray
    """Grey, 512 x 512."""
    identity: np.ndarray
    coefficients: np.ndarray
    """Shape coefficients: the resting face, and the smile where there is one."""
    units: np.ndarray
    """What of it counts as units: nothing on a neutral portrait."""
    pose: np.ndarray
    scale: float
    source: np.ndarray
    """Pixel of each vertex in the photograph."""
    misfit: float
    """Root mean square distance of the marked points before the picture was bent, in eye distances."""


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Known points of one photograph."""

    landmark: np.ndarray
    """Multi-PIE numbers."""
    pixels: np.ndarray
    trust: np.ndarray
    """One over the expected error in pixels."""
    jaw: np.ndarray
    """Points somewhere on the jaw line."""


def marked(folder: Path) -> dict[str, Marks]:
    """What was marked by hand, by file name."""
    order = list(csv.DictReader((folder / "landmark_order.csv").open()))
    known = {int(row["index"]): int(row["multipie68"]) for row in order if row["multipie68"]}
    found = {}
    for row in csv.DictReader((folder / "landmarks.csv").open()):
        points = np.array([[float(row[f"x{i}"]), float(row[f"y{i}"])] for i in range(189)])
        places = {number: points[i] for i, number in known.items()}
        for corners, line in (((37, 38), range(18, 23)), ((43, 44), range(23, 28))):
            places |= dict(zip(corners, along(points[list(line)]), strict=True))
        for corners, line in (((41, 40), (18, 28, 29, 30, 22)), ((47, 46), (23, 31, 32, 33, 27))):
            places |= dict(zip(corners, along(points[list(line)]), strict=True))
        numbers = np.array(sorted(places))
        found[row["file"]] = Marks(
            landmark=numbers,
            pixels=np.array([places[n] for n in numbers]),
            trust=np.ones(len(numbers)),
            jaw=points[list(JAW)],
        )
    return found


def along(line: np.ndarray) -> np.ndarray:
    """The points at one and two thirds of the way along a line of straight pieces."""
    way = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    return np.stack([np.interp([way[-1] / 3, way[-1] * 2 / 3], way, line[:, i]) for i in (0, 1)], axis=1)


def taught(teacher: Path, by_hand: dict[str, Marks]) -> dict[str, np.ndarray]:
    """The teacher's points [68 2] by file name, less its mean offset from the hand-marked ones, scaled by the face."""
    with np.load(teacher) as stored:
        points = dict(zip(stored["name"].tolist(), stored["points"].astype(np.float64), strict=True))
    offset, count = np.zeros((68, 2)), np.zeros(68)
    for file, marks in by_hand.items():
        if file in points:
            offset[marks.landmark] += (marks.pixels - points[file][marks.landmark]) / _width(points[file])
            count[marks.landmark] += 1
    offset /= np.maximum(count, 1)[:, None]
    return {file: found + offset * _width(found) for file, found in points.items()}


def _width(points: np.ndarray) -> float:
    """Distance between the outer corners of the eyes."""
    return float(np.linalg.norm(points[45] - points[36]))


def load(folder: Path, head: Head, split: str, teacher: Path | None = None) -> list[Portrait]:
    """Every portrait of a split that has points, neutral ones first."""
    by_hand = marked(folder)
    points = {} if teacher is None else taught(teacher, by_hand)
    rows = [row for row in csv.DictReader((folder / "photos.csv").open()) if row["split"] == split]
    neutral: dict[str, Portrait] = {}
    smiling = []
    for row in sorted(rows, key=lambda row: (row["expression"] != "neutral", row["id"])):
        grey = cv2.imread(str(folder / row["file"]), cv2.IMREAD_GRAYSCALE)
        own = points.get(row["file"])
        if row["expression"] == "neutral":
            marks = by_hand[row["file"]]
            if own is not None:
                marks = _joined(marks, own)
            neutral[row["id"]] = _fitted(head, row["id"], grey, marks, None)
        elif own is not None and row["id"] in neutral:
            marks = Marks(landmark=np.arange(68), pixels=own, trust=np.full(68, 0.7), jaw=np.zeros((0, 2)))
            smiling.append(_fitted(head, row["id"], grey, marks, neutral[row["id"]]))
    return [*neutral.values(), *smiling]


def _joined(marks: Marks, own: np.ndarray) -> Marks:
    """Marks by hand, with the teacher's where there are none."""
    rest = np.setdiff1d(np.arange(68), marks.landmark)
    return Marks(
        landmark=np.concatenate([marks.landmark, rest]),
        pixels=np.concatenate([marks.pixels, own[rest]]),
        trust=np.concatenate([marks.trust, np.where(rest < 17, 0.35, 0.7)]),
        jaw=np.zeros((0, 2)),
    )


def _fitted(head: Head, person: str, grey: np.ndarray, marks: Marks, neutral: Portrait | None) -> Portrait:
    """Gauss-Newton from the mean head; with a neutral portrait of the same person only pose and smile are free."""
    names = RESTING if neutral is None else SMILING
    moves = np.stack([_both_sides(head, name) for name in names])
    start = np.zeros(100) if neutral is None else neutral.identity
    rest = np.zeros(len(head.shape_names)) if neutral is None else neutral.coefficients
    places = head.landmarks
    neutral_marks = head.neutral[places] + np.tensordot(rest, head.shapes[:, places], 1)
    free = 100 if neutral is None else 0
    width = _width_of(marks)

    shapes = np.tensordot(moves, head.shapes[:, places], 1)
    if free:
        shapes = np.concatenate([head.identity[:, places], shapes])
    else:
        neutral_marks = neutral_marks + np.tensordot(start, head.identity[:, places], 1)

    def seen(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        points = neutral_marks + np.tensordot(x[6:], shapes, 1)
        return projected(points, x[:3] * 10, x[3] * width / 9, x[4:6] * 100)

    pull = np.concatenate([[8.0, 2.0, 0.2, 0, 0, 0], np.full(free, 2.0), np.full(len(names), 4.0 if free else 2.0)])
    x = np.zeros(6 + free + len(names))
    x[3], x[4:6] = 1.0, marks.pixels[marks.landmark < 48].mean(0) / 100
    for _ in range(9):
        camera, pixels = seen(x)
        slopes = np.zeros((len(x), 68, 2))
        for i in range(6):
            slopes[i] = (seen(x + 1e-3 * np.eye(len(x))[i])[1].astype(np.float64) - pixels) / 1e-3
        turned = shapes @ rotation(*(x[:3] * 10)).T
        factor = CAMERA / (CAMERA - camera[:, 2]) * x[3] * width / 9
        slopes[6:] = (turned[..., :2] + camera[:, :2] * (turned[..., 2] / (CAMERA - camera[:, 2]))[..., None]) * (
            factor[:, None] * np.array([1, -1])
        )
        off = (pixels[marks.landmark] - marks.pixels) * marks.trust[:, None]
        slope = (slopes[:, marks.landmark] * marks.trust[:, None]).reshape(len(x), -1)
        jaw, jaw_slope = _jaw(pixels, slopes, marks.jaw)
        now = np.concatenate([off.ravel(), jaw, x * pull])
        slope = np.concatenate([slope, jaw_slope, np.diag(pull)], axis=1)
        x = x - np.linalg.solve(slope @ slope.T + 1e-6 * np.eye(len(x)), slope @ now)
        if not free:
            x[6:] = np.clip(x[6:], 0, 1.2)
    identity = (x[6 : 6 + free] if free else start).astype(np.float32)
    coefficients = (rest + x[6 + free :] @ moves).astype(np.float32)
    pose, scale, middle = x[:3] * 10, float(x[3] * width / 9), x[4:6] * 100
    _, source = projected(head.vertices(identity, coefficients), pose, scale, middle)
    off = marks.pixels - source[places][marks.landmark]
    units = np.zeros(len(UNIT_NAMES), np.float32)
    if neutral is not None:
        units = _units_of(dict(zip(SMILING, x[6:].tolist(), strict=True)))
    return Portrait(
        person=person,
        smiling=neutral is not None,
        photograph=grey,
        identity=identity,
        coefficients=coefficients,
        units=units,
        pose=pose,
        scale=scale,
        source=(source + _bent(source, source[places][marks.landmark], off, width)).astype(np.float32),
        misfit=float(np.sqrt((off**2).sum(1).mean())) / width,
    )


def _both_sides(head: Head, name: str) -> np.ndarray:
    row = np.zeros(len(head.shape_names))
    for number, shape in enumerate(head.shape_names):
        row[number] = shape.removesuffix("_L").removesuffix("_R") == name
    return row


def _width_of(marks: Marks) -> float:
    places = dict(zip(marks.landmark.tolist(), marks.pixels, strict=True))
    return float(np.linalg.norm(places[45] - places[36]))


def _units_of(smile: dict[str, float]) -> np.ndarray:
    """Units of a fitted smile, by the shape that mostly makes them."""
    units = np.zeros(len(UNIT_NAMES), np.float32)
    for unit in ("AU01", "AU02", "AU04", "AU06", "AU07", "AU10", "AU12", "AU14", "AU16", "AU20", "AU26"):
        shape, gain = next(iter(UNIT_SHAPES[unit].items()))
        units[UNIT_NAMES.index(unit)] = min(1.0, smile[shape] / gain)
    return units


def _jaw(pixels: np.ndarray, slopes: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the jaw line lies from points known to be somewhere on it, and how that changes; trusted by half."""
    if not len(points):
        return np.zeros(0), np.zeros((len(slopes), 0))
    a, b = pixels[:16].astype(np.float64), pixels[1:17].astype(np.float64)
    share = np.clip(((points[:, None] - a) * (b - a)).sum(2) / ((b - a) ** 2).sum(1), 0, 1)
    candidates = a + share[..., None] * (b - a)
    best = np.linalg.norm(candidates - points[:, None], axis=2).argmin(1)
    rows = np.arange(len(points))
    t = share[rows, best][:, None]
    slope = slopes[:, best] * (1 - t) + slopes[:, best + 1] * t
    return 0.5 * (candidates[rows, best] - points).ravel(), 0.5 * slope.reshape(len(slopes), -1)


def _bent(places: np.ndarray, anchors: np.ndarray, off: np.ndarray, width: float) -> np.ndarray:
    """The offsets known at the anchors, carried smoothly to all places, fading away from them."""
    kernel = lambda a, b: np.exp(-((np.linalg.norm(a[:, None] - b, axis=2) / (0.25 * width)) ** 2))  # noqa: E731
    weights = np.linalg.solve(kernel(anchors, anchors) + 0.02 * np.eye(len(anchors)), off)
    return kernel(places, anchors) @ weights
