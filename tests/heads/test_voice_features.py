from __future__ import annotations

import numpy as np
import pytest

from emotrace.heads.voice_features import (
    BANDS,
    COLUMNS,
    FRAMES_PER_SECOND,
    LEVEL,
    PERIODICITY,
    PITCH,
    VoiceFeatureMeter,
)
from emotrace.heads.voice_statistics import STATISTICS, sounding, statistics, voiced
from emotrace.media.audio import Waveform
from emotrace.span import Span
from emotrace.testing.sounds import RATE, blocks, noise, talk, voice


def heard(samples: np.ndarray, *, block_samples: int = RATE, start_seconds: float = 0.0) -> np.ndarray:
    meter = VoiceFeatureMeter()
    for block in blocks(samples, block_samples=block_samples, start_seconds=start_seconds):
        meter.feed(block)
    return meter.finish()


def test_a_reading_so_far_is_that_of_the_sound_so_far_and_forgotten_frames_keep_their_place() -> None:
    samples, meter = talk(7.0), VoiceFeatureMeter()
    *first, last = blocks(samples, block_samples=RATE)
    for block in first:
        meter.feed(block)
    np.testing.assert_array_equal(meter.so_far(), heard(samples[: 6 * RATE]))
    meter.forget(3.1)
    kept = len(meter)
    meter.forget(3.1)
    assert len(meter) == kept < 3 * FRAMES_PER_SECOND
    meter.feed(last)
    late, whole = meter.finish(), heard(samples)
    assert late.shape == whole.shape
    assert not late[:155].any()
    np.testing.assert_array_equal(late[155:], whole[155:])


@pytest.mark.parametrize("block_samples", [333, 16_000, 10**6])
def test_the_size_of_the_blocks_changes_nothing(block_samples: int) -> None:
    samples = talk(5.0)
    np.testing.assert_array_equal(heard(samples, block_samples=block_samples), heard(samples, block_samples=7_000))


def test_sound_that_starts_late_keeps_its_time() -> None:
    samples = talk(3.0)
    late = heard(samples, start_seconds=1.26)
    np.testing.assert_allclose(late[64:], heard(np.concatenate([np.zeros(round(1.26 * RATE)), samples]))[64:], atol=0.1)
    assert len(late) == round(4.26 * FRAMES_PER_SECOND)
    assert (late[:60, LEVEL] <= -99.0).all()


@pytest.mark.parametrize("pitch_hz", [75.0, 120.0, 210.0, 330.0, 470.0])
def test_pitch_of_a_voice(pitch_hz: float) -> None:
    frames = heard(voice(pitch_hz, 1.0))[3:-3]
    np.testing.assert_allclose(frames[:, PITCH], 12 * np.log2(pitch_hz / 27.5), atol=0.15)
    assert (frames[:, PERIODICITY] > 0.9).all()


def test_noise_and_silence_have_no_voice() -> None:
    for samples in (noise(2.0), noise(2.0, pink=True), np.zeros(2 * RATE)):
        assert voiced(heard(samples)).mean() < 0.05
    assert not sounding(heard(np.zeros(RATE))).any()


def test_mel_bands_follow_a_tone() -> None:
    peaks = [
        int(heard(0.3 * np.sin(2 * np.pi * hz * np.arange(RATE) / RATE))[25, :BANDS].argmax())
        for hz in (200, 500, 1000, 2000, 4000, 7000)
    ]
    assert peaks == sorted(set(peaks))


def test_statistics_are_finite_and_do_not_depend_on_the_level() -> None:
    for seconds in (0.6, 1.0, 4.0):
        loud = talk(seconds)
        row, quiet = statistics(heard(loud)), statistics(heard(loud / 10))
        assert row.shape == (STATISTICS,)
        assert np.isfinite(row).all()
        np.testing.assert_allclose(row, quiet, atol=0.4, rtol=0.05)
    assert statistics(heard(talk(4.0)))[-1] == pytest.approx(np.log(4.0), abs=0.1)


def test_another_rate_is_refused() -> None:
    with pytest.raises(ValueError, match="16000 Hz"):
        VoiceFeatureMeter().feed(Waveform(samples=np.zeros(8000, np.float32), sample_rate_hz=8000, span=Span(0.0, 1.0)))


def test_no_sound_gives_no_frames() -> None:
    assert VoiceFeatureMeter().finish().shape == (0, COLUMNS)
    assert heard(np.zeros(100)).shape == (0, COLUMNS)
