from __future__ import annotations

import importlib
import inspect
import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emotrace.errors import InvalidScores, RewardFailed, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.hydra.grammar import parse, render
from emotrace.hydra.propose import Hypothesis, cluster_of
from emotrace.hydra.rewards import TERMS, RewardConfig, Score, Scorer, hydra_rewards, score
from emotrace.hydra.rewards.citing import cite
from emotrace.hydra.rewards.quoting import evid, sem
from emotrace.hydra.rewards.reading import read
from emotrace.hydra.rewards.sheets import Trajectory
from emotrace.hydra.rewards.thinking import think
from emotrace.hydra.trace import Answer, Check, Trace
from emotrace.hydra.verify import from_marks
from emotrace.hydra.world import World, sample
from emotrace.labels.affects import AFFECTS
from emotrace.labels.wheel import emotion_wheel
from emotrace.span import Span

WORDS = [word for affect in AFFECTS for word in affect.words if affect.name != "neutral"]
MARKS = ("supports", "contradicts", "silent")


@dataclass(frozen=True, kw_only=True)
class Case:
    """One completion as a value, with what it is scored against."""

    k: int
    sheet: EvidenceSheet
    gold: tuple[str, ...]
    trace: Trace


@cache
def sheets() -> tuple[EvidenceSheet, ...]:
    drawn = (draw.sheet for draw in sample(World(), 80, seed=11))
    return tuple(islice((sheet for sheet in drawn if 2 <= len(sheet.observations) <= 8), 24))


@cache
def scorer(k: int, preset: str = "full") -> Scorer:
    return Scorer(RewardConfig.preset(preset, k=k))


def perfect(sheet: EvidenceSheet, gold: tuple[str, ...], k: int) -> Trace:
    """A trace that earns everything: the first hypothesis holds gold and is supported throughout."""
    ids = tuple(o.id for o in sheet.observations)
    taken = {cluster_of(word) for word in gold}
    others = [a.words[0] for a in AFFECTS if a.name not in taken and a.name != "neutral"]
    labels = [gold, *((word,) for word in others[: max(k - 1, 0)])]
    hypotheses = [
        Hypothesis(number=n, perspective="other", labels=labels[n - 1], story="", cites=ids[:1])
        for n in range(1, k + 1)
    ]
    first, *rest = sheet.observations
    checks = [Check(id=first.id, quote=first.text, marks=dict.fromkeys(range(1, k + 1), "supports"))]
    marks = {n: "supports" if n == 1 else "contradicts" for n in range(1, k + 1)}
    checks += [Check(id=o.id, quote=o.text, marks=marks) for o in rest]  # type: ignore[arg-type]
    return Trace(
        hypotheses=tuple(hypotheses),
        checks=tuple(checks),
        verdict=(1,) if k else (),
        answers=tuple(Answer(word=word, confidence=0.5, cites=ids[:1]) for word in gold),
    )


@st.composite
def golds(draw: st.DrawFn) -> tuple[str, ...]:
    """1 to 3 words of different affects."""
    affects = draw(st.lists(st.sampled_from(AFFECTS[:-1]), min_size=1, max_size=3, unique_by=lambda a: a.name))
    return tuple(draw(st.sampled_from(affect.words)) for affect in affects)


@st.composite
def perfect_cases(draw: st.DrawFn) -> Case:
    k, sheet, gold = draw(st.integers(0, 4)), draw(st.sampled_from(sheets())), draw(golds())
    return Case(k=k, sheet=sheet, gold=gold, trace=perfect(sheet, gold, k))


