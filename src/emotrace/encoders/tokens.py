"""How a text is cut into tokens. No torch: whoever only reads or writes words needs none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """One token of a text, with the characters that it stands for."""

    id: int
    start: int
    end: int


class Tokenizer(Protocol):
    """Cuts a text into tokens. No torch is needed for it."""

    name: str
    """With what it takes to tell two tokenizers apart, such as a hash of the vocabulary."""
    budget: int
    """Tokens that a text may have, start and end included: 77 for CLIP."""

    def tokens(self, text: str) -> list[Token]:
        """The tokens of a text without start, end and padding, in order; the whole text, whatever its length."""
        ...
