"""`Learner`: what a system brings to the training loop. The loop knows batches and losses, and no emotion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One clip to learn from or to be tested on."""

    key: str
    """Unique in its data set, and the same on every machine: it seeds the clip's augmentation."""
    label: str
    group: str | None = None
    """Person or film: a validation split keeps groups whole."""


@dataclass(frozen=True, kw_only=True)
class Losses:
    """The loss of a batch."""

    total: Float[Tensor, ""]
    terms: Mapping[str, float] = field(default_factory=dict)
    """What is logged beside it: terms, gates, shares."""


@runtime_checkable
class Learner(Protocol):
    """A model with its data, as the loop sees it. Epochs are counted from 1, steps from 0."""

    @property
    def module(self) -> nn.Module:
        """Everything that is trained, and every buffer that must survive a resume."""
        ...

    labels: tuple[str, ...]
    """In the order of the predictions' columns; checkpoints keep the names."""
    config: Mapping[str, Any]
    """Plain values that decide what is learned: kept in checkpoints, compared on loading."""

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Groups for AdamW, each with `params`, `lr` and `weight_decay`."""
        ...

    def batch(self, items: Sequence[Item], *, epoch: int, training: bool) -> Any:
        """What `loss` and `predict` take: tensors on the CPU, in a nest of dataclasses, dicts or tuples.

        Randomness comes from (epoch, item.key) alone, never from the global generators, and training=False has none.
        Called from several threads at once where the settings ask for several workers, and while the module learns.
        """
        ...

    def loss(self, batch: Any, *, step: int, total_steps: int) -> Losses:
        """The loss of a batch of `batch`, on the module's device. It calls `module(...)`."""
        ...

    def predict(self, batch: Any) -> Float[Tensor, "batch label"]:
        """Probabilities of a batch, one row per item in their order."""
        ...

    def end_of_epoch(self, epoch: int) -> Mapping[str, float]:
        """What else is logged once an epoch, such as gates; warnings are given here."""
        ...