@st.composite
def cases(draw: st.DrawFn, least_k: int = 0) -> Case:
    """Legal traces of every quality: absent and repeated ids, bad quotes, odd words, any marks."""
    k, sheet, gold = draw(st.integers(least_k, 4)), draw(st.sampled_from(sheets())), draw(golds())
    ids = st.sampled_from([*(o.id for o in sheet.observations), "V9", "J1"])
    texts = [o.text for o in sheet.observations]
    quotes = st.sampled_from([*texts, *(" ".join(text.split()[:4]) for text in texts), "the face", "nobody said so"])
    words = st.sampled_from([*gold, *WORDS, "neutral", "bluish"])
    cites = st.lists(ids, max_size=4).map(tuple)
    hypotheses = [
        Hypothesis(
            number=n,
            perspective="other",
            labels=tuple(draw(st.lists(words, min_size=1, max_size=3))),
            story="",
            cites=draw(cites),
        )
        for n in range(1, k + 1)
    ]
    marks = st.dictionaries(st.integers(1, k), st.sampled_from(MARKS)) if k else st.just({})
    checks = draw(st.lists(st.builds(Check, id=ids, quote=quotes, marks=marks), max_size=6))  # type: ignore[arg-type]
    answers = draw(st.lists(st.builds(Answer, word=words, confidence=st.none(), cites=cites), min_size=1, max_size=5))
    trace = Trace(
        hypotheses=tuple(hypotheses),
        checks=tuple(checks),
        verdict=tuple(draw(st.lists(st.integers(1, k), min_size=1, max_size=2))) if k else (),
        answers=tuple(answers),
    )
    return Case(k=k, sheet=sheet, gold=gold, trace=trace)


def but(case: Case, **changes: object) -> Case:
    """The case with another trace."""
    return replace(case, trace=replace(case.trace, **changes))  # type: ignore[arg-type]


def text_score(text: str, case: Case, preset: str = "full") -> Score:
    batch = scorer(case.k, preset).score([text], [case.sheet], [list(case.gold)])
    raw, gated = (dict(zip(TERMS, values[0].tolist(), strict=True)) for values in (batch.raw, batch.gated))
    return Score(raw=raw, gated=gated, total=float(batch.total[0]), closure=float(batch.closure[0]))


def reward(case: Case) -> Score:
    return text_score(render(case.trace), case)


# --- what earns the most, and how R follows its terms


@given(perfect_cases())
def test_a_perfect_trace_earns_exactly_the_maximum(case: Case) -> None:
    found = reward(case)
    assert found.raw == dict.fromkeys(TERMS, 1.0)
    assert found.total == 2.2
    assert math.isnan(found.closure) if case.k == 0 else found.closure == 1.0


@given(cases())
def test_nothing_exceeds_the_maximum_and_terms_stay_in_their_range(case: Case) -> None:
    found = reward(case)
    assert all(0.0 <= value <= 1.0 for value in found.raw.values())
    assert 0.2 <= found.total <= 2.2


@given(cases(), st.sampled_from(TERMS), st.floats(0.0, 1.0))
def test_r_is_monotone_in_each_term_and_is_what_the_formula_says(case: Case, term: str, other: float) -> None:
    def formula(t: dict[str, float]) -> float:
        process = 0.2 * t["think"] + 0.2 * t["cite"] + 0.3 * t["evid"] + 0.3 * t["sem"]
        return 0.2 * t["fmt"] + t["fmt"] * (t["acc"] + t["acc"] * process)

    found = reward(case)
    assert math.isclose(found.total, formula(dict(found.raw)), abs_tol=1e-12)
    higher = {**found.raw, term: max(other, found.raw[term])}  # type: ignore[index]
    assert formula(higher) >= formula(dict(found.raw)) - 1e-15


@given(cases())
def test_presets(case: Case) -> None:
    full, flat, outcome = (text_score(render(case.trace), case, preset) for preset in ("full", "flat", "outcome"))
    assert flat.raw == full.raw == outcome.raw == flat.gated
    assert math.isclose(outcome.total, 0.2 + full.raw["acc"], abs_tol=1e-12)
    assert flat.total >= full.total - 1e-12


# --- what must not matter


