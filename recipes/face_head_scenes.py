"""Draws the faces that `face_head.py` learns from: who, which units, which pose and light, and where the crop lies.

Two thirds wear the skin of a London train person, on the person's own fitted head or on another one; the rest are
painted by rule. Every crop is made as the product makes it: a square with a detector's errors, then `media.align`.
Beside them stand crops that are no face: places beside faces, parts of faces, textures, patterns.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
from face_head_portraits import Portrait
from face_head_render import (
    CANVAS,
    EYE_TO_EYE,
    FACE_SIDE,
    FULL_PART,
    UNIT_NAMES,
    Head,
    Look,
    Skin,
    middle_of,
    projected,
    render,
)

from emotrace.media.align import Pose, align
from emotrace.media.faces import EYE_DISTANCE, EYE_LINE

STORED, CROP = 144, 112
"""A stored crop has a rim, so that training can still shift, turn and scale it."""

# What faces do together, as field manuals tell of it; half of the drawn faces begin with one of these.
TOGETHER = (
    ("AU06", "AU12"), ("AU06", "AU12", "AU25"), ("AU12", "AU25", "AU26"), ("AU12",), ("AU01", "AU04", "AU15"),
    ("AU01", "AU15", "AU17"), ("AU04", "AU07", "AU23"), ("AU04", "AU05", "AU24"), ("AU04", "AU07", "AU10", "AU25"),
    ("AU01", "AU02", "AU05", "AU26"), ("AU01", "AU02", "AU26"), ("AU01", "AU02", "AU04", "AU05", "AU20", "AU26"),
    ("AU09", "AU10", "AU17"), ("AU09", "AU15"), ("AU10", "AU25"), ("AU12", "AU14"), ("AU18", "AU26"),
    ("AU22", "AU25"), ("AU45",), ("AU25", "AU26"), ("AU04", "AU45"),
)  # fmt: skip
PAINT = {
    "lips": (0.6, 0.95), "brow": (0.3, 0.95), "lid": (0.3, 0.85), "hair": (0.8, 1.0), "beard": (0.0, 0.7)
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Samples:
    """Stored crops with what is known of them."""

    crop: np.ndarray
    """uint8 [sample STORED STORED]."""
    landmarks: np.ndarray
    """[sample 68 2] in pixels of the crop's inner `CROP` square; NaN where unknown."""
    units: np.ndarray
    """[sample unit]; NaN where unknown."""
    pose: np.ndarray
    """[sample 3] pitch, yaw, roll within the crop; NaN where unknown."""
    quality: np.ndarray
    """1 a well-placed face from the front, less for one turned away or misplaced, 0 no face."""

    def __len__(self) -> int:
        return len(self.crop)

    @classmethod
    def joined(cls, parts: list[Samples]) -> Samples:
        """One after the other."""
        return cls(**{f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)})

    def save(self, path: Path) -> None:
        """Writes an npz."""
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def read(cls, path: Path) -> Samples:
        """Reads what `save` wrote."""
        with np.load(path) as stored:
            return cls(**{name: stored[name] for name in stored.files})


def units_drawn(rng: np.random.Generator) -> np.ndarray:
    """Intensities: a fifth of the faces rest, half do what faces do together, the others anything."""
    units = np.zeros(len(UNIT_NAMES), np.float32)
    kind = rng.random()
    if kind < 0.2:
        return units
    if kind < 0.7:
        strength = rng.uniform(0.15, 1.0)
        for name in TOGETHER[rng.integers(len(TOGETHER))]:
            units[UNIT_NAMES.index(name)] = np.clip(strength * rng.uniform(0.6, 1.2), 0, 1)
    for name in rng.choice(UNIT_NAMES, rng.integers(1, 4) if kind >= 0.7 else rng.integers(0, 3), replace=False):
        units[UNIT_NAMES.index(name)] = rng.uniform(0.1, 1.0) ** 1.3
    if units[UNIT_NAMES.index("AU45")] > 0.5:
        units[UNIT_NAMES.index("AU05")] = 0.0
    return units


