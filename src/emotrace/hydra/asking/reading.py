"""A reply's text made into a `Trace`, with a status that says how it was read, or why not. Nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.reasoning.parsing import REFUSAL, read_json
from emotrace.hydra.asking.prompts import Form, Step, name_of
from emotrace.hydra.asking.schemas import OtherSchemaError, reply_text
from emotrace.hydra.grammar import parse, render, repair
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.sentences import Sentenced
from emotrace.hydra.trace import Trace
from emotrace.hydra.verify import Verification

MAX_FAULTS: Final = 6
"""[ours] How many faults are told when a reply is asked for again."""
_OWN_THINKING: Final = re.compile(r"\s*<think(?:ing)?>(.*?)</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_LOOP: Final = re.compile(r"(.{4,200}?)\1{4,}.{0,200}\Z", re.DOTALL)
_VERDICT: Final = re.compile(r"^(verdict: )(.+)$", re.MULTILINE)
_TAIL_CHARACTERS: Final = 1500


class Status(Sentenced):
    """How a reply was read: with a trace in the first two cases, without one in the others."""

    READ = "read", "It was read as it came."
    MENDED = "mended", "White space, the case of tags or brackets were mended."
    EMPTY = "empty", "It holds nothing."
    REFUSED = "refused", "The model declined to answer."
    CUT_OFF = "cut_off", "It was cut off at the limit of tokens."
    LOOPING = "looping", "It repeats itself without end."
    NOT_JSON = "not_json", "It is no JSON object."
    OTHER_SCHEMA = "other_schema", "It is JSON of another schema than was asked for."
    MALFORMED = "malformed", "It breaks the grammar."
    CONTRADICTORY = "contradictory", "It contradicts itself."

    @property
    def is_read(self) -> bool:
        """Whether there is a trace."""
        return self in (Status.READ, Status.MENDED)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What came of a reply."""

    status: Status
    trace: Trace | None = None
    """There exactly when `status.is_read`; of a single step, with the other steps' parts as they were given."""
    faults: tuple[str, ...] = ()
    """What is wrong, a sentence each, as the model is told it."""
    mended: tuple[str, ...] = ()
    """What `grammar.repair` changed."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a reply answers."""

    step: Step
    k: int
    """How many hypotheses are asked for (`reason`, `propose`) or given (`decide`); 1 for `verify`."""
    sheet: EvidenceSheet
    hypotheses: tuple[Hypothesis, ...] = ()
    """Those given: the one to verify, numbered 1, or all to decide between."""
    verifications: tuple[Verification, ...] = ()


def read_reply(text: str, asked: Asked, *, form: Form, cut_off: bool = False) -> Reading:
    """The trace that a reply spells out, or what is wrong with it. Never raises, whatever the text.

    Args:
        text: As it came.
        asked: What it answers.
        form: How it was to be written.
        cut_off: Whether the server says that it stopped at the limit of tokens; it is then not mended.
    """
    if not text.strip():
        return Reading(status=Status.EMPTY, faults=(Status.EMPTY.sentence,))
    reading = (
        _read_json(text, asked) if form == "json" else _read_blocks(_without_own_thinking(text, asked), asked, cut_off)
    )
    if reading.status.is_read or reading.status is Status.CONTRADICTORY:
        return reading
    for status, applies in (
        (Status.LOOPING, _LOOP.search(text[-_TAIL_CHARACTERS:]) is not None),
        (Status.CUT_OFF, cut_off),
        (Status.REFUSED, REFUSAL.search(text) is not None and "<" not in text and "{" not in text),
    ):
        if applies:
            return Reading(status=status, faults=(status.sentence, *reading.faults[:2]))
    return reading


def _read_json(text: str, asked: Asked) -> Reading:
    record = read_json(_OWN_THINKING.sub("", text, count=1))
    if record is None:
        return Reading(status=Status.NOT_JSON, faults=(Status.NOT_JSON.sentence,))
    try:
        blocks = reply_text(record, asked.step, k=asked.k)
    except OtherSchemaError as error:
        return Reading(status=Status.OTHER_SCHEMA, faults=(f"The JSON is not of the schema: {error}.",))
    return _read_blocks(blocks, asked, cut_off=True)


