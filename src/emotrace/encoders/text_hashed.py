"""Texts as hashed n-grams: no download, no training, the same numbers on every machine [ours].

    grams     words: 1- and 2-grams; runs of Chinese and Japanese characters, which have no spaces: 1- to 3-grams
    vector    sum over the different grams of sign(gram) * sqrt(count), at place hash(gram) of 1,024; length 1

Signed hashing keeps inner products unbiased (Weinberger et al. 2009, "Feature hashing for large scale multitask
learning") [field]. Texts are compared in small letters and compatibility forms (NFKC).
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from jaxtyping import Float32

WIDTH: Final = 1024
_CJK: Final = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_PIECE: Final = re.compile(rf"(?P<cjk>[{_CJK}]+)|[^\W{_CJK}]+(?:['’][^\W{_CJK}]+)*")
_WORD_GRAMS: Final = 2
_CHARACTER_GRAMS: Final = 3


class HashedText:
    """The encoder `hashed`; see `SentenceEncoder`."""

    modality: Literal["verbal"] = "verbal"
    name = "hashed"
    width = WIDTH
    fingerprint = f"hashed-{WIDTH}-words{_WORD_GRAMS}-characters{_CHARACTER_GRAMS}-1"
    mask_token = "[MASK]"

    def encode_tokens(self, text: str) -> Float32[np.ndarray, "token width"]:
        """Per word or Chinese character the grams that end with it, at length 1."""
        rows = [_hashed(Counter(grams)) for grams in _grams_by_token(text)]
        return np.stack(rows) if rows else np.zeros((0, WIDTH), np.float32)

    def encode(self, texts: Sequence[str]) -> Float32[np.ndarray, "text width"]:
        """All grams of each text; zeros where there is none.

        >>> one, other, none = HashedText().encode(["Lip corners rise.", "lip corners RISE", "..."])
        >>> bool((one == other).all()), round(float(one @ one), 6), float(abs(none).max())
        (True, 1.0, 0.0)
        """
        rows = [_hashed(Counter(gram for grams in _grams_by_token(text) for gram in grams)) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, WIDTH), np.float32)


def _grams_by_token(text: str) -> Iterable[list[str]]:
    """Per token the grams that end with it. Word grams reach over punctuation, but not over Chinese."""
    before: list[str] = []
    for piece in _PIECE.finditer(unicodedata.normalize("NFKC", text).casefold()):
        token = piece.group()
        if piece["cjk"]:
            before = []
            for end in range(1, len(token) + 1):
                yield [f"c {token[start:end]}" for start in range(max(0, end - _CHARACTER_GRAMS), end)]
        else:
            before = [*before[1 - _WORD_GRAMS :], token]
            yield [f"w {' '.join(before[start:])}" for start in range(len(before))]
            before = before[1 - _WORD_GRAMS :]


def _hashed(counts: Counter[str]) -> Float32[np.ndarray, " width"]:
    vector = np.zeros(WIDTH)
    for gram, count in sorted(counts.items()):  # the order in which numbers are added is part of the result
        place, sign = _place_of(gram)
        vector[place] += sign * count**0.5
    length = float(np.sqrt(vector @ vector))
    return np.asarray(vector / length if length > 0.0 else vector, np.float32)


@lru_cache(maxsize=2**16)
def _place_of(gram: str) -> tuple[int, float]:
    number = int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "big")
    return number % WIDTH, 1.0 if number >> 63 else -1.0
