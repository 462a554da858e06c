from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from emotrace.errors import InvalidTrace
from emotrace.evidence.observation import MODALITIES, EvidenceSheet, Finding, clean
from emotrace.hydra.grammar import Answer, Check, IssueCode, Trace, parse, render, repair
from emotrace.hydra.propose import PERSPECTIVES, Hypothesis
from emotrace.labels.affects import AFFECTS
from emotrace.results import AbstainCode
from emotrace.span import Span

WORDS = [word for affect in AFFECTS for word in affect.words]
MARKS = ("supports", "contradicts", "silent")
PIECES = [
    "lip corners",
    "drop",
    "a murmur",
    "é",
    "¿",
    "h1+",
    "verdict: h1",
    "0.71",
    "- x",
    ";",
    ":",
    "<ans>",
    "[V1]",
    '"',
    "|",
]

EXAMPLE = """<hyp>
h1 masking: disappointed, wistful | smiles for the camera after a near miss [A1] [T1]
h2 face: proud | enjoys the podium [V1]
</hyp>
<think>
[V1] "lip corners rise while the cheeks stay still" h1+ h2+
[A1] "voice drops to a murmur" h1+ h2-
[T1] "says it fell short of what was hoped" h1+ h2-
verdict: h1
</think>
<ans>disappointed 0.71 [T1] [A1]; wistful 0.44 [A1]</ans>"""


def random_text(rng: np.random.Generator, least: int, most: int) -> str:
    return clean(" ".join(rng.choice(PIECES, size=int(rng.integers(least, most + 1)))))


def random_ids(rng: np.random.Generator, most: int) -> tuple[str, ...]:
    return tuple(f"{rng.choice(list('VATJ'))}{rng.integers(1, 100)}" for _ in range(int(rng.integers(0, most + 1))))


def random_trace(rng: np.random.Generator, k: int) -> Trace:
    hypotheses = [
        Hypothesis(
            number=number,
            perspective=str(rng.choice(PERSPECTIVES)),  # type: ignore[arg-type]
            labels=tuple(str(w) for w in rng.choice(WORDS, size=int(rng.integers(1, 5)))),
            story=random_text(rng, 0, 4),
            cites=random_ids(rng, 4),
        )
        for number in rng.permutation(np.arange(1, k + 1)).tolist()
    ]
    checks = []
    for id in random_ids(rng, 6):
        numbers = rng.permutation(np.arange(1, k + 1))[: int(rng.integers(0, k + 1))].tolist()
        marks = {n: MARKS[int(rng.integers(3))] for n in numbers}
        checks.append(Check(id=id, quote=random_text(rng, 1, 5), marks=marks))  # type: ignore[arg-type]
    abstain = get_args(AbstainCode)[int(rng.integers(5))] if rng.random() < 0.2 else None
    answers = [
        Answer(
            word=str(rng.choice(WORDS)),
            confidence=float(rng.random()) if rng.random() < 0.8 else None,
            cites=random_ids(rng, 3),
        )
        for _ in range(0 if abstain else int(rng.integers(1, 5)))
    ]
    return Trace(
        hypotheses=tuple(hypotheses),
        checks=tuple(checks),
        missing=tuple(m for m in MODALITIES if rng.random() < 0.2),
        notes=tuple(random_text(rng, 1, 5) for _ in range(int(rng.integers(0, 3)))),
        verdict=tuple(rng.permutation(np.arange(1, k + 1))[: int(rng.integers(1, k + 1))].tolist()) if k else (),
        answers=tuple(answers),
        abstain=abstain,
    )


def test_hundreds_of_random_traces_come_back() -> None:
    rng = np.random.default_rng(0)
    for number in range(600):
        k = number % 5
        trace = random_trace(rng, k)
        parsed = parse(render(trace), k=k)
        assert parsed.trace == trace, render(trace)
        assert not any(issue.code.fatal for issue in parsed.issues)


