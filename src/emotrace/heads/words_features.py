"""A sentence as tokens with places, and as named features that belong to tokens: what the words head counts.

Tokens are words (with their apostrophes), numbers, runs of `!` and `?`, dots, emoticons, single emoji and signs. Their
keys are lower case, in one Unicode form, with letters repeated three times and more written twice (`soooo` -> `soo`).

Features are runs of one to three keys and the pieces of three to five characters of each word. The up to three words
after `not`, `never`, `n't`, ..., within their clause, are *negated*: they count as other words (`not_happy`) and have
no pieces, so that a word which nobody denied in training says nothing when it is denied (after Pang et al. 2002). A
feature is the CRC-32 of its name: the same in every process and on every machine.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from zlib import crc32

_TOKEN: Final = re.compile(
    r"""
    \[[A-Z]{3,}\]                                              # a masked name, as corpora write it
    | (?<!\w)(?:[:;=][-'^o]?[)(\]\[dDpP/\\|3*oOsS]+|[xX]D+|\^_*\^|<3+|</3)(?!\w)          # an emoticon
    | [^\W\d_]+(?:['’][^\W\d_]+)*                              # a word
    | \d+(?:[.,]\d+)*
    | [!?]+ | \.+
    | [^\w\s\ufe0e\ufe0f\u200d\U0001f3fb-\U0001f3ff]           # one sign or emoji, without its skin tone and variants
    """,
    re.VERBOSE,
)
_REPEATED: Final = re.compile(r"(.)\1{2,}")
_NEGATOR: Final = re.compile(
    "not|no|never|none|nothing|nobody|neither|nor|without|hardly|barely|cannot|.*n't"
    "|(?:ca|do|does|did|is|are|was|were|wo|would|could|should|ai|have|has|had)nt"
)
_CLAUSE_ENDS: Final = frozenset(["but", "although", "though", "however"])
_CLAUSE_SIGNS: Final = ".,!?;:"
_NEGATED_WORDS: Final = 3
_LONGEST_WORD: Final = 40
"""Characters of a token that count: a wall of letters is no word."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """One token and where it stands."""

    key: str
    start: int
    end: int
    """Characters of the sentence, end exclusive."""
    is_word: bool
    is_loud: bool
    """Written in capitals."""


def tokenise(sentence: str) -> tuple[Token, ...]:
    """The tokens of a sentence, in order; none for an empty one."""
    return tuple(
        Token(
            key=key_of(text[:_LONGEST_WORD]),
            start=match.start(),
            end=match.end(),
            is_word=text[0].isalpha(),
            is_loud=len(text) > 1 and text.isupper(),
        )
        for match in _TOKEN.finditer(sentence)
        for text in (match.group(),)
    )


@lru_cache(maxsize=1 << 15)
def key_of(text: str) -> str:
    """What two spellings of one token share."""
    if text[0].isdigit():
        return "0"
    folded = unicodedata.normalize("NFKC", text).lower().replace("’", "'")
    return _REPEATED.sub(r"\1\1", folded)


def hash_of(name: str) -> int:
    """CRC-32 of a feature's name."""
    return crc32(name.encode("utf-8", "surrogatepass"))


@lru_cache(maxsize=1 << 15)
def pieces_of(key: str) -> tuple[int, ...]:
    """Hashes of the pieces of three to five characters of a word between marks; none for a very short word."""
    if len(key) < 4:
        return ()
    framed = f"<{key}>"
    return tuple(
        hash_of(f"c {framed[i : i + length]}") for length in (3, 4, 5) for i in range(len(framed) - length + 1)
    )


def features(tokens: Sequence[Token]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """The hash of each feature, with the numbers of the tokens that it belongs to."""
    negators = dict(negated([token.key for token in tokens]))
    keys = [f"not_{token.key}" if i in negators else token.key for i, token in enumerate(tokens)]
    last = len(keys) - 1
    for i, token in enumerate(tokens):
        yield hash_of(f"w {keys[i]}"), (negators[i], i) if i in negators else (i,)
        if i == 0:
            yield hash_of(f"b ^ {keys[0]}"), (0,)
        if i < last:
            yield hash_of(f"b {keys[i]} {keys[i + 1]}"), (i, i + 1)
        else:
            yield hash_of(f"b {keys[i]} $"), (i,)
        if i + 2 <= last:
            yield hash_of(f"t {keys[i]} {keys[i + 1]} {keys[i + 2]}"), (i, i + 1, i + 2)
        if token.is_loud:
            yield hash_of("loud"), (i,)
        if token.is_word and i not in negators:
            for piece in pieces_of(token.key):
                yield piece, (i,)


def negated(keys: Sequence[str]) -> Iterator[tuple[int, int]]:
    """The number of each negated word with that of its negator."""
    for i, key in enumerate(keys):
        if _NEGATOR.fullmatch(key):
            for j in range(i + 1, min(i + 1 + _NEGATED_WORDS, len(keys))):
                if keys[j] in _CLAUSE_ENDS or keys[j][0] in _CLAUSE_SIGNS:
                    break
                yield j, i