def _read_blocks(blocks: str, asked: Asked, cut_off: bool) -> Reading:
    """Reads text of the grammar; a cut-off text is not mended, since mending would complete it."""
    mended: tuple[str, ...] = ()
    parsed = parse(_whole(blocks, asked), k=asked.k, sheet=asked.sheet)
    if parsed.trace is None and not cut_off:
        whole, mended = repair(_whole(blocks, asked))
        again = parse(whole, k=asked.k, sheet=asked.sheet)
        parsed = again if again.trace is not None else parsed
    if parsed.trace is None:
        fatal = [issue for issue in parsed.issues if issue.code.fatal][:MAX_FAULTS]
        faults = tuple(f"{issue.code.sentence} At: {issue.text[:80]!r}" for issue in fatal)
        return Reading(status=Status.MALFORMED, faults=faults)
    if faults := contradictions(parsed.trace, asked):
        return Reading(status=Status.CONTRADICTORY, faults=faults[:MAX_FAULTS])
    return Reading(status=Status.MENDED if mended else Status.READ, trace=parsed.trace, mended=mended)


def _whole(blocks: str, asked: Asked) -> str:
    """A step's blocks as a whole trajectory: what the step was given, and what it was not asked for, is put around."""
    ending = "<ans>abstain: no_evidence</ans>"
    if asked.step == "reason":
        return blocks
    if asked.step == "propose":
        return f"{blocks.strip()}\n<think>\nverdict: h1\n</think>\n{ending}"
    given = ""
    if asked.hypotheses:
        abstaining = Trace(hypotheses=asked.hypotheses, checks=(), verdict=(1,), answers=(), abstain="no_evidence")
        given = render(abstaining).partition("<think>")[0]
    if asked.step == "decide":
        return given + _VERDICT.sub(lambda found: _numbered(found, asked), blocks.strip())
    start, tag, end = blocks.strip().rpartition("</think>")
    return f"{given}{start}verdict: h1\n{tag}{end}\n{ending}" if tag else f"{given}{blocks.strip()}\n{ending}"


def _numbered(verdict: re.Match[str], asked: Asked) -> str:
    """A verdict's letters as the numbers of the hypotheses that were shown under them; others stay."""
    number_of = {name_of(asked.step, number): f"h{number}" for number in range(1, asked.k + 1)}
    return verdict[1] + ", ".join(number_of.get(name, name) for name in verdict[2].split(", "))


def contradictions(trace: Trace, asked: Asked) -> tuple[str, ...]:
    """Where a trace contradicts itself: two opinions of one line, or a label that its own explanation does not bear."""
    marks: dict[str, Mapping[int, str]] = {}
    faults = [
        f"{check.id} is checked twice, with different marks."
        for check in trace.checks
        if marks.setdefault(check.id, check.marks) != check.marks
    ]
    if asked.step in ("reason", "decide"):
        supporting = _supporting(trace, asked)
        many = len(trace.answers) > 1
        faults += [
            f"{answer.word!r} cites {list(answer.cites)}, and none of them is a line of the sheet that supports the "
            "explanation which the verdict names."
            for answer in trace.answers
            if not (supporting & set(answer.cites)) and not (many and answer.word == "neutral")
        ]
    return tuple(faults)


def _supporting(trace: Trace, asked: Asked) -> set[str]:
    """Ids that an answer may stand on: judged as support by a hypothesis of the verdict; all ids where K = 0."""
    if not asked.k:
        return {observation.id for observation in asked.sheet.observations}
    if asked.step == "decide":
        return {id for each in asked.verifications if each.number in trace.verdict for id in each.supporting}
    return {
        check.id
        for check in trace.checks
        if check.id in asked.sheet and any(check.marks.get(number) == "supports" for number in trace.verdict)
    }


def _without_own_thinking(text: str, asked: Asked) -> str:
    """The reply without what a model thinks aloud in tags of its own before it begins."""
    first = "<hyp>" if asked.step == "propose" or (asked.step == "reason" and asked.k) else "<think>"
    found = _OWN_THINKING.match(text)
    after = "" if found is None else text[found.end() :]
    return after if after.lstrip().startswith(first) else text
