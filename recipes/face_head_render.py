"""A small software renderer of ICT-FaceKit's head, for `face_head.py`: faces whose landmarks and units are known.

The mesh (MIT, Copyright (c) 2020 USC Institute for Creative Technologies) is moved by identity and expression shapes,
turned, lit and painted by a z-buffer. It is painted by rule (skin, lips, brows, hair, eyes), or with the skin of a
photograph to which the mesh was fitted: then the picture is carried along by the mesh, so that real skin shows known
units at known places. Needs `pip install numba`, a tool that emotrace itself does not use.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

import cv2
import numba
import numpy as np

CANVAS, OVERSAMPLE = 160, 2
FACE_SIDE = 112.0
"""Pixels of the face square (`media.align.Pose`) on the canvas; the rest is room for a misplaced square."""
EYE_TO_EYE = 6.55
"""Between the pupils of the neutral mesh, in its centimetres."""
CAMERA = 90.0
PIVOT = np.array([0.0, -5.0, 2.0], np.float32)
KEPT = ((0, 21451), (21451, 22221), (23021, 23791))
"""Vertices that are drawn: face, head, sockets, gums, teeth; the two eyeballs."""

# Action unit -> shapes that make it, at intensity 1. A name without side moves both sides.
UNIT_SHAPES: dict[str, dict[str, float]] = {
    "AU01": {"browInnerUp": 1.0},
    "AU02": {"browOuterUp": 1.0},
    "AU04": {"browDown": 1.0},
    "AU05": {"eyeWide": 1.0},
    "AU06": {"cheekSquint": 0.8, "cheekRaiser": 0.4},
    "AU07": {"eyeSquint": 1.0},
    "AU09": {"noseSneer": 1.0},
    "AU10": {"mouthUpperUp": 0.8},
    "AU12": {"mouthSmile": 1.0},
    "AU14": {"mouthDimple": 1.0},
    "AU15": {"mouthFrown": 1.0},
    "AU16": {"mouthLowerDown": 0.8},
    "AU17": {"mouthShrugLower": 0.9, "mouthShrugUpper": 0.3},
    "AU18": {"mouthPucker": 1.0},
    "AU20": {"mouthStretch": 1.0},
    "AU22": {"mouthFunnel": 1.0},
    "AU23": {"mouthPress": 0.5, "mouthRollLower": 0.4, "mouthRollUpper": 0.3},
    "AU24": {"mouthPress": 1.0},
    "AU25": {"mouthLowerDown": 0.3, "mouthUpperUp": 0.25, "jawOpen": 0.06},
    "AU26": {"jawOpen": 0.55},
    "AU28": {"mouthRollLower": 1.0, "mouthRollUpper": 0.9},
    "AU45": {"eyeBlink": 1.0},
}
UNIT_NAMES = tuple(UNIT_SHAPES)
FULL_PART = 0.2
"""Gap between the inner lips, in eye distances, that counts as AU25 of 1."""


@numba.njit(cache=True, fastmath=True)
def _normals(points, triangles):
    normals = np.zeros(points.shape, np.float32)
    for k in range(triangles.shape[0]):
        a, b, c = triangles[k, 0], triangles[k, 1], triangles[k, 2]
        ux, uy, uz = points[b, 0] - points[a, 0], points[b, 1] - points[a, 1], points[b, 2] - points[a, 2]
        vx, vy, vz = points[c, 0] - points[a, 0], points[c, 1] - points[a, 1], points[c, 2] - points[a, 2]
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        for i in (a, b, c):
            normals[i, 0] += nx
            normals[i, 1] += ny
            normals[i, 2] += nz
    for i in range(normals.shape[0]):
        length = np.sqrt(normals[i, 0] ** 2 + normals[i, 1] ** 2 + normals[i, 2] ** 2) + 1e-9
        for j in range(3):
            normals[i, j] /= length
    return normals


@numba.njit(cache=True, fastmath=True)
def _paint(screen, near, triangles, values, depth, picture):
    """Z-buffer with values interpolated over each triangle that faces the camera."""
    high, wide, channels = picture.shape
    for k in range(triangles.shape[0]):
        a, b, c = triangles[k, 0], triangles[k, 1], triangles[k, 2]
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area >= -1e-6:
            continue
        x0, x1 = max(0, int(np.ceil(min(ax, bx, cx)))), min(wide - 1, int(np.floor(max(ax, bx, cx))))
        y0, y1 = max(0, int(np.ceil(min(ay, by, cy)))), min(high - 1, int(np.floor(max(ay, by, cy))))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                wc = 1.0 - wa - wb
                if wa < -1e-5 or wb < -1e-5 or wc < -1e-5:
                    continue
                z = wa * near[a] + wb * near[b] + wc * near[c]
                if z > depth[y, x]:
                    depth[y, x] = z
                    for j in range(channels):
                        picture[y, x, j] = wa * values[a, j] + wb * values[b, j] + wc * values[c, j]


def rotation(pitch: float, yaw: float, roll: float) -> np.ndarray:
    """Degrees; positive looks down, turns to the viewer's right, leans clockwise in the picture."""
    p, y, r = np.radians([pitch, yaw, -roll])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return (about_z @ about_y @ about_x).astype(np.float32)


