"""One trajectory of a reasoner as values, and what can be wrong with its text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import get_args

from emotrace.errors import InvalidTrace
from emotrace.evidence.observation import ID_PATTERN, MODALITIES, EvidenceSheet, Modality, is_clean
from emotrace.hydra.propose import Hypothesis, is_word
from emotrace.hydra.quotes import quote_of
from emotrace.hydra.verify import Mark
from emotrace.results import AbstainCode, Verdict

MAX_NOTES = 2
MAX_NOTE_WORDS = 40

_MARKS: tuple[Mark, ...] = get_args(Mark)


class IssueCode(StrEnum):
    """What can be wrong with a text, a sentence each. Grammar issues are fatal; content issues keep the trace."""

    def __new__(cls, code: str, sentence: str, fatal: bool) -> IssueCode:
        """A code with its sentence and whether it leaves no trace."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        member.fatal = fatal
        return member

    sentence: str
    fatal: bool

    MISSING_BLOCK = "MISSING_BLOCK", "A block is not there.", True
    UNCLOSED_BLOCK = "UNCLOSED_BLOCK", "A block is opened and never closed, as when the text was cut off.", True
    DUPLICATE_BLOCK = "DUPLICATE_BLOCK", "A block or one of its tags comes twice.", True
    WRONG_ORDER = "WRONG_ORDER", "The blocks are not in the order hyp, think, ans.", True
    TEXT_OUTSIDE = "TEXT_OUTSIDE", "Something other than one line end stands between or around the blocks.", True
    EMPTY_BLOCK = "EMPTY_BLOCK", "A block holds nothing.", True
    BAD_HYPOTHESIS = "BAD_HYPOTHESIS", "A line is not a hypothesis.", True
    BAD_CHECK = "BAD_CHECK", "A line is not a check, a missing line or a note, or is out of place.", True
    BAD_VERDICT = "BAD_VERDICT", "The verdict line is malformed, absent, or there although K = 0.", True
    BAD_LABEL = "BAD_LABEL", "An answer is not a word with cites, nor an abstention with a known code.", True
    BAD_CONFIDENCE = "BAD_CONFIDENCE", "A confidence is not written 0.00 to 1.00.", True
    WRONG_K = "WRONG_K", "The hypotheses are not exactly h1 to hK.", True
    UNKNOWN_HYPOTHESIS = "UNKNOWN_HYPOTHESIS", "A mark or the verdict names a hypothesis that was not proposed.", True
    DUPLICATE_HYPOTHESIS = "DUPLICATE_HYPOTHESIS", "Two hypotheses have one number.", True
    UNKNOWN_CITATION = "UNKNOWN_CITATION", "An id is not on the sheet.", False
    DUPLICATE_CHECK = "DUPLICATE_CHECK", "An observation is checked a second time.", False
    OVER_CAP = "OVER_CAP", "A hypothesis cites more than 3 observations.", False
    NO_CITATION = "NO_CITATION", "A label cites nothing.", False
    SHORT_QUOTE = "SHORT_QUOTE", "A quote has fewer than 3 words.", False
    NEUTRAL_MIXED = "NEUTRAL_MIXED", "Neutral stands beside another label.", False
    UNKNOWN_WORD = "UNKNOWN_WORD", "A word is not in the vocabulary.", False
    TOO_MANY_LABELS = "TOO_MANY_LABELS", "The answer has more than 6 labels.", False


@dataclass(frozen=True, kw_only=True)
class Issue:
    """One thing that is wrong: text[start:end] is the text that broke."""

    code: IssueCode
    start: int
    end: int
    text: str


