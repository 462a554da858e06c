"""The two towers that GRACE looks through, as interfaces: any encoder that has these members fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from jaxtyping import Bool, Float
from torch import Tensor

from emotrace.encoders.encoded import PatchEncoded
from emotrace.encoders.tokens import Token, Tokenizer

__all__ = ["TextEncoder", "Token", "Tokenizer", "VisualEncoder"]


@runtime_checkable
class VisualEncoder(Protocol):
    """A `torch.nn.Module` that sees frames."""

    name: str
    dim: int
    """Width d of the space that it shares with its text encoder."""
    image_pixels: int
    """Side of the square pictures that it takes."""
    patch_grid: tuple[int, int]

    def encode_frames(
        self, frames: Float[Tensor, "batch frame channel height width"], frame_mask: Bool[Tensor, "batch frame"]
    ) -> PatchEncoded:
        """Tokens of RGB frames in 0..1. Frames that are masked are not looked at; their features are 0 and masked."""
        ...


@runtime_checkable
class TextEncoder(Protocol):
    """A `torch.nn.Module` that reads words."""

    name: str
    dim: int
    tokenizer: Tokenizer

    def encode_tokens(self, token_ids: Sequence[Sequence[int]]) -> list[Float[Tensor, "token dim"]]:
        """One feature per token of each text (ids without start, end and padding), in the shared space."""
        ...

    def encode_phrases(self, phrases: Sequence[str]) -> Float[Tensor, "phrase dim"]:
        """One feature per phrase, each read alone, in the shared space."""
        ...
