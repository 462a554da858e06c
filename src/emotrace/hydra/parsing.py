"""The grammar of a trajectory, read: `parse` and the lines that it knows. `grammar.py` shows a whole text.

Malformed text is a value: a `Parse` without a trace, whose issues say what broke and where. What a verdict, marks and
cites look like is shared with the rewards, which read faster and say less. Hydra specification, section 3.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import get_args

from emotrace.errors import InvalidTrace
from emotrace.evidence.observation import ID_PATTERN, MODALITIES, EvidenceSheet, Modality
from emotrace.hydra.propose import MAX_CITES, PERSPECTIVES, Hypothesis, Perspective, cluster_of
from emotrace.hydra.trace import Answer, Check, Issue, IssueCode, Parse, Trace, is_note
from emotrace.hydra.verify import Mark
from emotrace.results import AbstainCode

MAX_ANSWERS = 6
LEAST_QUOTE_WORDS = 3

SIGNS: dict[Mark, str] = {"supports": "+", "contradicts": "-", "silent": "~"}
_MARK_OF: dict[str, Mark] = {sign: mark for mark, sign in SIGNS.items()}
_ABSTAIN: dict[str, AbstainCode] = {code: code for code in get_args(AbstainCode)}
_PERSPECTIVE: dict[str, Perspective] = {name: name for name in PERSPECTIVES}
_MODALITY: dict[str, Modality] = {name: name for name in MODALITIES}

_NUMBER = r"[1-9][0-9]?"
_CITES = rf"(?: \[{ID_PATTERN}\])*"
_MARKS = rf"(?: h{_NUMBER}[+~-])*"
_TAG = re.compile(r"<(/?)(hyp|think|ans)>")
HYPOTHESIS_LINE = re.compile(rf"h({_NUMBER}) ({'|'.join(PERSPECTIVES)}): ([^|\[\]]+)(?: \| ([^|\[\]]+))?({_CITES})")
CHECK_LINE = re.compile(rf'\[({ID_PATTERN})\] "([^"]+)"({_MARKS})')
ANSWER_TEXT = re.compile(rf"([^\d\[\]]*[^\d\[\] .-])(?: ([^ \[\]]*\d[^ \[\]]*))?({_CITES})")
VERDICT_LINE = re.compile(rf"verdict: (h{_NUMBER}(?:, h{_NUMBER})*)")
CONFIDENCE_TEXT = re.compile(r"0\.[0-9]{2}|1\.00")


def are_cites(text: str) -> bool:
    """Whether a text is cites and nothing else, such as ` [V1] [A2]`; none at all are."""
    return re.fullmatch(_CITES, text) is not None


def are_marks(text: str) -> bool:
    """Whether a text is marks and nothing else, such as ` h1+ h2~`; none at all are."""
    return re.fullmatch(_MARKS, text) is not None


def parse(text: str, *, k: int, sheet: EvidenceSheet | None = None) -> Parse:
    """Reads a trajectory. Never raises, whatever the text.

    Args:
        text: White space may lead and trail; nothing else may stand outside the tags.
        k: How many hypotheses there must be; 0 means no `<hyp>` block and no verdict line.
        sheet: Where given, citations are checked against it.

    Returns:
        A trace, unless an issue is a grammar issue (`issue.code.fatal`).
    """
    reading = _Reading(text, k)
    bodies = reading.blocks()
    if bodies is None:
        return Parse(trace=None, issues=tuple(reading.issues))
    hypotheses = reading.hypotheses(*bodies["hyp"]) if k else ()
    checks, missing, notes, verdict = reading.thinking(*bodies["think"])
    answers, abstain = reading.answer(*bodies["ans"])
    reading.check_numbers(hypotheses, checks, verdict, bodies)
    if any(issue.code.fatal for issue in reading.issues):
        return Parse(trace=None, issues=tuple(reading.issues))
    trace = Trace(
        hypotheses=hypotheses,
        checks=tuple(check for check, _ in checks),
        missing=missing,
        notes=notes,
        verdict=verdict,
        answers=answers,
        abstain=abstain,
    )
    if sheet is not None:
        reading.check_citations(sheet)
    return Parse(trace=trace, issues=tuple(reading.issues))


@lru_cache(maxsize=4096)
def _hypothesis(line: str) -> Hypothesis | None:
    match = HYPOTHESIS_LINE.fullmatch(line)
    if match is None:
        return None
    number, perspective, labels, story, cites = match.groups()
    try:
        return Hypothesis(
            number=int(number),
            perspective=_PERSPECTIVE[perspective],
            labels=tuple(labels.split(", ")),
            story=story or "",
            cites=tuple(re.findall(ID_PATTERN, cites)),
        )
    except InvalidTrace:
        return None


@lru_cache(maxsize=4096)
def _check(line: str) -> Check | None:
    match = CHECK_LINE.fullmatch(line)
    if match is None:
        return None
    marks = [(int(item[1:-1]), _MARK_OF[item[-1]]) for item in match[3].split()]
    if len(dict(marks)) < len(marks):
        return None
    try:
        return Check(id=match[1], quote=match[2], marks=dict(marks))
    except InvalidTrace:
        return None


@lru_cache(maxsize=4096)
def _answer(text: str) -> Answer | IssueCode:
    match = ANSWER_TEXT.fullmatch(text)
    if match is None:
        return IssueCode.BAD_LABEL
    word, confidence, cites = match.groups()
    if confidence is not None and not CONFIDENCE_TEXT.fullmatch(confidence):
        return IssueCode.BAD_CONFIDENCE
    try:
        return Answer(
            word=word,
            confidence=None if confidence is None else float(confidence),
            cites=tuple(re.findall(ID_PATTERN, cites)),
        )
    except InvalidTrace:
        return IssueCode.BAD_LABEL


class _Reading:
    """One pass over a text, collecting issues."""

    def __init__(self, text: str, k: int) -> None:
        self.text = text
        self.k = k
        self.issues: list[Issue] = []
        self._cited: list[tuple[str, int, int]] = []

    def note(self, code: IssueCode, start: int, end: int) -> None:
        self.issues.append(Issue(code=code, start=start, end=end, text=self.text[start:end]))

    def blocks(self) -> dict[str, tuple[int, int]] | None:
        """Offsets of what each block holds, or None where the skeleton is broken."""
        expected = ("hyp", "think", "ans") if self.k else ("think", "ans")
        tags = list(_TAG.finditer(self.text))
        bodies: dict[str, tuple[int, int]] = {}
        spans: dict[str, tuple[int, int]] = {}
        for name in ("hyp", "think", "ans"):
            opened = [tag for tag in tags if tag[2] == name and not tag[1]]
            closed = [tag for tag in tags if tag[2] == name and tag[1]]
            if name not in expected:
                if extra := opened or closed:
                    self.note(IssueCode.WRONG_K, *extra[0].span())
            elif len(opened) > 1 or len(closed) > 1:
                self.note(IssueCode.DUPLICATE_BLOCK, *(opened if len(opened) > 1 else closed)[1].span())
            elif not opened:
                place = closed[0].span() if closed else (len(self.text), len(self.text))
                self.note(IssueCode.MISSING_BLOCK, *place)
            elif not closed or closed[0].start() < opened[0].end():
                self.note(IssueCode.UNCLOSED_BLOCK, *opened[0].span())
            else:
                bodies[name] = opened[0].end(), closed[0].start()
                spans[name] = opened[0].start(), closed[0].end()
        if not self.issues:
            self._check_order([spans[name] for name in expected])
        return None if self.issues else bodies

    def _check_order(self, spans: list[tuple[int, int]]) -> None:
        for (_, end), (start, stop) in pairwise(spans):
            if start < end:
                self.note(IssueCode.WRONG_ORDER, start, stop)
                return
        borders = [0, *(border for span in spans for border in span), len(self.text)]
        for number, (end, start) in enumerate(zip(borders[::2], borders[1::2], strict=True)):
            outside = self.text[end:start]
            outermost = number in (0, len(spans))
            if outside.strip() if outermost else outside != "\n":
                self.note(IssueCode.TEXT_OUTSIDE, end, start)

    def lines(self, start: int, end: int, wrong: IssueCode) -> Iterator[tuple[str, int, int]]:
        """The lines of a block, which begins and ends with a line end."""
        body = self.text[start:end]
        if not body.startswith("\n") or not body.endswith("\n"):
            self.note(wrong, start, end)
            return
        if body == "\n":
            return
        cursor = start + 1
        for line in body[1:-1].split("\n"):
            yield line, cursor, cursor + len(line)
            cursor += len(line) + 1

    def hypotheses(self, start: int, end: int) -> tuple[Hypothesis, ...]:
        """The `<hyp>` block."""
        if not self.text[start:end].strip():
            self.note(IssueCode.EMPTY_BLOCK, start, end)
            return ()
        found: dict[int, Hypothesis] = {}
        for line, first, last in self.lines(start, end, IssueCode.BAD_HYPOTHESIS):
            hypothesis = _hypothesis(line)
            if hypothesis is None:
                self.note(IssueCode.BAD_HYPOTHESIS, first, last)
            elif hypothesis.number in found:
                self.note(IssueCode.DUPLICATE_HYPOTHESIS, first, last)
            else:
                found[hypothesis.number] = hypothesis
                self._look_at(hypothesis.labels, hypothesis.cites, first, last)
                if len(hypothesis.cites) > MAX_CITES:
                    self.note(IssueCode.OVER_CAP, first, last)
        return tuple(found.values())

    def thinking(
        self, start: int, end: int
    ) -> tuple[list[tuple[Check, tuple[int, int]]], tuple[Modality, ...], tuple[str, ...], tuple[int, ...]]:
        """The `<think>` block: checks, then what is missing, notes and the verdict, each line in its place."""
        checks: list[tuple[Check, tuple[int, int]]] = []
        missing: tuple[Modality, ...] = ()
        notes: list[str] = []
        verdict: tuple[int, ...] = ()
        stage, seen = 0, set[str]()
        if self.k and not self.text[start:end].strip():
            self.note(IssueCode.EMPTY_BLOCK, start, end)
        for line, first, last in self.lines(start, end, IssueCode.BAD_CHECK):
            if stage == 0 and (check := _check(line)) is not None:
                checks.append((check, (first, last)))
                self._cited.append((check.id, first, last))
                if check.id in seen:
                    self.note(IssueCode.DUPLICATE_CHECK, first, last)
                if len(check.quote.split()) < LEAST_QUOTE_WORDS:
                    self.note(IssueCode.SHORT_QUOTE, first, last)
                seen.add(check.id)
            elif stage == 0 and (named := missing_modalities(line)) is not None:
                missing, stage = named, 1
            elif stage <= 1 and line.startswith("- ") and len(notes) < 2 and is_note(line[2:]):
                notes.append(line[2:])
                stage = 1
            elif line.startswith("verdict:"):
                match = VERDICT_LINE.fullmatch(line)
                if match is None or verdict or not self.k:
                    self.note(IssueCode.BAD_VERDICT, first, last)
                else:
                    verdict = tuple(int(name[1:]) for name in match[1].split(", "))
                stage = 2
            else:
                self.note(IssueCode.BAD_CHECK, first, last)
        if self.k and not verdict and not any(i.code is IssueCode.BAD_VERDICT for i in self.issues):
            self.note(IssueCode.BAD_VERDICT, end, end)
        return checks, missing, tuple(notes), verdict

    def answer(self, start: int, end: int) -> tuple[tuple[Answer, ...], AbstainCode | None]:
        """The `<ans>` block."""
        body = self.text[start:end]
        if not body.strip():
            self.note(IssueCode.EMPTY_BLOCK, start, end)
            return (), None
        if body.startswith("abstain: "):
            code = _ABSTAIN.get(body.removeprefix("abstain: "))
            if code is None:
                self.note(IssueCode.BAD_LABEL, start, end)
            return (), code
        answers, cursor = [], start
        for part in body.split("; "):
            last, answer = cursor + len(part), _answer(part)
            if isinstance(answer, IssueCode):
                self.note(answer, cursor, last)
            else:
                answers.append(answer)
                self._look_at((answer.word,), answer.cites, cursor, last)
                if not answer.cites:
                    self.note(IssueCode.NO_CITATION, cursor, last)
            cursor = last + 2
        if len(answers) > MAX_ANSWERS:
            self.note(IssueCode.TOO_MANY_LABELS, start, end)
        if len(answers) > 1 and any(answer.word == "neutral" for answer in answers):
            self.note(IssueCode.NEUTRAL_MIXED, start, end)
        return tuple(answers), None

    def check_numbers(
        self,
        hypotheses: tuple[Hypothesis, ...],
        checks: list[tuple[Check, tuple[int, int]]],
        verdict: tuple[int, ...],
        bodies: dict[str, tuple[int, int]],
    ) -> None:
        """Exactly h1..hK, and nobody names another."""
        broken = any(issue.code.fatal for issue in self.issues)
        if self.k and not broken and {h.number for h in hypotheses} != set(range(1, self.k + 1)):
            self.note(IssueCode.WRONG_K, *bodies["hyp"])
        known = {h.number for h in hypotheses}
        for check, place in checks:
            if not set(check.marks) <= known:
                self.note(IssueCode.UNKNOWN_HYPOTHESIS, *place)
        if not set(verdict) <= known:
            self.note(IssueCode.UNKNOWN_HYPOTHESIS, *bodies["think"])

    def check_citations(self, sheet: EvidenceSheet) -> None:
        """Every id that was named is on the sheet."""
        for cited, first, last in self._cited:
            if cited not in sheet:
                self.note(IssueCode.UNKNOWN_CITATION, first, last)

    def _look_at(self, words: tuple[str, ...], cites: tuple[str, ...], first: int, last: int) -> None:
        self._cited += [(cite, first, last) for cite in cites]
        if any(cluster_of(word) is None for word in words):
            self.note(IssueCode.UNKNOWN_WORD, first, last)


@lru_cache(maxsize=64)
def missing_modalities(line: str) -> tuple[Modality, ...] | None:
    """What a line `missing: ...` names; None for any other line."""
    names = line.removeprefix("missing: ").split(", ")
    if not line.startswith("missing: ") or any(name not in _MODALITY for name in names):
        return None
    return tuple(_MODALITY[name] for name in names)
