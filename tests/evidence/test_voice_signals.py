from __future__ import annotations

import time
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.evidence.voice_series import VoiceSeries
from emotrace.evidence.voice_signals import VoiceMeter
from emotrace.media.audio import Waveform
from emotrace.span import Span
from emotrace.testing.sounds import RATE, blocks, measure, noise, pulses, talk, voice, with_noise

COLUMNS = tuple(column.name for column in fields(VoiceSeries))


@pytest.fixture(scope="module")
def talked() -> np.ndarray:
    return talk(7.3, seed=11)


@settings(max_examples=12, deadline=None)
@given(block_samples=st.integers(200, 120_000))
def test_the_size_of_the_blocks_changes_nothing(talked: np.ndarray, block_samples: int) -> None:
    whole, parts = measure(talked, block_samples=len(talked)), measure(talked, block_samples=block_samples)
    for column in COLUMNS:
        np.testing.assert_allclose(getattr(whole, column), getattr(parts, column), atol=1e-4, err_msg=column)


def test_a_reading_so_far_is_that_of_the_sound_so_far_and_forgetting_leaves_the_rest_as_it_is(
    talked: np.ndarray,
) -> None:
    meter, parts = VoiceMeter(), list(blocks(talked, block_samples=RATE))
    for block in parts[:5]:
        meter.feed(block)
    so_far = meter.so_far()
    for column in COLUMNS:
        expected = getattr(measure(talked[: 5 * RATE]), column)
        np.testing.assert_allclose(getattr(so_far, column), expected, atol=1e-4, err_msg=column)
    meter.forget(3.9)
    for block in parts[5:]:
        meter.feed(block)
    meter.forget(3.9)
    whole, late = measure(talked), meter.finish()
    assert late.time_seconds[0] == pytest.approx(2.005)
    for column in COLUMNS:
        first = 200 if column != "speech" else 350  # whether it is speech is heard from 1.5 s around
        np.testing.assert_allclose(
            getattr(late, column)[first - 200 :], getattr(whole, column)[first:], atol=1e-4, err_msg=column
        )


def test_one_value_per_hop_on_the_clock_of_the_file() -> None:
    series = measure(noise(1.234), start_seconds=2.5)
    assert len(series) == 123
    assert series.time_seconds[0] == pytest.approx(2.505)
    assert np.allclose(np.diff(series.time_seconds), 0.01)


@pytest.mark.parametrize("samples", [0, 1, 159, 160, 161, 799, 801])
def test_short_sounds(samples: int) -> None:
    series = measure(noise(1.0)[:samples])
    assert len(series) == samples // 160
    assert all(len(getattr(series, column)) == len(series) for column in COLUMNS)


def test_blocks_must_be_consecutive_and_at_the_known_rate() -> None:
    first, second, third = list(blocks(noise(3.0)))
    meter = VoiceMeter()
    meter.feed(first)
    with pytest.raises(ValueError, match=r"expected one at 1\.000 s"):
        meter.feed(third)
    with pytest.raises(ValueError, match="16000 Hz"):
        meter.feed(Waveform(samples=second.samples, sample_rate_hz=8000, span=second.span))


def test_memory_is_a_few_dozen_bytes_per_frame() -> None:
    series = measure(talk(4.0))
    assert sum(getattr(series, column).itemsize for column in COLUMNS) <= 44


def test_level_is_the_mean_power() -> None:
    time_seconds = np.arange(RATE) / RATE
    for amplitude in (0.5, 0.05):
        level = measure(amplitude * np.sin(2 * np.pi * 400 * time_seconds)).level_dbfs[5:-5]
        np.testing.assert_allclose(level, 20 * np.log10(amplitude / np.sqrt(2)), atol=0.1)


def test_loudness_grows_with_the_power_of_0_66() -> None:
    sound = noise(1.0)
    louder = measure(sound).loudness[5:-5] / measure(sound / 10).loudness[5:-5]
    np.testing.assert_allclose(louder, 10**0.66, rtol=1e-3)


def test_alpha_ratio_hears_a_pressed_voice() -> None:
    soft, pressed = (measure(voice(140.0, tilt_db=tilt)).alpha_ratio_db[5:-5].mean() for tilt in (-18.0, -6.0))
    assert pressed > soft + 6.0


@pytest.mark.parametrize("jitter", [0.0, 0.005, 0.01, 0.02])
@pytest.mark.parametrize("period", [50.0, 100.0, 160.0])
def test_jitter_of_irregular_periods_is_found(jitter: float, period: float) -> None:
    count = int(2.0 * RATE / period)
    periods = period * (1 + jitter * np.sqrt(np.pi) / 2 * np.random.default_rng(5).normal(0, 1, count))
    true = np.mean(np.abs(np.diff(periods))) / periods.mean()
    measured = measure(pulses(periods, np.ones(count))).jitter[10:-10]
    assert np.isfinite(measured).mean() > 0.5
    assert np.nanmean(measured) == pytest.approx(true, abs=0.002 + 0.3 * true)


@pytest.mark.parametrize("shimmer_db", [0.0, 0.5, 1.0, 2.0])
def test_shimmer_of_alternating_heights_is_found(shimmer_db: float) -> None:
    heights = 10 ** (shimmer_db / 40 * np.where(np.arange(180) % 2, 1.0, -1.0))
    measured = measure(pulses(np.full(180, 100.0), heights)).shimmer_db[10:-10]
    assert np.nanmedian(measured) == pytest.approx(shimmer_db, abs=0.1 + 0.1 * shimmer_db)


def test_clipping_is_noticed() -> None:
    assert not measure(voice(120.0)).clipped.any()
    assert measure(np.clip(8 * voice(120.0), -1, 1)).clipped.mean() > 0.5


def test_cut_keeps_the_middles_inside(talked: np.ndarray) -> None:
    part = measure(talked).cut(Span(1.0, 2.0))
    assert isinstance(part, VoiceSeries)
    assert len(part) == 100
    assert part.time_seconds[0] >= 1.0
    assert part.time_seconds[-1] <= 2.0


def test_faster_than_sound() -> None:
    sound = with_noise(talk(20.0), 30.0)
    started = time.process_time()
    measure(sound)
    assert time.process_time() - started < 20.0 / 15  # four times the goal of 60, for busy machines
