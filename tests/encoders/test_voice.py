from __future__ import annotations

import numpy as np

from emotrace.encoders.features import SoundEncoder
from emotrace.encoders.voice import COLUMNS, FRAME_COLUMNS, FUNCTIONALS, VoiceMeasures, voice_features
from emotrace.evidence.functionals import functionals
from emotrace.span import Span
from emotrace.testing.sounds import RATE, blocks, measure, noise, talk


def test_every_functional_has_a_column() -> None:
    measured = functionals(measure(talk(6.0)), Span(0.0, 6.0))
    assert set(FUNCTIONALS) == set(measured)
    assert len(set(COLUMNS)) == len(COLUMNS) == VoiceMeasures.width


def test_it_says_what_was_measured() -> None:
    encoder, sound = VoiceMeasures(), talk(4.0, base_hz=200.0)
    assert isinstance(encoder, SoundEncoder)
    found = encoder.encode_sound(blocks(sound))
    assert found is not None
    value = dict(zip(COLUMNS, found.utterance.tolist(), strict=True))
    assert abs(value["F0semitoneFrom27.5Hz_sma3nz_amean"] - 12 * np.log2(200.0 / 27.5)) < 3.0
    assert value["measured:jitterLocal_sma3nz_amean"] == 1.0
    assert 0.5 < value["speechShare"] <= 1.0
    assert np.isfinite(found.utterance).all()


def test_frames_are_means_of_forty_milliseconds() -> None:
    series = measure(talk(3.01))
    found = voice_features(series)
    assert found is not None
    assert found.frames.shape == (-(-len(series) // 4), len(FRAME_COLUMNS))
    loudness = FRAME_COLUMNS.index("loudness")
    np.testing.assert_allclose(found.frames[2, loudness], series.loudness[8:12].mean(), rtol=1e-6)
    unvoiced = found.frames[:, FRAME_COLUMNS.index("voiced")] == 0.0
    assert not found.frames[unvoiced][:, FRAME_COLUMNS.index("jitter")].any()
    assert np.isfinite(found.frames).all()


def test_the_size_of_the_blocks_changes_nothing() -> None:
    sound = talk(3.0)
    one = VoiceMeasures().encode_sound(blocks(sound, block_samples=RATE))
    other = VoiceMeasures().encode_sound(blocks(sound, block_samples=777))
    assert one is not None
    assert other is not None
    assert np.array_equal(one.utterance, other.utterance)
    assert np.array_equal(one.frames, other.frames)


def test_where_nobody_speaks_there_is_no_voice() -> None:
    assert VoiceMeasures().encode_sound(iter(())) is None
    assert VoiceMeasures().encode_sound(blocks(np.zeros(2 * RATE))) is None
    assert VoiceMeasures().encode_sound(blocks(noise(2.0, level=0.001))) is None
