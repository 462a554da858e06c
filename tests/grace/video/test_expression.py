"""The values that a result keeps: maps in steps, and what may not stand in a file."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import TypeAdapter, ValidationError

from emotrace.grace.video.expression import Expression, HeatMap, LevelMap, in_steps, rounded_shares
from emotrace.span import Span
from emotrace.testing.expressions import made_up_expression, made_up_word

SHARES = arrays(np.float64, st.tuples(*[st.integers(1, 4)] * 3), elements=st.floats(0.0, 1e6))


@given(SHARES)
def test_shares_sum_to_one_exactly_and_stay_within_a_step(shares: np.ndarray) -> None:
    steps = in_steps(shares, 1000)
    assert (steps >= 0).all()
    if shares.sum() > 0.0:
        assert steps.sum() == 1000
        assert np.abs(steps - 1000 * shares / shares.sum()).max() <= 1.0 + 1e-6
    else:
        assert not steps.any()


@given(SHARES)
def test_a_heat_map_survives_json(shares: np.ndarray) -> None:
    adapter = TypeAdapter(HeatMap)
    heat = HeatMap.of(shares)
    back = adapter.validate_json(adapter.dump_json(heat))
    assert back == heat
    assert hash(back) == hash(heat)
    assert back.values.sum() == pytest.approx(float(shares.sum() > 0.0), abs=1e-9)
    assert heat.over_time == pytest.approx(heat.values.sum(axis=(1, 2)))


@given(SHARES)
def test_levels_are_per_cent_of_the_strongest_patch(values: np.ndarray) -> None:
    levels = LevelMap.of(values)
    assert levels.steps.min() >= 0
    assert levels.steps.max() == (100 if values.max() > 0.0 else 0)
    assert TypeAdapter(LevelMap).validate_json(TypeAdapter(LevelMap).dump_json(levels)) == levels


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([[[0.5, 0.4]]], "sum to 1"),
        ([[[1.5, -0.5]]], "below 0"),
        ([[[float("nan"), 1.0]]], "not finite"),
        ([[0.5, 0.5]], "2 levels"),
        ([[[0.5], [0.25, 0.25]]], "list of frames"),
        ("no map", "list of frames"),
    ],
)
def test_what_is_no_heat_map_is_refused(value: object, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        TypeAdapter(HeatMap).validate_python(value)


def test_a_level_above_a_hundred_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most 100"):
        TypeAdapter(LevelMap).validate_python([[[101]]])


def test_maps_of_one_window_have_one_shape() -> None:
    with pytest.raises(ValueError, match="needs 16 frames"):
        made_up_expression(motion=LevelMap.of(np.ones((1, 7, 7))))
    with pytest.raises(ValueError, match="needs 16 frames"):
        made_up_expression(words=(made_up_word(Span(0.0, 1.0), map=LevelMap.of(np.ones((16, 3, 2)))),))


@pytest.mark.parametrize("distribution", [{"happy": 0.7, "sad": 0.2}, {"happy": 1.1, "sad": -0.1}])
def test_a_distribution_is_one(distribution: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="sums to 1"):
        made_up_expression(distribution=distribution)


def test_an_expression_survives_json_and_equals_itself_alone() -> None:
    adapter = TypeAdapter(Expression)
    nobody_s = made_up_word(Span(0.0, 1.0), observed_span=None, read_from=None, cue=None)
    expression = made_up_expression(typical_of="happy", typical_words=(nobody_s,))
    assert adapter.validate_json(adapter.dump_json(expression)) == expression
    assert replace(expression, heat=HeatMap.of(np.ones((16, 7, 7)))) != expression


def test_rounded_shares_keep_their_order_and_sum_to_one() -> None:
    rounded = rounded_shares({"sad": 1 / 3, "happy": 1 / 3, "angry": 1 / 3})
    assert list(rounded) == ["sad", "happy", "angry"]
    assert sum(rounded.values()) == pytest.approx(1.0, abs=1e-12)


def test_reading_a_result_needs_no_torch() -> None:
    code = "import sys, emotrace; emotrace.Analysis; import emotrace.report.page; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