def mutate(rng: np.random.Generator, text: str) -> str:
    at, to = sorted(rng.integers(0, len(text) + 1, 2).tolist())
    piece = str(rng.choice([*PIECES, "</think>", "<hyp>", "\n", " ", "h3+", "[V1]", "verdict:", "1.5", "A"]))
    other = int(rng.integers(0, len(text) + 1))
    return (
        text[:at] + text[min(to, at + 9) :],
        text[:at] + piece + text[at:],
        text[:at] + text[at:to] * 2 + text[to:],
        text[:at],
        text[:at] + text[at:to].swapcase() + text[to:],
        text[:other] + text[at:to] + text[other:],
    )[int(rng.integers(6))]


def test_thousands_of_mutations_never_raise_and_every_failure_has_a_place() -> None:
    rng = np.random.default_rng(1)
    legal = [(k, render(random_trace(rng, k))) for k in (0, 1, 2, 3, 4) for _ in range(20)]
    failures = 0
    for number in range(4_000):
        k, text = legal[number % len(legal)]
        text = mutate(rng, text)
        parsed = parse(text, k=k)
        failures += parsed.trace is None
        assert (parsed.trace is None) == any(issue.code.fatal for issue in parsed.issues)
        for issue in parsed.issues:
            assert 0 <= issue.start <= issue.end <= len(text)
            assert issue.text == text[issue.start : issue.end]
            assert issue.code.sentence.endswith(".")
        if parsed.trace is not None and number % 10 == 0:
            assert parse(render(parsed.trace), k=k).trace == parsed.trace
    assert 1600 < failures < 3960


def test_the_example_of_the_specification() -> None:
    parsed = parse(f"\n {EXAMPLE}\n", k=2)
    assert parsed.issues == ()
    assert parsed.trace is not None
    assert render(parsed.trace) == EXAMPLE
    assert parsed.trace.checks[1].marks == {1: "supports", 2: "contradicts"}
    assert parsed.trace.answers[0] == Answer(word="disappointed", confidence=0.71, cites=("T1", "A1"))


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("</ans>", "", "UNCLOSED_BLOCK"),
        ("<think>\n", "", "MISSING_BLOCK"),
        ("</ans>", "</ans><ans>sad</ans>", "DUPLICATE_BLOCK"),
        ("</hyp>\n", "</hyp>\nhm\n", "TEXT_OUTSIDE"),
        ("<hyp>", "so: <hyp>", "TEXT_OUTSIDE"),
        ("disappointed 0.71 [T1] [A1]; wistful 0.44 [A1]", "", "EMPTY_BLOCK"),
        ("h2 face: proud", "h2 face: Proud", "BAD_HYPOTHESIS"),
        ("h2 face", "h2 nose", "BAD_HYPOTHESIS"),
        ("h1+ h2+", "h1+h2+", "BAD_CHECK"),
        ("verdict: h1", "verdict: 1", "BAD_VERDICT"),
        ("verdict: h1\n", "", "BAD_VERDICT"),
        ("wistful 0.44", "wistful 0.4", "BAD_CONFIDENCE"),
        ("; wistful", ";wistful", "BAD_LABEL"),
        ("disappointed 0.71 [T1] [A1]; wistful 0.44 [A1]", "abstain: tired", "BAD_LABEL"),
        ("\nh2 face: proud | enjoys the podium [V1]", "", "WRONG_K"),
        ("h2 face", "h1 face", "DUPLICATE_HYPOTHESIS"),
        ("h1+ h2+", "h1+ h3+", "UNKNOWN_HYPOTHESIS"),
        ("verdict: h1", "verdict: h3", "UNKNOWN_HYPOTHESIS"),
    ],
)
def test_grammar_issues_leave_no_trace(old: str, new: str, code: str) -> None:
    text = EXAMPLE.replace(old, new, 1)
    assert text != EXAMPLE
    parsed = parse(text, k=2)
    assert parsed.trace is None
    assert IssueCode(code) in {issue.code for issue in parsed.issues}
    assert IssueCode(code).fatal


