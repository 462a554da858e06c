"""Supervised contrast: clips of one class closer to each other than to the rest."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emotrace.priors.losses.anchors import Outer, anchor_mean, clip_weights
from emotrace.priors.losses.similarity import similarities


def supcon(
    features: Float[Tensor, "clip dim"],
    labels: Int[Tensor, " clip"],
    *,
    temperature: float = 0.1,
    outer: Outer = "sample",
    weights: Float[Tensor, " clip"] | None = None,
) -> Float[Tensor, ""]:
    """L_i = -mean over p in P_i of [s(z_i, z_p) - ln Σ_{k≠i} exp s(z_i, z_k)] [field: arXiv 2004.11362, L_out].

    P_i are the other clips of the same class; an anchor without one is skipped. Weighted clips weigh in the mean over
    P_i, in the sum under the logarithm and as anchors [ours]. Stacked views of a clip are clips.
    """
    scores = similarities(features, features, temperature)
    weight = clip_weights(labels, weights, scores)
    others = (weight > 0)[None, :] & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    positive = others & (labels[:, None] == labels[None, :])
    share = positive * weight
    has = positive.any(dim=1)
    mean = (share * scores).sum(dim=1) / torch.where(has, share.sum(dim=1), 1.0)
    # an anchor without any other clip is skipped: it must not bring -inf into the gradient
    log_weight = torch.where(weight > 0, weight, 1.0).log()
    exponents = (scores + log_weight).masked_fill(~(others & has[:, None]), -torch.inf)
    log_sum = exponents.masked_fill(~has[:, None], 0.0).logsumexp(dim=1)
    return anchor_mean(log_sum - mean, labels, weight * has, outer)
