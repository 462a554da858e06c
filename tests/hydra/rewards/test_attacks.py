"""What a policy might try, and what stands against it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emotrace.hydra.grammar import render
from emotrace.hydra.rewards import TERMS
from emotrace.hydra.trace import Answer, Check
from emotrace.hydra.world import World, sample
from emotrace.labels.affects import AFFECTS
from emotrace.labels.wheel import emotion_wheel
from emotrace.testing.reward_cases import (
    WORDS,
    Case,
    but,
    cases,
    full,
    perfect,
    perfect_cases,
    reward,
    scorer,
    sheets,
    text_score,
    with_checks,
)

# --- attacks


def places(words: Any, level: int) -> set[str | None]:
    return {emotion_wheel().cluster(word, level) for word in words} - {None}  # type: ignore[arg-type]


def brings_nothing(word: str, case: Case) -> bool:
    held = [answer.word for answer in case.trace.answers]
    return all(
        not (places([word], level) & places(case.gold, level)) - places(held, level) for level in (1, 2)
    ) and all(emotion_wheel().place(word) != emotion_wheel().place(other) for other in held)


@settings(deadline=None)
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


@settings(deadline=None)
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


@settings(deadline=None)
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
