"""Focal loss: clips that are already answered well count less."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from jaxtyping import Float, Int
from torch import Tensor

from emotrace.errors import UsageError
from emotrace.priors.losses.anchors import anchor_mean, clip_weights


def focal(
    logits: Float[Tensor, "clip class"],
    labels: Int[Tensor, " clip"],
    *,
    gamma: float = 2.0,
    weights: Float[Tensor, " clip"] | None = None,
) -> Float[Tensor, ""]:
    """Weighted mean of -(1 - p)^γ ln p, p = softmax(o)[label] [field: arXiv 1708.02002]; γ = 0 is cross-entropy.

    Raises:
        UsageError: A γ below 0.
    """
    if gamma < 0.0:
        raise UsageError(f"must not be below 0, got {gamma}", where="gamma")
    wide = logits.float() if logits.dtype.itemsize < 4 else logits
    losses = F.cross_entropy(wide, labels.long(), ignore_index=-1, reduction="none")
    # 1 - p from ln p, so that it is exact near 1; the floor keeps the power's slope finite for γ below 1
    doubt = (-torch.expm1(-losses)).clamp_min(torch.finfo(wide.dtype).eps)
    return anchor_mean(doubt**gamma * losses, labels, clip_weights(labels, weights, wide))