@dataclass(frozen=True, kw_only=True)
class Check:
    """One observation, quoted, with what each hypothesis makes of it."""

    id: str
    quote: str
    marks: Mapping[int, Mark]
    """Hypothesis number -> mark, in the order written."""

    def __post_init__(self) -> None:
        _check_ids((self.id,))
        if not self.quote or not is_clean(self.quote):
            raise InvalidTrace(f"a quote is clean text, got {self.quote!r}")
        if any(not 1 <= number <= 99 or mark not in _MARKS for number, mark in self.marks.items()):
            raise InvalidTrace(f"marks give a hypothesis's number a mark, got {dict(self.marks)}")


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One word of the answer, with what it stands on."""

    word: str
    confidence: float | None
    """Rounded to 0.01; None where none was claimed."""
    cites: tuple[str, ...]

    def __post_init__(self) -> None:
        _check_ids(self.cites)
        if not is_word(self.word):
            raise InvalidTrace(f"an answer is a lower-case word, got {self.word!r}")
        if self.confidence is not None:
            if not 0.0 <= self.confidence <= 1.0:
                raise InvalidTrace(f"a confidence lies in 0..1, got {self.confidence!r}")
            object.__setattr__(self, "confidence", round(float(self.confidence), 2) + 0.0)


@dataclass(frozen=True, kw_only=True)
class Trace:
    """One whole trajectory."""

    hypotheses: tuple[Hypothesis, ...]
    """h1 to hK, in any order."""
    checks: tuple[Check, ...]
    missing: tuple[Modality, ...] = ()
    notes: tuple[str, ...] = ()
    verdict: tuple[int, ...]
    """Numbers of hypotheses, the winner first; others lend labels. Empty exactly when K = 0."""
    answers: tuple[Answer, ...]
    """Empty exactly when `abstain` is set."""
    abstain: AbstainCode | None = None

    def __post_init__(self) -> None:
        numbers = sorted(h.number for h in self.hypotheses)
        if numbers != list(range(1, len(numbers) + 1)):
            raise InvalidTrace(f"hypotheses are numbered 1 to K, got {numbers}")
        named = {*self.verdict, *(n for check in self.checks for n in check.marks)}
        if not named <= set(numbers) or bool(self.verdict) != bool(numbers):
            raise InvalidTrace(f"the verdict names hypotheses of {numbers}, got {self.verdict} and marks for {named}")
        for hypothesis in self.hypotheses:
            _check_ids(hypothesis.cites)
        if not set(self.missing) <= set(MODALITIES):
            raise InvalidTrace(f"missing names modalities, got {self.missing}")
        if len(self.notes) > MAX_NOTES or not all(map(is_note, self.notes)):
            raise InvalidTrace(f"at most {MAX_NOTES} notes of {MAX_NOTE_WORDS} clean words, got {self.notes}")
        if bool(self.answers) == (self.abstain is not None):
            raise InvalidTrace(f"either answers or an abstention, got {self.answers} and {self.abstain}")


@dataclass(frozen=True, kw_only=True)
class Parse:
    """What came of a text: a trace, or None with at least one fatal issue."""

    trace: Trace | None
    issues: tuple[Issue, ...]


def trace_of(verdict: Verdict, sheet: EvidenceSheet) -> Trace:
    """The verdict of any reasoner on its sheet as one trajectory, as a teacher shows it to a student."""
    return Trace(
        hypotheses=verdict.hypotheses,
        checks=tuple(
            Check(id=o.id, quote=quote_of(o.text), marks={v.number: v.marks[o.id] for v in verdict.verifications})
            for o in sheet.observations
        ),
        missing=tuple(sheet.missing),
        verdict=() if verdict.winner is None else (verdict.winner,),
        answers=tuple(
            Answer(word=label.word, confidence=label.confidence, cites=label.observation_ids)
            for label in verdict.labels
        ),
        abstain=verdict.abstain,
    )


def _check_ids(ids: tuple[str, ...]) -> None:
    if not all(re.fullmatch(ID_PATTERN, id) for id in ids):
        raise InvalidTrace(f"ids look like V1, A2, T3 or J1, got {ids}")


def is_note(note: str) -> bool:
    """Whether a text can be a note: 1 to `MAX_NOTE_WORDS` clean words."""
    return bool(note) and is_clean(note) and len(note.split()) <= MAX_NOTE_WORDS