@given(cases(least_k=1), st.randoms(use_true_random=False))
def test_no_order_matters(case: Case, random: Any) -> None:
    before = reward(case)
    trace = case.trace
    names = list(range(1, case.k + 1))
    random.shuffle(names)
    new = dict(zip(range(1, case.k + 1), names, strict=True))
    hypotheses = [replace(h, number=new[h.number]) for h in trace.hypotheses]
    checks = [replace(c, marks={new[n]: mark for n, mark in reversed(c.marks.items())}) for c in trace.checks]
    answers, gold = list(trace.answers), list(case.gold)
    for items in (hypotheses, checks, answers, gold):
        random.shuffle(items)
    verdict = tuple(new[n] for n in trace.verdict)
    shuffled = replace(
        trace, hypotheses=tuple(hypotheses), checks=tuple(checks), answers=tuple(answers), verdict=verdict
    )
    after = reward(replace(case, trace=shuffled, gold=tuple(gold)))
    assert after.total == before.total
    assert after.raw == before.raw


@given(cases(), st.text(alphabet=" \n\t", max_size=4))
def test_notes_and_outer_white_space_change_nothing(case: Case, space: str) -> None:
    noted = but(case, notes=("one more thought about all of this", "and another"))
    assert reward(noted).total == reward(case).total == text_score(space + render(case.trace) + space, case).total


def test_a_batch_scores_as_a_loop_does() -> None:
    @given(st.lists(cases(least_k=2), min_size=1, max_size=8))
    @settings(max_examples=30)
    def check(found: list[Case]) -> None:
        found = [replace(case, k=2) for case in found]
        texts = [render(case.trace) for case in found]
        sheet_column, gold_column = [case.sheet for case in found], [list(case.gold) for case in found]
        batch = Scorer(RewardConfig(k=2)).score(texts, sheet_column, gold_column)
        assert batch.total.tolist() == [text_score(t, c).total for t, c in zip(texts, found, strict=True)]

    check()


# --- what must pay


@given(cases(least_k=1), st.data())
def test_mending_never_costs(case: Case, data: st.DataObject) -> None:
    before = reward(case)
    trace, sheet = case.trace, case.sheet
    winner = trace.verdict[0]
    ids = [c.id for c in trace.checks]
    assume(len(set(ids)) == len(ids))
    # A quote that earns nothing becomes the right one; an absent id a free one, if its marks favour the winner.
    for number, check in enumerate(trace.checks):
        if check.id in sheet:
            mended = replace(check, quote=sheet[check.id].text)
        else:
            free = [o for o in sheet.observations if o.id not in ids]
            favours = check.marks.get(winner) == "supports" or all(m != "supports" for m in check.marks.values())
            if not free or not favours or check.marks.get(winner) == "contradicts":
                continue
            mended = replace(check, id=free[0].id, quote=free[0].text)
        changed = (*trace.checks[:number], mended, *trace.checks[number + 1 :])
        only = replace(case, trace=replace(trace, checks=(check,)))
        if check.id not in sheet or reward(only).raw["evid"] == 0.0:
            assert reward(but(case, checks=changed)).total >= before.total
    # A check that says nothing of the winner says that it supports it.
    for number, check in enumerate(trace.checks):
        if winner not in check.marks:
            marked = replace(check, marks={**check.marks, winner: "supports"})
            assert reward(but(case, checks=(*trace.checks[:number], marked, *trace.checks[number + 1 :]))).total >= (
                before.total
            )
    # A cite that does not hold becomes one that does.
    supported = [c.id for c in trace.checks if c.id in sheet and c.marks.get(winner) == "supports"]
    answer = data.draw(st.integers(0, len(trace.answers) - 1))
    if supported:
        grounded = replace(trace.answers[answer], cites=(supported[0],))
        answers = (*trace.answers[:answer], grounded, *trace.answers[answer + 1 :])
        assert reward(but(case, answers=answers)).total >= before.total


@given(perfect_cases(), st.sampled_from(WORDS))
def test_a_right_label_in_place_of_a_wrong_one_or_beside_fewer_never_costs_accuracy(case: Case, wrong: str) -> None:
    right = case.trace.answers
    worse = (replace(right[0], word=wrong), *right[1:])
    assert reward(but(case, answers=worse)).raw["acc"] <= reward(case).raw["acc"]
    accuracies = [reward(but(case, answers=right[: n + 1])).raw["acc"] for n in range(len(right))]
    assert accuracies == sorted(accuracies)


