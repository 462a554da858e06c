from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from emotrace.encoders.interface import TextEncoder, VisualEncoder
from emotrace.encoders.registry import build_encoder
from emotrace.encoders.towers import TextTower, VisualTower
from emotrace.errors import ModelNotFound


@pytest.fixture(params=["tiny", "embedded", "clip"])
def towers(request: pytest.FixtureRequest, clip_folder: Path) -> tuple[VisualTower, TextTower]:
    return build_encoder(str(clip_folder) if request.param == "clip" else request.param)


def test_every_encoder_keeps_the_contract(towers: tuple[VisualTower, TextTower]) -> None:
    visual, text = towers
    assert isinstance(visual, VisualEncoder)
    assert isinstance(text, TextEncoder)
    assert visual.dim == text.dim
    pixels, (rows, columns) = visual.image_pixels, visual.patch_grid
    frames = torch.rand(1, 2, 3, pixels, pixels)
    seen = visual.eval().encode_frames(frames, torch.tensor([[True, False]]))
    assert seen.grid == (2, rows, columns)
    assert seen.features.shape == (1, 2 * rows * columns, visual.dim)
    assert seen.frame_features.shape == (1, 2, visual.dim)
    assert seen.frame_mask.tolist() == [[True, False]]
    phrase = "lip corners rise"
    ids = [token.id for token in text.tokenizer.tokens(phrase)]
    assert text.encode_tokens([ids])[0].shape == (3, text.dim)
    assert text.encode_phrases([phrase, "inner brows up"]).shape == (2, text.dim)
    assert text.tokenizer.budget == 77


def test_weights_survive_saving(towers: tuple[VisualTower, TextTower], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for number, tower in enumerate(towers):
        before = {name: weight.clone() for name, weight in tower.state_dict().items()}
        save_file({name: weight.contiguous() for name, weight in before.items()}, tmp_path / f"{number}.safetensors")
        for weight in tower.parameters():
            weight.data.zero_()
        tower.load_state_dict(load_file(tmp_path / f"{number}.safetensors"))
        assert all(torch.equal(weight, before[name]) for name, weight in tower.state_dict().items())


def test_an_unknown_name_is_taken_for_a_clip_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound, match="tinny"):
        build_encoder("tinny")


def test_tiny_needs_no_transformers() -> None:
    code = (
        "import sys; from emotrace.encoders.registry import build_encoder; build_encoder('tiny');"
        "print({'transformers', 'peft', 'onnxruntime'} & set(sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
