"""Tokens and words in one space, their cost, and the plan between them: all of it [ours]."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from jaxtyping import Bool, Float
from torch import Tensor, nn

from emotrace.grace.config import GraceConfig
from emotrace.grace.language.words import WordColumns
from emotrace.grace.transport import TransportPlan, standardised, transport

_MOMENTUM = 0.99
_TRAINING = {"tolerance": 1e-3, "max_iterations": 100}
_EVALUATION = {"tolerance": 1e-6, "max_iterations": 1000}


class Residual(nn.Module):
    """R = identity + a linear map that starts at 0: where the two towers already agree, nothing is spoilt."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.change = nn.Linear(dim, dim)
        nn.init.zeros_(self.change.weight)
        nn.init.zeros_(self.change.bias)

    def forward(self, x: Float[Tensor, "*batch dim"]) -> Float[Tensor, "*batch dim"]:
        """The vectors, changed."""
        changed: Tensor = x + self.change(x)
        return changed


class Centre(nn.Module):
    """A running mean that is subtracted: image and text vectors lie in narrow cones [field: arXiv 2203.02053]."""

    mean: Tensor
    batches: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("batches", torch.zeros(()))

    def forward(
        self, x: Float[Tensor, "batch item dim"], present: Bool[Tensor, "batch item"]
    ) -> Float[Tensor, "batch item dim"]:
        """The vectors less the mean of all that are present; the mean moves in training only."""
        if self.training and bool(present.any()):
            with torch.no_grad():
                weight = present.to(x.dtype).unsqueeze(2)
                found = (x * weight).sum(dim=(0, 1)) / weight.sum()
                keep = torch.minimum(self.batches / (self.batches + 1), self.batches.new_tensor(_MOMENTUM))
                self.mean.copy_(keep * self.mean + (1 - keep) * found.float())
                self.batches += 1
        return x - self.mean.to(x.dtype)


class Alignment(nn.Module):
    """The shared space of a model, and the transport in it."""

    def __init__(self, config: GraceConfig, dim: int) -> None:
        super().__init__()
        self.config = config
        self.visual, self.verbal = Residual(dim), Residual(dim)
        self.visual_centre, self.verbal_centre = Centre(dim), Centre(dim)

    def tokens(
        self, features: Float[Tensor, "batch token dim"], mask: Bool[Tensor, "batch token"]
    ) -> Float[Tensor, "batch token dim"]:
        """Unit vectors v̂."""
        return self._unit(self.visual(features), mask, self.visual_centre)

    def words(self, columns: WordColumns) -> Float[Tensor, "batch column dim"]:
        """Unit vectors ê."""
        return self._unit(self.verbal(columns.features), columns.marginal > 0.0, self.verbal_centre)

    def _unit(
        self, x: Float[Tensor, "batch item dim"], present: Bool[Tensor, "batch item"], centre: Centre
    ) -> Float[Tensor, "batch item dim"]:
        return F.normalize(centre(x, present) if self.config.centre else x, dim=2)

    def cost(
        self, tokens: Float[Tensor, "batch token dim"], words: Float[Tensor, "batch column dim"]
    ) -> Float[Tensor, "batch token column"]:
        """1 - v̂·ê in [0, 2], in float32 even under autocast: bfloat16 products move 3 % of the plan's mass."""
        with torch.autocast(tokens.device.type, enabled=False):
            return 1.0 - tokens.float() @ words.float().transpose(1, 2)

    def plan(
        self,
        cost: Float[Tensor, "batch token column"],
        row_marginal: Float[Tensor, "batch token"],
        columns: WordColumns,
        scale: Float[Tensor, " batch"] | None = None,
    ) -> tuple[TransportPlan, Float[Tensor, " batch"]]:
        """The plan of the configured arm, and the spread that the cost was divided by.

        Args:
            cost: Of every token with every word.
            row_marginal: a.
            columns: Whose marginal is b.
            scale: Divide by this spread instead of the cost's own, as for another clip's words.
        """
        if self.config.epsilon_mode == "absolute":
            scaled, scale = cost, cost.new_ones(len(cost))
        elif scale is None:
            scaled, scale = standardised(cost, row_marginal, columns.marginal)
        else:
            scaled = cost / scale[:, None, None]
        rows, words = self.config.strictness
        solved = transport(
            scaled,
            row_marginal,
            columns.marginal,
            epsilon=self.config.epsilon,
            row_strictness=rows,
            column_strictness=words,
            **(_TRAINING if self.training else _EVALUATION),  # type: ignore[arg-type]
        )
        return solved, scale
