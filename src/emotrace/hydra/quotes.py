"""Quotes: the words of an observation that a reasoner judged, and whether they are in it at all."""

from __future__ import annotations

from functools import lru_cache
from itertools import filterfalse, islice

QUOTE_WORDS = 8
"""[ours] Quotes have 3 to 8 words."""
QUOTE_IS_TRUE = 0.8
QUOTE_IS_NEAR = 0.6
"""[ours] Shares of a quote's trigrams that the observation must hold: a full score, and half of one."""

_REMEMBERED = 2**12
"""Of how many quotes the trigrams are remembered."""


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
    return sum(map(text.__contains__, wanted)) / max(len(wanted), 1)


def is_found_above(share: float, quote: str, text: str) -> bool:
    """Whether `share_found` exceeds a share that it gave the same quote in another text: it ends where it cannot.

    >>> is_found_above(0.5, "the brows rise", "the brows fall"), is_found_above(0.9, "the brows rise", "the brows fall")
    (True, False)
    """
    if quote in text:
        return share < 1.0
    wanted = _trigrams(quote)
    enough = round((1.0 - share) * len(wanted))  # so many are not in the other text
    lacking = filterfalse(text.__contains__, wanted)
    return len(list(islice(lacking, enough))) < enough


@lru_cache(maxsize=_REMEMBERED)
def _trigrams(quote: str) -> frozenset[str]:
    """Of three characters each: none in a quote of fewer."""
    return frozenset([quote[start : start + 3] for start in range(len(quote) - 2)])


def true_quote(quote: str | None, text: str) -> str:
    """A reasoner's quote where it is in the observation; else the observation's own first words.

    Nobody who reads a verdict may take for evidence what only the reasoner said.
    """
    return quote if quote is not None and share_found(quote, text) >= QUOTE_IS_TRUE else quote_of(text)


def forget_trigrams() -> None:
    """Empties what is remembered, so that a measurement starts cold."""
    _trigrams.cache_clear()
