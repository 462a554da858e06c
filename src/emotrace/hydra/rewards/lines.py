"""The distinct lines of a batch as tables, one per kind: completions of a group share most lines, so each is read once.

What a line may say is the grammar's (`hydra/parsing.py`). For speed lines are cut here at their quotes, bars and
brackets, and of the pieces, which repeat still more, each different one is checked once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import accumulate, chain, pairwise
from typing import NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Int64, UInt8

from emotrace.evidence.observation import LETTERS, is_clean
from emotrace.hydra.parsing import VERDICT_LINE, are_cites, are_marks, missing_modalities
from emotrace.hydra.propose import (
    MAX_CITES,
    MAX_HYPOTHESES,
    MAX_LABELS,
    MAX_STORY_WORDS,
    PERSPECTIVES,
    cluster_of,
    is_word,
)
from emotrace.hydra.rewards.arrays import numbered
from emotrace.hydra.trace import is_note
from emotrace.results import AbstainCode

IDS = {f"{letter}{n}": row * 99 + n for row, letter in enumerate(LETTERS.values()) for n in range(1, 100)}
"""Every id that an observation can have -> its number, from 1 on."""
NO_ID = 0

CHECK, RIVAL, ANSWER, VERDICT, MISSING, NOTE, ILLEGAL = "cravmnx"
TAGS = {"<hyp>": "H", "</hyp>": "h", "<think>": "T", "</think>": "t"}
"""Kinds of lines are letters."""
_TABLES = (CHECK, RIVAL, ANSWER, VERDICT)

_CHECKED = {f"[{id}] ": number for id, number in IDS.items()}
_PROPOSED = {f"h{n} {perspective}": n for n in range(1, MAX_HYPOTHESES + 1) for perspective in PERSPECTIVES}
_CONFIDENCES = frozenset(f"{hundredth / 100:.2f}" for hundredth in range(101))
_ABSTENTIONS = frozenset(f"abstain: {code}" for code in get_args(AbstainCode))
_WORDS = 2**14
"""How many words are remembered from batch to batch."""


class Checks(NamedTuple):
    """Lines `[V1] "quote" h1+ h2-`."""

    id: Int64[np.ndarray, " line"]
    quote: Int64[np.ndarray, " line"]
    """Which of the quotes."""
    quotes: list[str]
    """All different ones."""
    supports: Bool[np.ndarray, "line hypothesis"]
    contradicts: Bool[np.ndarray, "line hypothesis"]
    judged: Int64[np.ndarray, " line"]
    """How many hypotheses the line judges."""


class Cites(NamedTuple):
    """Cites ` [V1] [A2]`, one row for each hypothesis or label."""

    named: Int64[np.ndarray, "row cite"]
    """The ids that count: the first `MAX_CITES`, without repeats; `NO_ID` where there are fewer."""
    written: Int64[np.ndarray, " row"]
    """How many were written."""


class Rivals(NamedTuple):
    """Lines `h1 face: proud | enjoys the podium [V1]`."""

    number: Int64[np.ndarray, " line"]
    labels: Int64[np.ndarray, " line"]
    """Which of `affects`."""
    affects: list[frozenset[str]]
    """Level-2 clusters of each different list of labels; a word on no wheel stands for itself."""
    cites: Cites


class Answers(NamedTuple):
    """Lines `<ans>proud 0.71 [V1]; calm</ans>`."""

    labels: Int64[np.ndarray, " line"]
    """Which of `words` and `affects`."""
    words: list[tuple[str, ...]]
    """Each different list of labels; an empty one is an abstention."""
    affects: list[frozenset[str]]
    """As those of rivals."""
    first: Int64[np.ndarray, " line"]
    """Row of its first label in `cites`, which has one row for every label of every line."""
    cites: Cites


class Lines(NamedTuple):
    """The distinct lines of a batch. In the tables, what illegal lines say stands for nothing."""

    kinds: UInt8[np.ndarray, " line"]
    """The letter of each line, as a number."""
    row: Int64[np.ndarray, " line"]
    """Where each line stands in the table of its kind."""
    checks: Checks
    rivals: Rivals
    answers: Answers
    verdicts: list[tuple[int, ...]]


Legal = Bool[np.ndarray, " line"]


def read_lines(lines: Sequence[str], k: int) -> Lines:
    """What different lines say, of those that may stand in texts of K hypotheses."""
    groups: dict[str, list[int]] = {"[": [], "h": [], "<ans>": [], "v": [], "": []}
    for number, line in enumerate(lines):
        start = line[:5] if line[:1] == "<" else line[:1]
        groups[start if start in groups else ""].append(number)
    check, rival, answer, verdict, other = ([lines[number] for number in group] for group in groups.values())
    checks, legal_checks = _checks(check, k)
    rivals, legal_rivals = _rivals(rival, k)
    answers, legal_answers = _answers(answer)
    verdicts = [_verdict(line, k) for line in verdict]
    legal = (legal_checks, legal_rivals, legal_answers, np.array(list(map(bool, verdicts)), np.bool_))
    letters = [np.where(each, ord(kind), ord(ILLEGAL)) for kind, each in zip(_TABLES, legal, strict=True)]
    letters.append(np.array([ord(_kind(line)) for line in other], np.uint8))
    kinds, row = np.zeros(len(lines), np.uint8), np.zeros(len(lines), np.int64)
    for group, letter in zip(groups.values(), letters, strict=True):
        kinds[group], row[group] = letter, np.arange(len(group))
    return Lines(kinds, row, checks, rivals, answers, verdicts)


def _kind(line: str) -> str:
    """The letter of a line that is in no table."""
    if line in TAGS:
        return TAGS[line]
    if missing_modalities(line) is not None:
        return MISSING
    return NOTE if line.startswith("- ") and is_note(line[2:]) else ILLEGAL


def _checks(lines: list[str], k: int) -> tuple[Checks, Legal]:
    rows = [pieces if len(pieces) == 3 else ("", "", "") for pieces in (line.split('"') for line in lines)]
    heads, quoted, marked = zip(*rows, strict=True) if rows else ((), (), ())
    id = np.array([_CHECKED.get(head, NO_ID) for head in heads], np.int64)
    quotes, quote = numbered(quoted)
    marks, mark = numbered(marked)
    is_quote = np.array([each != "" and is_clean(each) for each in quotes], np.bool_)
    masks = [_masks(each, k) for each in marks]
    are_marks = np.array([mask is not None for mask in masks], np.bool_)
    columns = np.array([mask or (0, 0, 0) for mask in masks], np.int64).reshape(-1, 3, 1) >> np.arange(1, k + 1) & 1 > 0
    supports, contradicts, judged = np.moveaxis(columns[mark], 1, 0)
    table = Checks(id, quote, quotes, supports, contradicts, judged.sum(axis=1))
    return table, (id != NO_ID) & is_quote[quote] & are_marks[mark]


def _masks(marks: str, k: int) -> tuple[int, int, int] | None:
    """The hypotheses supported, contradicted and judged, bit n for h<n>; None where one is judged twice or not of K."""
    if not are_marks(marks):
        return None
    supports = contradicts = judged = 0
    for item in marks.split():
        bit = 1 << int(item[1:-1])
        if judged & bit or bit >> k > 1:
            return None
        judged |= bit
        supports |= bit if item[-1] == "+" else 0
        contradicts |= bit if item[-1] == "-" else 0
    return supports, contradicts, judged


def _rivals(lines: list[str], k: int) -> tuple[Rivals, Legal]:
    heads, _, rests = _cut(lines, ": ")
    said, _, cited = _cut(rests, " [")
    labelled, bars, told = _cut(said, " | ")
    number = np.array([_PROPOSED.get(head, 0) for head in heads], np.int64)
    labels, label = numbered(labelled)
    stories, story = numbered(told)
    affects = [_affects(each) for each in labels]
    are_labels = np.array([each is not None for each in affects], np.bool_)
    is_story = np.array([is_clean(each) and each.count(" ") < MAX_STORY_WORDS for each in stories], np.bool_)
    has_bar, has_story = np.array(bars) != "", np.array([each != "" for each in stories], np.bool_)[story]
    cites, are_cites = _cites(cited)
    table = Rivals(number, label, [each or frozenset() for each in affects], cites)
    legal = (number > 0) & (number <= k) & are_labels[label] & is_story[story] & (has_bar == has_story) & are_cites
    return table, legal


def _cut(lines: Iterable[str], at: str) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
    """What stands before the first such separator in each line, the separator, and what stands behind."""
    rows = [line.partition(at) for line in lines]
    before, found, behind = zip(*rows, strict=True) if rows else ((), (), ())
    return before, found, behind


def _affects(labels: str) -> frozenset[str] | None:
    """What the labels of a hypothesis stand for; None where these are no 1 to `MAX_LABELS` words."""
    words = labels.split(", ")
    affects = frozenset([affect for affect in map(_affect, words) if affect is not None])
    return affects if len(words) <= MAX_LABELS and all(map(_affect, words)) else None


@lru_cache(maxsize=_WORDS)
def _affect(word: str) -> str | None:
    """The affect of a word, or the word itself where it is on no wheel; None where it is no word."""
    return (cluster_of(word) or word) if is_word(word) else None


def _answers(lines: list[str]) -> tuple[Answers, Legal]:
    bodies = [line[len("<ans>") : -len("</ans>")] if line.endswith("</ans>") else "" for line in lines]
    labels = [[] if body in _ABSTENTIONS else body.split("; ") for body in bodies]
    said, _, cited = _cut(chain.from_iterable(labels), " [")
    words = [_word(each) for each in said]
    cites, are_cites = _cites(cited)
    are_labels = np.array([_affect(word) is not None and not word.endswith("-") for word in words], np.bool_)
    illegal = np.cumsum(np.concatenate([[False], ~(are_labels & are_cites)]))
    ends = list(accumulate(map(len, labels), initial=0))
    different, which = numbered([tuple(words[start:end]) for start, end in pairwise(ends)])
    affects = [frozenset([affect for word in words if (affect := _affect(word))]) for words in different]
    table = Answers(which, different, affects, np.array(ends[:-1], np.int64), cites)
    return table, np.diff(illegal[ends]) == 0


def _word(said: str) -> str:
    """A label without its confidence."""
    word, _, confidence = said.rpartition(" ")
    return word if confidence in _CONFIDENCES else said


def _cites(cited: Sequence[str]) -> tuple[Cites, Legal]:
    """Cites without their first bracket: `V1] [A2]`."""
    distinct, number = numbered(cited)
    rows = np.array([_ids(each) for each in distinct], np.int64).reshape(-1, MAX_CITES + 1)[number]
    legal = np.array([not each or are_cites(f" [{each}") for each in distinct], np.bool_)[number]
    return Cites(named=rows[:, :MAX_CITES], written=rows[:, MAX_CITES]), legal


def _ids(cites: str) -> list[int]:
    """A row of `Cites`: the ids that count, and how many were written."""
    ids = [IDS.get(id, NO_ID) for id in cites[:-1].split("] [")] if cites else []
    named = list(dict.fromkeys(ids[:MAX_CITES]))
    return [*named, *[NO_ID] * (MAX_CITES - len(named)), len(ids)]


def _verdict(line: str, k: int) -> tuple[int, ...]:
    """The hypotheses that a verdict line names; none where it is no such line, or names another than h1 to hK."""
    match = VERDICT_LINE.fullmatch(line)
    named = tuple([int(name[1:]) for name in match[1].split(", ")]) if match else ()
    return named if max(named, default=0) <= k else ()


def forget_words() -> None:
    """Empties what is remembered, so that a measurement starts cold."""
    _affect.cache_clear()
