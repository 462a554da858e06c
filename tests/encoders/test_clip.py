"""CLIP's traps: what transformers returns is not always what one needs. The library's own outputs are the reference."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from torch.nn import functional
from transformers import CLIPModel
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from emotrace.encoders.clip import ClipText, ClipVision, load
from emotrace.encoders.interface import TextEncoder, VisualEncoder
from emotrace.encoders.registry import build_encoder
from emotrace.errors import ModelFileError, ModelNotFound, TextTooLong

MEAN = torch.tensor([0.48145466, 0.4578275, 0.40821073]).view(3, 1, 1)
STD = torch.tensor([0.26862954, 0.26130258, 0.27577711]).view(3, 1, 1)


@pytest.fixture(scope="module")
def towers(clip_folder: Path) -> tuple[ClipVision, ClipText]:
    visual, text = load(str(clip_folder))
    return visual.eval(), text


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.rand(2, 3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


EVERY = torch.ones(2, 3, dtype=torch.bool)


def test_the_towers_fit_the_interfaces(towers: tuple[ClipVision, ClipText]) -> None:
    visual, text = towers
    assert isinstance(visual, VisualEncoder)
    assert isinstance(text, TextEncoder)
    assert (visual.dim, text.dim, visual.patch_grid, visual.image_pixels) == (16, 16, (4, 4), 32)


def test_a_patch_token_is_normed_and_projected(
    towers: tuple[ClipVision, ClipText], library_model: CLIPModel, frames: torch.Tensor
) -> None:
    pixels = (frames.flatten(0, 1) - MEAN) / STD
    with torch.no_grad():
        states = library_model.vision_model(pixel_values=pixels).last_hidden_state[:, 1:]
        expected = library_model.visual_projection(library_model.vision_model.post_layernorm(states))
        bare = library_model.visual_projection(states)
        seen = towers[0].encode_frames(frames, EVERY)
    assert seen.grid == (3, 4, 4)
    torch.testing.assert_close(seen.features, expected.reshape(2, 3 * 16, 16))
    assert not torch.allclose(seen.features, bare.reshape(2, 3 * 16, 16), atol=0.1)


def test_a_frame_feature_is_clips_own_image_embedding(
    towers: tuple[ClipVision, ClipText], library_model: CLIPModel, frames: torch.Tensor
) -> None:
    pixels = (frames.flatten(0, 1) - MEAN) / STD
    with torch.no_grad():
        pooled = library_model.vision_model(pixel_values=pixels).pooler_output
        seen = towers[0].encode_frames(frames, EVERY)
    torch.testing.assert_close(seen.frame_features.flatten(0, 1), library_model.visual_projection(pooled))


def test_the_value_readout_passes_the_last_block_by(
    clip_folder: Path, library_model: CLIPModel, frames: torch.Tensor
) -> None:
    visual, _ = load(str(clip_folder), readout="value")
    with torch.no_grad():
        tower = library_model.vision_model
        states = tower(pixel_values=(frames.flatten(0, 1) - MEAN) / STD, output_hidden_states=True).hidden_states[-2]
        last = tower.encoder.layers[-1]
        values = last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(states[:, 1:])))
        expected = library_model.visual_projection(tower.post_layernorm(values))
        seen = visual.eval().encode_frames(frames, EVERY)
    torch.testing.assert_close(seen.features, expected.reshape(2, 48, 16))


def test_words_are_projected_states_and_a_padded_batch_says_the_same(
    towers: tuple[ClipVision, ClipText], library_model: CLIPModel, library_tokenizer: CLIPTokenizer
) -> None:
    text = towers[1]
    phrases = ["lip corners rise", "inner brows up, lip"]
    ids = [[token.id for token in text.tokenizer.tokens(phrase)] for phrase in phrases]
    padded = library_tokenizer(phrases, padding=True, return_tensors="pt")
    assert library_tokenizer.pad_token_id == library_tokenizer.eos_token_id  # the trap: ids do not tell padding
    with torch.no_grad():
        states = library_model.text_model(**padded).last_hidden_state
        expected = library_model.text_projection(states)
    lengths = padded["attention_mask"].sum(dim=1).tolist()
    for row, words in enumerate(text.encode_tokens(ids)):
        assert words.shape == (lengths[row] - 2, 16)
        torch.testing.assert_close(words, expected[row, 1 : lengths[row] - 1])
    ends = torch.stack([expected[row, length - 1] for row, length in enumerate(lengths)])
    torch.testing.assert_close(text.encode_phrases(phrases), ends)


def test_a_word_does_not_see_what_follows(towers: tuple[ClipVision, ClipText]) -> None:
    text = towers[1]
    first, second = ([token.id for token in text.tokenizer.tokens(t)] for t in ("lip corners rise", "lip corners up"))
    one, other = text.encode_tokens([first, second])
    torch.testing.assert_close(one[:2], other[:2])
    assert not torch.allclose(one[2], other[2], atol=1e-3)


def test_tokens_know_their_characters(towers: tuple[ClipVision, ClipText]) -> None:
    tokenizer = towers[1].tokenizer
    text = "Lip  corners RISE, up"
    assert [text[token.start : token.end] for token in tokenizer.tokens(text)] == ["Lip", "corners", "RISE", ",", "up"]
    assert tokenizer.budget == 77
    assert tokenizer.tokens("") == []
    assert not {tokenizer.start_id, tokenizer.end_id} & {token.id for token in tokenizer.tokens(text)}


def test_a_text_of_75_tokens_is_read_and_one_more_is_refused(towers: tuple[ClipVision, ClipText]) -> None:
    text = towers[1]
    longest = [token.id for token in text.tokenizer.tokens("lip " * 75)]
    assert len(longest) == 75
    assert text.encode_tokens([longest])[0].shape == (75, 16)
    with pytest.raises(TextTooLong, match=r"76 tokens.*reads 75"):
        text.encode_tokens([[*longest, longest[0]]])
    with pytest.raises(TextTooLong):
        text.encode_phrases(["lip " * 76])


def test_empty_texts_and_no_texts(towers: tuple[ClipVision, ClipText]) -> None:
    text = towers[1]
    assert text.encode_tokens([]) == []
    assert text.encode_tokens([[]])[0].shape == (0, 16)
    assert text.encode_phrases([]).shape == (0, 16)
    assert torch.isfinite(text.encode_phrases([""])).all()


def test_texts_are_read_once(clip_folder: Path) -> None:
    _, text = load(str(clip_folder))
    calls = []
    text.tower.register_forward_hook(lambda *_: calls.append(1))
    ids = [[token.id for token in text.tokenizer.tokens("lip corners rise")]]
    first = text.encode_tokens(ids)[0]
    again = text.train().encode_tokens(ids * 3)
    assert len(calls) == 1
    assert all(torch.equal(first, one) for one in again)
    text.encode_phrases(["lip corners rise"])
    assert len(calls) == 1
    assert not first.requires_grad
    assert not any(weight.requires_grad for weight in text.parameters())


def test_masked_frames_are_not_looked_at(towers: tuple[ClipVision, ClipText], frames: torch.Tensor) -> None:
    visual = towers[0]
    mask = torch.tensor([[True, False, True], [False, False, False]])
    spoiled = frames.clone()
    spoiled[~mask] = torch.nan
    sizes = []
    handle = visual.backbone["tower"].embeddings.register_forward_hook(
        lambda _, inputs, __: sizes.append(len(inputs[0]))
    )
    with torch.no_grad():
        seen, clean = visual.encode_frames(spoiled, mask), visual.encode_frames(frames, mask)
    handle.remove()
    assert sizes == [2, 2]
    assert torch.equal(seen.features, clean.features)
    assert torch.equal(seen.frame_mask, mask)
    assert torch.equal(seen.mask, mask.repeat_interleave(16, dim=1))
    assert seen.features.reshape(2, 3, 16, 16)[~mask].eq(0).all()
    assert seen.frame_features[~mask].eq(0).all()


def test_a_nan_in_a_frame_masks_that_frame(towers: tuple[ClipVision, ClipText], frames: torch.Tensor) -> None:
    frames = frames.clone()
    frames[1, 2, 0, 5, 5] = torch.nan
    with torch.no_grad():
        seen = towers[0].encode_frames(frames, EVERY)
    assert seen.frame_mask.tolist() == [[True, True, True], [True, True, False]]
    assert torch.isfinite(seen.features).all()
    assert torch.isfinite(seen.frame_features).all()


def test_a_clip_alone_is_a_clip_in_a_batch(towers: tuple[ClipVision, ClipText], frames: torch.Tensor) -> None:
    visual = towers[0]
    with torch.no_grad():
        batch, alone = visual.encode_frames(frames, EVERY), visual.encode_frames(frames[1:], EVERY[1:])
    torch.testing.assert_close(batch.features[1:], alone.features, rtol=1e-5, atol=1e-6)


def test_frames_of_another_size_are_resized(towers: tuple[ClipVision, ClipText]) -> None:
    visual = towers[0]
    large = torch.rand(1, 1, 3, 90, 70, generator=torch.Generator().manual_seed(2))
    small = functional.interpolate(large[0], size=(32, 32), mode="bicubic", antialias=True).clamp(0, 1)
    mask = torch.ones(1, 1, dtype=torch.bool)
    with torch.no_grad():
        seen, expected = visual.encode_frames(large, mask), visual.encode_frames(small[None], mask)
    torch.testing.assert_close(seen.features, expected.features)


def test_the_pixel_norm_is_kept_with_the_weights(clip_folder: Path, frames: torch.Tensor) -> None:
    clip, _ = load(str(clip_folder))
    unit, _ = load(str(clip_folder), pixel_norm="unit")
    with torch.no_grad():
        before, other = clip.eval().encode_frames(frames, EVERY), unit.eval().encode_frames(frames, EVERY)
        assert not torch.allclose(before.features, other.features, atol=1e-3)
        clip.load_state_dict(unit.state_dict())
        torch.testing.assert_close(clip.encode_frames(frames, EVERY).features, other.features)


@pytest.mark.parametrize("adaptation", ["lora", "full"])
def test_recomputing_gives_the_same_gradients(clip_folder: Path, frames: torch.Tensor, adaptation: str) -> None:
    gradients = []
    for recompute in (False, True):
        visual, _ = build_encoder(str(clip_folder), adaptation=adaptation, gradient_checkpointing=recompute)
        for name, weight in visual.named_parameters():  # LoRA's second factor starts at zero, which hides the first
            if "lora_B" in name:
                torch.nn.init.constant_(weight, 0.01)
        torch.manual_seed(3)  # LoRA's dropout
        seen = visual.train().encode_frames(frames, EVERY)
        (seen.features.square().sum() + seen.frame_features.sum()).backward()
        gradients.append({name: weight.grad for name, weight in visual.named_parameters() if weight.requires_grad})
    plain, recomputed = gradients
    assert plain.keys() == recomputed.keys()
    assert plain
    for name, gradient in plain.items():
        assert gradient is not None, name
        torch.testing.assert_close(gradient, recomputed[name], msg=name)
    assert any(gradient.abs().max() > 0 for gradient in plain.values())


def test_half_precision_on_disk_is_read_as_single(clip_folder: Path, library_model: CLIPModel, tmp_path: Path) -> None:
    shutil.copytree(clip_folder, tmp_path / "half")
    CLIPModel.from_pretrained(clip_folder, dtype=torch.float16).save_pretrained(tmp_path / "half")
    visual, text = load(str(tmp_path / "half"))
    assert {weight.dtype for tower in (visual, text) for weight in tower.parameters()} == {torch.float32}


def test_an_unknown_checkpoint_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ModelNotFound, match=r"nobody/such: no CLIP checkpoint.*Give a CLIP checkpoint"):
        load("nobody/such")
    for path in (tmp_path / "absent", tmp_path):
        with pytest.raises(ModelNotFound, match="Give a CLIP checkpoint"):
            load(str(path))


def test_another_kind_of_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ModelFileError, match="bert"):
        load(str(tmp_path))


def _copy(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target / "copy")
    return target / "copy"


def test_damaged_weights_are_refused(clip_folder: Path, tmp_path: Path) -> None:
    copy = _copy(clip_folder, tmp_path)
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelFileError, match="copy"):
        load(str(copy))


def test_missing_weights_are_not_drawn_at_random(clip_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    copy = _copy(clip_folder, tmp_path)
    weights = load_file(copy / "model.safetensors")
    del weights["visual_projection.weight"]
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelFileError, match=r"visual_projection\.weight"):
        load(str(copy))


def test_pickled_weights_are_not_opened(clip_folder: Path, tmp_path: Path) -> None:
    copy = _copy(clip_folder, tmp_path)
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    with pytest.raises(ModelNotFound):
        load(str(copy))


def test_the_random_generators_are_left_alone(clip_folder: Path) -> None:
    torch.manual_seed(11)
    expected = torch.rand(1)
    torch.manual_seed(11)
    load(str(clip_folder))
    assert torch.equal(torch.rand(1), expected)
