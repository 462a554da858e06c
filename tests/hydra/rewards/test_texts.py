"""Texts of every kind: the fast reader against the parser, and what is malformed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.hydra.grammar import parse, render
from emotrace.hydra.rewards.reading import read
from emotrace.testing.reward_cases import (
    Case,
    cases,
    full,
    perfect,
    reward,
    scorer,
    sheets,
    text_score,
    with_checks,
)

# --- texts of every kind


PIECES = [
    "<hyp>",
    "</hyp>",
    "<think>",
    "</think>",
    "<ans>",
    "</ans>",
    "\n",
    "h1 face: sad",
    "[V1]",
    "verdict: h1",
    "- x",
]


def mutate(rng: np.random.Generator, text: str) -> str:
    at, to = sorted(rng.integers(0, len(text) + 1, 2).tolist())
    piece = str(rng.choice([*PIECES, " ", '"', "h3+", "[V1, A2]", "missing: visual\n", "\ud800", "\0", "é", "1.5"]))
    return (
        text[:at] + text[min(to, at + 9) :],
        text[:at] + piece + text[at:],
        text[:at] + text[at:to] * 2 + text[to:],
        text[:at],
        text[:at] + text[at:to].swapcase() + text[to:],
        text[: text.find("<think>") + 8] + piece + "\n" + text[text.find("<think>") + 8 :],
    )[int(rng.integers(6))]


def test_four_thousand_texts_are_legal_for_the_reader_exactly_where_the_parser_makes_a_trace() -> None:
    rng = np.random.default_rng(0)
    golden = [(k, render(perfect(sheet, ("sad", "proud"), k))) for k in range(5) for sheet in sheets()[:6]]
    legal = 0
    for number in range(4_000):
        k, text = golden[number % len(golden)]
        text = mutate(rng, text)
        parsed = parse(text, k=k).trace
        assert (read(text, k) is None) == (parsed is None), text
        legal += parsed is not None
    assert 200 < legal < 3600


@settings(deadline=None)
@given(cases())
def test_the_reader_reads_what_the_parser_reads(case: Case) -> None:
    trace = replace(case.trace, notes=("a note",), missing=("vocal",))
    reading = read(render(trace), case.k)
    assert reading is not None
    assert [(c.id, c.quote) for c in reading.checks] == [(c.id, c.quote) for c in trace.checks]
    for line, check in zip(reading.checks, trace.checks, strict=True):
        assert {n for n in range(5) if line.supports >> n & 1} == {n for n, m in check.marks.items() if m == "supports"}
        assert line.judged == sum(1 << n for n in check.marks)
    assert [r.cites for r in reading.rivals] == [h.cites for h in trace.hypotheses]
    assert [(a.word, a.cites) for a in reading.labels] == [(a.word, a.cites) for a in trace.answers]
    assert reading.verdict == trace.verdict


def test_a_thousand_random_malformed_texts_score_nothing_and_raise_nothing() -> None:
    rng = np.random.default_rng(1)
    case = full()
    texts = []
    while len(texts) < 1000:
        text = "".join(
            rng.choice([*PIECES, "\ud800", "\0", "情", "a" * 50, " "], size=int(rng.integers(0, 30))).tolist()
        )
        text = text if rng.random() < 0.5 else mutate(rng, render(case.trace))
        if parse(text, k=2).trace is None:
            texts.append(text)
    batch = scorer(2).score(texts, [case.sheet] * 1000, [list(case.gold)] * 1000)
    assert not batch.raw.any()
    assert not batch.total.any()


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_at_all_scores_a_number(text: str) -> None:
    assert 0.0 <= text_score(text, full()).total <= 2.2


def test_a_quote_with_half_a_surrogate_pair_is_scored() -> None:
    case = full()
    odd = with_checks(case, lambda check: replace(check, quote=check.quote + "\ud800"))
    assert 0.2 < reward(odd).total < 2.2 + 1e-9


def test_very_long_texts_take_no_longer_than_their_length_asks() -> None:
    case = full()
    looping = render(case.trace).replace("verdict:", '[V1] "again and again" h1+\n' * 20_000 + "verdict:")
    assert reward(case).total > text_score(looping, case).total
    assert text_score("<hyp>\n" * 100_000, case).total == 0.0
