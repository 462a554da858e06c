"""The baselines learn, answer a clip alike in every batch, and refuse what they cannot use."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from emotrace.errors import UsageError
from emotrace.priors.baselines.merbench import MERBenchAttention, plain_config
from emotrace.priors.baselines.mult import MulT
from emotrace.priors.baselines.search import BUDGET, random_settings
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import PriorsConfig
from emotrace.priors.inputs import PriorTable
from emotrace.priors.learner import PriorLearner, items_of
from emotrace.priors.model import predict_logits
from emotrace.testing.tiny_priors import LABELS, WIDTHS, tiny_clips
from emotrace.training.loop import fit
from emotrace.training.settings import TrainingSettings

CONFIG = plain_config(PriorsConfig(labels=LABELS))


def with_frames(clips: PriorClips, *, seed: int = 0) -> PriorClips:
    """Each vector as a sequence of noisy copies, of a length of its own per clip and modality."""
    rng = np.random.default_rng(seed)
    frames = {
        name: [(row + 0.3 * rng.normal(size=(int(rng.integers(2, 7)), len(row)))).astype(np.float32) for row in rows]
        for name, rows in clips.features.items()
    }
    return replace(clips, frames=frames)


def build(name: str) -> nn.Module:
    if name == "merbench":
        return MERBenchAttention(CONFIG, WIDTHS, dim=32)
    options = {"causal": True, "last_step": True} if name == "mult as written" else {}
    return MulT(CONFIG, WIDTHS, dim=16, layers=1, **options)


NAMES = ("merbench", "mult", "mult as written")


@pytest.mark.parametrize("name", NAMES)
def test_a_clip_is_answered_alike_in_every_batch(name: str) -> None:
    clips, model = with_frames(tiny_clips(20)), build(name).eval()
    whole = predict_logits(model, clips)
    alone = np.concatenate([predict_logits(model, clips.subset([row])) for row in range(20)])
    np.testing.assert_allclose(alone, whole, atol=5e-6)


@pytest.mark.parametrize("name", NAMES)
def test_what_lies_in_an_absent_slot_is_not_read(name: str) -> None:
    clips, model = with_frames(tiny_clips(20)), build(name).eval()
    gone = clips.present.copy()
    gone[:, 1] = False
    gone[:, 0] = True
    noisy = dict(clips.features) | {"vocal": clips.features["vocal"] * 0 + 99}
    loud = dict(clips.frames) | {"vocal": [x + 99 for x in clips.frames["vocal"]]}
    found = predict_logits(model, replace(clips, present=gone, features=noisy, frames=loud))
    np.testing.assert_array_equal(found, predict_logits(model, replace(clips, present=gone)))


@pytest.mark.parametrize("name", ["merbench", "mult"])
def test_it_learns_and_its_checkpoint_says_what_it_is(name: str, tmp_path: Path) -> None:
    train, test = with_frames(tiny_clips(150, spread=3)), with_frames(tiny_clips(60, first=2000, spread=3), seed=1)
    model = build(name)
    learner = PriorLearner(model, train, learning_rate=3e-3, weight_decay=0.0, l2=1e-5, description=model.description())
    settings = TrainingSettings(epochs=8, batch_size=32, workers=0, evaluate_every=8)
    fit(learner, train=items_of(train), test=(), settings=settings, out=tmp_path)
    assert (predict_logits(model, test).argmax(1) == test.labels).mean() > 0.85
    assert learner.config["network"] == name.split()[0]
    assert learner.config["l2"] == 1e-5


def test_the_attention_of_the_organisers_has_no_softmax() -> None:
    clips, model = tiny_clips(9), build("merbench").eval()
    attention = model(PriorTable(clips).rows(np.arange(9))).attention
    assert attention is not None
    assert (attention.sum(1) - 1).abs().min() > 1e-4


def test_coupled_decay_is_that_of_adam() -> None:
    clips = tiny_clips(9)
    model = build("merbench").eval()
    learners = [PriorLearner(model, clips, l2=each) for each in (0.0, 0.1)]
    batch = learners[0].batch(items_of(clips), epoch=1, training=True)
    gradients = []
    for learner in learners:
        model.zero_grad()
        learner.loss(batch, step=0, total_steps=1).total.backward()
        gradients.append(model.classifier.weight.grad.clone())
    torch.testing.assert_close(gradients[1] - gradients[0], 0.1 * model.classifier.weight.detach())


def test_mult_refuses_utterance_features_with_the_reason() -> None:
    with pytest.raises(UsageError, match="nothing to attend to"):
        predict_logits(build("mult"), tiny_clips(9))


def test_every_baseline_has_the_same_budget_of_settings_in_its_authors_ranges() -> None:
    for name in ("merbench", "mult"):
        tried = random_settings(name, seed=3)
        assert len(tried) == BUDGET
        assert tried == random_settings(name, seed=3)
        assert len({str(each) for each in tried}) > 6
    assert all(each["dim"] in {64, 128, 256} and 0.2 <= each["dropout"] <= 0.5 for each in random_settings("merbench"))