def projected(points: np.ndarray, pose: np.ndarray, scale: float, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Model points -> camera space and picture pixels; `scale` in pixels a centimetre at the pivot's depth + 6 cm."""
    turned = (points - PIVOT) @ rotation(*pose).T
    turned[:, 2] -= 6.0
    factor = CAMERA / (CAMERA - turned[:, 2]) * scale
    pixels = np.stack([middle[0] + turned[:, 0] * factor, middle[1] - turned[:, 1] * factor], axis=1)
    return turned.astype(np.float32), pixels.astype(np.float32)


class Head:
    """The mesh, its shapes, and where paint goes."""

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "ict_facekit.npz", allow_pickle=False) as kit:
            keep = np.concatenate([np.arange(*part) for part in KEPT])
            number = np.full(len(kit["neutral"]), -1, np.int64)
            number[keep] = np.arange(len(keep))
            low_or_behind = (kit["neutral"][:, 1] < -15) | (kit["neutral"][:, 2] < -4)
            triangles = number[kit["triangles"][~low_or_behind[kit["triangles"]].any(1)]]
            self.triangles = np.ascontiguousarray(triangles[(triangles >= 0).all(1)].astype(np.int32))
            self.neutral = kit["neutral"][keep].astype(np.float32)
            self.identity = kit["identity_deltas"][:, keep].astype(np.float32)
            self.shapes = kit["expression_deltas"][:, keep].astype(np.float32)
            self.shape_names = [str(name) for name in kit["expression_names"]]
            self.landmarks = number[kit["landmarks68_jawline"]]
        self.identity_flat, self.shapes_flat = (m.reshape(len(m), -1) for m in (self.identity, self.shapes))
        self.left, self.right = (np.stack([self._shares(unit, side) for unit in UNIT_NAMES]) for side in "LR")
        self.paint = self._masks()

    def _shares(self, unit: str, side: str) -> np.ndarray:
        """Coefficients of the shapes that make one side of a unit; a shape without sides counts half on each."""
        row = np.zeros(len(self.shape_names), np.float32)
        for name, gain in UNIT_SHAPES[unit].items():
            if name in self.shape_names:
                row[self.shape_names.index(name)] += 0.5 * gain
            else:
                row[self.shape_names.index(f"{name}_{side}")] += gain
        return row

    def shape(self, name: str) -> int:
        """Number of a shape."""
        return self.shape_names.index(name)

    def coefficients(self, units: np.ndarray, lean: np.ndarray) -> np.ndarray:
        """Shape coefficients of units; the left side gets (1 + lean) of each, the right side (1 - lean)."""
        return (units * (1 + lean)) @ self.left + (units * (1 - lean)) @ self.right

    def vertices(self, identity: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """The mesh of a person who makes a face."""
        used = np.flatnonzero(np.abs(coefficients) > 1e-4)
        moved = identity @ self.identity_flat + coefficients[used] @ self.shapes_flat[used]
        return self.neutral + moved.reshape(-1, 3)

    def _masks(self) -> dict[str, np.ndarray]:
        """Where lips, brows, lids, hair, beard, eyes, teeth and the mouth's inside are: 0..1 per vertex."""
        points, marks = self.neutral, self.neutral[self.landmarks]
        x, y, z = points.T
        front = (np.arange(len(points)) < 9409) & (z > 5.0)
        head = np.arange(len(points)) < 11248
        falling = lambda d, a, b: np.clip((b - d) / (b - a), 0, 1)  # noqa: E731
        lips = np.where(
            _inside(points[:, :2], marks[48:60, :2]), 1.0, falling(_far(points, marks[48:60], True), 0, 0.22)
        )
        # The brow's landmarks lie on its upper edge.
        brows = [marks[part] - np.array([0, 0.38, 0]) for part in (slice(17, 22), slice(22, 27))]
        brow = np.max([falling(_far(points, line), 0.2, 0.5) for line in brows], axis=0)
        lid = np.max([falling(_far(points, marks[a:b], True), 0.08, 0.3) for a, b in ((36, 42), (42, 48))], axis=0)
        hair = np.maximum(
            np.clip((y - 9.3 + 0.1 * np.abs(x)) / 0.8, 0, 1),
            np.clip((2 - z) / 0.8, 0, 1) * np.clip((y + 2) / 1.5, 0, 1),
        )
        ears = (np.abs(x) > 8.2) & (y < 5) & (y > -4)
        beard = np.maximum(
            falling(_far(points, marks[3:14]), 1.2, 2.6),
            falling(_far(points, marks[48:55] + np.array([0, 0.55, 0.1])), 0.35, 0.9),
        )
        masks = {name: np.zeros(len(points), np.float32) for name in ("sclera", "iris", "pupil")}
        for start in (21451, 22221):
            ball = slice(start, start + 770)
            ray = points[ball] - 0.5 * (points[ball].min(0) + points[ball].max(0))
            angle = np.degrees(np.arccos(np.clip(ray[:, 2] / (np.linalg.norm(ray, axis=1) + 1e-9), -1, 1)))
            masks["sclera"][ball], masks["iris"][ball], masks["pupil"][ball] = (
                1,
                falling(angle, 26, 31),
                falling(angle, 10, 15),
            )
        for name, (a, b) in {"cavity": (11248, 14062), "gums": (14062, 17039), "teeth": (17039, 21451)}.items():
            masks[name] = ((np.arange(len(points)) >= a) & (np.arange(len(points)) < b)).astype(np.float32)
        lips = lips * front * (z > 8.0)
        masks |= {"lips": lips, "brow": brow * front, "lid": lid * front, "hair": hair * head * ~ears}
        masks["beard"] = beard * (1 - lips) * head * (y < -2.5)
        masks["face"] = head.astype(np.float32)
        return {name: mask.astype(np.float32) for name, mask in masks.items()}


def _far(points: np.ndarray, line: np.ndarray, closed: bool = False) -> np.ndarray:
    """Distance of points to a line of straight pieces."""
    best = np.full(len(points), np.inf)
    for a, b in itertools.pairwise([*line, line[0]] if closed else line):
        along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a) + 1e-9), 0, 1)
        best = np.minimum(best, np.linalg.norm(points - (a + along[:, None] * (b - a)), axis=1))
    return best