def coefficients_drawn(head: Head, units: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shape coefficients of the units, uneven by side, with gaze and small things that no unit names."""
    lean = rng.normal(0, 0.15, len(units)) + (rng.choice([-0.5, 0.5]) if rng.random() < 0.08 else 0)
    shapes = head.coefficients(units, np.clip(lean, -0.8, 0.8).astype(np.float32))
    across, down = np.clip(rng.normal(0, [0.3, 0.2]), -0.9, 0.9)
    for name, value in (
        ("eyeLookOut_L", across), ("eyeLookIn_R", across), ("eyeLookIn_L", -across), ("eyeLookOut_R", -across),
        ("eyeLookUp_L", -down), ("eyeLookUp_R", -down), ("eyeLookDown_L", down), ("eyeLookDown_R", down),
    ):  # fmt: skip
        shapes[head.shape(name)] += max(0.0, value)
    for name in ("jawLeft", "jawRight", "mouthLeft", "mouthRight", "cheekPuff_L", "cheekPuff_R", "jawForward"):
        shapes[head.shape(name)] += max(0.0, rng.normal(-0.15, 0.2))
    return np.clip(shapes, 0, 1.2)


class Studio:
    """Draws faces one after the other."""

    def __init__(self, head: Head, portraits: list[Portrait]) -> None:
        self.head, self.portraits = head, portraits
        neutral = np.stack([p.coefficients for p in portraits if not p.smiling])
        self.rest_mean, self.rest_spread = neutral.mean(0), neutral.std(0)

    def photographed(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """A London person's skin on a moved head."""
        portrait = self.portraits[rng.integers(len(self.portraits))]
        identity = portrait.identity + rng.normal(0, 0.5, 100).astype(np.float32) * (rng.random() < 0.5)
        units = units_drawn(rng)
        if portrait.smiling:  # the smile stays; brows and lids may move besides
            mouth = [i for i, name in enumerate(UNIT_NAMES) if name > "AU07" and name not in ("AU26", "AU45")]
            units[mouth] = 0
            if rng.random() < 0.4:
                units[:] = 0
        shapes = portrait.coefficients + coefficients_drawn(self.head, units, rng)
        units = np.clip(units + portrait.units, 0, 1)
        near = rng.random() < 0.4
        turn = rng.normal(0, [3, 3, 2] if near else [8, 11, 6])
        look = self._look(portrait.pose + np.clip(turn, -28, 28), rng, relight=rng.uniform(0, 0.8) ** 1.5)
        middle = middle_of(self.head, identity, look)
        drawn = self.head.paint["face"].copy()
        if rng.random() < 0.5 and units[UNIT_NAMES.index("AU05")] < 0.2:
            drawn = np.maximum(drawn, self.head.paint["sclera"])
        skin = Skin(
            albedo=self._albedo(rng), photograph=portrait.photograph, source=portrait.source, from_photograph=drawn
        )
        back = self._around(portrait, identity, look, middle) if rng.random() < 0.7 else pattern(rng, CANVAS)
        return self._shot(identity, shapes, units, skin, look, middle, back, rng)

    def painted(self, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
        """A made-up person; half of them rest as the London people do on average."""
        identity = np.clip(rng.normal(0, 0.6, 100), -1.8, 1.8).astype(np.float32)
        units = units_drawn(rng)
        rest = self.rest_mean * (rng.random() < 0.6) + self.rest_spread * rng.normal(0, 0.7, len(self.rest_mean))
        shapes = rest.astype(np.float32) + coefficients_drawn(self.head, units, rng)
        wide = rng.random() < 0.35
        turn = rng.normal(0, [7, 6, 5]) + np.array([0, rng.uniform(-50, 50) * wide, 0])
        look = self._look(turn, rng, relight=0.0)
        middle = middle_of(self.head, identity, look)
        return self._shot(
            identity, shapes, units, Skin(albedo=self._albedo(rng)), look, middle, pattern(rng, CANVAS), rng
        )

    def _look(self, pose: np.ndarray, rng: np.random.Generator, *, relight: float) -> Look:
        return Look(
            pose=pose,
            scale=FACE_SIDE * EYE_DISTANCE / EYE_TO_EYE * rng.uniform(0.9, 1.05),
            light=(rng.uniform(-60, 60), rng.uniform(0, 60)),
            key=rng.uniform(0.6, 1.15),
            ambient=rng.uniform(0.2, 0.5),
            gamma=rng.uniform(1.4, 2.2),
            relight=relight,
        )

    def _albedo(self, rng: np.random.Generator) -> np.ndarray:
        """Paint by rule: skin, then everything upon it."""
        paint, skin, hair = self.head.paint, rng.uniform(0.15, 0.65), rng.uniform(0.03, 0.4)
        waves = [np.sin(self.head.neutral @ rng.normal(0, f, 3) + rng.uniform(0, 6.3)) for f in (0.4, 0.8, 1.6, 3.0)]
        albedo = skin * (1 + rng.uniform(0, 0.1) * np.mean(waves, axis=0))
        share = {name: rng.uniform(*bounds) for name, bounds in PAINT.items()}
        share["hair"] *= rng.random() > 0.12
        share["beard"] *= rng.random() < 0.25
        tone = {
            "beard": 0.5 * hair + 0.05,
            "lips": skin * rng.uniform(0.5, 0.85),
            "brow": min(hair, 0.7 * skin),
            "lid": 0.08,
            "hair": hair,
            "sclera": rng.uniform(0.5, 0.75),
            "iris": rng.uniform(0.05, 0.4),
            "pupil": 0.03,
            "cavity": 0.05,
            "gums": 0.2,
            "teeth": rng.uniform(0.5, 0.75),
        }
        for name, value in tone.items():
            over = paint[name] * share.get(name, 1.0)
            albedo = albedo * (1 - over) + value * over
        return np.clip(albedo, 0.02, 1).astype(np.float32)

    def _around(self, portrait: Portrait, identity: np.ndarray, look: Look, middle: np.ndarray) -> np.ndarray:
        """The photograph itself behind the head, so that hair, neck and shoulders go on."""
        resting = self.head.vertices(identity, portrait.coefficients)[self.head.landmarks]
        _, there = projected(resting, look.pose, look.scale, middle)
        turn, _ = cv2.estimateAffinePartial2D(portrait.source[self.head.landmarks], there)
        if turn is None:
            return np.full((CANVAS, CANVAS), 128, np.uint8)
        edge = cv2.BORDER_REPLICATE
        return cv2.warpAffine(cv2.blur(portrait.photograph, (2, 2)), turn, (CANVAS, CANVAS), borderMode=edge)

    def _shot(self, identity, shapes, units, skin, look, middle, back, rng) -> tuple[np.ndarray, ...]:
        """Renders and crops: stored crop, landmarks, units, pose, quality."""
        points = self.head.vertices(identity, shapes)
        canvas, marks = render(self.head, points, skin, look, middle, back)
        in_space = points[self.head.landmarks]
        gap = np.linalg.norm(in_space[[61, 62, 63]] - in_space[[67, 66, 65]], axis=1).mean() / EYE_TO_EYE
        units = units.copy()
        units[UNIT_NAMES.index("AU25")] = np.clip((gap - 0.012) / FULL_PART, 0, 1)
        eyes = in_space[36:48].reshape(2, 6, 3).mean(1)
        true = pose_of_eyes(marks, float(np.linalg.norm(eyes[1] - eyes[0])) * look.scale)
        placed = crop_pose(canvas, true, rng)
        crop = placed.step(0, 0, math.log(STORED / CROP), 0).crop(canvas, STORED)
        pose = look.pose - np.array([0, 0, math.degrees(placed.roll)])
        return crop, in_crop(marks, placed), units, pose, face_quality(pose, true, placed)


def pose_of_eyes(marks: np.ndarray, eye_distance: float) -> Pose:
    """The square that the product wants around these landmarks, sized as if the face were seen from the front."""
    left, right = marks[36:42].mean(0), marks[42:48].mean(0)
    roll, side = math.atan2(right[1] - left[1], right[0] - left[0]), eye_distance / EYE_DISTANCE
    middle, down = 0.5 * (left + right), side * (0.5 - EYE_LINE)
    return Pose(x=middle[0] - math.sin(roll) * down, y=middle[1] + math.cos(roll) * down, side=side, roll=roll)


def crop_pose(canvas: np.ndarray, true: Pose, rng: np.random.Generator) -> Pose:
    """Where the product would put the square: a detector's error, then the alignment, unless that wanders off."""
    rough = Pose(x=true.x, y=true.y, side=true.side).step(*rng.normal(0, [0.05, 0.05, 0.09, 0.03]))
    if rng.random() < 0.15:
        return rough
    settled = align(canvas, rough)
    near = math.hypot(settled.x - rough.x, settled.y - rough.y) < 0.2 * rough.side
    return settled if near and abs(math.log(settled.side / rough.side)) < 0.25 else rough


def in_crop(marks: np.ndarray, placed: Pose) -> np.ndarray:
    """Pixels of the picture -> pixels of the crop."""
    cos, sin = math.cos(placed.roll), math.sin(placed.roll)
    off = (marks - [placed.x, placed.y]) * CROP / placed.side
    return (off @ np.array([[cos, -sin], [sin, cos]]) + 0.5 * (CROP - 1)).astype(np.float32)


def face_quality(pose: np.ndarray, true: Pose, placed: Pose) -> float:
    """1 for a well-placed face from the front; less for one turned by more than 25 degrees, or misplaced."""
    turned = max(0.0, abs(float(pose[1])) - 25, abs(float(pose[0])) - 20) / 50
    off = math.hypot(true.x - placed.x, true.y - placed.y) / true.side + abs(math.log(placed.side / true.side))
    return float(np.clip((1 - turned) * (1 - 1.5 * max(0.0, off - 0.12)), 0.05, 1.0))


def pattern(rng: np.random.Generator, size: int) -> np.ndarray:
    """Something that is no face: smooth noise with boxes and discs, stripes, lettering, or part of a texture."""
    kind = rng.random()
    if kind < 0.35 and textures():
        texture = textures()[rng.integers(len(textures()))]
        side = int(rng.uniform(30, min(texture.shape)))
        y, x = (int(rng.integers(0, length - side + 1)) for length in texture.shape)
        part = cv2.resize(texture[y : y + side, x : x + side], (size, size), interpolation=cv2.INTER_AREA)
        return np.rot90(part, rng.integers(4)).copy() if rng.random() < 0.5 else part
    low = rng.normal(0, 1, (int(rng.integers(3, 40)),) * 2).astype(np.float32)
    picture = rng.uniform(30, 220) + rng.uniform(3, 50) * cv2.resize(low, (size, size), interpolation=cv2.INTER_CUBIC)
    for _ in range(rng.integers(0, 14)):
        x, y = (int(v) for v in rng.uniform(0, size, 2))
        wide, high, tone = int(rng.uniform(3, size / 3)), int(rng.uniform(3, size / 3)), float(rng.uniform(0, 255))
        thick = -1 if rng.random() < 0.7 else int(rng.integers(1, 6))
        shape = rng.random()
        if shape < 0.4:
            cv2.rectangle(picture, (x, y), (x + wide, y + high), tone, thick)
        elif shape < 0.85:
            cv2.ellipse(picture, (x, y), (wide, high), rng.uniform(0, 180), 0, 360, tone, thick)
        else:
            word = "".join(rng.choice(list("aeknrstxAEKR04"), 5))
            cv2.putText(picture, word, (x - 20, y), 0, wide / 30 + 0.3, tone, 2)
    if kind > 0.85:
        picture += rng.uniform(5, 60) * np.sin(np.linspace(0, rng.uniform(5, 120), size))[:, None]
    return np.clip(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 3)), 0, 255).astype(np.uint8)


