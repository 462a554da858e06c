"""Contrast between two modalities of the same clip."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emotrace.priors.losses.cross_entropy import cross_entropy
from emotrace.priors.losses.similarity import similarities


def crossmodal(
    first: Float[Tensor, "clip dim"],
    second: Float[Tensor, "clip dim"],
    *,
    temperature: float = 0.1,
    weights: Float[Tensor, " clip"] | None = None,
) -> Float[Tensor, ""]:
    """Symmetric InfoNCE: a clip's two modalities are the positive pair, other clips the negatives [field: CLIP's loss].

    Args:
        first: One modality's vectors.
        second: Another's, of the same clips in the same order.
        temperature: τ.
        weights: Of each clip, at least 0; 0 leaves it out, as for a clip that lacks one of the two.
    """
    scores = similarities(first, second, temperature)
    partners: Int[Tensor, " clip"] = torch.arange(len(first), device=first.device)
    if weights is not None:
        absent = weights <= 0
        # its own pair stays, so that no row is empty; the weight of 0 takes the row out of the mean
        own = torch.eye(len(first), dtype=torch.bool, device=first.device)
        scores = scores.masked_fill((absent[:, None] | absent[None, :]) & ~own, -torch.inf)
    there = cross_entropy(scores, partners, weights=weights)
    return 0.5 * (there + cross_entropy(scores.T, partners, weights=weights))
