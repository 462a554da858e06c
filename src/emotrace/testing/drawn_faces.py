"""Drawn faces that move: action units that are known, and motion that says nothing about the expression.

A face is an oval with brows, eyes, nose and mouth. An action unit is a field of displacements around its part of the
face, so what is said to move is what moves. Heads shift and mouths talk without regard to the class. Nothing here is
taken from a recording.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

FRAMES, SIDE = 16, 112
CLASSES = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
CONDITIONS = ("clean", "pose", "talk", "light", "jitter", "all")
"""What moves in a scene beside the expression: nothing, the head, the mouth, the light, the camera, or all of these."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One action unit: what it says, and how far it moves the skin around two mirrored points of the face, in px."""

    text: str
    x: float
    """Of the point on the left side of the picture; 56 is the middle."""
    y: float
    right: float = 0.0
    """How far the left point moves to the right; the other one moves to the left."""
    down: float = 0.0


UNITS: dict[str, Unit] = {
    "AU1": Unit(text="The inner ends of the brows rise", x=47, y=37, down=-5),
    "AU4": Unit(text="The brows lower and draw together", x=42, y=38, right=3, down=4),
    "AU5": Unit(text="The upper lids rise", x=38, y=46, down=-4),
    "AU9": Unit(text="The nose wrinkles", x=51, y=62, down=-5),
    "AU12": Unit(text="The lip corners are pulled up", x=42, y=84, right=-4, down=-5),
    "AU15": Unit(text="The lip corners are pulled down", x=42, y=84, down=5),
    "AU20": Unit(text="The lips are stretched sideways", x=42, y=84, right=-6),
    "AU26": Unit(text="The jaw drops", x=50, y=96, down=7),
}
PROTOTYPES: dict[str, tuple[str, ...]] = {
    "happiness": ("AU12",),
    "sadness": ("AU1", "AU15"),
    "neutral": (),
    "anger": ("AU4",),
    "surprise": ("AU1", "AU26"),
    "disgust": ("AU9",),
    "fear": ("AU5", "AU20"),
}
_REACH_PX = 9.0


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Script:
    """All that is known of one clip before it is drawn."""

    id: str
    scene: str
    condition: str
    label: str
    identity: int
    au: Float32[np.ndarray, "frame au"]
    shift: Float32[np.ndarray, "frame 2"]
    """Of the head, in px."""
    jaw: Float32[np.ndarray, " frame"]
    light: Float32[np.ndarray, " frame"]
    jitter: Float32[np.ndarray, "frame 2"]
    """Of the camera, in px."""
    seconds: float
    noise_seed: int


def draw_script(rng: np.random.Generator, name: str, label: str, faces: range) -> Script:
    """Draws one clip of a class; everything but the action units is drawn without it."""
    time = np.linspace(0, 1, FRAMES, dtype=np.float32)
    names = list(UNITS)
    au = np.zeros((FRAMES, len(UNITS)), dtype=np.float32)
    apex, width, strength = rng.uniform(0.3, 0.8), rng.uniform(0.12, 0.25), rng.uniform(0.7, 1.0)
    for unit in PROTOTYPES[label]:
        au[:, names.index(unit)] = strength * np.exp(-(((time - apex) / width) ** 2))
    wave = np.sin(2 * np.pi * (rng.uniform(0.5, 1.5) * time + rng.random()))
    return Script(
        id=name,
        scene=name,
        condition="mixed",
        label=label,
        identity=int(rng.choice(faces)),
        au=np.round(au * 128) / 128,  # as the file keeps it
        shift=np.float32(rng.uniform(0, 4)) * np.stack([wave, wave[::-1]], axis=1).astype(np.float32),
        jaw=(rng.uniform(0, 0.6) * (rng.random() < 0.5) * (1 + np.sin(2 * np.pi * 4 * time))).astype(np.float32) / 2,
        light=(1 + rng.uniform(-0.2, 0.2) * time).astype(np.float32),
        jitter=rng.normal(0, 0.5, (FRAMES, 2)).astype(np.float32),
        seconds=round(float(rng.uniform(1.4, 2.6)), 2),
        noise_seed=int(rng.integers(2**31)),
    )


