"""Weighed phrases -> the columns of the transport plan: tokens or phrases, their weights γ, and the marginal b [ours].

**Weights.** Words of an action 1.0, of a region 0.7, of side, intensity and phase 0.5; function words 0, without a
column. The last word of a phrase takes the phrase's greatest weight, because a causal text tower has read the whole
phrase only there. Each phrase is multiplied by confidence * √strength.

**Marginal.** b_j = (1 - m) γ_j / Σγ on affect columns and m / S on the S background columns, m = 0.5. With affect words
alone a balanced plan would have to spend every patch on one of them. Without affect words all mass is background's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float32, Float64

from emotrace.errors import UsageError
from emotrace.grace.language.affect_text import AffectText, Phrase, TextSource, TextUnits
from emotrace.grace.language.lexicon import FUNCTION_WORDS, affect_lexicon

if TYPE_CHECKING:
    from emotrace.encoders.interface import Token, Tokenizer

BACKGROUND: Final[tuple[str, ...]] = (
    "a face at rest",
    "hair",
    "neck",
    "plain background",
    "clothes",
    "evenly lit skin",
    "a still forehead",
    "a mouth that is talking",
)
"""What a patch may match when it shows no expression: eight phrases, each read alone, one column each."""
JOINED_BY: Final = ", "
_SIDES: Final = {"left": "on the left", "right": "on the right", "one side": "on one side"}
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, kw_only=True)
class WeighedPhrase:
    """A phrase that has no columns yet, and the weight of each of its characters; 0 between words."""

    phrase: Phrase
    weights: tuple[float, ...]

    @classmethod
    def canonical(cls, phrase: Phrase, *, side: str | None = None) -> WeighedPhrase:
        """Region + action + side + intensity + phase in words, weighed by the lexicon; the phrase's text is set."""
        gammas = affect_lexicon().gammas
        parts = [
            (phrase.region, gammas.get(phrase.region, gammas["face"])),
            (phrase.action, gammas["action"]),
            (_SIDES.get(side or "", ""), gammas["side"]),
            (phrase.intensity or "", gammas["intensity"]),
            (phrase.phase or "", gammas["phase"]),
        ]
        words = [(word, gamma) for part, gamma in parts for word in part.split()]
        most = max(gamma for _, gamma in words)
        share = phrase.confidence * math.sqrt(phrase.strength)
        weights: list[float] = []
        for number, (word, gamma) in enumerate(words, start=1):
            bears = 0.0 if word in FUNCTION_WORDS else gamma
            weights += [share * (most if number == len(words) else bears)] * len(word) + [0.0]
        return cls(phrase=replace(phrase, text=" ".join(word for word, _ in words)), weights=tuple(weights[:-1]))

    @classmethod
    def evenly(cls, phrase: Phrase) -> WeighedPhrase:
        """The phrase as it stands, each word of weight 1."""
        weights = [0.0] * len(phrase.text)
        for word in _WORD.finditer(phrase.text):
            weights[word.start() : word.end()] = [1.0] * len(word[0])
        return cls(phrase=phrase, weights=tuple(weights))


def joined(phrases: Sequence[WeighedPhrase]) -> str:
    """The text that the phrases form."""
    return JOINED_BY.join(each.phrase.text for each in phrases)


def room(tokenizer: Tokenizer) -> int:
    """How many tokens a text may have beside start and end; also the most columns that a clip may own."""
    return tokenizer.budget - 2


def fits(phrases: Sequence[WeighedPhrase], tokenizer: Tokenizer, units: TextUnits) -> bool:
    """Whether the phrases stay within the budget: together as one text, or each read alone."""
    most = room(tokenizer)
    if units == "token":
        return len(tokenizer.tokens(joined(phrases))) <= most
    return len(phrases) <= most and all(len(tokenizer.tokens(each.phrase.text)) <= most for each in phrases)


def affect_text(
    phrases: Sequence[WeighedPhrase],
    *,
    tokenizer: Tokenizer | None,
    source: TextSource,
    background_mass: float,
    dropped: tuple[tuple[str, str], ...] = (),
    overflow: int = 0,
    class_columns: tuple[tuple[str, slice], ...] = (),
) -> AffectText:
    """The phrases with their columns: of tokens, or of whole phrases where there is no tokenizer.

    Raises:
        UsageError: `background_mass` lies outside 0..1.
    """
    if not 0.0 <= background_mass <= 1.0:
        raise UsageError(f"the background's share of the marginal must lie in 0..1, got {background_mass!r}")
    tokens = tokenizer.tokens(joined(phrases)) if tokenizer is not None and phrases else []
    positions, gammas, columns = _token_columns(phrases, tokens) if tokenizer is not None else _phrase_columns(phrases)
    return AffectText(
        units="phrase" if tokenizer is None else "token",
        source=source,
        phrases=tuple(replace(each.phrase, columns=owned) for each, owned in zip(phrases, columns, strict=True)),
        token_ids=tuple(token.id for token in tokens),
        positions=tuple(positions),
        background=BACKGROUND,
        affect=np.array([*gammas, *([0.0] * len(BACKGROUND))], np.float32),
        marginal=_marginal(np.array(gammas, np.float64), background_mass),
        dropped=dropped,
        overflow=overflow,
        class_columns=class_columns,
    )


def _token_columns(
    phrases: Sequence[WeighedPhrase], tokens: Sequence[Token]
) -> tuple[list[int], list[float], list[slice]]:
    """Places of the tokens that bear weight, their γ, and which of them each phrase owns.

    A word that the tokenizer cuts into pieces gives each piece its weight.
    """
    gap = (0.0,) * len(JOINED_BY)
    weights = np.array([weight for each in phrases for weight in (*each.weights, *gap)], np.float64)
    ends = np.cumsum([len(each.weights) + len(gap) for each in phrases])
    positions, gammas, owners = [], [], []
    for place, token in enumerate(tokens):
        gamma = float(weights[token.start : token.end].max(initial=0.0))
        if gamma > 0.0:
            positions.append(place)
            gammas.append(gamma)
            owners.append(int(np.searchsorted(ends, token.end - 1, side="right")))
    first = np.searchsorted(owners, np.arange(len(phrases) + 1)).tolist()
    return positions, gammas, [slice(start, end) for start, end in pairwise(first)]


def _phrase_columns(phrases: Sequence[WeighedPhrase]) -> tuple[list[int], list[float], list[slice]]:
    return [], [max(each.weights) for each in phrases], [slice(place, place + 1) for place in range(len(phrases))]


def _marginal(gammas: Float64[np.ndarray, " word"], background_mass: float) -> Float32[np.ndarray, " column"]:
    total = gammas.sum()
    share = background_mass if total > 0.0 else 1.0
    affect = (1.0 - share) * gammas / (total or 1.0)
    return np.concatenate([affect, np.full(len(BACKGROUND), share / len(BACKGROUND))]).astype(np.float32)
