"""Balanced Dual-Contrastive Learning: inter and intra, features and prototypes.

The paper names the loss and says that it balances inter-class and intra-class distributions [paper]; its equations are
unknown to us. What stands here is our reconstruction. Letters: z_i a clip's vector, k_c a class's prototype, all of
unit length; s(a, b) = a·b/τ; A_i(c) the other clips of class c and k_c; M_i(c) the mean over A_i(c) of exp s(z_i, ·).

    INTRA_i = ln M_i(y_i) - mean over A_i(y_i) of s(z_i, ·)     0 exactly when all same-class similarities are equal
    INTER_i = ln Σ_c M_i(c) - ln M_i(y_i)                       0 when every other class is infinitely far
    INTRA_i + INTER_i = BCL_i                                   an identity [ours] on BCL [field]

The same with a prototype k_c as the anchor and clips alone as neighbours gives the prototype direction, over the
classes present [ours, after the label-aware class vectors of DualCL, field]. BDCL is the mean of both directions. Limit
cases: all vectors equal give INTRA 0 and INTER ln C; clips and prototypes on the vertices of a regular simplex give
INTRA 0 and INTER ln(1 + (C-1)·exp(-C/((C-1)τ))); a clip alone in its class has INTRA 0, its INTER is the prototypes'
softmax.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emotrace.priors.losses.anchors import Outer, anchor_mean, clip_weights
from emotrace.priors.losses.balanced import balanced
from emotrace.priors.losses.bcl import bcl
from emotrace.priors.losses.dualcl import dualcl
from emotrace.priors.losses.neighbours import Neighbours
from emotrace.priors.losses.supcon import supcon

Variant = Literal["both", "features", "bcl", "supcon", "dualcl"]
"""Both directions; the feature direction alone; or one of the relatives in `losses/`."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """The two parts of each anchor's loss, both at least 0, and how much each anchor counts."""

    intra: Float[Tensor, " anchor"]
    inter: Float[Tensor, " anchor"]
    classes: Int[Tensor, " anchor"]
    weights: Float[Tensor, " anchor"]

    def mean(self, *, inter: float, intra: float, outer: Outer) -> Float[Tensor, ""]:
        """λ_inter INTER + λ_intra INTRA, averaged over the anchors."""
        return anchor_mean(inter * self.inter + intra * self.intra, self.classes, self.weights, outer)


@dataclass(frozen=True, kw_only=True)
class DualTerms:
    """The terms of both directions."""

    features: Terms
    """One anchor per clip; weight 0 where it takes no part."""
    prototypes: Terms
    """One anchor per class; weight 0 where no clip of the batch has it."""


def bdcl(
    features: Float[Tensor, "clip dim"],
    labels: Int[Tensor, " clip"],
    prototypes: Float[Tensor, "class dim"],
    *,
    temperature: float = 0.1,
    inter: float = 1.0,
    intra: float = 1.0,
    variant: Variant = "both",
    outer: Outer = "sample",
    weights: Float[Tensor, " clip"] | None = None,
) -> Float[Tensor, ""]:
    """½ (D_F + D_P), each a mean over anchors of λ_inter INTER + λ_intra INTRA [ours; the name is the paper's].

    Args:
        features: z, one vector per clip, taken at unit length. Two views of a clip are two rows.
        labels: Class numbers; -1 for a clip without a label.
        prototypes: k, one vector per class, taken at unit length.
        temperature: τ.
        inter: λ_inter; read by "both" and "features" alone.
        intra: λ_intra; read by "both" and "features" alone.
        variant: See `Variant`; "bcl" is "features" at λ_inter = λ_intra = 1.
        outer: How the clips' losses are averaged; the prototypes' are a mean over classes in any case.
        weights: Of each clip, at least 0, such as 0.5 for a pseudo-label; they weigh in class means and as anchors,
            prototypes weigh 1.

    Raises:
        UsageError: A temperature below 0.005.
    """
    if variant == "supcon":
        return supcon(features, labels, temperature=temperature, outer=outer, weights=weights)
    if variant == "bcl":
        return bcl(features, labels, prototypes, temperature=temperature, outer=outer, weights=weights)
    if variant == "dualcl":
        return dualcl(features, labels, prototypes, temperature=temperature, outer=outer, weights=weights)
    return balanced(
        features,
        labels,
        prototypes,
        temperature=temperature,
        inter=inter,
        intra=intra,
        both=variant == "both",
        outer=outer,
        weights=weights,
    )


def bcl_terms(
    features: Float[Tensor, "clip dim"],
    labels: Int[Tensor, " clip"],
    prototypes: Float[Tensor, "class dim"],
    *,
    temperature: float = 0.1,
    weights: Float[Tensor, " clip"] | None = None,
) -> DualTerms:
    """INTRA and INTER of every anchor of both directions, as the formulas say; arguments as in `bdcl`.

    `bdcl` computes the same in one pass (`losses/balanced.py`).
    """
    near = Neighbours.of(features, labels, prototypes, temperature, weights)
    return DualTerms(features=_feature_terms(near, labels, weights), prototypes=_prototype_terms(near))


def _feature_terms(near: Neighbours, labels: Int[Tensor, " clip"], weights: Float[Tensor, " clip"] | None) -> Terms:
    log_means, means = near.of_clips()
    own = labels.long().clamp_min(0)[:, None]
    nearest = log_means.gather(1, own)[:, 0]
    return Terms(
        intra=nearest - means.gather(1, own)[:, 0],
        inter=log_means.logsumexp(dim=1) - nearest,
        classes=labels,
        weights=clip_weights(labels, weights, nearest),
    )


def _prototype_terms(near: Neighbours) -> Terms:
    log_means, means = near.of_prototypes()
    present = log_means.diagonal().isfinite()
    # an absent class is no anchor: its row and its -inf are set to 0 before they can reach a gradient
    own = torch.where(present, log_means.diagonal(), 0.0)
    log_sums = torch.where(present[:, None], log_means, 0.0).logsumexp(dim=1)
    return Terms(
        intra=torch.where(present, own - means.diagonal(), 0.0),
        inter=torch.where(present, log_sums - own, 0.0),
        classes=torch.arange(len(present), device=present.device),
        weights=present.to(means.dtype),
    )
