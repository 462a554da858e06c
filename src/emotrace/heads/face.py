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
    "AU01": (-4.09, -5.51, 5.00, -1.61, -2.30, 3.57, 4.95),
    "AU02": (-2.65, -5.81, 3.23, -0.44, 1.55, -2.16, 6.27),
    "AU04": (5.86, -2.45, 5.68, -2.09, -5.48, 3.01, -4.52),
    "AU05": (-2.87, -4.53, 3.12, -1.12, -1.12, 2.35, 4.17),
    "AU06": (-3.50, 5.02, -0.78, 3.22, -5.13, 0.84, 0.34),
    "AU07": (1.77, 2.14, 1.44, -4.10, -1.26, 0.34, -0.32),
    "AU09": (-0.95, 5.91, -0.85, -0.08, -1.73, -1.83, -0.45),
    "AU10": (-1.63, 6.70, -1.14, -0.22, -1.48, -2.35, 0.13),
    "AU12": (0.52, -1.52, 1.47, 6.72, -1.81, -3.00, -2.39),
    "AU14": (-1.17, 0.01, 0.77, -0.51, -0.89, 1.21, 0.57),
    "AU15": (-4.01, 0.15, 2.04, -2.21, -3.13, 5.66, 1.50),
    "AU16": (-0.81, -0.34, 0.58, 1.75, -0.68, 0.56, -1.06),
    "AU17": (-2.17, 3.16, -0.14, -1.18, -5.07, 5.58, -0.17),
    "AU18": (-1.00, 0.56, -1.99, -0.12, 2.29, -1.73, 1.99),
    "AU20": (-0.57, -2.25, 3.05, -0.42, 0.07, 0.79, -0.68),
    "AU22": (-1.36, 1.35, -2.91, -0.46, 1.89, -1.50, 2.99),
    "AU23": (9.41, -1.93, -1.53, -2.34, -1.25, -2.59, 0.23),
    "AU24": (1.13, 0.45, -0.34, 0.01, -0.35, -0.61, -0.30),
    "AU25": (0.49, 7.41, -2.30, 0.44, -4.01, -1.35, -0.67),
    "AU26": (2.05, -9.06, 2.62, -0.23, 1.91, 1.13, 1.58),
    "AU28": (3.20, -1.13, -2.07, 0.83, -0.12, -0.62, -0.08),
    "AU45": (-0.45, -0.19, -0.02, -0.90, -1.15, 2.67, 0.05),
    "rest": (0.10, -0.01, -1.99, -0.23, 4.62, -0.60, -1.89),
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
