from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs the extra [train]")

import torch
from transformers import HubertModel

from emotrace.encoders.audio import TransformersSound
from emotrace.errors import ModelFileError
from emotrace.testing.sounds import RATE, blocks, voice
from emotrace.testing.tiny_checkpoints import write_bert, write_hubert


@pytest.fixture(scope="module")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hubert(tmp_path_factory.mktemp("hubert") / "tiny-hubert")


def _expected(folder: Path, samples: np.ndarray, *, normalised: bool) -> np.ndarray:
    values = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7) if normalised else samples
    with torch.inference_mode():
        model = HubertModel.from_pretrained(folder).eval()
        states = model(torch.tensor(values[None], dtype=torch.float32), output_hidden_states=True).hidden_states
    return sum(state[0] for state in states[-4:]).numpy()


@pytest.mark.parametrize("normalised", [True, False])
def test_a_frame_is_the_sum_of_the_last_four_layers(tmp_path: Path, normalised: bool) -> None:
    folder = write_hubert(tmp_path / "model", normalised=normalised)
    samples = voice(120.0, 0.5).astype(np.float32)
    found = TransformersSound(str(folder)).encode_sound(blocks(samples))
    assert found is not None
    expected = _expected(folder, samples, normalised=normalised)
    np.testing.assert_allclose(found.frames, expected, atol=1e-4)
    np.testing.assert_allclose(found.utterance, expected.mean(axis=0), atol=1e-4)


def test_without_its_extractor_a_model_is_judged_by_its_norms(tmp_path: Path) -> None:
    folder = write_hubert(tmp_path / "model", normalised=None)
    assert TransformersSound(str(folder)).fingerprint.endswith("raw-1")  # feat_extract_norm is "group"


def test_blocks_change_nothing_and_long_sound_is_read_in_pieces(hubert: Path) -> None:
    encoder = TransformersSound(str(hubert))
    samples = np.tile(voice(150.0, 1.0), 34)[: int(33.5 * RATE)].astype(np.float32)
    whole = encoder.encode_sound(blocks(samples, block_samples=len(samples)))
    parts = encoder.encode_sound(blocks(samples, block_samples=7000))
    assert whole is not None
    assert parts is not None
    assert np.array_equal(whole.frames, parts.frames)
    head = encoder.encode_sound(blocks(samples[: 30 * RATE]))
    assert head is not None
    assert np.array_equal(whole.frames[: len(head.frames)], head.frames)


def test_a_short_rest_stays_with_the_piece_before_it(hubert: Path) -> None:
    samples = np.tile(voice(150.0, 1.0), 31)[: int(30.5 * RATE)].astype(np.float32)
    found = TransformersSound(str(hubert)).encode_sound(blocks(samples))
    assert found is not None
    assert len(found.frames) == len(_expected(hubert, samples, normalised=True))


def test_sound_too_short_to_hear_gives_nothing(hubert: Path) -> None:
    assert TransformersSound(str(hubert)).encode_sound(blocks(np.zeros(100))) is None
    assert TransformersSound(str(hubert)).encode_sound(iter(())) is None


def test_what_does_not_hear_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="bert"):
        TransformersSound(str(write_bert(tmp_path / "bert")))
