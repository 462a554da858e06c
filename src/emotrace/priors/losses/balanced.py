"""BDCL in one pass: its value, and its gradient in closed form. `bdcl.py` has the definition, which tests compare with.

Written out, the loss is a hundred operations on small matrices, and autograd makes three hundred of them: a tenth of a
training step. With E = exp s, W the weight of every neighbour in every class and T = E·W, the gradient of a clip's
ln M(c) with respect to s_j is E_j·W_jc / T_c, and that of a mean similarity is W_jc / Σ W_c: so a direction's gradient
is one product of E with the classes' shares, less the weights of the own class.
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emotrace.priors.losses.anchors import Outer, anchor_shares, clip_weights
from emotrace.priors.losses.neighbours import Neighbours
from emotrace.priors.losses.similarity import unit


def balanced(
    features: Float[Tensor, "clip dim"],
    labels: Int[Tensor, " clip"],
    prototypes: Float[Tensor, "class dim"],
    *,
    temperature: float,
    inter: float,
    intra: float,
    both: bool,
    outer: Outer,
    weights: Float[Tensor, " clip"] | None,
) -> Float[Tensor, ""]:
    """`bdcl` of variant "both", or "features" where `both` is off; arguments as there. Differentiable once.

    Raises:
        UsageError: A temperature below `similarity.LOWEST_TEMPERATURE`.
    """
    clips, classes = unit(features), unit(prototypes)
    shares = anchor_shares(labels, clip_weights(labels, weights, clips), outer)
    value: Tensor = _Balanced.apply(  # type: ignore[no-untyped-call]  # torch leaves it untyped
        clips, classes, labels, shares, weights, temperature, inter, intra, both
    )
    return value


class _Balanced(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        clips: Tensor,
        classes: Tensor,
        labels: Tensor,
        shares: Tensor,
        weights: Tensor | None,
        temperature: float,
        inter: float,
        intra: float,
        both: bool,
    ) -> Tensor:
        with torch.autocast(clips.device.type, enabled=False):
            near = Neighbours.of_units(clips, labels, classes, temperature, weights)
            own = labels.long().clamp_min(0)
            value, gradient = _of_clips(near, own, shares.to(near.scores.dtype), inter, intra)
            if both:
                other, of_prototypes = _of_prototypes(near, inter, intra)
                value, gradient = 0.5 * (value + other), 0.5 * gradient
                gradient[:, len(clips) :].add_(of_prototypes, alpha=0.5)
        ctx.save_for_backward(gradient.to(clips.dtype), clips, classes)
        ctx.temperature = temperature
        return value.to(clips.dtype)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        gradient, clips, classes = ctx.saved_tensors
        count = len(clips)
        with torch.autocast(clips.device.type, enabled=False):
            scaled = gradient * (upstream / ctx.temperature)
            among, across = scaled[:, :count], scaled[:, count:]
            of_clips = among @ clips + among.T @ clips + across @ classes
            of_classes = across.T @ clips
        return of_clips, of_classes, None, None, None, None, None, None, None


def _of_clips(
    near: Neighbours, own: Int[Tensor, " clip"], shares: Float[Tensor, " clip"], inter: float, intra: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "clip neighbour"]]:
    """The feature direction: its value, and its gradient with respect to the scores."""
    clips = len(own)
    in_class, here = near.members[:clips], own[:, None]
    totals = near.exponentials @ near.members
    weight = near.members.sum(dim=0) - in_class
    log_means = (totals / weight).log() + near.bound
    log_sum = log_means.logsumexp(dim=1, keepdim=True)
    nearest = log_means.gather(1, here)
    same = near.members.T[own]  # weight of every neighbour in the clip's own class, itself left out
    same[:, :clips].fill_diagonal_(0.0)
    pull = intra * shares[:, None] / weight.gather(1, here)
    between = (shares[:, None] * (inter * log_sum + (intra - inter) * nearest)).sum()
    within = (pull * (same * near.scores).sum(dim=1, keepdim=True)).sum()
    push = inter * (log_means - log_sum).exp()
    push.scatter_add_(1, here, torch.full_like(pull, intra - inter))
    gradient = near.exponentials * ((push * shares[:, None] / totals) @ near.members.T) - pull * same
    return between - within, gradient


def _of_prototypes(
    near: Neighbours, inter: float, intra: float
) -> tuple[Float[Tensor, ""], Float[Tensor, "clip class"]]:
    """The prototype direction, over the classes present: value, and gradient with respect to the last columns."""
    clips = len(near.scores)
    in_class, exponentials = near.members[:clips], near.exponentials[:, clips:]
    weight = in_class.sum(dim=0)
    absent = weight <= 0
    present = (~absent).to(weight.dtype)
    share = present / present.sum().clamp_min(1)
    divisor = weight + absent
    totals = exponentials.T @ in_class + absent
    log_means = ((totals / divisor).log() + near.bound).masked_fill(absent, -torch.inf)
    log_sum = log_means.logsumexp(dim=1).masked_fill(absent, 0.0)
    nearest = log_means.diagonal().masked_fill(absent, 0.0)
    pull = intra * share / divisor
    within = (pull * (in_class * near.scores[:, clips:]).sum(dim=0)).sum()
    push = inter * (log_means - log_sum[:, None]).exp()
    push.diagonal().add_(intra - inter)
    gradient = exponentials * (in_class @ (push * share[:, None] / totals).T) - pull * in_class
    return (share * (inter * log_sum + (intra - inter) * nearest)).sum() - within, gradient
