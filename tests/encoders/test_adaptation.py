"""What is trained under each adaptation, and that adapters can be added in and taken out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from emotrace.encoders.adaptation import Lora, merge_adapters, parameter_groups
from emotrace.encoders.registry import build_encoder
from emotrace.errors import UsageError

FRAMES = torch.rand(1, 2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
EVERY = torch.ones(1, 2, dtype=torch.bool)


def _trained(module: torch.nn.Module) -> set[str]:
    return {name for name, weight in module.named_parameters() if weight.requires_grad}


def test_frozen_trains_nothing_and_reads_values(clip_folder: Path) -> None:
    visual, text = build_encoder(str(clip_folder), adaptation="frozen")
    assert _trained(visual) == _trained(text) == set()
    assert visual.readout == "value"
    assert parameter_groups(visual, text, "frozen") == []
    assert not visual.encode_frames(FRAMES, EVERY).features.requires_grad


def test_lora_is_the_default_and_sits_beside_the_projections_of_the_vision_tower(clip_folder: Path) -> None:
    visual, text = build_encoder(str(clip_folder))
    trained = _trained(visual)
    assert visual.readout == "final"
    assert len(trained) == 3 * 4 * 2  # blocks, projections, factors
    assert all("lora_" in name for name in trained)
    assert {name.split(".self_attn.")[1].split(".")[0] for name in trained} == {
        "q_proj",
        "k_proj",
        "v_proj",
        "out_proj",
    }
    assert _trained(text) == set()
    ranks = {weight.shape[0] for name, weight in visual.named_parameters() if "lora_A" in name}
    assert ranks == {Lora().rank} == {8}


def test_lora_starts_as_the_plain_tower_and_its_seed_decides_its_weights(clip_folder: Path) -> None:
    plain, _ = build_encoder(str(clip_folder), adaptation="full")
    torch.manual_seed(1)
    adapted, _ = build_encoder(str(clip_folder), adaptation="lora", seed=5)
    torch.manual_seed(2)
    again, _ = build_encoder(str(clip_folder), adaptation="lora", seed=5)
    torch.testing.assert_close(
        adapted.eval().encode_frames(FRAMES, EVERY).features, plain.eval().encode_frames(FRAMES, EVERY).features
    )
    assert all(torch.equal(weight, again.state_dict()[name]) for name, weight in adapted.state_dict().items())


@pytest.mark.parametrize("readout", ["final", "value"])
def test_merged_adapters_say_the_same(clip_folder: Path, readout: str) -> None:
    visual, _ = build_encoder(str(clip_folder), adaptation="lora", readout=readout)
    visual.eval()
    before = visual.encode_frames(FRAMES, EVERY).features
    generator = torch.Generator().manual_seed(4)
    for name, weight in visual.named_parameters():
        if "lora_B" in name:
            weight.data = 0.05 * torch.randn(weight.shape, generator=generator)
    apart = visual.encode_frames(FRAMES, EVERY).features
    merge_adapters(visual)
    merged = visual.encode_frames(FRAMES, EVERY).features
    merge_adapters(visual, undo=True)
    torch.testing.assert_close(merged, apart, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(visual.encode_frames(FRAMES, EVERY).features, apart, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(apart, before, atol=1e-2)


def test_last_k_trains_the_last_blocks_the_norm_and_the_projection(clip_folder: Path) -> None:
    visual, _ = build_encoder(str(clip_folder), adaptation="last_k")
    blocks = {name.split("layers.")[1][0] for name in _trained(visual) if "layers." in name}
    others = {name for name in _trained(visual) if "layers." not in name}
    assert blocks == {"1", "2"}
    assert {name.rsplit(".", 1)[0] for name in others} == {"backbone.tower.post_layernorm", "backbone.projection"}
    one, _ = build_encoder(str(clip_folder), adaptation="last_k", last_k=1)
    assert {name.split("layers.")[1][0] for name in _trained(one) if "layers." in name} == {"2"}


def test_full_trains_the_vision_tower_alone(clip_folder: Path) -> None:
    visual, text = build_encoder(str(clip_folder), adaptation="full")
    assert _trained(visual) == {name for name, _ in visual.named_parameters()}
    assert _trained(text) == set()


@pytest.mark.parametrize(("adaptation", "rate"), [("lora", 1e-4), ("last_k", 1e-5), ("full", 1e-5)])
def test_groups_hold_every_trained_weight_once_with_the_rates_of_the_table(
    clip_folder: Path, adaptation: str, rate: float
) -> None:
    visual, text = build_encoder(str(clip_folder), adaptation=adaptation)
    groups = parameter_groups(visual, text, adaptation)
    assert {group["lr"] for group in groups} == {rate}
    grouped = [id(weight) for group in groups for weight in group["params"]]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == {id(weight) for weight in visual.parameters() if weight.requires_grad}
    for group in groups:
        assert group["weight_decay"] == (0.05 if group["params"][0].ndim > 1 else 0.0)
        assert len({weight.ndim > 1 for weight in group["params"]}) == 1
    torch.optim.AdamW(groups)


def test_what_was_not_pretrained_takes_large_steps() -> None:
    visual, text = build_encoder("tiny")
    groups = parameter_groups(visual, text, "full")
    assert {group["lr"] for group in groups} == {5e-4}
    grouped = sum(weight.numel() for group in groups for weight in group["params"])
    assert grouped == sum(weight.numel() for tower in (visual, text) for weight in tower.parameters())


def test_tiny_may_be_frozen_or_trained_at_its_end() -> None:
    frozen, words = build_encoder("tiny", adaptation="frozen")
    assert _trained(frozen) == set()
    assert _trained(words) == {"table"}
    last, _ = build_encoder("tiny", adaptation="last_k", last_k=1)
    assert {name.split(".")[1] for name in _trained(last)} == {"blocks", "norm", "pool"}
    assert {name.split(".")[2] for name in _trained(last) if "blocks" in name} == {"1"}


def test_lora_has_no_place_in_a_tower_without_attention() -> None:
    with pytest.raises(UsageError, match=r"'tiny' has no attention.*frozen, last_k or full"):
        build_encoder("tiny", adaptation="lora")
