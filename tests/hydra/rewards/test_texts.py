"""Texts of every kind: the fast reader against the parser, and what is malformed."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.hydra.grammar import parse, render
from emotrace.hydra.propose import MAX_CITES
from emotrace.hydra.rewards.lines import IDS
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
    for k in range(5):
        golden = [render(perfect(sheet, ("sad", "proud"), k)) for sheet in sheets()[:6]]
        texts = [mutate(rng, golden[number % 6]) for number in range(800)]
        legal = [parse(text, k=k).trace is not None for text in texts]
        assert read(texts, k).legal.tolist() == legal
        assert 40 < sum(legal) < 720


LINES = [
    ["h1 face: sad | a story [V1]", "h1 face: sad", "h1 face: sad | ", "h1 face: sad- | x", "h1 face: sad |x"],
    ["h2 other: proud [V1] [A2]", "h2 other: proud [V1][A2]", "h2 other: proud  [V1]", "h2 odd: proud", "h3 face: xx"],
    ['[V1] "two words" h1+ h2~', '[V1] "" h1+', '[V1] "a  b"', '[V0] "a b"', '[V1] "a b" h3+', '[V1]"a b" h1-'],
    ["sad 0.50 [V1]; let down", "sad-", "sad 1.01", "sad [V1", "sad .50", "0.50", "sad; ", "abstain: no_evidence"],
]


def test_what_a_line_may_say_is_the_parsers_to_decide() -> None:
    texts = [
        f"<hyp>\n{one}\n{other}\n</hyp>\n<think>\n{check}\nverdict: h1, h2\n</think>\n<ans>{answer}</ans>"
        for one, other, check, answer in product(*LINES)
    ]
    legal = [parse(text, k=2).trace is not None for text in texts]
    assert read(texts, 2).legal.tolist() == legal
    assert 4 <= sum(legal) < len(legal) // 2


@settings(deadline=None)
@given(cases())
def test_the_reader_reads_what_the_parser_reads(case: Case) -> None:
    trace = replace(case.trace, notes=("a note",), missing=("vocal",))
    reading = read(["malformed", render(trace)], case.k)
    assert reading.legal.tolist() == [False, True]
    checks, rivals, answers = reading.lines.checks, reading.lines.rivals, reading.lines.answers
    names = {number: id for id, number in IDS.items()}
    assert [names[id] for id in checks.id[reading.checks]] == [check.id for check in trace.checks]
    assert [checks.quotes[quote] for quote in checks.quote[reading.checks]] == [check.quote for check in trace.checks]
    for line, check in zip(reading.checks, trace.checks, strict=True):
        marks = [check.marks.get(number) for number in range(1, case.k + 1)]
        assert checks.supports[line].tolist() == [mark == "supports" for mark in marks]
        assert checks.contradicts[line].tolist() == [mark == "contradicts" for mark in marks]
        assert checks.judged[line] == len(check.marks)
    named = rivals.cites.named[reading.rivals].reshape(-1, MAX_CITES)
    assert [[names[id] for id in row if id] for row in named] == [first_cites(h.cites) for h in trace.hypotheses]
    assert rivals.cites.written[reading.rivals].ravel().tolist() == [len(h.cites) for h in trace.hypotheses]
    (answer,) = reading.answers
    assert answers.words[answers.labels[answer]] == tuple(a.word for a in trace.answers)
    rows = answers.cites.named[answers.first[answer] :][: len(trace.answers)]
    assert [[names[id] for id in row if id] for row in rows] == [first_cites(a.cites) for a in trace.answers]
    assert [reading.lines.verdicts[verdict] for verdict in reading.verdicts] == ([trace.verdict] if case.k else [])


def first_cites(cites: tuple[str, ...]) -> list[str]:
    return list(dict.fromkeys(cites[:MAX_CITES]))


def test_every_id_that_can_be_written_can_be_checked_and_cited() -> None:
    case = full()
    texts = [render(case.trace).replace(f"[{case.sheet.observations[0].id}]", f"[{id}]") for id in IDS]
    batch = scorer(2).score(texts, [case.sheet] * len(texts), [list(case.gold)] * len(texts))
    assert batch.raw[:, 0].all()
    absent = [id not in case.sheet for id in IDS]
    assert (batch.raw[absent, 3] == 0.0).all()
    assert sorted(IDS.values()) == list(range(1, len(IDS) + 1))


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
