from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.testing.synthetic import BAR_COLORS, Bars, Caption, Tone, color_bars, number_of, tone, write_clip


@given(number=st.integers(0, 4095), width=st.integers(24, 300), height=st.integers(8, 200))
def test_a_picture_gives_its_number_back(number: int, width: int, height: int) -> None:
    assert number_of(color_bars(width, height, number)) == number


def test_bars_run_from_left_to_right() -> None:
    image = color_bars(140, 80)
    assert [tuple(image[0, 10 + 20 * bar]) for bar in range(7)] == list(BAR_COLORS)


def test_tone_has_its_pitch_and_amplitude() -> None:
    samples = tone(Tone(duration_seconds=1.0, sample_rate_hz=8000, channels=2))
    assert samples.shape == (2, 8000)
    assert np.argmax(np.abs(np.fft.rfft(samples[0]))) == 440
    assert samples.max() == pytest.approx(0.5, abs=1e-3)


def test_the_same_settings_give_the_same_bytes(tmp_path) -> None:
    captions = [Caption(text="hello", start_seconds=0.0, end_seconds=1.0)]
    bars = Bars(frame_times_seconds=(0.0, 0.1, 0.5))
    first = write_clip(tmp_path / "a.mp4", pictures=[bars], captions=captions).read_bytes()
    assert first == write_clip(tmp_path / "b.mp4", pictures=[bars], captions=captions).read_bytes()
