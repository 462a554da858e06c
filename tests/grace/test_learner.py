from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from emotrace.encoders.registry import build_encoder
from emotrace.grace.config import GraceConfig
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.learner import GraceLearner
from emotrace.grace.model import Grace
from emotrace.training.learner import Item

TextOf = Callable[..., AffectText]
LABELS = ("happiness", "sadness", "anger")
ITEMS = [Item(key=f"clip{number}", label=LABELS[number % 3]) for number in range(4)]


class Noise:
    """Four clips of five grey frames."""

    def frame_count(self, key: str) -> int:
        return 5

    def read(self, key: str, indices: Any) -> list[np.ndarray]:
        rng = np.random.default_rng(int(key[-1]))
        pictures = rng.integers(0, 255, (5, 32, 32), dtype=np.uint8)
        return [pictures[index] for index in indices]

    def times_seconds(self, key: str, indices: Any) -> list[float]:
        return [0.1 * index for index in indices]


def learner(texts: dict[str, AffectText] | None = None, **changes: Any) -> GraceLearner:
    config = GraceConfig(labels=LABELS, encoder="tiny", adaptation="full", frames=2, token_pool=2, **changes)
    model = Grace(config, *build_encoder("tiny", adaptation="full"))
    return GraceLearner(model, Noise(), texts=texts or {}, train=ITEMS)


def test_every_weight_is_in_exactly_one_group_and_gates_do_not_decay() -> None:
    brought = learner()
    groups = brought.parameter_groups()
    grouped = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(grouped) == sorted(id(weight) for weight in brought.module.parameters() if weight.requires_grad)
    (gates,) = [g for g in groups if any(weight is brought.module.fusion.local_gate for weight in g["params"])]
    assert gates["weight_decay"] == 0.0
    assert gates["lr"] == pytest.approx(10 * brought.learning_rate)


def test_a_batch_depends_on_epoch_and_key_alone(text_of: TextOf) -> None:
    texts = {item.key: text_of("lips parted", "brows raised", "nose wrinkled") for item in ITEMS}
    brought = learner(texts, phrase_dropout=0.5)
    one = brought.batch(ITEMS, epoch=3, training=True)
    torch.rand(7)
    again = brought.batch(ITEMS[::-1], epoch=3, training=True)
    torch.testing.assert_close(one.clips.frames, again.clips.frames.flip(0))
    for mine, theirs in zip(one.clips.texts, again.clips.texts[::-1], strict=True):
        np.testing.assert_array_equal(mine.affect, theirs.affect)
    whole = brought.batch(ITEMS, epoch=0, training=False)
    assert all((text.affect == texts["clip0"].affect).all() for text in whole.clips.texts)


def test_the_alignment_weight_rises_over_the_first_steps(text_of: TextOf) -> None:
    brought = learner({item.key: text_of("lips parted") for item in ITEMS}, alignment_warmup=0.5, dropout=0.0)
    batch = brought.batch(ITEMS, epoch=1, training=True)
    brought.module.eval()
    early, late = (brought.loss(batch, step=step, total_steps=20) for step in (0, 19))
    assert early.terms["classification"] == pytest.approx(late.terms["classification"])
    extra = [float(loss.total.detach()) - loss.terms["classification"] for loss in (early, late)]
    assert extra[0] == pytest.approx(extra[1] / 10, rel=1e-4)
    assert 0.0 <= late.terms["matching_auc"] <= 1.0


def test_a_class_that_is_not_in_the_batch_changes_nothing_but_its_own_logit() -> None:
    brought = learner(logit_adjustment=1.0)
    batch = brought.batch([item for item in ITEMS if item.label != "anger"], epoch=1, training=True)
    loss = brought.loss(batch, step=0, total_steps=1)
    assert torch.isfinite(loss.total)


def test_a_test_clip_of_an_unknown_label_can_be_answered_for() -> None:
    brought = learner()
    brought.module.eval()
    batch = brought.batch([Item(key="clip0", label="?")], epoch=0, training=False)
    assert batch.targets.tolist() == [-1]
    with torch.no_grad():
        torch.testing.assert_close(brought.predict(batch).sum(dim=1), torch.ones(1))


def test_a_branch_that_stays_shut_is_named_once() -> None:
    brought = learner()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        logged = [brought.end_of_epoch(epoch) for epoch in range(1, 8)]
    assert [str(one.message) for one in heard] == ["after 5 epochs these branches are unused: tracks, local"]
    assert logged[0] == {"gate/tracks": 0.0, "gate/local": 0.0, "gate/text": 0.0}
