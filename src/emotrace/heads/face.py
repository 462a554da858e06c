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
    return np.asarray(0.25 * ((between[0] + between[1]) / left + (between[2] + between[3]) / right), np.float32)


def mouth_opening(landmarks: Float32[np.ndarray, "crop 68 2"]) -> Float32[np.ndarray, " crop"]:
    """Distance between the inner lips, mean of three places, over the width of the mouth."""
    gaps = [_distance(landmarks, upper, lower) for upper, lower in ((61, 67), (62, 66), (63, 65))]
    return np.asarray((gaps[0] + gaps[1] + gaps[2]) / (3 * _distance(landmarks, 48, 54)), np.float32)


def _distance(landmarks: Float32[np.ndarray, "crop 68 2"], a: int, b: int) -> Float32[np.ndarray, " crop"]:
    """Between two points, in pixels; at least a tenth of one, so that it can be divided by."""
    apart = np.linalg.norm(landmarks[:, a] - landmarks[:, b], axis=1)
    return np.asarray(np.maximum(apart, 0.1), np.float32)


_MAP: Final[dict[str, tuple[float, ...]]] = {
    "AU01": (-3.42, -6.36, 3.89, -1.30, -2.91, 6.31, 3.79),
    "AU02": (-1.40, -2.13, 3.28, -1.62, -3.55, -1.23, 6.64),
    "AU04": (5.32, -0.46, 2.48, -1.93, -4.42, 3.03, -4.03),
    "AU05": (-0.07, -4.23, 4.32, -2.55, -0.99, -0.91, 4.42),
    "AU06": (-0.93, -0.02, 0.46, 5.65, -3.15, -0.60, -1.41),
    "AU07": (4.41, 0.11, 1.52, -3.10, -1.39, 0.21, -1.76),
    "AU09": (-1.02, 7.28, -1.08, 0.28, -2.07, -3.66, 0.27),
    "AU10": (-0.97, 4.73, -0.90, 1.41, -1.04, -3.37, 0.14),
    "AU12": (-2.52, 2.32, -1.32, 6.85, -3.14, -0.31, -1.86),
    "AU14": (0.25, -3.12, 0.75, 1.07, -0.88, 1.62, 0.31),
    "AU15": (-0.77, 5.47, -0.04, -2.12, -3.76, 4.92, -3.71),
    "AU16": (-0.30, 1.22, 1.24, 1.34, -2.78, -0.67, -0.04),
    "AU17": (-1.46, 4.25, -1.71, -3.54, -2.72, 4.85, 0.33),
    "AU18": (1.37, 0.44, -0.31, -1.24, 0.07, 0.30, -0.64),
    "AU20": (-2.50, -3.27, 6.70, 2.02, -0.41, -1.00, -1.55),
    "AU22": (1.19, 2.25, 0.24, -0.91, -1.04, 0.34, -2.08),
    "AU23": (5.96, -0.42, -2.38, -1.42, -0.12, -1.04, -0.58),
    "AU24": (1.49, -0.91, -0.81, 0.55, 0.48, -0.24, -0.56),
    "AU25": (-0.61, 4.51, -1.02, 1.17, -2.24, -1.85, 0.04),
    "AU26": (-0.41, -5.48, 0.94, -1.17, 0.76, 2.01, 3.36),
    "AU28": (1.77, -1.42, -0.93, 0.90, 0.14, -0.61, 0.15),
    "AU45": (-0.21, 0.47, 0.05, -0.30, -0.13, 0.45, -0.32),
    "rest": (-0.57, -0.50, -1.36, -0.12, 5.07, -1.30, -1.21),
}
"""Log odds of each of `EXPRESSIONS` for a face at rest, and what each unit adds at full intensity [ours]: multinomial
logistic regression on units *as this head reads them* from rendered expressions and from neutral and smiling portraits,
scaled by one temperature (`recipes/face_head_report.py`)."""


def expression_odds(units: Float32[np.ndarray, "crop unit"]) -> Float32[np.ndarray, "crop 7"]:
    """Probabilities of `EXPRESSIONS` for units that `FaceHead` read: what the face looks like, not what anybody feels.

    Fitted and calibrated on rendered faces that pose textbook expressions; of photographs only smiling and neutral
    ones were seen. The card says how far that carries.
    """
    weights = np.array([_MAP[name] for name in UNITS], np.float32)
    logits = units @ weights + np.array(_MAP["rest"], np.float32)
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)
