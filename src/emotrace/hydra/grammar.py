"""The trajectory as text: `<hyp>`, `<think>`, `<ans>`, rendered and repaired here, parsed in `parsing.py`.

The three tags as one trajectory are the paper's [paper]; everything inside them is ours [ours], as its citation syntax
is unknown. `parse(render(trace), k=...)` gives the trace back, for every trace that can be built; malformed text is a
value too: a `Parse` without a trace, whose issues say what broke and where. Hydra specification, section 3.

    <hyp>
    h1 masking: disappointed, wistful | smiles for the camera after a near miss [A1] [T1]
    h2 face: proud | enjoys the podium [V1]
    </hyp>
    <think>
    [V1] "lip corners rise while the cheeks stay still" h1+ h2+
    [A1] "voice drops to a murmur" h1+ h2-
    verdict: h1
    </think>
    <ans>disappointed 0.71 [T1] [A1]; wistful 0.44 [A1]</ans>
"""

from __future__ import annotations

import re

from emotrace.evidence.observation import ID_PATTERN, clean
from emotrace.hydra.parsing import (
    LEAST_QUOTE_WORDS,
    MAX_ANSWERS,
    SIGNS,
    VERDICT_LINE,
    missing_modalities,
    parse,
)
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.trace import Answer, Check, Issue, IssueCode, Parse, Trace, trace_of

__all__ = [
    "Trace",
    "Check",
    "Answer",
    "Parse",
    "Issue",
    "IssueCode",
    "render",
    "parse",
    "repair",
    "trace_of",
    "clean",
    "missing_modalities",
    "MAX_ANSWERS",
    "LEAST_QUOTE_WORDS",
    "VERDICT_LINE",
]


def render(trace: Trace) -> str:
    """The trace as text."""
    lines: list[str] = []
    if trace.hypotheses:
        lines += ["<hyp>", *map(_render_hypothesis, trace.hypotheses), "</hyp>"]
    lines += ["<think>", *map(_render_check, trace.checks)]
    if trace.missing:
        lines.append("missing: " + ", ".join(trace.missing))
    lines += [f"- {note}" for note in trace.notes]
    if trace.verdict:
        lines.append("verdict: " + ", ".join(f"h{number}" for number in trace.verdict))
    lines.append("</think>")
    answer = f"abstain: {trace.abstain}" if trace.abstain else "; ".join(map(_render_answer, trace.answers))
    return "\n".join([*lines, f"<ans>{answer}</ans>"])


def _render_hypothesis(hypothesis: Hypothesis) -> str:
    story = f" | {hypothesis.story}" if hypothesis.story else ""
    head = f"h{hypothesis.number} {hypothesis.perspective}: {', '.join(hypothesis.labels)}{story}"
    return head + _render_cites(hypothesis.cites)


def _render_check(check: Check) -> str:
    return f'[{check.id}] "{check.quote}"' + "".join(f" h{n}{SIGNS[mark]}" for n, mark in check.marks.items())


def _render_answer(answer: Answer) -> str:
    confidence = "" if answer.confidence is None else f" {answer.confidence:.2f}"
    return answer.word + confidence + _render_cites(answer.cites)


def _render_cites(cites: tuple[str, ...]) -> str:
    return "".join(f" [{cite}]" for cite in cites)


def repair(text: str) -> tuple[str, tuple[str, ...]]:
    r"""Mends what is only untidy, and says what it changed. Never used where a text earns a reward.

    White space, the case of tags, several ids in one bracket, and a missing final `</ans>`; nothing else.

    >>> repair("<THINK>\n</think> <ans>sad [V1, A2]")[0]
    '<think>\n</think>\n<ans>sad [V1] [A2]</ans>'
    """
    steps = (
        (
            "tag case",
            lambda t: re.sub(r"<\s*(/?)\s*(hyp|think|ans)\s*>", lambda m: f"<{m[1]}{m[2].lower()}>", t, flags=re.I),
        ),
        ("brackets", lambda t: re.sub(rf"\[({ID_PATTERN}(?:\s*,\s*{ID_PATTERN})+)\]", _one_bracket_each, t)),
        ("final </ans>", lambda t: t.rstrip() + "</ans>" if t.count("<ans>") == 1 and "</ans>" not in t else t),
        ("white space", _tidy),
    )
    changed = []
    for name, step in steps:
        mended = step(text)
        if mended != text:
            changed.append(name)
        text = mended
    return text, tuple(changed)


def _one_bracket_each(match: re.Match[str]) -> str:
    return " ".join(f"[{cite}]" for cite in re.findall(ID_PATTERN, match[1]))


def _tidy(text: str) -> str:
    """One line per item, single spaces, blocks one line end apart."""
    text = re.sub(r"\s*(</?(?:hyp|think)>)\s*", r"\n\1\n", text)
    text = re.sub(r"<ans>\s*(.*?)\s*</ans>", lambda m: f"\n<ans>{' '.join(m[1].split())}</ans>\n", text, flags=re.S)
    return "\n".join(line for raw in text.split("\n") if (line := " ".join(raw.split())))
