"""Propose: rival explanations of one sheet, each from another perspective."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from emotrace.errors import InvalidTrace
from emotrace.evidence.observation import EvidenceSheet, is_clean
from emotrace.labels.affects import AFFECT_BY_WORD
from emotrace.labels.wheel import affect_of

Perspective = Literal["face", "voice", "words", "situation", "masking", "other"]
PERSPECTIVES: tuple[Perspective, ...] = get_args(Perspective)

MAX_HYPOTHESES = 4
MAX_LABELS = 4
MAX_STORY_WORDS = 25
MAX_CITES = 3
"""[ours] A cap exists in the paper by name only; cites beyond it are kept, and cost reward."""
RIVAL_OVERLAP = 0.5
"""[ours] Two hypotheses are rivals while the Jaccard of their affects stays below this."""

_WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[ '-])*")


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One rival explanation: a situation that would produce the cues, and the emotions perceived in it."""

    number: int
    """1..K."""
    perspective: Perspective
    labels: tuple[str, ...]
    """1 to 4 canonical words."""
    story: str
    """The situation, in at most 25 clean words; may be empty."""
    cites: tuple[str, ...]
    """Observation ids, of which the first 3 count."""

    def __post_init__(self) -> None:
        if not 1 <= self.number <= 99:
            raise InvalidTrace(f"a hypothesis is numbered from 1, got {self.number}")
        if self.perspective not in PERSPECTIVES:
            raise InvalidTrace(f"perspective must be one of {', '.join(PERSPECTIVES)}, got {self.perspective!r}")
        if not 1 <= len(self.labels) <= MAX_LABELS or not all(map(is_word, self.labels)):
            raise InvalidTrace(f"a hypothesis has 1 to {MAX_LABELS} lower-case words, got {self.labels}")
        if not is_clean(self.story) or len(self.story.split()) > MAX_STORY_WORDS:
            raise InvalidTrace(f"a story has at most {MAX_STORY_WORDS} clean words, got {self.story!r}")


def is_word(text: str) -> bool:
    """Whether a text has the form of a canonical word: 2 to 32 lower-case letters, single spaces, - or '.

    >>> is_word("let down"), is_word("Sad"), is_word("sad "), is_word("x")
    (True, False, False, False)
    """
    single_spaced = text == " ".join(text.split())
    return 2 <= len(text) <= 32 and single_spaced and text == text.lower() and _WORD.fullmatch(text) is not None


def cluster_of(word: str) -> str | None:
    """The affect (level 2 of the reasoner's wheel) that a word belongs to; None for a word on no wheel.

    >>> cluster_of("elated"), cluster_of("devastated"), cluster_of("bluish")
    ('joy', 'sadness', None)
    """
    affect = AFFECT_BY_WORD.get(word)
    return affect_of(word) if affect is None else affect.name


def overlap(a: Iterable[str], b: Iterable[str]) -> float:
    """Jaccard index of two sets of words, by affect; a word on no wheel stands for itself.

    >>> overlap(["happy"], ["elated", "proud"]), overlap(["happy"], ["sad"])
    (0.5, 0.0)
    """
    first, second = ({cluster_of(word) or word for word in words} for words in (a, b))
    return len(first & second) / max(len(first | second), 1)


def rivals(hypotheses: Iterable[Hypothesis]) -> tuple[Hypothesis, ...]:
    """The hypotheses that differ enough from all before them, numbered anew."""
    kept: list[Hypothesis] = []
    for hypothesis in hypotheses:
        if all(overlap(hypothesis.labels, other.labels) < RIVAL_OVERLAP for other in kept):
            kept.append(replace(hypothesis, number=len(kept) + 1))
    return tuple(kept)


def propose(
    sheet: EvidenceSheet,
    ask: Callable[[EvidenceSheet, int, tuple[Hypothesis, ...]], tuple[Hypothesis, ...]],
    *,
    k: int,
) -> tuple[Hypothesis, ...]:
    """K rival hypotheses, numbered 1..K.

    Where some are no rivals, the later ones are asked for once more and then dropped.

    Args:
        sheet: The evidence.
        ask: `Reasoner.propose`: sheet, how many, and those already held -> further hypotheses.
        k: How many, 0 to 4.
    """
    if k == 0:
        return ()
    kept = rivals(ask(sheet, k, ())[:k])
    if len(kept) < k:
        kept = rivals((*kept, *ask(sheet, k - len(kept), kept)[: k - len(kept)]))
    return kept
