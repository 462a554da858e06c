"""`PriorLearner`: a fusion network, or a baseline, with its clips, as the training loop sees it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from emotrace.errors import UnknownLabel, first_five
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import PriorsConfig
from emotrace.priors.fusion import PriorFusion
from emotrace.priors.inputs import PriorBatch, PriorTable, partly_hidden
from emotrace.priors.losses.cross_entropy import log_class_shares
from emotrace.priors.model import description_of, total_loss
from emotrace.priors.outputs import PriorOutput
from emotrace.training.learner import Item, Losses
from emotrace.training.settings import TrainingSettings

LEARNING_RATE, WEIGHT_DECAY = 2e-3, 1e-2
"""Peak of the one-cycle schedule, and decay of the matrices [ours]."""


def one_cycle(*, epochs: int = 12, batch_size: int = 128, seed: int = 0, **settings: Any) -> TrainingSettings:
    """The settings of section 7: a rise over 30 % of the steps, then a cosine to almost 0; the last epoch is kept."""
    known: dict[str, Any] = {"warmup_share": 0.3, "final_learning_rate": 1e-8, "workers": 0, "evaluate_every": epochs}
    return TrainingSettings(epochs=epochs, batch_size=batch_size, seed=seed, **{**known, **settings})


def items_of(clips: PriorClips) -> list[Item]:
    """The labelled clips, as the training loop names them."""
    return [
        Item(key=key, label=clips.label_names[label], group=None if clips.groups is None else clips.groups[row])
        for row, (key, label) in enumerate(zip(clips.keys, clips.labels.tolist(), strict=True))
        if label >= 0
    ]


class PriorNetwork(Protocol):
    """What a learner asks of a network: `PriorFusion` and the baselines have it."""

    config: PriorsConfig

    def __call__(self, batch: PriorBatch) -> PriorOutput:
        """What the clips look like."""
        ...


class PriorLearner:
    """A network with its clips. Features stay in memory; a batch is a few rows of them.

    Args:
        model: What is trained: `PriorFusion`, or a baseline.
        clips: All clips that items may name. A label comes from the item, so that a guessed one may stand for a clip.
        train: The training items, for the class shares that logit adjustment needs.
        weights: Of clips by key, where it is not 1: those with guessed labels.
        learning_rate: Peak.
        weight_decay: Of matrices; vectors have none.
        l2: Coupled decay, a term of the loss, as torch's Adam has it; the MERBench baseline uses it.
        description: Plain values that tell the network apart in a checkpoint; made from a `PriorFusion` itself.
    """

    def __init__(
        self,
        model: nn.Module,
        clips: PriorClips,
        *,
        train: Sequence[Item] = (),
        weights: Mapping[str, float] | None = None,
        learning_rate: float = LEARNING_RATE,
        weight_decay: float = WEIGHT_DECAY,
        l2: float = 0.0,
        description: Mapping[str, object] | None = None,
    ) -> None:
        settings: PriorsConfig = model.config  # type: ignore[assignment]
        if settings.labels != clips.label_names:
            raise UnknownLabel(
                f"the clips have the labels {first_five(clips.label_names)}",
                where="labels",
                hint=f"The network has {', '.join(settings.labels)}, in this order",
            )
        self.module, self.labels = model, settings.labels
        known = description_of(model) if isinstance(model, PriorFusion) else {}
        rates = {"learning_rate": learning_rate, "weight_decay": weight_decay, "l2": l2}
        self.config: Mapping[str, Any] = {**known, **(description or {}), **rates}
        self._settings = settings
        self._learning_rate, self._weight_decay, self._l2 = learning_rate, weight_decay, l2
        self._weights = dict(weights or {})
        self._table = PriorTable(clips)
        self._row = {key: row for row, key in enumerate(clips.keys)}
        self._number = {label: number for number, label in enumerate(self.labels)}
        self._log_shares = self._shares_of(train)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Matrices with decay, vectors without; both updated by one fused kernel."""
        named = [weight for weight in self.module.parameters() if weight.requires_grad]
        groups = [
            ([weight for weight in named if weight.ndim > 1], self._weight_decay),
            ([weight for weight in named if weight.ndim < 2], 0.0),
        ]
        rate = self._learning_rate
        return [{"params": weights, "lr": rate, "weight_decay": decay, "fused": True} for weights, decay in groups]

    def batch(self, items: Sequence[Item], *, epoch: int, training: bool) -> PriorBatch:
        """The items' rows. Nothing is random here: what is dropped is drawn on the device, with the layers."""
        rows = np.array([self._row[item.key] for item in items], np.int64)
        weights = torch.tensor([self._weights.get(item.key, 1.0) for item in items])
        return self._table.rows(rows, labels=self._targets(items), weights=weights)

    def loss(self, batch: PriorBatch, *, step: int, total_steps: int) -> Losses:
        """The total loss of a batch of which something is hidden, seen once or under two dropout masks."""
        seen = partly_hidden(batch.doubled() if self._settings.views == 2 else batch, self._settings)
        output: PriorOutput = self.module(seen)
        log_shares = None if self._log_shares is None else self._log_shares.to(output.logits.device)
        total, terms = total_loss(output, seen, self._settings, log_shares)
        if self._l2 > 0:
            total = total + 0.5 * self._l2 * sum(weight.square().sum() for weight in self.module.parameters())
        return Losses(total=total, terms=terms)

    def predict(self, batch: PriorBatch) -> Float[Tensor, "clip label"]:
        """Probabilities of the labels."""
        output: PriorOutput = self.module(batch)
        return output.probabilities

    def end_of_epoch(self, epoch: int) -> Mapping[str, float]:
        """Nothing beside the losses."""
        return {}

    def _targets(self, items: Sequence[Item]) -> Int64[Tensor, " clip"]:
        return torch.tensor([self._number.get(item.label, -1) for item in items], dtype=torch.int64)

    def _shares_of(self, train: Sequence[Item]) -> Float[Tensor, " label"] | None:
        sure = [item for item in train if item.key not in self._weights]
        return log_class_shares(self._targets(sure), len(self.labels)) if sure else None
