"""A CLIP checkpoint with random weights, small enough to be made in a second, and saved as the hub's are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import CLIPConfig, CLIPModel
from transformers.models.clip.tokenization_clip import CLIPTokenizer

WORDS = ("lip", "corners", "rise", "inner", "brows", "up")
START, END = "<|startoftext|>", "<|endoftext|>"


def _alphabet() -> list[str]:
    """The 256 bytes as printable characters, in the order of CLIP's own vocabulary."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [256 + number for number in range(256 - len(printable))]
    return [chr(code) for code in printable + others]


def _merges() -> list[str]:
    """What joins the letters of `WORDS` from the left, the last one carrying the mark of a word's end."""
    merges = []
    for word in WORDS:
        letters = [*word[:-1], f"{word[-1]}</w>"]
        joined = letters[0]
        for letter in letters[1:]:
            merges.append(f"{joined} {letter}")
            joined += letter
    return list(dict.fromkeys(merges))


def _save_tokenizer(folder: Path) -> int:
    merges = _merges()
    words = [*_alphabet(), *(f"{letter}</w>" for letter in _alphabet()), *(merge.replace(" ", "") for merge in merges)]
    vocabulary = {word: number for number, word in enumerate([*words, START, END])}
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    settings = {"model_max_length": 77, "bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "CLIPTokenizer", **settings}))
    return len(vocabulary)


def make_checkpoint(folder: Path) -> Path:
    """Vision 32 px in patches of 8, 3 blocks of 32; text 2 blocks of 24; shared space of 16."""
    size = _save_tokenizer(folder)
    text = {"vocab_size": size, "hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 2}
    text |= {"num_attention_heads": 2, "bos_token_id": size - 2, "eos_token_id": size - 1, "pad_token_id": size - 1}
    vision = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
    vision |= {"image_size": 32, "patch_size": 8}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = CLIPModel(config)
        for name, weight in model.named_parameters():  # so that norms and biases are seen to be there
            if name.endswith("bias") or "norm" in name:
                torch.nn.init.normal_(weight, mean=1.0 if name.endswith("weight") else 0.0, std=0.3)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_checkpoint(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="session")
def library_model(clip_folder: Path) -> CLIPModel:
    """The same checkpoint as transformers itself reads it."""
    return CLIPModel.from_pretrained(clip_folder, dtype=torch.float32).eval()


@pytest.fixture(scope="session")
def library_tokenizer(clip_folder: Path) -> CLIPTokenizer:
    return CLIPTokenizer.from_pretrained(clip_folder)
