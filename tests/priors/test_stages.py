"""The two stages: where guesses may come from, where tuning starts, and that a run can be repeated and resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace.errors import TrainingDiverged, UnknownLabel, UsageError
from emotrace.priors.clips import PriorClips, joined
from emotrace.priors.config import PriorsConfig
from emotrace.priors.fusion import PriorFusion
from emotrace.priors.inputs import PriorBatch
from emotrace.priors.learner import PriorLearner, items_of, one_cycle
from emotrace.priors.model import answers, load_prior_fusion, predict_logits
from emotrace.priors.stages import Pretrained, StageSettings, pretrain, tune, tuning_start
from emotrace.testing.tiny_priors import LABELS, tiny_clips
from emotrace.training.learner import Losses
from emotrace.training.loop import fit

QUICK = StageSettings(epochs=4, tuning_epochs=2, batch_size=32)


def config(**values: Any) -> PriorsConfig:
    return PriorsConfig(**{"labels": LABELS, "dim": 32, "embedding_dim": 16, **values})


def marked(clips: PriorClips, label: np.ndarray | None, *, seed: int = 0) -> PriorClips:
    """The same clips with a marker in the last columns: the label far out, or, without one, noise."""
    features = {name: x.copy() for name, x in clips.features.items()}
    rng = np.random.default_rng(seed)
    for x in features.values():
        x[:, -3:] = rng.normal(size=(len(clips), 3)) + (0.0 if label is None else 8.0 * np.eye(3)[label])
    return replace(clips, features=features, present=np.ones_like(clips.present))


def guesses(train: PriorClips, unlabelled: PriorClips, out: Path, **values: Any) -> Pretrained:
    return pretrain(train, unlabelled, config(**values), QUICK, out)


def test_guesses_follow_a_marker_only_where_the_model_was_shown_it(tmp_path: Path) -> None:
    """Validation clips carry a marker that gives their label away; unlabelled ones carry it too, and lie.

    A model that saw the validation clips follows it; the fold's own model never did, and does not.
    """
    world = tiny_clips(300, spread=0.6, whole=True, traces=False)
    train, validation = world.subset(np.arange(200)), world.subset(np.arange(200, 300))
    hidden = tiny_clips(80, first=1000, spread=0.6, whole=True, traces=False)
    lies = (hidden.labels + 1) % 3
    unlabelled = replace(marked(hidden, lies), labels=np.full(80, -1))
    train, told = marked(train, None, seed=1), marked(validation, validation.labels, seed=2)
    honest = guesses(train, unlabelled, tmp_path / "honest")
    leaking = guesses(joined(train, told), unlabelled, tmp_path / "leaking")
    assert honest.guesser is not None
    assert leaking.guesser is not None
    followed = [(predict_logits(each.guesser, unlabelled).argmax(1) == lies).mean() for each in (honest, leaking)]
    assert followed[1] > 0.8
    assert followed[0] < 0.5
    assert not set(honest.clips.keys) & set(validation.keys)


def test_labels_of_unlabelled_clips_are_not_looked_at(tmp_path: Path) -> None:
    train, others = tiny_clips(120), tiny_clips(60, first=1000)
    known = guesses(train, others, tmp_path / "a")
    hidden = guesses(train, replace(others, labels=np.full(60, -1)), tmp_path / "b")
    assert known.guessed is not None
    assert hidden.guessed is not None
    np.testing.assert_array_equal(known.guessed.labels, hidden.guessed.labels)
    np.testing.assert_array_equal(predict_logits(known.model, others), predict_logits(hidden.model, others))


@pytest.mark.parametrize("mode", ["concat", "expert", "gated"])
def test_stage_2_starts_at_the_answers_of_stage_1(mode: str, tmp_path: Path) -> None:
    train, test = tiny_clips(120), tiny_clips(50, first=500)
    first = pretrain(train, None, config(injection=mode), QUICK, tmp_path)
    start = tuning_start(first, config(injection=mode), seed=9)
    np.testing.assert_array_equal(predict_logits(start, test), predict_logits(first.model, test))
    tuned = tune(first, config(injection=mode), QUICK, tmp_path / "tuned")
    assert not np.array_equal(predict_logits(tuned, test), predict_logits(first.model, test))


def test_no_trace_is_read_in_stage_1(tmp_path: Path) -> None:
    clips = tiny_clips(120)
    assert clips.traces is not None
    other = replace(clips, traces=clips.traces[::-1].copy())
    found = [pretrain(each, None, config(), QUICK, tmp_path / str(n)).model for n, each in enumerate((clips, other))]
    np.testing.assert_array_equal(predict_logits(found[0], clips), predict_logits(found[1], clips))


def test_a_seed_repeats_to_the_bit_and_another_does_not(tmp_path: Path) -> None:
    train, unlabelled, test = tiny_clips(120), tiny_clips(60, first=1000, labelled=False), tiny_clips(40, first=500)

    def run(name: str, seed: int) -> np.ndarray:
        first = pretrain(train, unlabelled, config(), QUICK, tmp_path / name, seed=seed)
        return predict_logits(tune(first, config(), QUICK, tmp_path / name / "tuned", seed=seed), test)

    one = run("one", 3)
    np.testing.assert_array_equal(run("two", 3), one)
    np.testing.assert_array_equal(run("one", 3), one)  # read back from its folder
    assert not np.array_equal(run("three", 4), one)


class Stopped(Exception):
    """What stops a run in the middle of an epoch."""


class Stopping(PriorLearner):
    """Stops at a step."""

    stop_at: int | None = None

    def loss(self, batch: PriorBatch, *, step: int, total_steps: int) -> Losses:
        if step == self.stop_at:
            raise Stopped
        return super().loss(batch, step=step, total_steps=total_steps)


def test_a_run_that_was_cut_short_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    clips = tiny_clips(90)

    def run(folder: str, stop_at: int | None) -> None:
        model = PriorFusion(config(), clips.widths, clips.trace_width)
        model.standardise(clips)
        learner = Stopping(model, clips)
        learner.stop_at = stop_at
        settings = one_cycle(epochs=3, batch_size=32, checkpoint_every_steps=2)
        fit(learner, train=items_of(clips), test=(), settings=settings, out=tmp_path / folder)

    run("whole", None)
    with pytest.raises(Stopped):
        run("cut", 5)
    run("cut", None)
    weights = [tmp_path / folder / "last" / "weights.safetensors" for folder in ("whole", "cut")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_weights_are_read_back_with_their_scales(tmp_path: Path) -> None:
    train, test = tiny_clips(120), tiny_clips(40, first=500)
    tuned = tune(pretrain(train, None, config(), QUICK, tmp_path), config(), QUICK, tmp_path / "tuned")
    read = load_prior_fusion(tmp_path / "tuned" / "last")
    np.testing.assert_array_equal(predict_logits(read, test), predict_logits(tuned, test))


def trained(clips: PriorClips, out: Path, *, epochs: int = 6, **values: Any) -> PriorFusion:
    model = PriorFusion(config(**values), clips.widths, clips.trace_width)
    model.standardise(clips)
    learner = PriorLearner(model, clips, train=items_of(clips))
    fit(learner, train=items_of(clips), test=(), settings=one_cycle(epochs=epochs, batch_size=32), out=out)
    return model


@pytest.mark.parametrize(
    "values",
    [
        {"injection": "none"},
        {"injection": "concat", "contrast": "bcl"},
        {"injection": "expert", "contrast": "supcon", "views": 2},
        {"injection": "gated", "contrast": "features", "outer": "class", "prototypes": "free"},
        {"contrast": "dualcl", "crossmodal_weight": 0.2, "logit_adjustment": 1.0},
        {"fusion": "attention_raw", "keys": "own+joint", "has_valence": True, "column_dropout": False},
        {"fusion": "concat", "contrastive_weight": 0.0},
    ],
)
def test_every_arm_learns_what_there_is_to_learn(values: dict[str, Any], tmp_path: Path) -> None:
    train, test = tiny_clips(240, valence=True, spread=3), tiny_clips(100, first=2000, valence=True, spread=3)
    found = answers(trained(train, tmp_path, **values), test)
    assert (found.logits.argmax(1) == test.labels).mean() > 0.9
    assert (found.valence is not None) == values.get("has_valence", False)


def test_a_trusted_trace_is_learned_from(tmp_path: Path) -> None:
    """Features say nothing here, traces all."""
    train, test = tiny_clips(300, spread=0.0), tiny_clips(200, first=2000, spread=0.0)
    accuracy = {
        mode: (predict_logits(trained(train, tmp_path / mode, injection=mode), test).argmax(1) == test.labels).mean()
        for mode in ("none", "gated")
    }
    assert accuracy["gated"] > accuracy["none"] + 0.15


def test_one_clip_of_a_class_and_a_batch_of_one_can_be_learned_from(tmp_path: Path) -> None:
    clips = tiny_clips(33)
    lonely = replace(clips, labels=np.array([2, *([0, 1] * 16)]))
    model = PriorFusion(config(), lonely.widths, lonely.trace_width)
    model.standardise(lonely)
    learner = PriorLearner(model, lonely, train=items_of(lonely))
    done = fit(
        learner, train=items_of(lonely), test=(), settings=one_cycle(epochs=1, batch_size=1), out=tmp_path / "ones"
    )
    assert np.isfinite(done.last.loss)
    assert np.isfinite(predict_logits(model, lonely.subset([0]))).all()


def test_an_exploding_rate_stops_with_the_clips_named(tmp_path: Path) -> None:
    clips = tiny_clips(60)
    model = PriorFusion(config(injection="none"), clips.widths)
    learner = PriorLearner(model, clips, learning_rate=1e30)
    with pytest.raises(TrainingDiverged, match="clip000"):
        fit(learner, train=items_of(clips), test=(), settings=one_cycle(epochs=3, batch_size=16), out=tmp_path)


def test_other_labels_and_impossible_settings_are_refused() -> None:
    clips = tiny_clips(9)
    model = PriorFusion(PriorsConfig(labels=("a", "b", "c"), injection="none"), clips.widths)
    with pytest.raises(UnknownLabel, match="The network has a, b, c"):
        PriorLearner(model, clips)
    for wrong in ({"rounds": 3}, {"guessed_weight": 0.0}, {"epochs": 0}, {"batch_size": 0}):
        with pytest.raises(UsageError):
            StageSettings(**wrong)
