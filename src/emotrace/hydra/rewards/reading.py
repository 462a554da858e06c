"""The text of a trajectory as the terms see it: the grammar of `grammar.parse`, read for speed.

A trainer scores thousands of texts and needs neither offsets nor reasons, so this reader only says *what* a legal text
holds: the skeleton is cut at its tags, and every line is read once, since lines repeat within a group of completions.
It accepts exactly the texts from which `grammar.parse` makes a trace, and a test holds the two together.
"""

from __future__ import annotations

from functools import lru_cache
from operator import attrgetter
from typing import NamedTuple, get_args

from emotrace.evidence.observation import is_clean
from emotrace.hydra.grammar import (
    ANSWER_TEXT,
    CHECK_LINE,
    CONFIDENCE_TEXT,
    HYPOTHESIS_LINE,
    VERDICT_LINE,
    missing_modalities,
)
from emotrace.hydra.propose import MAX_HYPOTHESES, MAX_LABELS, MAX_STORY_WORDS, cluster_of, is_word
from emotrace.hydra.trace import MAX_NOTE_WORDS, MAX_NOTES
from emotrace.results import AbstainCode

LINES = 2**14
"""How many distinct lines of each kind are remembered."""

_HYP, _END_HYP, _THINK, _ANS, _END = "<hyp>\n", "\n</hyp>\n", "<think>\n", "</think>\n<ans>", "</ans>"
_NUMBERS = list(range(1, MAX_HYPOTHESES + 1))
_ABSTENTIONS = frozenset(f"abstain: {code}" for code in get_args(AbstainCode))


class RivalLine(NamedTuple):
    """A hypothesis."""

    number: int
    affects: frozenset[str]
    """Level-2 clusters of its labels; a word on no wheel stands for itself."""
    cites: tuple[str, ...]


class CheckLine(NamedTuple):
    """A check. In the three masks, bit n is hypothesis n."""

    written: str
    """The whole line."""
    id: str
    quote: str
    supports: int
    contradicts: int
    judged: int


class AnswerLabel(NamedTuple):
    """One label of the answer."""

    word: str
    affect: str
    """Its level-2 cluster; the word itself where it is on no wheel."""
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
    blocks = _blocks(text, k)
    if blocks is None:
        return None
    head, thinking, answer = blocks
    rivals = _rivals(head, k) if k else ()
    lines = thinking[:-1].split("\n") if thinking else []
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


def _blocks(text: str, k: int) -> tuple[str, str, str] | None:
    """Lines of hypotheses, lines of thinking with their line ends, answer; None where the skeleton is another.

    As many < and > as the tags have leave none for what stands within and around the blocks.
    """
    tags = 6 if k else 4
    whole, closed, answer = text.strip().partition(_ANS)
    head, opened, thinking = whole.partition(_THINK)
    if not (opened and closed and answer.endswith(_END) and text.count("<") == text.count(">") == tags):
        return None
    if k:
        if not (head.startswith(_HYP) and head.endswith(_END_HYP) and thinking):
            return None
        head = head[len(_HYP) : -len(_END_HYP)]
    legal = bool(head) == bool(k) and (not thinking or thinking.endswith("\n")) and len(answer) > len(_END)
    return (head, thinking, answer[: -len(_END)]) if legal else None


def _rivals(block: str, k: int) -> tuple[RivalLine, ...] | None:
    rivals = [rival for rival in map(_rival, block.split("\n")) if rival is not None]
    if [rival.number for rival in rivals] != _NUMBERS[:k]:
        rivals.sort(key=attrgetter("number"))
    legal = block.count("\n") + 1 == k and [rival.number for rival in rivals] == _NUMBERS[:k]
    return tuple(rivals) if legal else None


def _checks(lines: list[str]) -> list[CheckLine] | None:
    """The checks; None unless what follows them is at most one `missing` line, then at most two notes."""
    checks = [check for check in map(_check, lines) if check is not None]
    if len(checks) == len(lines):
        return checks
    rest = lines[len(checks) :]  # holds a check, which is no note, unless all checks come first
    if missing_modalities(rest[0]) is not None:
        del rest[0]
    return checks if len(rest) <= MAX_NOTES and all(map(_is_note, rest)) else None


def _is_note(line: str) -> bool:
    note = line[2:]
    return line.startswith("- ") and note != "" and is_clean(note) and len(note.split()) <= MAX_NOTE_WORDS


def _labels(body: str) -> list[AnswerLabel] | None:
    if body.startswith("abstain: "):
        return [] if body in _ABSTENTIONS else None
    labels = [label for label in map(_label, body.split("; ")) if label is not None]
    return labels if len(labels) == body.count("; ") + 1 else None


def _ids(cites: str) -> tuple[str, ...]:
    """The ids of cites, which are written ` [V1] [A2]`."""
    return tuple(cites[2:-1].split("] [")) if cites else ()


@lru_cache(maxsize=LINES)
def _rival(line: str) -> RivalLine | None:
    match = HYPOTHESIS_LINE.fullmatch(line)
    if match is None:
        return None
    number, _, labels, story, cites = match.groups()
    affects = [_affect(word) for word in labels.split(", ")]
    if len(affects) > MAX_LABELS or (story and not (is_clean(story) and story.count(" ") < MAX_STORY_WORDS)):
        return None
    named = frozenset(affect for affect in affects if affect is not None)
    return None if None in affects else RivalLine(int(number), named, _ids(cites))


@lru_cache(maxsize=LINES)
def _check(line: str) -> CheckLine | None:
    match = CHECK_LINE.fullmatch(line)
    if match is None:
        return None
    id, quote, written = match.groups()
    marks = _marks(written)
    return CheckLine(line, id, quote, *marks) if marks is not None and is_clean(quote) else None


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
    affect = _affect(word)
    if affect is None or (confidence is not None and not CONFIDENCE_TEXT.fullmatch(confidence)):
        return None
    return AnswerLabel(word, affect, _ids(cites))


@lru_cache(maxsize=LINES)
def _affect(word: str) -> str | None:
    """The affect of a word, or the word itself where it is on no wheel; None where it is no word."""
    return (cluster_of(word) or word) if is_word(word) else None


def forget_lines() -> None:
    """Empties the memory of lines and words, so that a measurement starts cold."""
    for remembered in (_rival, _check, _marks, _verdict, _label, _affect):
        remembered.cache_clear()
