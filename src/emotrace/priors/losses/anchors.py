"""Which clips of a batch count, and how much."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

Outer = Literal["sample", "class"]
"""Mean over clips, or mean over the classes present of each class's mean."""


def clip_weights(
    labels: Int[Tensor, " clip"], weights: Float[Tensor, " clip"] | None, like: Tensor
) -> Float[Tensor, " clip"]:
    """The weights in the number type of `like`: 1 where none are given, 0 where the label is -1."""
    given = torch.ones_like(labels, dtype=like.dtype) if weights is None else weights.to(like.dtype)
    return given * (labels >= 0)


def anchor_mean(
    values: Float[Tensor, " clip"],
    labels: Int[Tensor, " clip"],
    weights: Float[Tensor, " clip"],
    outer: Outer = "sample",
) -> Float[Tensor, ""]:
    """Weighted mean of the anchors' values; 0, with a gradient of 0, where all weights are 0."""
    used = torch.where(weights > 0, values, 0.0)
    return (used * anchor_shares(labels, weights, outer)).sum()


def anchor_shares(
    labels: Int[Tensor, " clip"], weights: Float[Tensor, " clip"], outer: Outer = "sample"
) -> Float[Tensor, " clip"]:
    """What each anchor's value counts in the mean; they sum to 1, or all are 0.

    The mean of class means is the mean of clips in which each has its weight over the sum of its class's weights.
    """
    if outer == "class":
        of_class = ((labels[:, None] == labels[None, :]) * weights[None, :]).sum(dim=1)
        weights = torch.where(of_class > 0, weights / of_class.where(of_class > 0, torch.ones_like(of_class)), 0.0)
    total = weights.sum()
    return weights / total.where(total > 0, torch.ones_like(total))
