"""Quotes: the words of an observation that a reasoner judged, and whether they are in it at all."""

from __future__ import annotations

from functools import lru_cache

QUOTE_WORDS = 8
"""[ours] Quotes have 3 to 8 words."""
QUOTE_IS_TRUE = 0.8
QUOTE_IS_NEAR = 0.6
"""[ours] Shares of a quote's trigrams that the observation must hold: a full score, and half of one."""

_REMEMBERED = 2**12
"""Of how many texts the trigrams are remembered."""


def quote_of(text: str) -> str:
    """The first words of an observation, as they are quoted."""
    return " ".join(text.split()[:QUOTE_WORDS])


def share_found(quote: str, text: str) -> float:
    """Share of a quote's different character trigrams that a text holds, 0..1.

    That quotes are matched roughly is the paper's [paper], this form of it ours [ours].

    >>> share_found("the brows rise", "both of the brows rise"), share_found("abcd", "abc")
    (1.0, 0.5)
    """
    if quote in text:
        return 1.0
    wanted = _trigrams(quote)
    return len(wanted & _trigrams(text)) / max(len(wanted), 1)


@lru_cache(maxsize=_REMEMBERED)
def _trigrams(text: str) -> frozenset[tuple[str, str, str]]:
    """Of three characters each: none in a text of fewer."""
    return frozenset(zip(text, text[1:], text[2:], strict=False))


def true_quote(quote: str | None, text: str) -> str:
    """A reasoner's quote where it is in the observation; else the observation's own first words.

    Nobody who reads a verdict may take for evidence what only the reasoner said.
    """
    return quote if quote is not None and share_found(quote, text) >= QUOTE_IS_TRUE else quote_of(text)
