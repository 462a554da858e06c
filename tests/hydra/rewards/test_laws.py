"""What R is, what must not matter to it, and what must pay."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from emotrace.hydra.grammar import render
from emotrace.hydra.rewards import TERMS, RewardConfig, Scorer
from emotrace.testing.reward_cases import (
    WORDS,
    Case,
    but,
    cases,
    perfect_cases,
    reward,
    text_score,
)

# --- what earns the most, and how R follows its terms


@settings(deadline=None)
@given(perfect_cases())
def test_a_perfect_trace_earns_exactly_the_maximum(case: Case) -> None:
    found = reward(case)
    assert found.raw == dict.fromkeys(TERMS, 1.0)
    assert found.total == 2.2
    assert math.isnan(found.closure) if case.k == 0 else found.closure == 1.0


@settings(deadline=None)
@given(cases())
def test_nothing_exceeds_the_maximum_and_terms_stay_in_their_range(case: Case) -> None:
    found = reward(case)
    assert all(0.0 <= value <= 1.0 for value in found.raw.values())
    assert 0.2 <= found.total <= 2.2


@settings(deadline=None)
@given(cases(), st.sampled_from(TERMS), st.floats(0.0, 1.0))
def test_r_is_monotone_in_each_term_and_is_what_the_formula_says(case: Case, term: str, other: float) -> None:
    def formula(t: dict[str, float]) -> float:
        process = 0.2 * t["think"] + 0.2 * t["cite"] + 0.3 * t["evid"] + 0.3 * t["sem"]
        return 0.2 * t["fmt"] + t["fmt"] * (t["acc"] + t["acc"] * process)

    found = reward(case)
    assert math.isclose(found.total, formula(dict(found.raw)), abs_tol=1e-12)
    higher = {**found.raw, term: max(other, found.raw[term])}  # type: ignore[index]
    assert formula(higher) >= formula(dict(found.raw)) - 1e-15


@settings(deadline=None)
@given(cases())
def test_presets(case: Case) -> None:
    full, flat, outcome = (text_score(render(case.trace), case, preset) for preset in ("full", "flat", "outcome"))
    assert flat.raw == full.raw == outcome.raw == flat.gated
    assert math.isclose(outcome.total, 0.2 + full.raw["acc"], abs_tol=1e-12)
    assert flat.total >= full.total - 1e-12


# --- what must not matter


@settings(deadline=None)
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


@settings(deadline=None)
@given(cases(), st.text(alphabet=" \n\t", max_size=4))
def test_notes_and_outer_white_space_change_nothing(case: Case, space: str) -> None:
    noted = but(case, notes=("one more thought about all of this", "and another"))
    assert reward(noted).total == reward(case).total == text_score(space + render(case.trace) + space, case).total


def test_a_batch_scores_as_a_loop_does() -> None:
    @given(st.lists(cases(least_k=2), min_size=1, max_size=8))
    @settings(max_examples=30, deadline=None)
    def check(found: list[Case]) -> None:
        found = [replace(case, k=2) for case in found]
        texts = [render(case.trace) for case in found]
        sheet_column, gold_column = [case.sheet for case in found], [list(case.gold) for case in found]
        batch = Scorer(RewardConfig(k=2)).score(texts, sheet_column, gold_column)
        assert batch.total.tolist() == [text_score(t, c).total for t, c in zip(texts, found, strict=True)]

    check()


# --- what must pay


@settings(deadline=None)
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


@settings(deadline=None)
@given(perfect_cases(), st.sampled_from(WORDS))
def test_a_right_label_in_place_of_a_wrong_one_or_beside_fewer_never_costs_accuracy(case: Case, wrong: str) -> None:
    right = case.trace.answers
    worse = (replace(right[0], word=wrong), *right[1:])
    assert reward(but(case, answers=worse)).raw["acc"] <= reward(case).raw["acc"]
    accuracies = [reward(but(case, answers=right[: n + 1])).raw["acc"] for n in range(len(right))]
    assert accuracies == sorted(accuracies)
