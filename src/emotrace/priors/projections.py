"""From wide vectors to tokens: standardisation, column dropout and the layers that read features and traces."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from emotrace.priors.config import FEATURES, SECTIONS, PriorsConfig
from emotrace.priors.inputs import FrameSequence, PriorBatch

_CONSTANT = 1e-6
"""A column that varies less is centred only: a scale would blow up its noise."""


class WideLinear(nn.Module):
    """A linear layer on standardised columns, of which training reads one random half a step.

    Column dropout draws the half once for the whole batch, reads only it and doubles it, so that a step costs half;
    in our trial it scored as well as dropout of single elements [ours].

    Args:
        width: Columns of the input.
        dim: Columns of the output.
        drops: Whether training drops columns.
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, width: int, dim: int, *, drops: bool) -> None:
        super().__init__()
        self.linear = nn.Linear(width, dim)
        self.drops = drops and width > 1
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))

    def forward(self, x: Float[Tensor, "... width"]) -> Float[Tensor, "... dim"]:
        """Any number of leading axes; all of them lose the same columns."""
        weight, shift, scale = self.linear.weight, self.centre, self.scale
        if self.training and self.drops:
            width = x.shape[-1]
            half = torch.randperm(width, device=x.device)[: (width + 1) // 2].sort().values
            x, weight = x.index_select(-1, half), weight.index_select(1, half)
            shift, scale = shift[half], scale[half] * (width / len(half))
        return functional.linear(torch.addcmul(-shift * scale, x, scale), weight, self.linear.bias)

    def standardise(self, rows: Float32[np.ndarray, "row width"]) -> None:
        """Takes mean and deviation from these rows; without rows nothing changes."""
        if not len(rows):
            return
        deviation, mean = torch.std_mean(torch.from_numpy(rows), dim=0, correction=0)
        self.centre.copy_(mean)
        self.scale.copy_(1.0 / deviation.where(deviation >= _CONSTANT, 1.0))


class FramePooling(nn.Module):
    """Attention over frames with one learned query: a clip's vector from a sequence."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.zeros(width))

    def forward(
        self, sequence: FrameSequence, centre: Float[Tensor, " width"], scale: Float[Tensor, " width"]
    ) -> Float[Tensor, "clip width"]:
        """The query meets standardised frames; what it weighs are the frames as they are."""
        some = sequence.mask | ~sequence.mask.any(dim=1, keepdim=True)  # a clip without frames must not give nan
        scores = ((sequence.values - centre) * scale) @ self.query / self.query.numel() ** 0.5
        weights = scores.masked_fill(~some, -torch.inf).softmax(dim=1)
        return torch.einsum("bt,btd->bd", weights, sequence.values)


class FeatureTokens(nn.Module):
    """h_m = W2·drop(gelu(W1·col(x_m))); a learned vector where the modality is absent."""

    def __init__(self, config: PriorsConfig, widths: Mapping[str, int]) -> None:
        super().__init__()
        dim, drops = config.dim, config.column_dropout
        self.first = nn.ModuleDict({name: WideLinear(widths[name], dim, drops=drops) for name in FEATURES})
        self.pooling = nn.ModuleDict({name: FramePooling(widths[name]) for name in config.frames})
        self.second = nn.Parameter(torch.empty(len(FEATURES), dim, dim).uniform_(-(dim**-0.5), dim**-0.5))
        self.bias = nn.Parameter(torch.zeros(len(FEATURES), 1, dim))
        self.absent = nn.Parameter(torch.randn(len(FEATURES), dim) * 0.02)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, batch: PriorBatch) -> Float[Tensor, "clip modality dim"]:
        """Tokens in the order visual, vocal, verbal."""
        first = torch.stack([self._first(name, batch) for name in FEATURES])
        hidden = self.dropout(functional.gelu(first))
        tokens = torch.baddbmm(self.bias, hidden, self.second).transpose(0, 1)
        return torch.where(batch.present[..., None], tokens, self.absent)

    def _first(self, name: str, batch: PriorBatch) -> Float[Tensor, "clip dim"]:
        layer = self.first[name]
        if name in self.pooling:
            return layer(self.pooling[name](batch.frames[name], layer.centre, layer.scale))  # type: ignore[no-any-return]
        return layer(batch.features[name])  # type: ignore[no-any-return]


class TraceTokens(nn.Module):
    """e_s = drop(gelu(W_t·col(t_s))) + b_s: one layer for all sections, and an embedding that tells which it was."""

    def __init__(self, config: PriorsConfig, width: int) -> None:
        super().__init__()
        self.first = WideLinear(width, config.dim, drops=config.column_dropout)
        self.section = nn.Parameter(torch.randn(len(SECTIONS), config.dim) * 0.02)
        self.dropout = nn.Dropout(config.hidden_dropout)

    def forward(self, traces: Float[Tensor, "clip section width"]) -> Float[Tensor, "clip section dim"]:
        """Tokens of all sections; those of absent ones mean nothing and are masked by their reliability."""
        tokens: Tensor = self.dropout(functional.gelu(self.first(traces))) + self.section
        return tokens


def softmax_over(
    scores: Float[Tensor, "*batch item"], mask: Bool[Tensor, "*batch item"]
) -> Float[Tensor, "*batch item"]:
    """Softmax over what the mask admits, exactly 0 elsewhere; uniform where it admits nothing. Never nan."""
    admitted = mask | ~mask.any(dim=-1, keepdim=True)
    level = torch.where(mask.any(dim=-1, keepdim=True), scores, torch.zeros_like(scores))
    return level.masked_fill(~admitted, -torch.inf).softmax(dim=-1)
