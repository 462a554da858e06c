"""The clips of all processes as one batch, so that a class's mean is over all of them."""

from __future__ import annotations

import torch
import torch.distributed as dist
from jaxtyping import Float, Int
from torch import Tensor
from torch.distributed.nn.functional import all_gather


def gather_clips(
    features: Float[Tensor, "clip dim"], labels: Int[Tensor, " clip"], weights: Float[Tensor, " clip"]
) -> tuple[Float[Tensor, "every dim"], Int[Tensor, " every"], Float[Tensor, " every"]]:
    """Features, labels and weights of every process, process after process; alone, the same ones back.

    Gradients flow back to the process that made a feature. Each process then computes the same loss, so a feature gets
    its gradient once from every process; the mean over processes that data-parallel training takes undoes that. The
    processes may have different numbers of clips.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return features, labels, weights
    counts = _counts(len(labels), features.device)
    longest = max(counts)
    # tensors of one shape are all that every backend gathers with gradient: short ones are filled up, and cut again
    parts = all_gather(_filled(features, longest))  # type: ignore[no-untyped-call]  # torch leaves it untyped
    everything = torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])
    return everything, _joined(labels, counts), _joined(weights, counts)


def _counts(own: int, device: torch.device) -> list[int]:
    counts = [torch.zeros(1, dtype=torch.int64, device=device) for _ in range(dist.get_world_size())]
    dist.all_gather(counts, torch.tensor([own], device=device))
    return [int(count) for count in counts]


def _filled(values: Tensor, length: int) -> Tensor:
    return torch.cat([values, values.new_zeros((length - len(values), *values.shape[1:]))])


def _joined(values: Tensor, counts: list[int]) -> Tensor:
    filled = _filled(values.detach(), max(counts))
    parts = [torch.empty_like(filled) for _ in counts]
    dist.all_gather(parts, filled)
    return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])
