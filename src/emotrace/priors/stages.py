"""The two stages of one fold: semi-supervised pre-training without traces, then tuning with them. Section 7.

That there are these two is known from summaries of the paper [field: summary]; how they are made is [ours]. Neither
function is given the fold's validation clips, so no guessed label can come from a model that saw them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.errors import UsageError
from emotrace.priors.clips import PriorClips, joined
from emotrace.priors.config import PriorsConfig
from emotrace.priors.corpora.scores import softmax
from emotrace.priors.fusion import PriorFusion
from emotrace.priors.learner import LEARNING_RATE, WEIGHT_DECAY, PriorLearner, items_of, one_cycle
from emotrace.priors.model import predict_logits
from emotrace.priors.pseudo_labels import PseudoLabels, Thresholds, admit
from emotrace.progress import Watch
from emotrace.training.learner import Item
from emotrace.training.loop import fit
from emotrace.training.settings import TrainingSettings

MOST_ROUNDS = 2
"""A third round of guesses brought others nothing [field: ZebangCheng/Emotion-LLaMA issue 64]."""


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """How the two stages are trained.

    Raises:
        UsageError: A number that cannot be.
    """

    epochs: int = 12
    tuning_epochs: int = 8
    """Of stage 2; 0 leaves it out."""
    batch_size: int = 128
    learning_rate: float = LEARNING_RATE
    tuning_rate: float = 0.3
    """Stage 2's share of the learning rate."""
    weight_decay: float = WEIGHT_DECAY
    rounds: int = 1
    """How often unlabelled clips are guessed anew; 0 guesses none."""
    thresholds: Thresholds = "balanced"
    guessed_weight: float = 0.5
    """Of a clip with a guessed label, where a labelled one weighs 1."""

    def __post_init__(self) -> None:
        if not 0 <= self.rounds <= MOST_ROUNDS:
            raise UsageError(f"must be 0 to {MOST_ROUNDS}, got {self.rounds}", where="rounds")
        if not (0 < self.guessed_weight <= 1 and self.learning_rate > 0 and self.tuning_rate > 0):
            raise UsageError("weights and rates must be above 0, and a guess weighs at most 1", where="StageSettings")
        if self.epochs < 1 or self.tuning_epochs < 0 or self.batch_size < 1:
            raise UsageError("epochs and batch size must be at least 1", where="StageSettings")

    def training(self, *, epochs: int, seed: int) -> TrainingSettings:
        """As the training loop takes them."""
        return one_cycle(epochs=epochs, batch_size=self.batch_size, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True, eq=False)
class Pretrained:
    """What stage 1 leaves."""

    model: PriorFusion
    clips: PriorClips
    """The labelled training clips, and behind them those with guessed labels."""
    guessed: PseudoLabels | None
    """None where nothing was guessed."""
    guesser: PriorFusion | None
    """The network that guessed."""

    @property
    def guessed_keys(self) -> frozenset[str]:
        """Keys of the clips whose label was guessed."""
        return frozenset(self.clips.keys[len(self.clips) - (0 if self.guessed is None else len(self.guessed.rows)) :])


def pretrain(
    train: PriorClips,
    unlabelled: PriorClips | None,
    config: PriorsConfig,
    settings: StageSettings,
    out: Path,
    *,
    seed: int = 0,
    fold: str = "1",
    watch: Watch | None = None,
) -> Pretrained:
    """Stage 1: learns from labelled clips, guesses the others, and begins anew on both; no trace enters the network.

    Args:
        train: The labelled clips of the fold's training part.
        unlabelled: Clips to guess; their labels, if any, are not looked at.
        config: Of the whole system; its traces and contrast are left out here.
        settings: How to train.
        out: Folder of the runs; each round has its own in it.
        seed: Of weights and order.
        fold: Name of the fold.
        watch: Told how far it is.

    Raises:
        UsageError: No labelled clip.
        EmotraceError: As for `fit`.
    """
    counts = np.bincount(train.labels[train.labels >= 0], minlength=len(train.label_names))
    first = config.pretraining()
    clips, found, guesser = train, None, None
    model = _learned(first, clips, frozenset(), settings, out / "round0", seed=seed, fold=fold, watch=watch)
    for number in range(1, settings.rounds + 1) if unlabelled is not None and len(unlabelled) else ():
        assert unlabelled is not None
        guesser = model
        found = admit(
            softmax(predict_logits(guesser, unlabelled)),
            counts,
            labels=train.label_names,
            thresholds=settings.thresholds,
            verdicts=unlabelled.verdicts,
        )
        guesses = replace(unlabelled.subset(found.rows), labels=found.labels)
        clips = joined(train, guesses)
        keys = frozenset(guesses.keys)
        model = _learned(first, clips, keys, settings, out / f"round{number}", seed=seed, fold=fold, watch=watch)
    return Pretrained(model=model, clips=clips, guessed=found, guesser=guesser)


def tune(
    pretrained: Pretrained,
    config: PriorsConfig,
    settings: StageSettings,
    out: Path,
    *,
    seed: int = 0,
    fold: str = "1",
    watch: Watch | None = None,
) -> PriorFusion:
    """Stage 2: injection and contrast are switched on, and learning goes on at a lower rate.

    What is switched on starts at zero, so that the first answers are stage 1's.
    """
    model = tuning_start(pretrained, config, seed=seed)
    if settings.tuning_epochs == 0:
        return model.eval()
    learner = _learner(model, pretrained.clips, pretrained.guessed_keys, settings, rate=settings.tuning_rate)
    _run(learner, pretrained.clips, settings.training(epochs=settings.tuning_epochs, seed=seed), out, fold, watch)
    return model


def tuning_start(pretrained: Pretrained, config: PriorsConfig, *, seed: int = 0) -> PriorFusion:
    """The network of stage 2 before its first step."""
    model = PriorFusion(config, pretrained.clips.widths, pretrained.clips.trace_width, seed=seed)
    model.continue_from(pretrained.model)
    model.standardise_traces(pretrained.clips)
    return model


def _learned(
    config: PriorsConfig,
    clips: PriorClips,
    guessed: frozenset[str],
    settings: StageSettings,
    out: Path,
    *,
    seed: int,
    fold: str,
    watch: Watch | None,
) -> PriorFusion:
    """A new network, trained on these clips."""
    model = PriorFusion(config, clips.widths, seed=seed)
    model.standardise(clips)
    learner = _learner(model, clips, guessed, settings, rate=1.0)
    _run(learner, clips, settings.training(epochs=settings.epochs, seed=seed), out, fold, watch)
    return model


def _learner(
    model: PriorFusion, clips: PriorClips, guessed: frozenset[str], settings: StageSettings, *, rate: float
) -> PriorLearner:
    return PriorLearner(
        model,
        clips,
        train=items_of(clips),
        weights=dict.fromkeys(guessed, settings.guessed_weight),
        learning_rate=rate * settings.learning_rate,
        weight_decay=settings.weight_decay,
        description={"guessed": len(guessed), "guessed_weight": settings.guessed_weight},
    )


def _run(
    learner: PriorLearner, clips: PriorClips, training: TrainingSettings, out: Path, fold: str, watch: Watch | None
) -> None:
    items: list[Item] = items_of(clips)
    fit(learner, train=items, test=(), settings=training, out=out, fold=fold, watch=watch)