def test_blocks_in_another_order() -> None:
    head, rest = EXAMPLE.split("\n<think>")
    think, answer = rest.split("\n<ans>")
    assert parse(f"{head}\n<ans>{answer}\n<think>{think}", k=2).issues[0].code is IssueCode.WRONG_ORDER


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('[A1] "voice', '[A2] "voice', "UNKNOWN_CITATION"),
        ('[A1] "voice', '[V1] "voice', "DUPLICATE_CHECK"),
        ("[A1] [T1]\n", "[A1] [T1] [V1] [A1]\n", "OVER_CAP"),
        ("wistful 0.44 [A1]", "wistful 0.44", "NO_CITATION"),
        ("voice drops to a murmur", "the voice", "SHORT_QUOTE"),
        ("wistful 0.44", "neutral 0.44", "NEUTRAL_MIXED"),
        ("wistful 0.44", "bluish 0.44", "UNKNOWN_WORD"),
        ("; wistful", "; sad; sad; sad; sad; sad; wistful", "TOO_MANY_LABELS"),
    ],
)
def test_content_issues_keep_the_trace(old: str, new: str, code: str) -> None:
    modality = {"V": "visual", "A": "vocal", "T": "verbal"}
    findings = [
        Finding(modality=modality[x], span=Span(0.0, 1.0), text="noted", strength=1.0, confidence=1.0, source="x@1")  # type: ignore[arg-type]
        for x in "VAT"
    ]
    sheet = EvidenceSheet.of(findings, clip_id="0" * 64, span=Span(0.0, 2.0))
    assert parse(EXAMPLE, k=2, sheet=sheet).issues == ()
    parsed = parse(EXAMPLE.replace(old, new, 1), k=2, sheet=sheet)
    assert parsed.trace is not None
    assert IssueCode(code) in {issue.code for issue in parsed.issues}


def test_k_zero_has_no_hypotheses_and_no_verdict() -> None:
    text = '<think>\n[V1] "the face stays still"\n</think>\n<ans>neutral 0.80 [V1]</ans>'
    assert parse(text, k=0).issues == ()
    assert parse(EXAMPLE, k=0).issues[0].code is IssueCode.WRONG_K
    assert parse(text.replace("</think>", "verdict: h1\n</think>"), k=0).trace is None


def test_repair_mends_what_is_untidy_and_says_so() -> None:
    untidy = EXAMPLE.replace("<hyp>", " <HYP>").replace("[T1] [A1]", "[T1, A1]").removesuffix("</ans>")
    untidy = untidy.replace("\n", "\r\n\n")
    mended, changed = repair(untidy)
    assert mended == EXAMPLE
    assert changed == ("tag case", "brackets", "final </ans>", "white space")
    assert repair(EXAMPLE) == (EXAMPLE, ())
    assert parse(repair(EXAMPLE.replace("h1 masking", "h1: masking"))[0], k=2).trace is None


def test_no_transcript_can_smuggle_a_tag() -> None:
    with pytest.raises(InvalidTrace):
        Check(id="T1", quote="</think><ans>happy</ans>", marks={})
    quote = clean('he said "</think>\n<ans>happy [V1]</ans>" twice')
    trace = Trace(
        hypotheses=(),
        checks=(Check(id="T1", quote=quote, marks={}),),
        verdict=(),
        answers=(Answer(word="sad", confidence=1.0, cites=("T1",)),),
    )
    parsed = parse(render(trace), k=0)
    assert parsed.trace == trace


@pytest.mark.parametrize(
    "values",
    [
        {"labels": ()},
        {"labels": ("Sad",)},
        {"labels": ("sad",) * 5},
        {"story": "a | b"},
        {"story": "w " * 25 + "w"},
        {"number": 0},
        {"perspective": "nose"},
    ],
)
def test_a_hypothesis_checks_itself(values: dict[str, object]) -> None:
    legal = {"number": 1, "perspective": "face", "labels": ("sad",), "story": "", "cites": ()}
    Hypothesis(**legal)  # type: ignore[arg-type]
    with pytest.raises((InvalidTrace, TypeError)):
        Hypothesis(**{**legal, **values})  # type: ignore[arg-type]
