"""LDAM: rarer classes have to be right by a larger margin."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from jaxtyping import Float, Int
from torch import Tensor

from emotrace.priors.losses.cross_entropy import cross_entropy


def ldam(
    cosines: Float[Tensor, "clip class"],
    labels: Int[Tensor, " clip"],
    *,
    counts: Int[Tensor, " class"],
    max_margin: float = 0.5,
    scale: float = 30.0,
    weights: Float[Tensor, " clip"] | None = None,
) -> Float[Tensor, ""]:
    """Cross-entropy of s·(cos - Δ at the label), Δ_c = max_margin · (n_min / n_c)^(1/4) [field: arXiv 1906.07413].

    Args:
        cosines: Of each clip's vector with each class's vector, in [-1, 1]: the layer before has no bias and no length.
        labels: Class numbers; -1 for a clip without a label.
        counts: n_c, training clips of each class; a class without one counts as if it had one [ours].
        max_margin: Of the rarest class.
        scale: s.
        weights: Of each clip, at least 0.
    """
    present = counts.clamp_min(1).to(cosines)
    margins = max_margin * (present.min() / present) ** 0.25
    at_label = F.one_hot(labels.long().clamp_min(0), len(counts)).to(cosines)
    return cross_entropy(scale * (cosines - margins * at_label), labels, weights=weights)
