"""Checkpoints with random weights, made in a second and saved as the hub's are: a text model and one that hears."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, HubertConfig, HubertModel
from transformers.models.bert.tokenization_bert import BertTokenizer

WORDS = ("lip", "corners", "rise", "the", "voice", "is", "low", "声", "音")


def write_bert(folder: Path, *, places: int = 16) -> Path:
    """Six layers of 24, windows of `places` tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizer(str(folder / "vocab.txt"), model_max_length=places).save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=24,
        num_hidden_layers=6,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=places,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        BertModel(config).save_pretrained(folder)
    return folder


def write_hubert(folder: Path, *, normalised: bool | None = True) -> Path:
    """Five layers of 16 over a short stack of convolutions; None leaves the feature extractor's file out."""
    config = HubertConfig(
        hidden_size=16,
        num_hidden_layers=5,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(8, 8),
        conv_stride=(20, 16),
        conv_kernel=(40, 16),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        HubertModel(config).save_pretrained(folder)
    if normalised is not None:
        about = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "do_normalize": normalised}
        (folder / "preprocessor_config.json").write_text(json.dumps(about))
    return folder
