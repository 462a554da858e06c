"""The six terms as a trainer calls them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.hydra.grammar import render
from emotrace.hydra.rewards import TERMS, RewardConfig, hydra_rewards
from emotrace.testing.reward_cases import (
    Case,
    cases,
    full,
    text_score,
)


def test_the_six_functions_share_a_batch_and_add_up_to_r() -> None:
    @given(st.lists(cases(least_k=2), min_size=1, max_size=6))
    @settings(max_examples=30, deadline=None)
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