# --- attacks


def places(words: Any, level: int) -> set[str | None]:
    return {emotion_wheel().cluster(word, level) for word in words} - {None}  # type: ignore[arg-type]


def brings_nothing(word: str, case: Case) -> bool:
    held = [answer.word for answer in case.trace.answers]
    return all(
        not (places([word], level) & places(case.gold, level)) - places(held, level) for level in (1, 2)
    ) and all(emotion_wheel().place(word) != emotion_wheel().place(other) for other in held)


@given(cases(), st.sampled_from([*WORDS, "neutral", "bluish"]), st.data())
def test_a_label_that_brings_no_new_gold_cluster_never_pays(case: Case, word: str, data: st.DataObject) -> None:
    assume(brings_nothing(word, case) and word not in [answer.word for answer in case.trace.answers])
    cites = tuple(data.draw(st.lists(st.sampled_from([o.id for o in case.sheet.observations]), max_size=3)))
    before = reward(case)
    longer = (*case.trace.answers, Answer(word=word, confidence=None, cites=cites))
    after = reward(but(case, answers=longer))
    assert after.raw["acc"] <= before.raw["acc"]
    words = {emotion_wheel().place(a.word) or a.word for a in case.trace.answers}
    if len(words) >= len(case.gold):
        assert after.total <= before.total
        if before.raw["acc"] > 0.0:
            assert after.total < before.total


@given(perfect_cases())
def test_listing_every_emotion_never_pays(case: Case) -> None:
    cites = case.trace.answers[0].cites
    right = [answer.word for answer in case.trace.answers]
    every = [affect.words[0] for affect in AFFECTS if affect.words[0] not in right]
    sprayed = tuple(Answer(word=word, confidence=None, cites=cites) for word in [*right, *every])
    assert reward(but(case, answers=sprayed)).total < 0.6
    one = but(case, answers=case.trace.answers[:1])
    assert reward(but(case, answers=sprayed)).total < reward(one).total


def test_a_guess_earns_more_than_a_list_on_average() -> None:
    truths = [list(draw.cause.gold) for draw in sample(World(), 200, seed=3)]
    case = Case(k=0, sheet=sheets()[0], gold=("sad",), trace=perfect(sheets()[0], ("sad",), 0))
    every = tuple(Answer(word=affect.words[0], confidence=None, cites=("V1",)) for affect in AFFECTS)

    def mean(answers: tuple[Answer, ...]) -> float:
        text = render(replace(case.trace, answers=answers))
        return float(scorer(0).score([text] * 200, [case.sheet] * 200, truths).total.mean())

    assert max(mean((answer,)) for answer in every) > 1.2 * mean(every)


@given(cases(), st.sampled_from(["V9", "A7", "T8", "J3"]), st.booleans())
def test_citing_what_is_absent_never_pays(case: Case, absent: str, supports: bool) -> None:
    before, trace = reward(case), case.trace
    assume(all(check.id != absent for check in trace.checks))
    text = case.sheet.observations[0].text
    marks = dict.fromkeys(range(1, case.k + 1), "supports" if supports else "silent")
    checked = but(case, checks=(*trace.checks, Check(id=absent, quote=text, marks=marks)))  # type: ignore[arg-type]
    assert reward(checked).total <= before.total
    answered = but(case, answers=tuple(replace(a, cites=(*a.cites, absent)) for a in trace.answers))
    assert reward(answered).total <= before.total
    proposed = but(case, hypotheses=tuple(replace(h, cites=(*h.cites, absent)) for h in trace.hypotheses))
    assert reward(proposed).total <= before.total


def full(k: int = 2) -> Case:
    sheet = next(s for s in sheets() if len(s.of_modality("visual")) >= 3 and len(s.observations) >= 5)
    return Case(k=k, sheet=sheet, gold=("sad",), trace=perfect(sheet, ("sad",), k))


