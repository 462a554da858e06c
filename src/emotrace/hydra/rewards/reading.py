"""The text of a trajectory as the terms see it: the grammar of `grammar.parse`, read for speed.

A trainer scores thousands of texts and needs neither offsets nor reasons, so this reader only says *what* a legal text
holds: one expression for the skeleton, and every line read once, since lines repeat within a group of completions. It
accepts exactly the texts from which `grammar.parse` makes a trace, and a test holds the two together.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple, get_args

from emotrace.evidence.observation import ID_PATTERN, is_clean
from emotrace.hydra.grammar import (
    ANSWER_TEXT,
    CHECK_LINE,
    CONFIDENCE_TEXT,
    HYPOTHESIS_LINE,
    VERDICT_LINE,
    missing_modalities,
)
from emotrace.hydra.propose import MAX_LABELS, MAX_STORY_WORDS, cluster_of, is_word
from emotrace.hydra.trace import MAX_NOTE_WORDS, MAX_NOTES
from emotrace.results import AbstainCode

LINES = 2**14
"""How many distinct lines of each kind are remembered."""

_RIVALS_FIRST = re.compile(r"<hyp>\n([^<>]+)\n</hyp>\n<think>\n([^<>]+)\n</think>\n<ans>([^<>]+)</ans>")
_NO_RIVALS = re.compile(r"()<think>\n(?:([^<>]*)\n)?</think>\n<ans>([^<>]+)</ans>")
_ID = re.compile(ID_PATTERN)
_ABSTENTIONS = frozenset(f"abstain: {code}" for code in get_args(AbstainCode))


class RivalLine(NamedTuple):
    """A hypothesis."""

    number: int
    affects: frozenset[str]
    """Level-2 clusters of its labels; a word on no wheel stands for itself."""
    cites: tuple[str, ...]


class CheckLine(NamedTuple):
    """A check. In the three masks, bit n is hypothesis n."""

    id: str
    quote: str
    supports: int
    contradicts: int
    judged: int


class AnswerLabel(NamedTuple):
    """One label of the answer."""

    word: str
    cites: tuple[str, ...]


class Reading(NamedTuple):
    """What a legal text holds."""

    rivals: tuple[RivalLine, ...]
    """By number."""
    checks: list[CheckLine]
    verdict: tuple[int, ...]
    labels: list[AnswerLabel]
    """Empty for an abstention."""


def read(text: str, k: int) -> Reading | None:
    """What the text holds; None where `grammar.parse` would find a grammar issue.

    Args:
        text: A completion.
        k: How many hypotheses it must have.
    """
    skeleton = (_RIVALS_FIRST if k else _NO_RIVALS).fullmatch(text.strip())
    if skeleton is None:
        return None
    head, thinking, answer = skeleton.groups()
    rivals = _rivals(head, k) if k else ()
    lines = [] if thinking is None else thinking.split("\n")
    verdict = _verdict(lines.pop()) if k else ()
    labels = _labels(answer)
    if rivals is None or verdict is None or labels is None:
        return None
    checks = _checks(lines)
    if checks is None:
        return None
    named = 0
    for check in checks:
        named |= check.judged
    if named >> (k + 1) or max(verdict, default=0) > k:
        return None
    return Reading(rivals, checks, verdict, labels)


def _rivals(block: str, k: int) -> tuple[RivalLine, ...] | None:
    lines = block.split("\n")
    rivals = [rival for line in lines if (rival := _rival(line)) is not None]
    if len(lines) != k or {rival.number for rival in rivals} != set(range(1, k + 1)):
        return None
    return tuple(sorted(rivals))


def _checks(lines: list[str]) -> list[CheckLine] | None:
    """The checks; None unless what follows them is at most one `missing` line, then at most two notes."""
    checks: list[CheckLine] = []
    for number, line in enumerate(lines):
        check = _check(line)
        if check is None:
            rest = lines[number:]
            notes = rest[1:] if missing_modalities(rest[0]) is not None else rest
            return checks if len(notes) <= MAX_NOTES and all(map(_is_note, notes)) else None
        checks.append(check)
    return checks


def _is_note(line: str) -> bool:
    note = line[2:]
    return line.startswith("- ") and note != "" and is_clean(note) and len(note.split()) <= MAX_NOTE_WORDS


def _labels(body: str) -> list[AnswerLabel] | None:
    if body.startswith("abstain: "):
        return [] if body in _ABSTENTIONS else None
    labels = [label for piece in body.split("; ") if (label := _label(piece)) is not None]
    return labels if len(labels) == body.count("; ") + 1 else None


@lru_cache(maxsize=LINES)
def _rival(line: str) -> RivalLine | None:
    match = HYPOTHESIS_LINE.fullmatch(line)
    if match is None:
        return None
    number, _, labels, story, cites = match.groups()
    affects = [_affect(word) for word in labels.split(", ")]
    if len(affects) > MAX_LABELS or (story and not (is_clean(story) and len(story.split()) <= MAX_STORY_WORDS)):
        return None
    named = frozenset(affect for affect in affects if affect is not None)
    return None if None in affects else RivalLine(int(number), named, tuple(_ID.findall(cites)))


@lru_cache(maxsize=LINES)
def _check(line: str) -> CheckLine | None:
    match = CHECK_LINE.fullmatch(line)
    if match is None:
        return None
    id, quote, written = match.groups()
    marks = _marks(written)
    return CheckLine(id, quote, *marks) if marks is not None and is_clean(quote) else None


@lru_cache(maxsize=LINES)
def _marks(written: str) -> tuple[int, int, int] | None:
    """Masks of the hypotheses supported, contradicted and judged; None where one is judged twice."""
    supports = contradicts = judged = 0
    for item in written.split():
        bit = 1 << int(item[1:-1])
        if judged & bit:
            return None
        judged |= bit
        supports |= bit if item[-1] == "+" else 0
        contradicts |= bit if item[-1] == "-" else 0
    return supports, contradicts, judged


@lru_cache(maxsize=LINES)
def _verdict(line: str) -> tuple[int, ...] | None:
    match = VERDICT_LINE.fullmatch(line)
    return None if match is None else tuple(int(name[1:]) for name in match[1].split(", "))


@lru_cache(maxsize=LINES)
def _label(piece: str) -> AnswerLabel | None:
    match = ANSWER_TEXT.fullmatch(piece)
    if match is None:
        return None
    word, confidence, cites = match.groups()
    if _affect(word) is None or (confidence is not None and not CONFIDENCE_TEXT.fullmatch(confidence)):
        return None
    return AnswerLabel(word, tuple(_ID.findall(cites)))


@lru_cache(maxsize=LINES)
def _affect(word: str) -> str | None:
    """The affect of a word, or the word itself where it is on no wheel; None where it is no word."""
    return (cluster_of(word) or word) if is_word(word) else None


def affects_of(labels: list[AnswerLabel]) -> set[str]:
    """Level-2 clusters of an answer; a word on no wheel stands for itself."""
    return {_affect(label.word) or label.word for label in labels}


def forget_lines() -> None:
    """Empties the memory of lines and words, so that a measurement starts cold."""
    for remembered in (_rival, _check, _marks, _verdict, _label, _affect):
        remembered.cache_clear()
