"""DualCL-style contrast between clips and the class vectors of their labels."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from emotrace.priors.losses.anchors import Outer, anchor_mean, clip_weights
from emotrace.priors.losses.similarity import similarities


def dualcl(
    features: Float[Tensor, "clip dim"],
    labels: Int[Tensor, " clip"],
    prototypes: Float[Tensor, "class dim"],
    *,
    temperature: float = 0.1,
    outer: Outer = "sample",
    weights: Float[Tensor, " clip"] | None = None,
) -> Float[Tensor, ""]:
    """Mean of two contrasts over s(z_i, k_{y_j}): clips against label vectors, and label vectors against clips.

    The positives of i are the other clips (or their label vectors) of its class; an anchor without one adds 0 to the
    mean [field: hiyouga/Dual-Contrastive-Learning, where label vectors come out of each clip's own text]. There the
    pair of a clip with itself is set to 0 and stays in the sum; here it is left out [ours].
    """
    scores = similarities(features, prototypes, temperature)[:, labels.long().clamp_min(0)]
    weight = clip_weights(labels, weights, scores)
    positive = labels[:, None] == labels[None, :]
    losses = _contrast(scores, positive, weight) + _contrast(scores.T, positive, weight)
    return anchor_mean(0.5 * losses, labels, weight, outer)


def _contrast(
    scores: Float[Tensor, "clip clip"], positive: Bool[Tensor, "clip clip"], weight: Float[Tensor, " clip"]
) -> Float[Tensor, " clip"]:
    """-mean over positives of the logarithm of their share among all others; 0 for an anchor without a positive."""
    others = (weight > 0)[None, :] & ~torch.eye(len(weight), dtype=torch.bool, device=weight.device)
    share = (positive & others) * weight
    has = share.sum(dim=1) > 0
    exponents = (scores + torch.where(weight > 0, weight, 1.0).log()).masked_fill(~others, -torch.inf)
    log_sum = exponents.masked_fill(~has[:, None], 0.0).logsumexp(dim=1)
    mean = (share * scores).sum(dim=1) / torch.where(has, share.sum(dim=1), 1.0)
    return torch.where(has, log_sum - mean, 0.0)
