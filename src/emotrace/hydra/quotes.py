"""Quotes: the words of an observation that a reasoner judged, and whether they are in it at all."""

from __future__ import annotations

QUOTE_WORDS = 8
"""[ours] Quotes have 3 to 8 words."""
QUOTE_IS_TRUE = 0.8
QUOTE_IS_NEAR = 0.6
"""[ours] Shares of a quote's trigrams that the observation must hold: a full score, and half of one."""


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
    trigrams = {quote[start : start + 3] for start in range(max(len(quote) - 2, 1))}
    return sum(trigram in text for trigram in trigrams) / len(trigrams)


def true_quote(quote: str | None, text: str) -> str:
    """A reasoner's quote where it is in the observation; else the observation's own first words.

    Nobody who reads a verdict may take for evidence what only the reasoner said.
    """
    return quote if quote is not None and share_found(quote, text) >= QUOTE_IS_TRUE else quote_of(text)