def under(script: Script, condition: str) -> Script:
    """The scene with one kind of irrelevant motion left, all of it, or none."""
    kept = set(CONDITIONS) if condition == "all" else {condition}
    return replace(
        script,
        id=f"{script.id}{CONDITIONS.index(condition)}",
        condition=condition,
        shift=script.shift * ("pose" in kept),
        jaw=script.jaw * ("talk" in kept),
        light=script.light if "light" in kept else np.ones_like(script.light),
        jitter=script.jitter * ("jitter" in kept),
    )


def unit_field(unit: Unit) -> Float32[np.ndarray, "112 112 2"]:
    """Displacement of each pixel by one action unit at full strength: x to the right, y down."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    field = np.zeros((SIDE, SIDE, 2), dtype=np.float32)
    for center, mirror in ((unit.x, 1), (SIDE - unit.x, -1)):
        near = np.exp(-((x - center) ** 2 + (y - unit.y) ** 2) / (2 * _REACH_PX**2))
        field += near[..., np.newaxis] * np.array([mirror * unit.right, unit.down], dtype=np.float32)
    return field


UNIT_FIELDS: Float32[np.ndarray, "au 112 112 2"] = np.stack([unit_field(unit) for unit in UNITS.values()])


def moved_by_expression(
    script: Script, fields: Float32[np.ndarray, "au row column 2"]
) -> Float32[np.ndarray, "frame row column 2"]:
    """Displacement by the action units, on the grid of `fields`."""
    return np.asarray(np.einsum("fa,ayxd->fyxd", script.au, fields))


def moved_otherwise(
    script: Script, fields: Float32[np.ndarray, "au row column 2"]
) -> Float32[np.ndarray, "frame row column 2"]:
    """Displacement by speech, the head and the camera, on the grid of `fields`."""
    talk = script.jaw[:, np.newaxis, np.newaxis, np.newaxis] * fields[list(UNITS).index("AU26")]
    return np.asarray(talk + (script.shift + script.jitter)[:, np.newaxis, np.newaxis])


def draw_frames(script: Script) -> UInt8[np.ndarray, "frame 112 112"]:
    """The clip: one drawn face, displaced, lit and made noisy."""
    face = _face(script.identity)
    moved = moved_by_expression(script, UNIT_FIELDS) + moved_otherwise(script, UNIT_FIELDS)
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    noise = np.random.default_rng(script.noise_seed)
    frames = []
    for field, light in zip(moved, script.light, strict=True):
        shown = cv2.remap(face, x - field[..., 0], y - field[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        frames.append(np.clip(shown * light + noise.normal(0, 1.5, shown.shape), 0, 255))
    return np.stack(frames).astype(np.uint8)


def _face(identity: int) -> Float32[np.ndarray, "112 112"]:
    rng = np.random.default_rng([identity, 7])
    skin, dark, wide = int(rng.integers(130, 210)), int(rng.integers(20, 60)), int(rng.integers(34, 40))
    image = np.full((SIDE, SIDE), int(rng.integers(60, 110)), dtype=np.uint8)
    cv2.ellipse(image, (56, 34), (wide + 6, 34), 0, 0, 360, dark, -1)
    cv2.ellipse(image, (56, 62), (wide, 46), 0, 0, 360, skin, -1)
    for side in (-1, 1):
        cv2.line(image, (56 + side * 24, 39), (56 + side * 9, 37), dark, 3)
        cv2.ellipse(image, (56 + side * 18, 48), (7, 3), 0, 0, 360, 240, -1)
        cv2.circle(image, (56 + side * 18, 48), 3, dark, -1)
        cv2.line(image, (56 + side * 3, 54), (56 + side * 6, 67), skin - 30, 2)
    cv2.ellipse(image, (56, 83), (15, 4), 0, 0, 360, skin // 2, -1)
    cv2.line(image, (42, 83), (70, 83), dark, 1)
    return cv2.GaussianBlur(image, (0, 0), 0.8).astype(np.float32)