_SKIMAGE = "brick camera cell chelsea clock_motion coffee coins grass gravel horse ihc moon page rocket retina text"


@cache
def textures() -> list[np.ndarray]:
    """Pictures without faces that scikit-image and scikit-learn carry with them."""
    found = []
    for package, folder, names in (
        ("skimage", "data", _SKIMAGE),
        ("sklearn.datasets", "images", "china flower"),
    ):
        for name in names.split():
            for ending in ("png", "jpg"):
                path = Path(str(files(package) / folder / f"{name}.{ending}"))
                if path.is_file():
                    found.append(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
    return found


def no_face(portraits: list[Portrait], rng: np.random.Generator) -> np.ndarray:
    """A stored crop without a face that could be measured."""
    kind = rng.random()
    if kind < 0.4:
        return pattern(rng, STORED)
    portrait = portraits[rng.integers(len(portraits))]
    photograph, center = portrait.photograph, portrait.source[:9409].mean(0)
    side = portrait.scale * EYE_TO_EYE / EYE_DISTANCE
    if kind < 0.75:  # beside the face: hair, neck, shoulders, wall
        angle, far = rng.uniform(0, 2 * math.pi), rng.uniform(0.75, 1.6)
        face = Pose(
            x=center[0] + math.cos(angle) * far * side,
            y=center[1] + math.sin(angle) * far * side,
            side=side * math.exp(rng.normal(-0.2, 0.35)),
            roll=rng.normal(0, 0.4),
        )
        return face.crop(photograph, STORED)
    if kind < 0.9:  # a part of the face, much enlarged
        face = Pose(
            x=center[0] + rng.normal(0, 0.25) * side,
            y=center[1] + rng.normal(0, 0.25) * side,
            side=side * rng.uniform(0.15, 0.38),
            roll=rng.normal(0, 0.5),
        )
        return face.crop(photograph, STORED)
    whole = Pose(x=center[0], y=center[1], side=1.1 * side).crop(photograph, STORED)
    cuts = int(rng.choice([2, 3, 4, 6]))
    edge = STORED // cuts
    corners = range(0, edge * cuts, edge)
    tiles = [whole[y : y + edge, x : x + edge] for y in corners for x in corners]
    rows = [np.hstack([tiles[i] for i in row]) for row in rng.permutation(cuts * cuts).reshape(cuts, cuts)]
    return cv2.resize(np.vstack(rows), (STORED, STORED), interpolation=cv2.INTER_AREA)


def drawn(head: Head, portraits: list[Portrait], count: int, seed: tuple[int, ...]) -> Samples:
    """`count` samples: about half real skin, a quarter painted, a quarter no face."""
    studio, rows = Studio(head, portraits), []
    unknown = (np.full((68, 2), np.nan, np.float32), np.full(len(UNIT_NAMES), np.nan, np.float32), np.full(3, np.nan))
    for number in range(count):
        rng = np.random.default_rng([*seed, number])
        kind = rng.random()
        if kind < 0.52:
            rows.append(studio.photographed(rng))
        elif kind < 0.75:
            rows.append(studio.painted(rng))
        else:
            rows.append((no_face(portraits, rng), *unknown, 0.0))
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    crop, landmarks, units, pose, quality = columns
    return Samples(
        crop=crop,
        landmarks=landmarks.astype(np.float32),
        units=units.astype(np.float32),
        pose=pose.astype(np.float32),
        quality=quality.astype(np.float32),
    )
