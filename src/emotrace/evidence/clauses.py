"""Words, marks and clauses of a text: what negation, person and phrases are looked for in.

Contractions are written out ("can't" is `can`, `not`), so that one rule serves every spelling. Pure Python.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass


def words_of(text: str) -> frozenset[str]:
    """The words of a list written as running text."""
    return frozenset(text.split())


_SCAN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*|\d+|[.!?…。！？]+|[,;:()\u2013\u2014，；：、]|\n")
_ENDS = frozenset(".!?…。！？\n")
_MARKS = _ENDS | frozenset(",;:()–—，；：、")

_STEMS = {"ca": "can", "wo": "will", "ai": "is"}
_APART = {
    **{f"{w}nt": (w, "not") for w in words_of("is are was were do does did has have had would could should ca wo ai")},
    **{"cannot": ("can", "not"), "im": ("i", "am"), "ive": ("i", "have"), "gonna": ("going", "to")},
    **{"wanna": ("want", "to"), "gotta": ("got", "to"), "thats": ("that", "is"), "whats": ("what", "is")},
    **{"let's": ("let", "us"), "theyre": ("they", "are"), "youre": ("you", "are"), "ur": ("your",)},
}
_ENDINGS = {"m": "am", "re": "are", "ve": "have", "ll": "will", "d": "would"}
_IS_BEFORE_S = words_of("it that he she what there who here where how this everything nothing everyone")


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A word in its plain form ("can't" is two: `can`, `not`) or a mark, with its place in the text."""

    text: str
    start: int
    end: int

    @property
    def is_mark(self) -> bool:
        """Whether it ends or cuts a clause."""
        return self.text[0] in _MARKS


@dataclass(frozen=True, kw_only=True, slots=True)
class Clause:
    """Words between two marks."""

    tokens: tuple[Token, ...]
    mark: str
    """What ended it: `.`, `!`, `?`, `,` ... or nothing. A clause inside a sentence knows its own mark alone."""
    sentence_end: str
    """What ended the sentence: `!`, `?`, `.` or nothing."""


def tokens_of(text: str) -> tuple[Token, ...]:
    """The words and marks of a text, contractions written out, lower case."""
    return tuple(
        Token(text=part, start=m.start(), end=m.end()) for m in _SCAN.finditer(text) for part in _plain(m.group())
    )


def _plain(word: str) -> tuple[str, ...]:
    word = word.lower().replace("’", "'")
    if word in _APART:
        first, *rest = _APART[word]
        return (_STEMS.get(first, first), *rest)
    if word.endswith("n't"):
        return (_STEMS.get(word[:-3], word[:-3]) or "do", "not")
    stem, apostrophe, ending = word.rpartition("'")
    if apostrophe and stem:
        if ending == "s":
            return (stem, "is") if stem in _IS_BEFORE_S else (stem, "'s")
        if ending in _ENDINGS:
            return (stem, _ENDINGS[ending])
    return (word,)


def clauses_of(text: str) -> tuple[Clause, ...]:
    """The clauses of a text, in order; marks themselves are left out."""
    clauses: list[Clause] = []
    sentence: list[tuple[list[Token], str]] = []
    words: list[Token] = []

    def close(end: str) -> Iterator[Clause]:
        return (Clause(tokens=tuple(tokens), mark=mark, sentence_end=end) for tokens, mark in sentence)

    for token in tokens_of(text):
        if not token.is_mark:
            words.append(token)
            continue
        if words:
            sentence.append((words, token.text))
            words = []
        if token.text[0] in _ENDS:
            clauses += close(_sentence_end(token.text))
            sentence = []
    if words:
        sentence.append((words, ""))
    return (*clauses, *close(""))


def _sentence_end(mark: str) -> str:
    return next((plain for plain, signs in (("?", "?？"), ("!", "!！")) if any(s in mark for s in signs)), ".")
