"""What the encoders here share beyond `interface.py`: they are modules, and know what of them was pretrained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor, nn

from emotrace.encoders.encoded import PatchEncoded
from emotrace.encoders.tokens import Tokenizer
from emotrace.errors import TextTooLong


class VisualTower(nn.Module, ABC):
    """A `VisualEncoder` as a module."""

    name: str
    dim: int
    image_pixels: int
    patch_grid: tuple[int, int]
    pretrained: bool
    """Whether the backbone's weights were learned elsewhere, so that it takes small steps only."""
    backbone: nn.Module
    """What `adaptation` freezes or trains; any other part is new and always trained."""

    @abstractmethod
    def encode_frames(
        self, frames: Float[Tensor, "batch frame channel height width"], frame_mask: Bool[Tensor, "batch frame"]
    ) -> PatchEncoded:
        """See `VisualEncoder`."""

    @abstractmethod
    def last_layers(self, count: int) -> list[nn.Module]:
        """The last `count` blocks of the backbone and everything behind them."""


class TextTower(nn.Module, ABC):
    """A `TextEncoder` as a module."""

    name: str
    dim: int
    tokenizer: Tokenizer

    def refuse_long(self, ids: Sequence[int]) -> None:
        """Raises `TextTooLong` for more tokens than the encoder reads beside start and end."""
        most = self.tokenizer.budget - 2
        if len(ids) > most:
            raise TextTooLong(
                f"a text has {len(ids)} tokens, and {self.name!r} reads {most}",
                where="text",
                hint="Keep fewer phrases, or cut the text where a phrase ends",
            )

    @abstractmethod
    def encode_tokens(self, token_ids: Sequence[Sequence[int]]) -> list[Float[Tensor, "token dim"]]:
        """See `TextEncoder`."""

    @abstractmethod
    def encode_phrases(self, phrases: Sequence[str]) -> Float[Tensor, "phrase dim"]:
        """See `TextEncoder`."""
