from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from emotrace.encoders.embedded import ACTION_UNITS, FaceEncoder
from emotrace.encoders.embedded_towers import EmbeddedEncoder, embedded_words
from emotrace.errors import ChecksumMismatch
from emotrace.models import REGISTRY, resolve

SYNTH_DFER = Path(__file__).resolve().parents[3] / "shared" / "data" / "synth_dfer"


@pytest.fixture(scope="module")
def encoder() -> FaceEncoder:
    return FaceEncoder()


@pytest.fixture
def crops() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (5, 112, 112), np.uint8)


def test_shapes_and_size(encoder: FaceEncoder, crops: np.ndarray) -> None:
    found = encoder.encode(crops)
    assert found.map.shape == (5, 64, 14, 14)
    assert found.features.shape == (5, 64)
    assert found.action_units.shape == (5, len(ACTION_UNITS)) == (5, 18)
    assert REGISTRY["face_encoder"].bytes == resolve("face_encoder").stat().st_size < 1_000_000


def test_pictures_do_not_see_each_other(encoder: FaceEncoder, crops: np.ndarray) -> None:
    together, alone = encoder.encode(crops), encoder.encode(crops[3:4])
    np.testing.assert_allclose(together.map[3:4], alone.map, atol=1e-4)
    np.testing.assert_allclose(together.features[3:4], alone.features, atol=1e-4)
    many = encoder.encode(np.concatenate([crops] * 20))
    assert len(many.features) == 100
    np.testing.assert_allclose(many.map[95:], together.map, atol=1e-4)


def test_grey_colour_and_none(encoder: FaceEncoder, crops: np.ndarray) -> None:
    grey, colour = encoder.encode(crops), encoder.encode(np.repeat(crops[..., None], 3, axis=3))
    np.testing.assert_allclose(grey.features, colour.features, atol=1e-4)
    none = encoder.encode(crops[:0])
    assert none.map.shape == (0, 64, 14, 14)


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_crops_are_finite(encoder: FaceEncoder, value: int) -> None:
    found = encoder.encode(np.full((1, 112, 112), value, np.uint8))
    assert all(np.isfinite(array).all() for array in (found.map, found.features, found.action_units))


def test_light_hardly_matters(encoder: FaceEncoder) -> None:
    crop = np.random.default_rng(2).integers(40, 200, (1, 112, 112), np.uint8)
    found, darker = encoder.encode(crop), encoder.encode((crop * 0.5 + 20).astype(np.uint8))
    assert np.abs(found.action_units - darker.action_units).max() < 0.1


def test_it_is_what_torch_computes(encoder: FaceEncoder, crops: np.ndarray) -> None:
    """The wrapper's projections set to the identity show the file's own output."""
    tower = EmbeddedEncoder()
    for layer in (tower.tokens, tower.pooled):
        torch.nn.init.eye_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    frames = torch.from_numpy(np.repeat(crops[None, :, None], 3, axis=2)).float() / 255
    seen = tower.encode_frames(frames, torch.ones(1, 5, dtype=torch.bool))
    found = encoder.encode(crops)
    np.testing.assert_allclose(
        seen.features.detach().reshape(5, 14, 14, 64).permute(0, 3, 1, 2).numpy(), found.map, atol=1e-4
    )
    np.testing.assert_allclose(seen.frame_features[0].detach().numpy(), found.features, atol=1e-4)


def test_only_the_projection_is_trained(crops: np.ndarray) -> None:
    tower = EmbeddedEncoder(dim=32, seed=1)
    frames = torch.rand(1, 2, 3, 90, 90, requires_grad=True)
    seen = tower.encode_frames(frames, torch.tensor([[True, False]]))
    seen.features.square().sum().backward()
    assert frames.grad is None
    assert tower.tokens.weight.grad is not None
    assert {name.split(".")[0] for name, _ in tower.named_parameters()} == {"tokens", "pooled"}
    assert embedded_words(dim=32).encode_phrases(["lip corners rise"]).shape == (1, 32)


def test_it_can_be_copied_and_sent(encoder: FaceEncoder, crops: np.ndarray) -> None:
    sent = pickle.loads(pickle.dumps(copy.deepcopy(encoder)))
    assert np.array_equal(sent.encode(crops).features, encoder.encode(crops).features)


def test_no_torch_is_needed() -> None:
    code = (
        "import sys, numpy; from emotrace.encoders.embedded import FaceEncoder;"
        "FaceEncoder().encode(numpy.zeros((1, 112, 112), numpy.uint8)); print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"


def test_a_file_that_is_not_the_shipped_one_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "face_encoder.onnx").write_bytes(b"something else")
    monkeypatch.setattr("emotrace.models.files", lambda _: tmp_path)
    with pytest.raises(ChecksumMismatch, match="Install emotrace again"):
        FaceEncoder()


def test_action_units_of_rendered_faces_that_it_never_saw(encoder: FaceEncoder) -> None:
    if not SYNTH_DFER.is_dir():
        pytest.skip("needs the rendered clips beside the repository")
    import cv2

    frames, truth = np.load(SYNTH_DFER / "frames_test.npz"), np.load(SYNTH_DFER / "meta_test.npz")
    assert tuple(truth["au_names"].tolist()) == ACTION_UNITS
    blob, offset = frames["blob"], frames["offset"]
    chosen = range(0, 700, 10)
    strips = [cv2.imdecode(blob[offset[i] : offset[i + 1]], cv2.IMREAD_GRAYSCALE) for i in chosen]
    found = encoder.encode(np.stack(strips).reshape(-1, 112, 112)[::2]).action_units
    true = (truth["au"].astype(float) + truth["au_rest"].astype(float)[:, None])[list(chosen)].reshape(-1, 18)[::2]
    for unit, least in {"AU12": 0.8, "AU1": 0.7, "AU4": 0.7, "AU26": 0.6}.items():
        place = ACTION_UNITS.index(unit)
        assert np.corrcoef(found[:, place], true[:, place])[0, 1] > least, unit
