"""What every encoder returns: features and a mask that says which of them are there."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """Features of a batch of clips over time. What is missing is masked, never zero."""

    features: Float[Tensor, "batch token dim"]
    mask: Bool[Tensor, "batch token"]


@dataclass(frozen=True, kw_only=True)
class PatchEncoded(Encoded):
    """The tokens of every frame's patches, frame by frame, row by row.

    Token (t, row, column) is number (t*h + row)*w + column.
    """

    grid: tuple[int, int, int]
    """Frames T, patch rows h, patch columns w: the number of tokens is T*h*w."""
    frame_features: Float[Tensor, "batch frame dim"]
    """One pooled feature per frame."""

    @property
    def frame_mask(self) -> Bool[Tensor, "batch frame"]:
        """Which frames are there."""
        frames, rows, columns = self.grid
        return self.mask.reshape(len(self.mask), frames, rows * columns).any(dim=2)
