"""Stored crops -> training crops as cameras, light, hands and detectors spoil them, with what is then still true.

`landmarks` and `pose` move with the picture; `quality` falls with what hides the face. Units stay what they are, but a
crop of low quality weighs less when they are learned.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from face_head_scenes import CROP, STORED, Samples, pattern

MIRROR = np.array(
    [
        *range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
        45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
        *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), *range(67, 64, -1),
    ]
)  # fmt: skip
"""Which landmark is which in a mirror."""


def spoiled(samples: Samples, number: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """One training sample: crop, landmarks, units, pose, quality."""
    stored, marks, pose = samples.crop[number], samples.landmarks[number].copy(), samples.pose[number].copy()
    quality = float(samples.quality[number])
    if rng.random() < 0.5:
        stored = stored[:, ::-1]
        marks = marks[MIRROR]
        marks[:, 0] = CROP - 1 - marks[:, 0]
        pose[1:] *= -1
    crop, marks, turn, misplaced = moved(np.ascontiguousarray(stored), marks, rng)
    pose[2] += turn
    x, hidden = covered(crop.astype(np.float32), marks, rng)
    x, unclear = degraded(x, rng)
    quality *= misplaced * hidden * unclear
    return x, marks, samples.units[number], pose, np.float32(quality)


def moved(
    stored: np.ndarray, marks: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, float, float]:
    """Shifted, scaled, turned: crop, landmarks, degrees clockwise, factor of quality."""
    far = rng.random() < 0.06
    degrees = rng.normal(0, 12 if far else 3)
    scale = math.exp(rng.normal(0, 0.15 if far else 0.04))
    shift = rng.normal(0, (0.12 if far else 0.015) * CROP, 2)
    half = 0.5 * (STORED - 1)
    matrix = cv2.getRotationMatrix2D((half, half), -degrees, scale)
    matrix[:, 2] += shift - 0.5 * (STORED - CROP)
    edge = (cv2.BORDER_REFLECT_101, cv2.BORDER_REPLICATE, cv2.BORDER_CONSTANT)[rng.integers(3)]
    crop = cv2.warpAffine(stored, matrix, (CROP, CROP), borderMode=edge, borderValue=float(rng.integers(256)))
    marks = (marks + 0.5 * (STORED - CROP)) @ matrix[:, :2].T + matrix[:, 2]
    off = float(np.hypot(*shift)) / CROP + abs(math.log(scale)) + abs(degrees) / 60
    return crop, marks.astype(np.float32), degrees, float(np.clip(1 - 1.5 * max(0.0, off - 0.15), 0.1, 1))


def covered(x: np.ndarray, marks: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Spectacles, and things in front of the face: a hand, a microphone, an edge. The share hidden lowers quality."""
    if rng.random() < 0.07 and np.isfinite(marks).all():
        tone, thick = float(rng.uniform(0, 90)), int(rng.integers(1, 3))
        for eye in (slice(36, 42), slice(42, 48)):
            x_eye, y_eye = (int(v) for v in marks[eye].mean(0))
            axes = (int(rng.integers(12, 16)), int(rng.integers(9, 13)))
            cv2.ellipse(x, (x_eye, y_eye + 1), axes, 0, 0, 360, tone, thick)
        cv2.line(x, *(tuple(int(v) for v in marks[i]) for i in (39, 42)), tone, thick)
    if rng.random() > 0.16:
        return x, 1.0
    mask = np.zeros((CROP, CROP), np.float32)
    for _ in range(rng.integers(1, 4)):
        center = tuple(int(v) for v in rng.uniform(0, CROP, 2))
        axes = tuple(int(v) for v in rng.uniform(5, 38, 2))
        if rng.random() < 0.6:
            cv2.ellipse(mask, center, axes, rng.uniform(0, 180), 0, 360, 1.0, -1)
        else:
            cv2.rectangle(mask, center, (center[0] + axes[0], center[1] + axes[1]), 1.0, -1)
    thing = np.full_like(x, rng.uniform(0, 255)) if rng.random() < 0.5 else pattern(rng, CROP).astype(np.float32)
    share = float(mask[22:104, 18:94].mean())
    return x * (1 - mask) + thing * mask, float(np.clip(1.1 - 2.0 * share, 0.05, 1))


def degraded(x: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, float]:
    """Few pixels, blur, tone, noise, JPEG: the crop as uint8, and the factor of quality."""
    clear = 1.0
    if rng.random() < 0.35:
        small = math.exp(rng.uniform(math.log(18), math.log(100)))
        size = (round(small),) * 2
        x = cv2.resize(x, size, interpolation=cv2.INTER_AREA)
        clear *= float(np.clip((small - 8) / 32, 0.2, 1))
        x = tone(x, rng)
        if rng.random() < 0.5:
            x = jpeg(x, rng)
        x = cv2.resize(x, (CROP, CROP), interpolation=cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC)
    else:
        x = tone(x, rng)
    if rng.random() < 0.3:
        spread = rng.uniform(0.4, 1.5) if rng.random() < 0.75 else rng.uniform(1.5, 6.0)
        x = cv2.GaussianBlur(x, (0, 0), spread)
        clear *= 1 / (1 + (spread / 3.0) ** 2)
    if rng.random() < 0.08:
        length = int(rng.integers(3, 14))
        line = np.zeros((length, length), np.float32)
        cv2.line(line, (0, int(rng.integers(length))), (length - 1, int(rng.integers(length))), 1.0)
        x = cv2.filter2D(x, -1, line / line.sum())
        clear *= 1 / (1 + (length / 11) ** 2)
    if rng.random() < 0.5:
        spread = abs(rng.normal(0, 5))
        x = x + spread * rng.standard_normal(x.shape, dtype=np.float32)
    contrast = float(x[16:100, 16:96].std())
    clear *= float(np.clip(contrast / 14, 0.05, 1))
    x = np.clip(x, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        x = jpeg(x.astype(np.float32), rng).astype(np.uint8)
    return x, clear


def tone(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Other light: gamma, gain, lift, a slope across the picture; sometimes very dark or washed out."""
    gain = rng.uniform(0.03, 0.3) if rng.random() < 0.06 else rng.uniform(0.5, 1.15)
    x = 255 * (np.clip(x, 0, 255) / 255) ** np.float32(math.exp(rng.normal(0, 0.3))) * gain + rng.uniform(0, 30)
    slope = np.linspace(-1, 1, len(x), dtype=np.float32)
    return np.clip(x * (1 + rng.normal(0, 0.2) * slope + rng.normal(0, 0.15) * slope[:, None]), 0, 255)


def jpeg(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Compressed and read again."""
    _, code = cv2.imencode(".jpg", x.astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, int(rng.uniform(15, 90))])
    return cv2.imdecode(code, cv2.IMREAD_GRAYSCALE).astype(np.float32)
