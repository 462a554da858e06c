"""The face head: aligned crops -> landmarks, action units, pose, openings, and how far the crop can be trusted.

One small network (`face.onnx`) reads single grey crops; it measures shapes, not how anybody feels. What it learned
from, its errors on people it never saw, and what it cannot do stand in `docs/cards/face.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.heads.runtime import Network

UNITS: Final[tuple[str, ...]] = (
    *("AU01", "AU02", "AU04", "AU05", "AU06", "AU07", "AU09", "AU10", "AU12", "AU14", "AU15"),
    *("AU16", "AU17", "AU18", "AU20", "AU22", "AU23", "AU24", "AU25", "AU26", "AU28", "AU45"),
)
"""Action units (Ekman & Friesen 1978) in the order of `FaceReading.units`."""
EXPRESSIONS: Final[tuple[str, ...]] = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
"""Classes of `expression_odds`."""
PIXELS: Final = 112
_BATCH: Final = 64
"""Crops at once: memory stays flat however many there are."""


@dataclass(frozen=True, kw_only=True)
class FaceReading:
    """What the head gives: one row per crop."""

    landmarks: Float32[np.ndarray, "crop 68 2"]
    """Multi-PIE points, x and y in pixels of the crop; they may lie a little outside of it."""
    units: Float32[np.ndarray, "crop unit"]
    """Intensity 0..1 of each of `UNITS`; 1 is the strongest the unit gets (a FACS E)."""
    pose_degrees: Float32[np.ndarray, "crop 3"]
    """Pitch (positive looks down), yaw (positive to the viewer's right), roll (positive clockwise), within the crop."""
    eye_opening: Float32[np.ndarray, " crop"]
    """Distance between the lids over the width of the eye, mean of both eyes."""
    mouth_opening: Float32[np.ndarray, " crop"]
    """Distance between the inner lips over the width of the mouth."""
    quality: Float32[np.ndarray, " crop"]
    """0..1: how far the crop is a face that can be measured. Low without a face, and in dark, blur and occlusion."""


class FaceHead:
    """Aligned crops -> `FaceReading`.

    Args:
        model: Another ONNX file of the same inputs and outputs; by default the shipped one, verified by its SHA-256.
    """

    def __init__(self, model: Path | None = None) -> None:
        self._network = Network("face", model)

    def read(self, crops: UInt8[np.ndarray, "crop 112 112"]) -> FaceReading:
        """Reads grey crops as `media.tracking` makes them (`TrackedFace.crop`).

        Raises:
            ModelNotFound: The shipped file is not there.
            ChecksumMismatch: It is not the one that was shipped.
        """
        shapes = ((0, 68, 2), (0, len(UNITS)), (0, 3), (0,))
        parts = [[np.zeros(shape, np.float32) for shape in shapes]]
        for start in range(0, len(crops), _BATCH):
            grey = crops[start : start + _BATCH, None].astype(np.float32) / np.float32(255)
            parts.append(self._network.run(("landmarks", "units", "pose", "quality"), {"grey": grey}))
        landmarks, units, pose, quality = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return FaceReading(
            landmarks=landmarks,
            units=units,
            pose_degrees=pose,
            eye_opening=eye_opening(landmarks),
            mouth_opening=mouth_opening(landmarks),
            quality=quality,
        )


def eye_opening(landmarks: Float32[np.ndarray, "crop 68 2"]) -> Float32[np.ndarray, " crop"]:
    """Distance between the lids over the width of the eye (Soukupova & Cech 2016), mean of both eyes."""
    between = [_distance(landmarks, upper, lower) for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46))]
    left, right = _distance(landmarks, 36, 39), _distance(landmarks, 42, 45)
    return 0.25 * ((between[0] + between[1]) / left + (between[2] + between[3]) / right)


def mouth_opening(landmarks: Float32[np.ndarray, "crop 68 2"]) -> Float32[np.ndarray, " crop"]:
    """Distance between the inner lips, mean of three places, over the width of the mouth."""
    gaps = [_distance(landmarks, upper, lower) for upper, lower in ((61, 67), (62, 66), (63, 65))]
    return (gaps[0] + gaps[1] + gaps[2]) / (np.float32(3) * _distance(landmarks, 48, 54))


def _distance(landmarks: Float32[np.ndarray, "crop 68 2"], a: int, b: int) -> Float32[np.ndarray, " crop"]:
    """Between two points, in pixels; at least a tenth of one, so that it can be divided by."""
    apart = np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=1)
    return np.asarray(np.maximum(apart, 0.1), np.float32)