def with_checks(case: Case, change: Callable[[Check], Check]) -> Case:
    return but(case, checks=tuple(change(check) for check in case.trace.checks))


ATTACKS: dict[str, tuple[Callable[[Case], Case], str]] = {
    "invented words": (
        lambda c: but(c, answers=(*c.trace.answers, replace(c.trace.answers[0], word="zorplish"))),
        "acc",
    ),
    "neutral beside": (
        lambda c: but(c, answers=(*c.trace.answers, replace(c.trace.answers[0], word="neutral"))),
        "acc",
    ),
    "synonyms": (
        lambda c: but(c, answers=tuple(replace(c.trace.answers[0], word=w) for w in ("sad", "unhappy", "sorrowful"))),
        "acc",
    ),
    "cite everything": (
        lambda c: but(
            c,
            hypotheses=tuple(replace(h, cites=tuple(o.id for o in c.sheet.observations)) for h in c.trace.hypotheses),
        ),
        "cite",
    ),
    "cite one thing over and over": (
        lambda c: but(c, hypotheses=tuple(replace(h, cites=("V1", "V1", "V1")) for h in c.trace.hypotheses)),
        "cite",
    ),
    "cite without judging": (lambda c: with_checks(c, lambda check: replace(check, marks={})), "cite"),
    "quotes of two words": (lambda c: with_checks(c, lambda check: replace(check, quote="the face")), "evid"),
    "one line everywhere": (
        lambda c: with_checks(c, lambda check: replace(check, quote=c.sheet.observations[0].text)),
        "evid",
    ),
    "check one thing twice": (lambda c: but(c, checks=c.trace.checks * 2), "evid"),
    "quote one thing only": (lambda c: but(c, checks=c.trace.checks[:1]), "sem"),
    "one rival twice": (
        lambda c: but(c, hypotheses=tuple(replace(h, labels=("sad",)) for h in c.trace.hypotheses)),
        "think",
    ),
    "plus for all": (
        lambda c: with_checks(c, lambda check: replace(check, marks=dict.fromkeys((1, 2), "supports"))),
        "think",
    ),
    "answer another verdict": (lambda c: but(c, verdict=(2,)), "think"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_costs_the_term_that_stands_against_it(name: str) -> None:
    attack, term = ATTACKS[name]
    case = full()
    assert reward(case).total == 2.2
    found = reward(attack(case))
    assert found.raw[term] < 1.0  # type: ignore[index]
    assert found.total < 2.2


def test_the_numbers_of_attacks_worked_by_hand() -> None:
    case = full()
    assert reward(ATTACKS["plus for all"][0](case)).raw["think"] == pytest.approx((1 + 1 + 0.5) / 3)
    assert reward(ATTACKS["one rival twice"][0](case)).raw["think"] == pytest.approx((1 + 0 + 1) / 3)
    assert reward(ATTACKS["cite one thing over and over"][0](case)).raw["cite"] == pytest.approx(1 / 3)
    assert reward(ATTACKS["synonyms"][0](case)).raw["acc"] == pytest.approx(math.log(2) / math.log(4))
    wrong = ATTACKS["invented words"][0](case)
    assert reward(wrong).raw["acc"] == pytest.approx(math.log(2) / math.log(3) * 2 / 3)


@pytest.mark.parametrize("change", [lambda t: t + "<ans>sad</ans>", lambda t: t + " so it is", lambda t: t[:-30]])
def test_second_answers_text_after_and_truncation_earn_nothing(change: Callable[[str], str]) -> None:
    found = text_score(change(render(full().trace)), full())
    assert found.raw == dict.fromkeys(TERMS, 0.0)
    assert found.total == 0.0


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


# --- sheets and gold of every kind


def test_a_sheet_with_no_observation_earns_no_process_reward() -> None:
    empty = EvidenceSheet(clip_id="0" * 64, person=None, span=Span(0.0, 1.0))
    text = "<think>\n</think>\n<ans>sad [V1]</ans>"
    found = score(text, sheet=empty, gold=["sad"], config=RewardConfig(k=0))
    assert found is not None
    assert found.raw == {"fmt": 1.0, "acc": 1.0, "think": 0.0, "cite": 0.0, "evid": 0.0, "sem": 0.0}
    abstained = score(
        "<think>\n</think>\n<ans>abstain: no_evidence</ans>", sheet=empty, gold=["sad"], config=RewardConfig(k=0)
    )
    assert abstained is not None
    assert abstained.total == 0.2


@pytest.mark.parametrize("gold", [[], None, "", ["zorplish"], [" "]])
def test_gold_that_is_on_no_wheel_gives_no_reward_at_all(gold: Any) -> None:
    case = full()
    assert score(render(case.trace), sheet=case.sheet, gold=gold) is None
    functions, _ = hydra_rewards(RewardConfig())
    column = [json.dumps(case.sheet.to_dict())]
    assert [f([""], ["x"], sheet=column, gold=[gold]) for f in functions] == [[None]] * 6


def test_gold_may_be_a_label_string() -> None:
    case = full()
    texts = [render(case.trace)] * 2
    totals = scorer(2).score(texts, [case.sheet] * 2, ["['sad', 'Sad']", ["sad"]]).total
    assert totals.tolist() == [2.2, 2.2]


def test_an_unknown_word_that_gold_uses_too_costs_nothing() -> None:
    case = full(0)
    answers = (*case.trace.answers, replace(case.trace.answers[0], word="zorplish"))
    assert reward(replace(but(case, answers=answers), gold=("sad", "zorplish"))).raw["acc"] == 1.0


@given(cases(least_k=1))
def test_closure_is_that_of_verify(case: Case) -> None:
    ids = [c.id for c in case.trace.checks]
    assume(len(set(ids)) == len(ids))
    winner = case.trace.verdict[0]
    marks = {c.id: c.marks[winner] for c in case.trace.checks if winner in c.marks and c.id in case.sheet}
    known = from_marks(case.sheet, number=winner, marks=marks, quotes={})
    assert reward(case).closure == pytest.approx(known.phi * known.psi, abs=0.011)


# --- no leak, typed errors, and the trainer's signature


def test_process_terms_are_given_no_gold() -> None:
    for term in (think, cite, evid, sem):
        assert list(inspect.signature(term).parameters) == ["trajectory"]
    assert "gold" not in json.dumps(Trajectory._fields)


@given(cases(), golds())
def test_process_terms_do_not_depend_on_gold(case: Case, gold: tuple[str, ...]) -> None:
    one, other = reward(case).raw, reward(replace(case, gold=gold)).raw
    assert all(one[term] == other[term] for term in TERMS if term != "acc")


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("sheet", "{"),
        ("sheet", "null"),
        ("sheet", '{"gold": ["sad"]}'),
        ("sheet", None),
        ("gold", 3),
        ("gold", [1, 2]),
        ("completions", 7),
        ("completions", []),
        ("completions", [{"role": "assistant"}]),
    ],
)
def test_what_cannot_be_scored_stops_the_run_and_names_the_sample(column: str, value: Any) -> None:
    case = full()
    columns: dict[str, list[Any]] = {
        "completions": [render(case.trace)] * 3,
        "sheet": [json.dumps(case.sheet.to_dict())] * 3,
        "gold": [["sad"]] * 3,
    }
    columns[column][2] = value
    functions, _ = hydra_rewards()
    with pytest.raises(RewardFailed, match="sample 2"):
        functions[0](prompts=[""] * 3, clip_id=["a", "b", "c"], **columns)
    with pytest.raises(RewardFailed, match="clip c"):
        functions[0](prompts=[""] * 3, clip_id=["a", "b", "c"], **columns)


