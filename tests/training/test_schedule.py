from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.training.schedule import learning_rate


@given(
    st.floats(1e-8, 1.0), st.integers(1, 200), st.floats(0.0, 1.0), st.sampled_from([0.0, 1e-6, 1e-3])
)  # fmt: skip
def test_it_rises_to_the_peak_and_falls_to_the_end(peak: float, steps: int, share: float, final: float) -> None:
    rates = [learning_rate(peak, step=s, total_steps=steps, warmup_share=share, final=final) for s in range(steps)]
    rising = math.ceil(share * steps)
    assert all(0 <= rate <= peak * (1 + 1e-12) for rate in rates)
    assert rates[:rising] == sorted(rates[:rising])
    assert rates[max(rising - 1, 0) :] == sorted(rates[max(rising - 1, 0) :], reverse=True)
    if rising > 0:
        assert rates[rising - 1] == pytest.approx(peak)
    if rising < steps:
        assert rates[-1] == pytest.approx(min(peak, final), abs=1e-15)


def test_halfway_down_it_is_halfway_between() -> None:
    rate = learning_rate(3.0, step=59, total_steps=100, warmup_share=0.2, final=1.0)
    assert rate == pytest.approx(2.0)
