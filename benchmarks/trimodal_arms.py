"""What is compared in the trimodal world: networks, and what each is shown while it learns and while it is tested."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Int64
from torch import nn
from trimodal_draw import LABELS

from emotrace.priors.baselines.merbench import MERBenchAttention, plain_config
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import FEATURES, PriorsConfig
from emotrace.priors.fusion import PriorFusion
from emotrace.priors.learner import PriorLearner, items_of, one_cycle
from emotrace.training.checkpoint import load_checkpoint
from emotrace.training.learner import Item
from emotrace.training.loop import fit
from emotrace.training.settings import TrainingSettings

View = Callable[[PriorClips], PriorClips]
"""What is shown of the clips."""


def as_they_are(clips: PriorClips) -> PriorClips:
    """Everything."""
    return clips


def trusted(clips: PriorClips) -> PriorClips:
    """Every section claims to be fully reliable."""
    return replace(clips, rho=np.ones_like(clips.rho))


def lying(clips: PriorClips) -> PriorClips:
    """The traces of another clip, claimed to be fully reliable."""
    assert clips.traces is not None
    order = np.random.default_rng(len(clips)).permutation(len(clips))
    return replace(trusted(clips), traces=clips.traces[order])


def silent(clips: PriorClips) -> PriorClips:
    """No traces."""
    return replace(clips, rho=np.zeros_like(clips.rho))


def lacking(name: str) -> View:
    """One modality and its section are absent."""
    place = FEATURES.index(name)

    def view(clips: PriorClips) -> PriorClips:
        present, rho = clips.present.copy(), clips.rho.copy()
        present[:, place], rho[:, place] = False, 0.0
        return replace(clips, present=present, rho=rho)

    return view


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One network to train in each fold, and the test sets that it answers."""

    name: str
    config: Mapping[str, Any] = field(default_factory=dict)
    """What differs from the defaults of `PriorsConfig`."""
    learns_from: View = as_they_are
    tests: Mapping[str, View] = field(default_factory=dict)
    """Name of a row of the table -> what is shown then; the arm's own row comes first."""
    baseline: Literal["own recipe", "our schedule"] | None = None
    """MERBench's attention network instead of `PriorFusion`: trained as its authors do, or as ours is."""
    world: Mapping[str, float] = field(default_factory=dict)
    """What differs from the defaults of `World`."""

    def rows(self) -> dict[str, View]:
        """All rows of this arm."""
        return {self.name: self.learns_from, **self.tests}


RATE = 1e-3
"""The larger of the two learning rates of the baseline's authors."""
WITHOUT_CONTRAST = {"contrastive_weight": 0.0}
CORE = (
    Arm(name="MERBench attention, own recipe", baseline="own recipe"),
    Arm(name="MERBench attention, our schedule", baseline="our schedule"),
    Arm(name="none, CE only", config={"injection": "none", **WITHOUT_CONTRAST}),
    Arm(name="none", config={"injection": "none"}),
    Arm(
        name="gated",
        tests={
            "gated, traces removed at test": silent,
            "gated, lied to at test": lying,
            **{f"gated, no {name} at test": lacking(name) for name in FEATURES},
        },
    ),
    Arm(name="concat", config={"injection": "concat"}, tests={"concat, lied to at test": lying}),
    Arm(name="expert", config={"injection": "expert"}, tests={"expert, lied to at test": lying}),
    Arm(name="gated, lying provider", learns_from=lying),
    Arm(name="gated, rho = 1", learns_from=trusted),
)
"""What the acceptance asks for."""

CONTRASTS = (
    Arm(name="none, kappa = 1", config={"injection": "none", **WITHOUT_CONTRAST, "logit_adjustment": 1.0}),
    Arm(name="none, kappa = 0.25", config={"injection": "none", "logit_adjustment": 0.25}),
    *(
        Arm(name=f"gated, {variant}", config={"contrast": variant})
        for variant in ("features", "bcl", "supcon", "dualcl")
    ),
    Arm(name="gated, class means", config={"outer": "class"}),
    Arm(name="gated, two views", config={"views": 2}),
    Arm(name="gated, CE only", config=WITHOUT_CONTRAST),
)
"""The loss and its relatives."""

TRUST = tuple(
    Arm(name=f"{mode}, {label} {value}", config={"injection": mode}, world={knob: value})
    for knob, label, values in (
        ("verdict_right", "verdicts right", (0.2, 0.4, 0.6)),
        ("good_share", "good sections", (0.25, 0.5, 1.0)),
    )
    for value in values
    for mode in ("gated", "concat")
)
"""How the traces' worth changes what they bring; the world differs from row to row."""


def learned(
    arm: Arm, drawn: PriorClips, rows: Int64[np.ndarray, " chosen"], *, seed: int, fold: str, epochs: int | None
) -> nn.Module:
    """The arm's network after learning from some of the training clips.

    Args:
        arm: What is trained.
        drawn: All training clips of the world.
        rows: Those to learn from; the others are the fold's own, by which the baseline's recipe picks its epoch.
        seed: Of initial weights and order: arms share both.
        fold: Name of the fold.
        epochs: Instead of the recipe's own number.
    """
    clips = arm.learns_from(drawn)
    train = clips.subset(rows)
    config = PriorsConfig(labels=LABELS, **arm.config)
    more = {} if epochs is None else {"epochs": epochs}
    with tempfile.TemporaryDirectory() as name:
        if arm.baseline == "own recipe":
            held = items_of(clips.subset(np.setdiff1d(np.arange(len(clips)), rows)))
            return _by_own_recipe(config, clips, items_of(train), held, Path(name), seed=seed, fold=fold, **more)
        model: nn.Module
        if arm.baseline is not None:
            model = MERBenchAttention(plain_config(config), clips.widths, seed=seed)
            learner = PriorLearner(model, clips, description=model.description())
        else:
            model = PriorFusion(config, clips.widths, clips.trace_width, seed=seed)
            model.standardise(train)
            learner = PriorLearner(model, clips, train=items_of(train))
        fit(learner, train=items_of(train), test=(), settings=one_cycle(seed=seed, **more), out=Path(name), fold=fold)
        return model


def _by_own_recipe(
    config: PriorsConfig,
    clips: PriorClips,
    train: Sequence[Item],
    held: Sequence[Item],
    folder: Path,
    *,
    seed: int,
    fold: str,
    epochs: int = 100,
) -> nn.Module:
    """Adam with coupled decay at one rate, batches of 32, the epoch that does best on the held-out fold."""
    model = MERBenchAttention(plain_config(config), clips.widths, seed=seed)
    learner = PriorLearner(model, clips, learning_rate=RATE, weight_decay=0.0, l2=1e-5, description=model.description())
    settings = TrainingSettings(
        epochs=epochs, batch_size=32, warmup_share=0.0, final_learning_rate=RATE, clip_norm=None, seed=seed, workers=0
    )
    fit(learner, train=train, validation=held, test=(), settings=settings, out=folder, fold=fold)
    load_checkpoint(folder / "best").load_into(model)
    return model
