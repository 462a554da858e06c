from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotrace.encoders.embedded import FaceEncoder
from emotrace.encoders.features import PictureEncoder
from emotrace.encoders.pictures import FACE_COLUMNS, ClipRows, FaceRows


def _crops(count: int, pixels: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (count, pixels, pixels, 3), dtype=np.uint8)


def test_a_face_is_features_and_action_units() -> None:
    encoder, crops = FaceRows(), _crops(3, 112)
    assert isinstance(encoder, PictureEncoder)
    rows, seen = encoder.encode(crops), FaceEncoder().encode(crops)
    assert rows.shape == (3, encoder.width) == (3, len(FACE_COLUMNS))
    assert np.array_equal(rows[:, FACE_COLUMNS.index("AU12")], seen.action_units[:, 8])
    assert np.array_equal(rows[:, :64], seen.features)


def test_clip_rows_are_the_librarys_picture_features(clip_folder: Path) -> None:
    pytest.importorskip("transformers", reason="needs the extra [train]")
    import torch
    from transformers import CLIPModel

    encoder, crops = ClipRows(str(clip_folder)), _crops(4, 32)
    assert isinstance(encoder, PictureEncoder)
    mean, std = torch.tensor([0.48145466, 0.4578275, 0.40821073]), torch.tensor([0.26862954, 0.26130258, 0.27577711])
    pixels = ((torch.from_numpy(crops).float() / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.inference_mode():
        model = CLIPModel.from_pretrained(clip_folder, dtype=torch.float32).eval()
        expected = model.visual_projection(model.vision_model(pixel_values=pixels).pooler_output)
    np.testing.assert_allclose(encoder.encode(crops), expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(encoder.encode(crops[1:2])[0], encoder.encode(crops)[1], atol=1e-6)
    assert (encoder.width, encoder.pixels) == (16, 32)
