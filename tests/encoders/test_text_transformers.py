from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers", reason="needs the extra [train]")

import torch
from transformers import BertModel, BertTokenizerFast

from emotrace.encoders.text import sentence_encoder
from emotrace.encoders.text_transformers import TransformersText
from emotrace.errors import ModelFileError, ModelNotFound
from emotrace.testing.tiny_checkpoints import write_bert, write_hubert

TEXT = "the voice is low lip corners rise"


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("bert") / "tiny-bert")


@pytest.fixture(scope="module")
def encoder(bert: Path) -> TransformersText:
    return TransformersText(str(bert))


def test_a_token_is_the_sum_of_the_last_four_layers(bert: Path, encoder: TransformersText) -> None:
    model, tokenizer = BertModel.from_pretrained(bert).eval(), BertTokenizerFast.from_pretrained(bert)
    with torch.inference_mode():
        states = model(**tokenizer(TEXT, return_tensors="pt"), output_hidden_states=True).hidden_states
    expected = sum(state[0, 1:-1] for state in states[-4:]).numpy()
    np.testing.assert_allclose(encoder.encode_tokens(TEXT), expected, atol=1e-6)
    np.testing.assert_allclose(encoder.encode([TEXT])[0], expected.mean(axis=0), atol=1e-6)


def test_long_texts_are_windows_weighed_by_their_tokens(encoder: TransformersText) -> None:
    words = [*(["lip", "corners", "rise"] * 6), "low", "voice"]  # 20 tokens: a window of 14, and one of 6
    tokens = encoder.encode_tokens(" ".join(words))
    first, second = encoder.encode_tokens(" ".join(words[:14])), encoder.encode_tokens(" ".join(words[14:]))
    assert (len(tokens), len(first), len(second)) == (20, 14, 6)
    np.testing.assert_allclose(tokens, np.concatenate([first, second]), atol=1e-5)
    weighed = (14 * first.mean(axis=0) + 6 * second.mean(axis=0)) / 20
    np.testing.assert_allclose(encoder.encode([" ".join(words)])[0], weighed, atol=1e-5)


def test_a_text_does_not_depend_on_its_company(encoder: TransformersText) -> None:
    assert np.array_equal(encoder.encode(["low", TEXT])[1], encoder.encode([TEXT])[0])


def test_no_word_is_zero_and_no_token(encoder: TransformersText) -> None:
    assert not encoder.encode([""]).any()
    assert encoder.encode_tokens("").shape == (0, 24)


def test_its_fingerprint_is_that_of_the_weights_not_of_the_place(bert: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere"
    shutil.copytree(bert, copy)
    encoder, same = TransformersText(str(bert)), TransformersText(str(copy))
    assert same.fingerprint == encoder.fingerprint
    other = write_bert(tmp_path / "other", places=12)
    assert TransformersText(str(other)).fingerprint != encoder.fingerprint
    assert (encoder.name, encoder.width, encoder.mask_token) == ("tiny-bert", 24, "[MASK]")


def test_what_is_no_text_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="hubert"):
        sentence_encoder(str(write_hubert(tmp_path / "hubert")))


def test_what_is_absent_or_damaged_is_an_error_of_ours(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no-such-model"):
        sentence_encoder(str(tmp_path / "no-such-model"))
    damaged = tmp_path / "damaged"
    shutil.copytree(bert, damaged)
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    with pytest.raises(ModelFileError, match="damaged"):
        sentence_encoder(str(damaged))
