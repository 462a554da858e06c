"""Balanced contrast: every class enters with its mean and its prototype, however many clips it has."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor

from emotrace.priors.losses.anchors import Outer, anchor_mean, clip_weights
from emotrace.priors.losses.neighbours import Neighbours


def bcl(
    features: Float[Tensor, "clip dim"],
    labels: Int[Tensor, " clip"],
    prototypes: Float[Tensor, "class dim"],
    *,
    temperature: float = 0.1,
    outer: Outer = "sample",
    weights: Float[Tensor, " clip"] | None = None,
) -> Float[Tensor, ""]:
    """L_i = -mean over A_i(y_i) of s(z_i, a) + ln Σ_c M_i(c) [field: Zhu et al., Balanced Contrastive Learning, 2022].

    A_i(c) are the other clips of class c and its prototype k_c; M_i(c) is the mean over A_i(c) of exp s(z_i, a). So a
    class has a part in every batch (class complement) and the same part however many clips it has (class averaging).
    Anchors are clips alone. Weighted clips weigh in these means and as anchors, prototypes weigh 1 [ours].
    """
    log_means, means = Neighbours.of(features, labels, prototypes, temperature, weights).of_clips()
    own = labels.long().clamp_min(0)[:, None]
    losses = log_means.logsumexp(dim=1) - means.gather(1, own)[:, 0]
    return anchor_mean(losses, labels, clip_weights(labels, weights, losses), outer)
