"""Cosines over a temperature."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own name for it
from jaxtyping import Float
from torch import Tensor

from emotrace.errors import UsageError

LOWEST_TEMPERATURE = 0.005
"""Below it exp(-2/τ), the smallest term of a sum whose largest is 1, is nothing even in float64."""


def similarities(
    rows: Float[Tensor, "row dim"], columns: Float[Tensor, "column dim"], temperature: float
) -> Float[Tensor, "row column"]:
    """s(a, b) = a·b / τ of unit vectors, in float32 at least, whatever an outer autocast says.

    Raises:
        UsageError: A temperature below `LOWEST_TEMPERATURE`.
    """
    return scaled(unit(rows), unit(columns), temperature)


def scaled(
    rows: Float[Tensor, "row dim"], columns: Float[Tensor, "column dim"], temperature: float
) -> Float[Tensor, "row column"]:
    """The same of vectors that have unit length already.

    Raises:
        UsageError: A temperature below `LOWEST_TEMPERATURE`.
    """
    if not temperature >= LOWEST_TEMPERATURE:
        raise UsageError(f"must be at least {LOWEST_TEMPERATURE}, got {temperature}", where="temperature")
    with torch.autocast(rows.device.type, enabled=False):
        return (rows / temperature) @ columns.T


def unit(vectors: Float[Tensor, "row dim"]) -> Float[Tensor, "row dim"]:
    """The vectors at length 1, in float32 at least; a vector of zeros stays one."""
    wide = vectors if vectors.dtype == torch.float64 else vectors.float()
    return F.normalize(wide, dim=1)