class Broken:
    """An encoder whose vectors are no numbers."""

    modality, name, width, fingerprint, mask_token = "verbal", "broken", 2, "broken-1", "[MASK]"

    def encode_tokens(self, text: str) -> Any:
        raise AssertionError(text)

    def encode(self, texts: Any) -> Any:
        return np.full((len(texts), 2), np.nan)


def test_an_encoder_that_fails_stops_the_run() -> None:
    case = full()
    with pytest.raises(RewardFailed, match="broken gave no finite vector"):
        score(render(case.trace), sheet=case.sheet, gold=["sad"], config=RewardConfig(encoder=Broken()))  # type: ignore[arg-type]


def test_options_that_cannot_be() -> None:
    with pytest.raises(UsageError, match="0 to 4"):
        RewardConfig(k=5)
    with pytest.raises(UsageError, match="weights"):
        RewardConfig(weights={"fmt": 1.0})
    with pytest.raises(UsageError, match="presets"):
        RewardConfig.preset("best")
    with pytest.raises(UsageError, match="2 completions"):
        Scorer().score(["", ""], [], [])
    with pytest.raises(InvalidScores):
        Scorer()._accuracy.gold(3)


def test_the_six_functions_share_a_batch_and_add_up_to_r() -> None:
    @given(st.lists(cases(least_k=2), min_size=1, max_size=6))
    @settings(max_examples=30)
    def check(found: list[Case]) -> None:
        texts = [render(case.trace) for case in found]
        messages = [[{"role": "assistant", "content": text}] for text in texts]
        columns = {"sheet": [json.dumps(c.sheet.to_dict()) for c in found], "gold": [list(c.gold) for c in found]}
        values = [f(prompts=[""] * len(texts), completions=messages, other=[1], **columns) for f in functions]
        sums = [math.fsum(w * v for w, v in zip(weights, row, strict=True)) for row in zip(*values, strict=True)]
        totals = [text_score(text, replace(case, k=2)).total for text, case in zip(texts, found, strict=True)]
        assert sums == pytest.approx(totals, abs=1e-12)

    functions, weights = hydra_rewards(RewardConfig(k=2))
    assert [f.__name__ for f in functions] == [f"reward_{term}" for term in TERMS]
    assert weights == [0.2, 1.0, 0.2, 0.2, 0.3, 0.3]
    check()


