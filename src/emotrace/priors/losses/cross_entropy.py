"""Cross-entropy, and its adjustment to the classes' shares."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from jaxtyping import Float, Int
from torch import Tensor

from emotrace.priors.losses.anchors import anchor_mean, clip_weights


def cross_entropy(
    logits: Float[Tensor, "clip class"],
    labels: Int[Tensor, " clip"],
    *,
    log_shares: Float[Tensor, " class"] | None = None,
    strength: float = 0.0,
    weights: Float[Tensor, " clip"] | None = None,
) -> Float[Tensor, ""]:
    """Weighted mean of -ln softmax(o + κ ln π)[label], in nats.

    With κ = 0 it is plain cross-entropy. The adjustment is for training only: what a model trained with it answers
    without it assumes class shares proportional to π^(1-κ), so κ = 1 answers as if all classes were equally frequent
    [field: arXiv 2007.07314].

    Args:
        logits: Scores o, unbounded.
        labels: Class numbers; -1 for a clip without a label.
        log_shares: ln π of the labelled training clips; needed where `strength` is not 0. See `log_class_shares`.
        strength: κ.
        weights: Of each clip, at least 0.
    """
    wide = logits.float() if logits.dtype.itemsize < 4 else logits
    if strength != 0.0 and log_shares is not None:
        wide = wide + strength * log_shares.to(wide)
    losses = F.cross_entropy(wide, labels.long(), ignore_index=-1, reduction="none")
    return anchor_mean(losses, labels, clip_weights(labels, weights, wide))


def log_class_shares(labels: Int[Tensor, " clip"], class_count: int) -> Float[Tensor, " class"]:
    """Logarithms of the classes' shares of the labelled clips; a class without one counts as if it had one [ours]."""
    counts = labels[labels >= 0].bincount(minlength=class_count).clamp_min(1).double()
    return (counts / counts.sum()).log().float()
