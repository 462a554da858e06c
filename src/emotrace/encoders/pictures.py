"""Crops of a face as rows of numbers: the shipped face network, or CLIP through transformers. One crop at a time."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.encoders.checkpoints import fingerprint_of, short_name
from emotrace.encoders.embedded import ACTION_UNITS, DIM, PIXELS, FaceEncoder
from emotrace.models import REGISTRY

FACE_COLUMNS: Final = (*(f"feature:{number}" for number in range(DIM)), *ACTION_UNITS)


class FaceRows:
    """The encoder `face`: 64 features and 18 action-unit intensities of the shipped network; see `PictureEncoder`."""

    modality: Literal["visual"] = "visual"
    name = "face"
    width = len(FACE_COLUMNS)
    pixels = PIXELS

    def __init__(self) -> None:
        self._network = FaceEncoder()
        self.fingerprint = f"face-{REGISTRY['face_encoder'].sha256[:32]}-1"

    def encode(self, crops: UInt8[np.ndarray, "picture side side 3"]) -> Float32[np.ndarray, "picture width"]:
        """Colour is not seen."""
        seen = self._network.encode(crops)
        return np.concatenate([seen.features, seen.action_units], axis=1)


class ClipRows:
    """CLIP's picture feature: what it was trained to align with texts; see `PictureEncoder`.

    Args:
        checkpoint: A name of the hub, or a folder.

    Raises:
        MissingExtra, ModelNotFound, ModelFileError: As `clip.load`.
    """

    modality: Literal["visual"] = "visual"

    def __init__(self, checkpoint: str) -> None:
        from emotrace.encoders.clip import load

        self._tower, _ = load(checkpoint)
        self._tower.eval().requires_grad_(False)
        self.name = short_name(checkpoint)
        self.width = self._tower.dim
        self.pixels = self._tower.image_pixels
        self.fingerprint = f"clip-{fingerprint_of(self._tower)}-{self.pixels}-1"

    def encode(self, crops: UInt8[np.ndarray, "picture side side 3"]) -> Float32[np.ndarray, "picture width"]:
        """In CLIP's shared space, not normalised."""
        import torch

        frames = torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float() / 255
        with torch.inference_mode():
            rows = self._tower.encode_frames(frames[None], torch.ones(1, len(crops), dtype=torch.bool)).frame_features
        return np.asarray(rows[0].numpy(), np.float32)
