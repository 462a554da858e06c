"""What the balanced losses see of a batch: each anchor's similarity to every class, averaged over the class."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emotrace.priors.losses.similarity import scaled, unit

DEEPEST_FLOAT32 = 80.0
"""exp(-80) is still a normal number of float32."""


@dataclass(frozen=True, kw_only=True)
class Neighbours:
    """One table of similarities and its exponentials: both directions of the loss read it."""

    scores: Float[Tensor, "clip neighbour"]
    """s of clips with clips, and then with prototypes."""
    exponentials: Float[Tensor, "clip neighbour"]
    """exp(s - bound), 0 for a clip with itself."""
    members: Float[Tensor, "neighbour class"]
    """Weight of each neighbour in its class."""
    bound: float
    """1/τ, which no similarity exceeds: what is taken out of them is one number, and both directions share it."""

    @classmethod
    def of(
        cls,
        features: Float[Tensor, "clip dim"],
        labels: Int[Tensor, " clip"],
        prototypes: Float[Tensor, "class dim"],
        temperature: float,
        weights: Float[Tensor, " clip"] | None,
    ) -> Neighbours:
        """The table of a batch; a clip of weight 0 is in no class."""
        return cls.of_units(unit(features), labels, unit(prototypes), temperature, weights)

    @classmethod
    def of_units(
        cls,
        features: Float[Tensor, "clip dim"],
        labels: Int[Tensor, " clip"],
        prototypes: Float[Tensor, "class dim"],
        temperature: float,
        weights: Float[Tensor, " clip"] | None,
    ) -> Neighbours:
        """The same of vectors that have unit length already."""
        scores = scaled(features, torch.cat([features, prototypes]), temperature)
        bound = 1.0 / temperature
        if 2.0 * bound > DEEPEST_FLOAT32:
            scores = scores.double()
        clips, classes = len(labels), len(prototypes)
        in_class = (labels[:, None] == torch.arange(classes, device=labels.device)).to(scores.dtype)  # -1 is in none
        if weights is not None:
            in_class = in_class * weights.to(scores.dtype)[:, None]
        itself = torch.eye(clips, clips + classes, dtype=torch.bool, device=labels.device)
        return cls(
            scores=scores,
            exponentials=(scores - bound).exp().masked_fill(itself, 0.0),
            members=torch.cat([in_class, torch.eye(classes, dtype=scores.dtype, device=labels.device)]),
            bound=bound,
        )

    def of_clips(self) -> tuple[Float[Tensor, "clip class"], Float[Tensor, "clip class"]]:
        """Logarithm of M_i(c), and the mean similarity over A_i(c), for every clip and class."""
        own = self.members[: len(self.scores)]
        with torch.autocast(self.scores.device.type, enabled=False):
            totals, sums = self.exponentials @ self.members, self.scores @ self.members
        weight = self.members.sum(dim=0) - own
        log_means = totals.log() + self.bound - weight.log()
        return log_means, (sums - own * self.scores.diagonal()[:, None]) / weight

    def of_prototypes(self) -> tuple[Float[Tensor, "class class"], Float[Tensor, "class class"]]:
        """The same for every prototype as the anchor, over the clips alone; -inf and 0 for an absent class."""
        clips = len(self.scores)
        own = self.members[:clips]
        with torch.autocast(self.scores.device.type, enabled=False):
            totals, sums = self.exponentials[:, clips:].T @ own, self.scores[:, clips:].T @ own
        weight = own.sum(dim=0)
        present = weight > 0
        divisor = torch.where(present, weight, 1.0)
        log_means = torch.where(present, totals, 1.0).log() + self.bound - divisor.log()
        return torch.where(present, log_means, -torch.inf), sums / divisor
