"""Weights for tests: a small network of priors, trained on noise. It knows nothing of people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from emotrace.encoders.extract import EMBEDDED, encoder_named
from emotrace.encoders.text import sentence_encoder
from emotrace.files import sha256_of
from emotrace.labels.schemes import scheme
from emotrace.priors.card import FeatureSource, PriorsCard, TraceSource, write_card
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import FEATURES, SECTIONS, PriorsConfig
from emotrace.priors.fusion import PriorFusion
from emotrace.priors.learner import PriorLearner, items_of, one_cycle
from emotrace.training.checkpoint import WEIGHTS
from emotrace.training.loop import fit

SCHEME = "mer6"


def write_tiny_priors(folder: Path, *, traces: bool = True, seed: int = 0, **config: Any) -> Path:
    """Trains on made-up rows of the embedded encoders' widths, and writes what training writes, with a card.

    Args:
        folder: The run's folder; it is made.
        traces: Whether the network learns to read traces.
        seed: Draws rows and weights.
        config: Fields of `PriorsConfig` other than their test defaults.

    Returns:
        The folder of the weights, for `PriorsSystem.load` and `emotrace analyze --weights`.
    """
    encoders = dict(zip(FEATURES, (encoder_named(name) for name in EMBEDDED), strict=True))
    text = sentence_encoder("hashed")
    clips = _noise({name: encoder.width for name, encoder in encoders.items()}, text.width if traces else None, seed)
    settings = PriorsConfig(
        labels=clips.label_names, **{"dim": 16, "embedding_dim": 8, "injection": "gated" if traces else "none"} | config
    )
    model = PriorFusion(settings, clips.widths, clips.trace_width, seed=seed)
    model.standardise(clips)
    items = items_of(clips)
    learner = PriorLearner(model, clips, train=items)
    fit(learner, train=items, test=(), settings=one_cycle(epochs=4, batch_size=16, seed=seed), out=folder)
    weights = folder / "last"
    sources = {
        name: FeatureSource(
            set_name=f"{encoder.name}-UTT",
            width=encoder.width,
            sha256="0" * 64,
            encoder=encoder.name,
            fingerprint=encoder.fingerprint,
            settings={},
        )
        for name, encoder in encoders.items()
    }
    read = TraceSource(
        providers=("embedded/observers@1",),
        text_encoder=text.name,
        text_fingerprint=text.fingerprint,
        text_width=text.width,
        view="full",
        clips=len(clips),
        sha256="0" * 64,
    )
    card = PriorsCard(
        weights_sha256=sha256_of(weights / WEIGHTS),
        corpus="made-up rows",
        corpus_terms="none: noise",
        scheme=SCHEME,
        labels=clips.label_names,
        fold=1,
        seed=seed,
        folds_sha256="0" * 64,
        features=sources,
        traces=read if traces else None,
        train_clips=len(clips),
        guessed_clips=0,
        validation=None,
        test=None,
    )
    write_card(weights, card)
    return weights


def _noise(widths: dict[str, int], trace_width: int | None, seed: int) -> PriorClips:
    rng, labels, count = np.random.default_rng(seed), scheme(SCHEME).labels, 48
    traces = None if trace_width is None else rng.normal(size=(count, len(SECTIONS), trace_width)).astype(np.float32)
    return PriorClips(
        keys=tuple(f"clip{number}" for number in range(count)),
        label_names=labels,
        features={name: rng.normal(size=(count, width)).astype(np.float32) for name, width in widths.items()},
        present=np.ones((count, len(FEATURES)), bool),
        traces=traces,
        rho=np.full((count, len(SECTIONS)), 0.0 if traces is None else 0.5, np.float32),
        labels=rng.integers(0, len(labels), count),
    )
