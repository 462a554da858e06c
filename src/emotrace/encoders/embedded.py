"""The shipped face network: small, frozen, on ONNX Runtime, so that neither torch nor a download is needed.

It was trained on rendered faces only, to tell action units apart in single frames; `docs/cards/face_encoder.md` has its
scores. `embedded_towers.py` puts it behind the interface of the other encoders.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.heads.runtime import Network

PIXELS: Final = 112
GRID: Final = (14, 14)
DIM: Final = 64
ACTION_UNITS: Final = (
    *("AU1", "AU2", "AU4", "AU5", "AU6", "AU7", "AU9", "AU10", "AU12"),
    *("AU14", "AU15", "AU16", "AU17", "AU20", "AU23", "AU24", "AU25", "AU26"),
)
_BATCH: Final = 64
"""Pictures at once: memory stays flat however long the clip is."""


@dataclass(frozen=True, kw_only=True)
class FaceFeatures:
    """What the network gives for each picture."""

    map: Float32[np.ndarray, "picture 64 14 14"]
    """One feature per patch of 8 x 8 pixels."""
    features: Float32[np.ndarray, "picture 64"]
    action_units: Float32[np.ndarray, "picture 18"]
    """Intensity of each of `ACTION_UNITS`, about 0..1, the face's resting look included. Not clipped."""


class FaceEncoder:
    """Aligned face crops -> features.

    Args:
        model: Another ONNX file of the same inputs and outputs; by default the shipped one, verified by its SHA-256.

    Raises:
        ModelNotFound: The shipped file is not there.
        ChecksumMismatch: It is not the one that was shipped.
    """

    def __init__(self, model: Path | None = None) -> None:
        self._network = Network("face_encoder", model)

    def encode(self, crops: UInt8[np.ndarray, "picture 112 112 *channel"]) -> FaceFeatures:
        """Features of grey or RGB crops; of RGB the mean of the three is seen."""
        grey = crops if crops.ndim == 3 else crops.mean(axis=3, dtype=np.float32)
        return self.encode_grey(np.asarray(grey, np.float32) / np.float32(255))

    def encode_grey(self, grey: Float32[np.ndarray, "picture 112 112"]) -> FaceFeatures:
        """Features of grey crops in 0..1."""
        if not len(grey):  # which the runtime refuses
            shapes = ((DIM, *GRID), (DIM,), (len(ACTION_UNITS),))
            maps, features, units = (np.zeros((0, *shape), np.float32) for shape in shapes)
            return FaceFeatures(map=maps, features=features, action_units=units)
        parts = [
            self._network.run(("map", "features", "action_units"), {"grey": grey[start : start + _BATCH, None]})
            for start in range(0, len(grey), _BATCH)
        ]
        maps, features, units = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        return FaceFeatures(map=maps, features=features, action_units=units)
