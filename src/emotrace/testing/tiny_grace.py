"""Weights for tests: GRACE on the tiny encoder, trained for a few steps on drawn faces. They know nothing of people."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.encoders.registry import build_encoder
from emotrace.files import sha256_of
from emotrace.grace.cate import refine
from emotrace.grace.checkpoints import GraceCard, write_card
from emotrace.grace.config import GraceConfig
from emotrace.grace.language.narrative import Narrative, Sentence
from emotrace.grace.learner import GraceLearner
from emotrace.grace.model import Grace
from emotrace.labels.schemes import scheme
from emotrace.testing.drawn_faces import CLASSES, PROTOTYPES, UNITS, Script, draw_frames, draw_script
from emotrace.training.checkpoint import WEIGHTS
from emotrace.training.learner import Item
from emotrace.training.loop import fit
from emotrace.training.settings import TrainingSettings

_AS_IN_DFEW = {"happiness": "happy", "sadness": "sad", "anger": "angry"}


def write_tiny_grace(folder: Path, *, epochs: int = 2, clips_per_class: int = 1, seed: int = 0, **config: Any) -> Path:
    """Trains on made-up clips and writes what training writes; a few seconds on one core.

    Args:
        folder: The run's folder; it is made.
        epochs: How often each clip is seen.
        clips_per_class: How many clips are drawn of each of the seven classes of DFEW.
        seed: Draws clips and weights.
        config: Fields of `GraceConfig` other than their test defaults.

    Returns:
        The folder of the weights, for `GraceSystem.load` and `emotrace analyze --weights`.
    """
    known = {"labels": scheme("dfew").labels, "encoder": "tiny", "adaptation": "full", "token_pool": 2}
    model = Grace(
        GraceConfig(**{**known, "rigid": "median", **config}),
        *build_encoder("tiny", seed=seed, adaptation="full"),
        seed=seed,
    )
    rng = np.random.default_rng(seed)
    scripts = [draw_script(rng, f"{label}{n}", label, range(9)) for n in range(clips_per_class) for label in CLASSES]
    items = [Item(key=script.id, label=_AS_IN_DFEW.get(script.label, script.label)) for script in scripts]
    texts = {script.id: refine(_told(script), model.text.tokenizer) for script in scripts}
    learner = GraceLearner(model, DrawnClips(scripts), texts=texts, train=items, seed=seed)
    settings = TrainingSettings(epochs=epochs, batch_size=len(CLASSES), seed=seed, workers=0)
    weights = fit(learner, train=items, test=(), settings=settings, out=folder).out / "last"
    write_card(weights, _card(model.config, weights, epochs, seed))
    return weights


class DrawnClips:
    """The frames of drawn clips, by id."""

    def __init__(self, scripts: Sequence[Script]) -> None:
        self._frames = {script.id: draw_frames(script) for script in scripts}

    def frame_count(self, key: str) -> int:
        """Frames of a clip."""
        return len(self._frames[key])

    def read(self, key: str, indices: Sequence[int]) -> list[np.ndarray]:
        """Chosen frames of a clip, grey."""
        return [self._frames[key][index] for index in indices]

    def times_seconds(self, key: str, indices: Sequence[int]) -> list[float]:
        """When they came on screen: 8 a second."""
        return [index / 8.0 for index in indices]


def _told(script: Script) -> Narrative:
    return Narrative(sentences=tuple(Sentence(text=UNITS[unit].text) for unit in PROTOTYPES[script.label]))


def _card(config: GraceConfig, weights: Path, epochs: int, seed: int) -> GraceCard:
    return GraceCard(
        weights_sha256=sha256_of(weights / WEIGHTS),
        encoder=config.encoder,
        frozen_sha256=None,
        corpus="drawn faces",
        corpus_terms="none: they were made for the test",
        protocol_sha256="",
        lists_sha256="",
        media_folder="",
        fold="1",
        epochs=epochs,
        text=config.text,
        text_mode=config.text_mode,
        text_source="drawn with them",
        sampler="shuffled",
        seed=seed,
    )
