from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from emotrace.encoders.registry import build_encoder
from emotrace.errors import CheckpointMismatch, ChecksumMismatch, ModelNotFound, UnreadableCheckpoint
from emotrace.grace import checkpoints
from emotrace.grace.checkpoints import GraceCard, load_grace, read_card, save_grace, write_card
from emotrace.grace.config import DISCLAIMER, GraceConfig
from emotrace.grace.inputs import GraceInput
from emotrace.grace.model import Grace

pytestmark = pytest.mark.usefixtures("one_thread")

LABELS = ("happy", "sad", "neutral")


def grace(seed: int = 0, **choices: object) -> Grace:
    config = GraceConfig(
        **{"labels": LABELS, "encoder": "tiny", "adaptation": "full", "frames": 2, "motion": "off", **choices}
    )
    return Grace(config, *build_encoder("tiny", seed=seed, adaptation=config.adaptation), seed=seed)


@pytest.fixture(scope="module")
def clips() -> GraceInput:
    frames = torch.rand(2, 2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    times = torch.full((2, 2), float("nan"))
    return GraceInput(
        frames=frames, frame_mask=torch.ones(2, 2, dtype=torch.bool), frame_times_seconds=times, texts=(None, None)
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_grace(grace(seed=5), tmp_path / "last")


def answers(model: Grace, clips: GraceInput) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(clips).logits


def test_what_is_loaded_answers_as_what_was_saved(folder: Path, clips: GraceInput) -> None:
    loaded = load_grace(folder, labels=LABELS)
    assert not loaded.training
    assert torch.equal(answers(loaded, clips), answers(grace(seed=5), clips))
    assert not torch.equal(answers(loaded, clips), answers(grace(seed=6), clips))


def test_another_order_of_labels_is_refused_with_both(folder: Path) -> None:
    with pytest.raises(CheckpointMismatch) as caught:
        load_grace(folder, labels=("sad", "happy", "neutral"))
    assert '["happy", "sad", "neutral"]' in str(caught.value)
    assert '["sad", "happy", "neutral"]' in str(caught.value)


def test_labels_that_contradict_the_configuration_are_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["learner"]["labels"] = ["sad", "happy", "neutral"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointMismatch, match="happy"):
        load_grace(folder)


def test_another_size_of_the_model_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["learner"]["frames"] = 3
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointMismatch, match=r"over_time.position"):
        load_grace(folder)


def test_a_wrong_folder_says_where_weights_are(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="weights below it: last"):
        load_grace(tmp_path)
    with pytest.raises(ModelNotFound, match="no such checkpoint"):
        load_grace(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelNotFound, match="f1/last"):
        load_grace(tmp_path / "empty")


def test_damage_is_told_from_another_system(folder: Path) -> None:
    weights = folder / "weights.safetensors"
    whole, config = weights.read_bytes(), (folder / "config.json").read_text()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ChecksumMismatch):
        load_grace(folder)
    weights.unlink()
    with pytest.raises(UnreadableCheckpoint):
        load_grace(folder)
    weights.write_bytes(whole)
    other = json.loads(config)
    other["learner"] = {"labels": list(LABELS), "layers": 3}
    (folder / "config.json").write_text(json.dumps(other))
    with pytest.raises(UnreadableCheckpoint, match="no configuration of GRACE"):
        load_grace(folder)
    (folder / "config.json").write_text(config[:40])
    with pytest.raises(UnreadableCheckpoint):
        load_grace(folder)


def test_frozen_weights_of_an_encoder_are_named_and_not_copied(
    tmp_path: Path, clips: GraceInput, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "keeps_frozen", lambda encoder: False)
    model = grace(adaptation="frozen")
    whole, slim = tmp_path / "whole", tmp_path / "slim"
    save_grace(model, slim)
    monkeypatch.setattr(checkpoints, "keeps_frozen", lambda encoder: True)
    save_grace(model, whole)
    assert (slim / "weights.safetensors").stat().st_size < (whole / "weights.safetensors").stat().st_size
    assert torch.equal(answers(load_grace(slim), clips), answers(model, clips))
    monkeypatch.setattr(checkpoints, "build_encoder", lambda name, **how: build_encoder(name, **how, seed=1))
    with pytest.raises(CheckpointMismatch, match="rests on frozen weights"):
        load_grace(slim)


def test_only_small_encoders_are_copied() -> None:
    assert checkpoints.keeps_frozen("tiny")
    assert checkpoints.keeps_frozen("embedded")
    assert not checkpoints.keeps_frozen("openai/clip-vit-base-patch16")


def test_a_card_says_what_the_weights_are(folder: Path) -> None:
    assert read_card(folder) is None
    card = GraceCard(
        weights_sha256="0" * 64,
        encoder="tiny",
        frozen_sha256=None,
        corpus="dfew",
        corpus_terms="for academic research",
        protocol_sha256="1" * 64,
        lists_sha256="2" * 64,
        media_folder="Clip/clip_224x224",
        fold="1",
        epochs=25,
        text="fine",
        text_mode="train_only",
        text_source="visual@1",
        sampler="shuffled",
        seed=0,
    )
    write_card(folder, card)
    assert read_card(folder) == card
    assert json.loads((folder / "card.json").read_text())["disclaimer"] == DISCLAIMER
    load_grace(folder)
    (folder / "card.json").write_text("{}")
    with pytest.raises(UnreadableCheckpoint, match="card"):
        read_card(folder)
