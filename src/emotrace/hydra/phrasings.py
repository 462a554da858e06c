"""The cues of the simulated world in words: six phrasings each, four for training and two held out. [ours]."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Literal

import numpy as np

Split = Literal["train", "held_out"]
TRAINING_PHRASINGS = 4


@cache
def phrasings() -> dict[str, tuple[str, ...]]:
    """Cue key -> its six texts."""
    record = tomllib.loads(files("emotrace.hydra").joinpath("tables/phrasings.toml").read_text(encoding="utf-8"))
    said = {cue: tuple(f"says '{text}'" for text in texts) for cue, texts in record.pop("verbal").items()}
    return {cue: tuple(texts) for sense in record.values() for cue, texts in sense.items()} | said


def phrase(cue: str, rng: np.random.Generator, split: Split) -> str:
    """One of the split's texts for a cue."""
    texts = phrasings()[cue]
    part = texts[:TRAINING_PHRASINGS] if split == "train" else texts[TRAINING_PHRASINGS:]
    return part[int(rng.integers(len(part)))]
