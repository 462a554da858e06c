"""`TrainingSettings`: how a run trains, apart from what it trains. Defaults are [ours], as the whole protocol."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

from emotrace.errors import UsageError

Precision = Literal["no", "bf16", "fp16"]
SamplerName = Literal["shuffled", "sqrt_inverse", "balanced"]

OF_THE_MACHINE = frozenset({"workers", "checkpoint_every_steps", "keep_frozen", "tensorboard"})
"""Fields that change how fast a run goes or what it leaves behind, and no number of it."""


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Settings of one run. Learning rates and weight decay belong to the learner's parameter groups.

    Raises:
        UsageError: A value that cannot be, named with its field.
    """

    epochs: int = 25
    batch_size: int = 32
    """Clips of one optimiser step, over all processes and accumulation steps: the effective batch."""
    micro_batch_size: int | None = None
    """Clips that one process takes at once; None shares a batch out evenly, in one go.

    A loss that compares the clips of a batch sees this many. With a number here, one process and many see the same.
    """
    sampler: SamplerName = "shuffled"
    """How often a class is seen: as it comes, in proportion to the root of its clips, or as often as any other."""
    warmup_share: float = 0.05
    """Share of all steps over which the learning rates rise from 0."""
    final_learning_rate: float = 1e-6
    """Where the cosine ends; a group that starts below it stays where it is."""
    clip_norm: float | None = 1.0
    """Largest norm of the gradient; None clips nothing."""
    precision: Precision = "no"
    """Arithmetic of the matrix products; weights and losses stay float32. fp16 needs an accelerator."""
    seed: int = 0
    """Seed of the run."""

    validation_share: float = 0.0
    """Share of the training list that is held out to choose by, groups kept whole."""
    patience: int | None = None
    """Epochs without a better validation UAR after which training stops; None never does."""
    evaluate_every: int = 1
    """Epochs from one test to the next. The last epoch is always tested."""

    workers: int = 2
    """Threads that prepare batches ahead; 0 prepares each when it is needed."""
    checkpoint_every_steps: int | None = None
    """Steps from one checkpoint to the next within an epoch; None writes one at each epoch's end only."""
    keep_frozen: bool = True
    """Whether checkpoints hold the frozen weights too. Without them they are small, and whoever loads one must have
    built the model from the same pretrained weights: their hash is kept and compared."""
    tensorboard: bool = False
    """Also write `log/` for TensorBoard."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "evaluate_every"):
            self._demand(name, getattr(self, name) >= 1, "at least 1")
        for name in ("micro_batch_size", "patience", "checkpoint_every_steps"):
            value = getattr(self, name)
            self._demand(name, value is None or value >= 1, "at least 1, or None")
        self._demand("sampler", self.sampler in get_args(SamplerName), f"one of {get_args(SamplerName)}")
        self._demand("precision", self.precision in get_args(Precision), f"one of {get_args(Precision)}")
        self._demand("warmup_share", 0 <= self.warmup_share <= 1, "in 0..1")
        self._demand("validation_share", 0 <= self.validation_share < 1, "at least 0 and below 1")
        self._demand("final_learning_rate", 0 <= self.final_learning_rate < math.inf, "a finite number from 0 up")
        self._demand("clip_norm", self.clip_norm is None or 0 < self.clip_norm < math.inf, "above 0, or None")
        self._demand("workers", self.workers >= 0, "0 or more")

    def _demand(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise UsageError(f"must be {rule}, got {getattr(self, name)!r}", where=name)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values."""
        return asdict(self)

    def decisive(self) -> dict[str, Any]:
        """The settings that decide the numbers of a run: two runs may differ in the others and still be the same."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name not in OF_THE_MACHINE}

    @property
    def sha256(self) -> str:
        """SHA-256 of the decisive settings."""
        return hashlib.sha256(json.dumps(self.decisive(), sort_keys=True).encode()).hexdigest()