def _inside(points: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Which points of the plane lie inside a polygon."""
    inside = np.zeros(len(points), bool)
    for a, b in zip(corners, np.roll(corners, -1, 0), strict=True):
        crosses = (a[1] > points[:, 1]) != (b[1] > points[:, 1])
        inside ^= crosses & (points[:, 0] < (b[0] - a[0]) * (points[:, 1] - a[1]) / (b[1] - a[1] + 1e-12) + a[0])
    return inside


@dataclass(frozen=True, kw_only=True)
class Skin:
    """What the mesh is painted with."""

    albedo: np.ndarray
    """Per vertex, 0..1."""
    photograph: np.ndarray | None = None
    """A grey picture that is carried along by the mesh; where `from_photograph`, it takes the place of the albedo."""
    source: np.ndarray | None = None
    """Where in the photograph each vertex lies."""
    from_photograph: np.ndarray | None = None
    """Per vertex 0 or 1."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """Camera and light of one picture."""

    pose: np.ndarray
    """Pitch, yaw, roll in degrees."""
    scale: float
    """Pixels of the canvas a centimetre."""
    light: tuple[float, float]
    """Azimuth and elevation in degrees."""
    key: float
    ambient: float
    gamma: float
    relight: float
    """How strongly the light changes a photograph, which has a light of its own: 0..1."""


def middle_of(head: Head, identity: np.ndarray, look: Look) -> np.ndarray:
    """The shift that puts the point between the eyes and the mouth in the middle of the canvas."""
    marks = head.vertices(identity, np.zeros(len(head.shape_names), np.float32))[head.landmarks]
    anchor = 0.5 * (marks[36:48].mean(0) + marks[48:60].mean(0))
    _, pixels = projected(anchor[None], look.pose, look.scale, np.zeros(2))
    return 0.5 * (CANVAS - 1) - pixels[0]


def render(
    head: Head, points: np.ndarray, skin: Skin, look: Look, middle: np.ndarray, background: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The canvas, grey 0..255, and the pixels of the 68 landmarks on it.

    Args:
        head: The mesh.
        points: Its vertices, after identity and expression.
        skin: Paint.
        look: Camera and light.
        middle: Pixel of the pivot.
        background: What is seen where the mesh is not, `CANVAS` wide, 0..255.
    """
    camera, pixels = projected(points, look.pose, look.scale, middle)
    azimuth, elevation = np.radians(look.light)
    toward = np.array([np.sin(azimuth) * np.cos(elevation), np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    normals = _normals(camera, head.triangles)
    lit = np.clip((normals @ toward.astype(np.float32) + 0.25) / 1.25, 0, None)
    halfway = toward + np.array([0, 0, 1])
    shine = np.clip(normals @ (halfway / np.linalg.norm(halfway)).astype(np.float32), 0, 1) ** 24
    brightness = look.ambient * (0.75 + 0.25 * normals[:, 1]) + look.key * lit
    gloss = 0.05 * head.paint["face"] + 0.15 * head.paint["sclera"]
    values = np.zeros((len(points), 5), np.float32)
    values[:, 0] = skin.albedo * brightness + gloss * look.key * shine
    if skin.photograph is not None and skin.source is not None and skin.from_photograph is not None:
        values[:, 1] = skin.from_photograph
        values[:, 2] = 1 + look.relight * (brightness / brightness[:9409].mean() - 1)
        values[:, 3:] = skin.source
    size = CANVAS * OVERSAMPLE
    depth, layers = np.full((size, size), -1e9, np.float32), np.zeros((size, size, 5), np.float32)
    _paint((pixels + 0.5) * OVERSAMPLE - 0.5, camera[:, 2].copy(), head.triangles, values, depth, layers)
    seen = depth > -1e8
    hollow = _hollows(depth)
    painted = 235.0 * np.clip(layers[..., 0] * hollow, 0, 1.2) ** (1 / look.gamma)
    if skin.photograph is not None:
        own = cv2.remap(skin.photograph, layers[..., 3].copy(), layers[..., 4].copy(), cv2.INTER_LINEAR)
        painted = np.where(layers[..., 1] > 0.5, own * layers[..., 2], painted)
    wide = cv2.resize(background.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    picture = cv2.resize(
        np.where(seen, painted, wide).astype(np.float32), (CANVAS, CANVAS), interpolation=cv2.INTER_AREA
    )
    return np.clip(picture, 0, 255).astype(np.uint8), pixels[head.landmarks]


def _hollows(depth: np.ndarray) -> np.ndarray:
    """Darker where a pixel lies behind its neighbourhood: sockets, nostrils, the mouth's inside."""
    near = np.maximum(depth, -22.0)[::OVERSAMPLE, ::OVERSAMPLE]
    factor = np.ones_like(near)
    for spread, share in ((1.0, 0.55), (3.0, 0.3)):
        factor *= 1 - share / 0.6 * np.clip(cv2.GaussianBlur(near, (0, 0), spread) - near, 0, 0.6)
    return np.repeat(np.repeat(factor, OVERSAMPLE, 0), OVERSAMPLE, 1)
