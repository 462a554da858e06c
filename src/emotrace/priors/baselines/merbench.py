"""`MERBenchAttention`: the fusion baseline of the MER challenges' organisers, from its description [field: MERTools].

Per modality: dropout on the input, three Linear + ReLU to h. The same block on the concatenation, and a linear layer to
three weights, without a softmax. The weighted sum goes to linear heads. An absent modality is a vector of zeros, as in
the organisers' files. Recipe: Adam, coupled weight decay 1e-5, batch 32, 100 epochs, best validation epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from emotrace.encoders.initialise import drawn_for
from emotrace.priors.config import FEATURES, PriorsConfig
from emotrace.priors.inputs import PriorBatch
from emotrace.priors.outputs import PriorOutput

NETWORK = "merbench"


class MERBenchAttention(nn.Module):
    """The network.

    Args:
        config: Labels, valence, and which terms of the loss are used; see `plain_config`.
        widths: Columns of each modality's features.
        dim: h; 64, 128 or 256 in the organisers' search.
        dropout: 0.2 to 0.5 in their search.
        seed: Draws the weights.
    """

    def __init__(
        self, config: PriorsConfig, widths: Mapping[str, int], *, dim: int = 128, dropout: float = 0.3, seed: int = 0
    ) -> None:
        super().__init__()
        self.config, self.dim, self.dropout = config, dim, dropout
        with drawn_for("baselines.merbench", seed=seed):
            self.encoders = nn.ModuleDict({name: _block(widths[name], dim, dropout) for name in FEATURES})
            self.over_all = _block(len(FEATURES) * dim, dim, dropout)
            self.weigh = nn.Linear(dim, len(FEATURES))
            self.classifier = nn.Linear(dim, len(config.labels))
            self.valence = nn.Linear(dim, 1) if config.has_valence else None

    def forward(self, batch: PriorBatch) -> PriorOutput:
        """What the clips look like. Traces are not looked at."""
        there = batch.present[..., None]
        given = {name: batch.features[name] * there[:, m] for m, name in enumerate(FEATURES)}
        tokens: Float[Tensor, "clip modality dim"] = torch.stack(
            [self.encoders[name](given[name]) for name in FEATURES], dim=1
        )
        attention = self.weigh(self.over_all(tokens.flatten(1)))
        fused = torch.einsum("bm,bmd->bd", attention, tokens)
        return PriorOutput(
            logits=self.classifier(fused),
            valence=None if self.valence is None else self.valence(fused).squeeze(1),
            attention=attention,
        )

    def description(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        return {"network": NETWORK, "config": self.config.to_dict(), "dim": self.dim, "dropout": self.dropout}


def plain_config(config: PriorsConfig) -> PriorsConfig:
    """The same labels with cross-entropy alone, and nothing hidden while training: the organisers' objective."""
    off = ("auxiliary_weight", "contrastive_weight", "modality_dropout", "trace_dropout", "section_dropout")
    return config.model_copy(update={"injection": "none", **dict.fromkeys(off, 0.0)})


def _block(width: int, dim: int, dropout: float) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Dropout(dropout)]
    for columns in (width, dim, dim):
        layers += [nn.Linear(columns, dim), nn.ReLU()]
    return nn.Sequential(*layers)
