"""What of a model's observations may stand on a sheet: words of the material, that name no emotion and no gold word.

A description in a corpus of emotions was often written by somebody who knew the label, and names it. It is evidence
only where it says what was seen or heard; the rest is cut, or the observation dropped, and each loss has a name [ours].
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from emotrace.errors import InvalidObservation
from emotrace.evidence.observation import Finding, clean
from emotrace.hydra.coldstart.caption_question import Said
from emotrace.hydra.quotes import QUOTE_IS_TRUE, share_found
from emotrace.labels.vocabulary import emotion_words_in
from emotrace.span import Span

_MOST_CHARACTERS: Final = 120
_SENTENCE: Final = re.compile(r"(?<=[.!?;])\s+|(?<=[。！？；])")
_CLAUSE: Final = re.compile(r"\s*[,;:，；、。：]\s*|\s*(?<!\w)(?:and|but|while)(?!\w)\s*", re.IGNORECASE)
_CONCLUDES: Final = re.compile(
    r"\b(?:suggest|indicat|imply|implies|implying|convey|feels?\b|felt\b|feeling|emotion|mood|sentiment)"
    r"|情绪|情感|心情|感到|感觉|表明|暗示",
    re.IGNORECASE,
)
_DENIAL: Final = re.compile(r"\b(?:not|never|without|no|nor|neither)\b|n['’]t\b|没有|没|不|未|无", re.IGNORECASE)
_AFTER_DENIAL: Final = re.compile(r"(?:[^\S\n]*[a-z'’-]+){1,3}|\s*[\u3400-\u9fff]")
_DENIED_WORD: Final = re.compile(r"[a-z]{4,}|[\u3400-\u9fff]")
_ENDING: Final = re.compile(r"(?:ness|ment|ing|ion|ed|ly|s|y)$", re.IGNORECASE)
_SHORTEST_STEM: Final = 5
_QUOTATION: Final = re.compile(r"(?<!\w)'(.+)'(?!\w)")
_WORD: Final = re.compile(r"\S+")


class Loss(StrEnum):
    """Why an observation of the model does not stand on the sheet, or not with all its words."""

    NOT_FOUND = "not in its source"
    DENIED = "its source denies it"
    NAMES = "names an emotion or concludes"
    CUT = "without a clause that does so"
    UNFIT = "too short"
    TOO_MANY = "over the most that a sheet holds"


@dataclass(frozen=True, kw_only=True)
class Material:
    """The material, and who split it."""

    caption: str
    """Clean."""
    subtitle: str
    """Clean; empty where there is none."""
    withheld: tuple[str, ...]
    """Gold words, also such as are on no wheel: no observation of the description may hold one."""
    name: str
    """`captions/<model>#<prompt hash>`."""


@dataclass(frozen=True, kw_only=True)
class Doubts:
    """How strong and how certain a finding of a description is taken to be."""

    strength: float
    """Where the model does not say."""
    described: float
    """The probability that what a description says is so."""
    spoken: float
    """The same of words of the subtitle."""
    span: Span


def checked(said: Said, material: Material, doubts: Doubts) -> tuple[Finding | None, tuple[Loss, ...]]:
    """The finding that an observation gives, if any, and what was lost of it.

    Words of the subtitle are quoted, and keep their emotion words: they were said. All else must be found in the
    description, where quotation marks excuse nothing.
    """
    text = clean(said.text)
    words = _unquoted(text)
    if said.modality == "verbal" and _was_said(words, material):
        quote = _shortened(words, _MOST_CHARACTERS - len("says ''"))
        finding = _finding(said, f"says '{quote}'", material, doubts, spoken=True)
        return finding, () if finding is not None else (Loss.UNFIT,)
    found = _is_in(text, material.caption)
    if found is None:
        return None, (Loss.NOT_FOUND,)
    if _denies(found, text):
        return None, (Loss.DENIED,)
    kept = text if not _tells(text, material.withheld) else _without_telling_clauses(text, material.withheld)
    if not kept:
        return None, (Loss.NAMES,)
    finding = _finding(said, _shortened(kept.strip(" .,;。，；"), _MOST_CHARACTERS), material, doubts, spoken=False)
    cut = (Loss.CUT,) if kept != text else ()
    return finding, cut if finding is not None else (Loss.UNFIT,)


def _finding(said: Said, text: str, material: Material, doubts: Doubts, *, spoken: bool) -> Finding | None:
    strength = doubts.strength if said.strength is None else said.strength
    try:
        return Finding(
            modality=said.modality,
            span=doubts.span,
            text=text,
            strength=1.0 if said.modality == "verbal" else strength,
            confidence=doubts.spoken if spoken else doubts.described,
            source=material.name,
        )
    except InvalidObservation:
        return None


def _unquoted(text: str) -> str:
    """What stands between quotation marks, else all of it: some models write `says '...'` themselves."""
    found = _QUOTATION.search(text)
    return (found[1] if found is not None else text).strip("' ")


def _was_said(text: str, material: Material) -> bool:
    """Whether a text is words of the subtitle, with no emotion or gold word of its own and no denial left out."""
    found = _is_in(text, material.subtitle)
    if found is None or _denies(found, text):
        return False
    said = material.subtitle.casefold()
    telling = [*emotion_words_in(text), *_withheld_in(text, material.withheld)]
    return all(word.casefold() in said for word in telling)


def _is_in(text: str, source: str) -> str | None:
    """The part of a source that holds most of a text's words, where that is enough of them: one sentence or all.

    Sentences come first: words picked from all over a description say what nobody wrote.
    """
    folded, whole = text.casefold(), source.casefold()
    if len(folded) < 2 or not whole:
        return None
    best = max(_SENTENCE.split(whole), key=lambda sentence: share_found(folded, sentence))
    if share_found(folded, best) >= QUOTE_IS_TRUE:
        return best
    return whole if folded in whole else None


def _denies(source: str, text: str) -> bool:
    """Whether the source denies a word which the text has without any denial."""
    folded = text.casefold()
    if _DENIAL.search(folded):
        return False
    after = (_AFTER_DENIAL.match(source, found.end()) for found in _DENIAL.finditer(source))
    words = {word for found in after if found is not None for word in _DENIED_WORD.findall(found[0])}
    return any(re.search(_beginning(word), folded) for word in words)


def _tells(text: str, withheld: Sequence[str]) -> bool:
    """Whether a text names an emotion or a gold word, or concludes rather than observes."""
    return bool(emotion_words_in(text) or _CONCLUDES.search(text) or _withheld_in(text, withheld))


def _withheld_in(text: str, withheld: Sequence[str]) -> list[str]:
    """The gold words that a text holds, be it with an ending."""
    return [word for word in withheld if clean(word) and re.search(_beginning(word), text, re.IGNORECASE)]


def _without_telling_clauses(text: str, withheld: Sequence[str]) -> str:
    """The clauses that tell nothing of the answer; empty where there is none."""
    kept = [clause for clause in _CLAUSE.split(text) if clause.strip() and not _tells(clause, withheld)]
    joined = ", ".join(kept)
    return "" if _tells(joined, withheld) else joined


def _beginning(word: str) -> str:
    """A pattern for a word, with other endings too where enough of it is left."""
    whole = clean(word)
    stem = _ENDING.sub("", whole)
    folded = re.escape(stem if len(stem) >= _SHORTEST_STEM else whole)
    return rf"\b{folded}" if word.isascii() else folded


def _shortened(text: str, most: int) -> str:
    """The text up to the last word that fits; without spaces, as in Chinese, up to the last character."""
    if len(text) <= most:
        return text
    ends = [found.end() for found in _WORD.finditer(text) if found.end() <= most]
    return text[: ends[-1]] if ends else text[:most]
