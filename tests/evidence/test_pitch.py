from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.testing.sounds import measure, music, noise, voice, with_noise


def relative_error(measured_hz: np.ndarray, true_hz: np.ndarray | float) -> np.ndarray:
    return np.abs(measured_hz / true_hz - 1.0)


@pytest.mark.parametrize("vowel", ["a", "i", "u", "e"])
@pytest.mark.parametrize("pitch_hz", [70.0, 95.3, 140.0, 221.7, 310.0, 480.0])
def test_steady_voice_is_measured_within_half_a_percent(pitch_hz: float, vowel: str) -> None:
    series = measure(voice(pitch_hz, 0.6, vowel=vowel))
    inner = series.pitch_hz[5:-5]
    assert np.isfinite(inner).all()
    assert relative_error(inner, pitch_hz).max() < 0.005


@settings(max_examples=25, deadline=None)
@given(pitch_hz=st.floats(65.0, 470.0), tilt_db=st.floats(-18.0, -6.0))
def test_any_pitch_at_ten_decibels_above_noise(pitch_hz: float, tilt_db: float) -> None:
    series = measure(with_noise(voice(pitch_hz, 0.6, tilt_db=tilt_db), 10.0))
    inner = series.pitch_hz[5:-5]
    assert np.isfinite(inner).mean() > 0.9
    errors = relative_error(inner[np.isfinite(inner)], pitch_hz)
    assert np.median(errors) < 0.005
    assert np.mean(errors > 0.03) < 0.05  # no leaps of an octave


def test_a_glide_is_followed() -> None:
    true_hz = 120 * 2 ** (np.linspace(0, 12, 16_000) / 12)
    series = measure(voice(true_hz, 1.0))
    at_frames = true_hz[np.rint(series.time_seconds * 16_000).astype(int)]
    assert relative_error(series.pitch_hz[5:-5], at_frames[5:-5]).max() < 0.01


def test_a_missing_fundamental_is_heard() -> None:
    time = np.arange(16_000) / 16_000
    sound = 0.2 * sum(np.sin(2 * np.pi * 130 * k * time) for k in (3, 4, 5, 6))
    series = measure(sound)
    assert relative_error(series.pitch_hz[5:-5], 130.0).max() < 0.005


@pytest.mark.parametrize(
    "sound", [np.zeros(16_000), noise(2.0), noise(2.0, pink=True)], ids=["silence", "white", "pink"]
)
def test_what_has_no_pitch_gets_none(sound: np.ndarray) -> None:
    assert np.mean(np.isfinite(measure(sound).pitch_hz)) < 0.02


def test_pitch_does_not_depend_on_the_level() -> None:
    loud = voice(150.0, 0.5)
    np.testing.assert_allclose(measure(loud).pitch_hz, measure(loud / 30).pitch_hz, rtol=1e-4)


def test_harmonicity_follows_the_noise() -> None:
    clean = voice(130.0, 1.0)
    ratios = [float(np.nanmedian(measure(with_noise(clean, snr)).harmonicity_db)) for snr in (25.0, 15.0, 5.0)]
    assert ratios == sorted(ratios, reverse=True)
    # White noise has 5/8 of its power below 5 kHz, the band that is measured: 2 dB less of it.
    assert ratios[1] == pytest.approx(17.0, abs=1.5)
    assert ratios[2] == pytest.approx(7.0, abs=1.5)


def test_music_is_not_refused_a_pitch_here() -> None:
    """A tone has a pitch; that it is no voice is for voice activity to say."""
    assert np.mean(np.isfinite(measure(music("melody", 2.0)).pitch_hz)) > 0.9
