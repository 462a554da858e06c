"""Words as rows of a small table: the text side of encoders that have no text tower [ours]. No torch."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from typing import Final

from emotrace.encoders.tokens import Token

ROWS: Final = 512
_PIECE: Final = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


@lru_cache(maxsize=8192)
def row_of(word: str) -> int:
    """The row of a word, 0..511: the same in every process and on every machine. Two words may share one."""
    return int.from_bytes(hashlib.sha256(word.lower().encode()).digest()[:8], "big") % ROWS


class WordTokenizer:
    """Words and punctuation marks, in small letters, as rows of a hashed table."""

    name = f"words-sha256-{ROWS}"
    budget = 77

    def tokens(self, text: str) -> list[Token]:
        """The tokens of a text, in order.

        >>> text = "Lip corners rise, slightly."
        >>> [text[token.start : token.end] for token in WordTokenizer().tokens(text)]
        ['Lip', 'corners', 'rise', ',', 'slightly', '.']
        """
        return [
            Token(id=row_of(piece.group()), start=piece.start(), end=piece.end()) for piece in _PIECE.finditer(text)
        ]


def rows_of_phrase(phrase: str) -> list[int]:
    """The rows of a phrase's words; its punctuation says nothing and is left out."""
    return [row_of(piece.group()) for piece in _PIECE.finditer(phrase) if piece.group()[0].isalnum()]
