"""Alignment: where the eyes are inside a rough face square, so that crops of one face can be compared.

Two rounds of linear regression on histograms of oriented gradients move, scale and turn the square until the eyes lie
where `Pose` says (supervised descent, Xiong & De la Torre 2013). The weights are `align.npz`; `docs/cards/align.md`
says on what they were trained and how far they can be trusted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.media.faces import Detection
from emotrace.models import resolve

FIT_PIXELS: Final = 64
"""Side of the picture that the regression looks at."""
LARGEST_STEP: Final = 0.25
"""[ours] No round moves or scales the square by more than this share of its side: it starts near a face or not at all.
"""

_Grey = UInt8[np.ndarray, "height width"]
_Picture = UInt8[np.ndarray, "height width *channel"]


@dataclass(frozen=True, kw_only=True)
class Pose:
    """A face square that may be turned: its middle and side in pixels, its roll in radians.

    The eye line lies `EYE_LINE` of the side below the square's top, the pupils `EYE_DISTANCE` of the side apart.
    """

    x: float
    y: float
    side: float
    roll: float = 0.0
    """Positive when the head leans clockwise in the picture."""

    @classmethod
    def of(cls, detection: Detection) -> Pose:
        """The upright square of a detection."""
        x, y = detection.center
        return cls(x=x, y=y, side=detection.width)

    def step(self, dx: float, dy: float, dlog_side: float, droll: float) -> Pose:
        """The pose moved by shares of its own side along its own axes, scaled and turned."""
        cos, sin = math.cos(self.roll), math.sin(self.roll)
        return Pose(
            x=self.x + self.side * (cos * dx - sin * dy),
            y=self.y + self.side * (sin * dx + cos * dy),
            side=self.side * math.exp(dlog_side),
            roll=self.roll + droll,
        )

    def crop(self, image: _Picture, pixels: int) -> UInt8[np.ndarray, "{pixels} {pixels} *channel"]:
        """The square of a grey or coloured picture, upright, `pixels` wide; the outside mirrors the inside."""
        shrink = self.side / pixels
        x, y, side = self.x, self.y, self.side
        if shrink > 1.6:
            # Warping samples single pixels: shrink by area first, or fine texture turns into noise.
            image, left, top = _surroundings(image, self)
            size = (max(1, round(image.shape[1] / shrink)), max(1, round(image.shape[0] / shrink)))
            scale_x, scale_y = size[0] / image.shape[1], size[1] / image.shape[0]
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            x, y, side = (x - left + 0.5) * scale_x - 0.5, (y - top + 0.5) * scale_y - 0.5, side * scale_x
        cos, sin = math.cos(self.roll) * side / pixels, math.sin(self.roll) * side / pixels
        half = 0.5 * (pixels - 1)
        to_picture = np.array([[cos, -sin, x - (cos - sin) * half], [sin, cos, y - (sin + cos) * half]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop = cv2.warpAffine(image, to_picture, (pixels, pixels), flags=flags, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(crop, np.uint8)

    def share_inside(self, width: int, height: int) -> float:
        """Share of the square, taken as upright, that lies inside a picture of that size: 0..1."""
        half = 0.5 * self.side
        wide = max(0.0, min(self.x + half, width) - max(self.x - half, 0.0))
        high = max(0.0, min(self.y + half, height) - max(self.y - half, 0.0))
        return wide * high / (self.side * self.side)


def _surroundings(image: _Picture, pose: Pose) -> tuple[UInt8[np.ndarray, "part_height part_width *channel"], int, int]:
    """The part of the picture that the turned square can reach, with its left and top."""
    reach = 0.5 * pose.side * (abs(math.cos(pose.roll)) + abs(math.sin(pose.roll))) + 2.0
    left = min(max(0, int(pose.x - reach)), image.shape[1] - 1)
    top = min(max(0, int(pose.y - reach)), image.shape[0] - 1)
    right, bottom = max(left + 1, math.ceil(pose.x + reach)), max(top + 1, math.ceil(pose.y + reach))
    return image[top:bottom, left:right], left, top


@cache
def _hog() -> cv2.HOGDescriptor:
    return cv2.HOGDescriptor((FIT_PIXELS, FIT_PIXELS), (16, 16), (8, 8), (8, 8), 9)


def gradient_histograms(crop: UInt8[np.ndarray, "64 64"]) -> Float32[np.ndarray, "7 7 36"]:
    """Block-normalised histograms of oriented gradients (Dalal & Triggs 2005): row, column, 4 cells of 9 directions."""
    # OpenCV walks down the columns first.
    return np.asarray(_hog().compute(crop), np.float32).reshape(7, 7, 36).transpose(1, 0, 2)


Weights = tuple[Float32[np.ndarray, "round feature 4"], Float32[np.ndarray, "round 4"]]
"""Weight and bias of each round of regression."""


@cache
def mean_face() -> Float32[np.ndarray, "7 7 36"]:
    """Gradient histograms of the average aligned face."""
    with np.load(resolve("align"), allow_pickle=False) as stored:
        return np.asarray(stored["mean"], np.float32)


@cache
def _shipped() -> Weights:
    with np.load(resolve("align"), allow_pickle=False) as stored:
        return np.asarray(stored["weight"], np.float32), np.asarray(stored["bias"], np.float32)


def align(grey: _Grey, rough: Pose, *, weights: Weights | None = None) -> Pose:
    """The pose that puts the eyes in their place, from one that lies near the face.

    Args:
        grey: The picture.
        rough: Off by at most about a sixth of its side, a quarter in scale, and 25 degrees.
        weights: None for the shipped ones.
    """
    pose = rough
    for weight, bias in zip(*(weights or _shipped()), strict=True):
        step = gradient_histograms(pose.crop(grey, FIT_PIXELS)).reshape(-1) @ weight + bias
        dx, dy, dlog_side, droll = np.clip(step, -LARGEST_STEP, LARGEST_STEP).tolist()
        pose = pose.step(dx, dy, dlog_side, droll)
    return pose
