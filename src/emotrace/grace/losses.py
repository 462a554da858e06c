"""What GRACE is trained with [ours]: a class loss, and a preference for a clip's own words over another's."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from jaxtyping import Bool, Float, Int64
from torch import Tensor


def classification(
    logits: Float[Tensor, "batch label"],
    targets: Int64[Tensor, " batch"],
    *,
    label_smoothing: float = 0.1,
    log_prior: Float[Tensor, " label"] | None = None,
    logit_adjustment: float = 0.0,
) -> Float[Tensor, ""]:
    """Cross-entropy with label smoothing, or of logits + κ·log prior without it [field: arXiv 2007.07314]."""
    if logit_adjustment > 0.0 and log_prior is not None:
        return F.cross_entropy(logits + logit_adjustment * log_prior, targets)
    return F.cross_entropy(logits, targets, label_smoothing=label_smoothing)


def hinge(
    matched: Float[Tensor, " batch"], mismatched: Float[Tensor, " batch"], valid: Bool[Tensor, " batch"], margin: float
) -> Float[Tensor, ""]:
    """Mean of max(0, margin + F(V_i, E_i) - F(V_i, E_j)) over the clips that have both; 0 where none has."""
    return _mean(F.relu(margin + matched - mismatched), valid)


def positive(matched: Float[Tensor, " batch"], valid: Bool[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Mean of F(V_i, E_i). Alone it can be met by tokens that all become one: kept as an arm."""
    return _mean(matched, valid)


def contrastive(
    pictures: Float[Tensor, "batch dim"],
    words: Float[Tensor, "batch dim"],
    targets: Int64[Tensor, " batch"],
    valid: Bool[Tensor, " batch"],
    temperature: float,
) -> Float[Tensor, ""]:
    """Symmetric cross-entropy over pooled cosines; other clips of the same class are neither positive nor negative."""
    if not valid.any():
        return pictures.sum() * 0.0
    pictures, words, targets = pictures[valid], words[valid], targets[valid]
    scores = F.normalize(pictures, dim=1) @ F.normalize(words, dim=1).T / temperature
    rivals = targets[:, None] != targets[None, :]
    own = torch.eye(len(targets), dtype=torch.bool, device=targets.device)
    scores = scores.masked_fill(~(rivals | own), -torch.inf)
    places = torch.arange(len(targets), device=targets.device)
    return 0.5 * (F.cross_entropy(scores, places) + F.cross_entropy(scores.T, places))


def next_of_another_class(
    targets: Int64[Tensor, " batch"], usable: Bool[Tensor, " batch"]
) -> tuple[Int64[Tensor, " batch"], Bool[Tensor, " batch"]]:
    """For each clip the next one of the batch, going round, of another class and with words; whether there is one."""
    count = len(targets)
    places = torch.arange(count, device=targets.device)
    steps = (places[None, :] - places[:, None]) % count
    fits = (targets[:, None] != targets[None, :]) & usable[None, :]
    nearest = steps.masked_fill(~fits, count).argmin(dim=1)
    return nearest, fits.any(dim=1) & usable


def _mean(values: Float[Tensor, " batch"], valid: Bool[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Mean over the valid clips; 0, with a gradient of 0, where there is none."""
    return torch.where(valid, values, 0.0).sum() / valid.sum().clamp_min(1)