def test_what_is_logged() -> None:
    case = full()
    functions, _ = hydra_rewards()
    metrics: dict[str, float] = {}
    extra: dict[str, list[str]] = {}
    for function in functions:
        function(
            prompts=["", ""],
            completions=[render(case.trace), "<ans>"],
            sheet=[json.dumps(case.sheet.to_dict())] * 2,
            gold=[["sad"]] * 2,
            log_metric=metrics.__setitem__,
            log_extra=extra.__setitem__,
        )
    assert metrics == {**{f"raw/{term}": 0.5 for term in TERMS}, "closure": 1.0}
    assert extra == {"issue": ["", "MISSING_BLOCK UNCLOSED_BLOCK"]}


def test_the_record_names_wheel_and_encoder() -> None:
    record = RewardConfig().record()
    assert record["table"].startswith("emotrace-wheel/1:")
    assert record["encoder"] == "hashed"
    assert json.loads(json.dumps(record)) == record


DOCUMENT = (Path(__file__).parents[2] / "docs" / "hydra.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name", ["combine.WEIGHTS", "sheets.QUOTE_IS_TRUE", "sheets.QUOTE_IS_NEAR", "quoting.ALIKE", "quoting.ALMOST_ALIKE"]
)
def test_the_documents_table_tells_the_code(name: str) -> None:
    module, constant = name.split(".")
    value = getattr(importlib.import_module(f"emotrace.hydra.rewards.{module}"), constant)
    shown = (
        " ".join(f"{term} {weight:g}" for term, weight in value.items()) if name.endswith("WEIGHTS") else f"{value:g}"
    )
    row = re.search(rf"^\| `rewards/{re.escape(name)}` \| (.+?) \| .*\[(?:ours|paper)\]", DOCUMENT, flags=re.M)
    assert row is not None
    assert row[1] == shown
