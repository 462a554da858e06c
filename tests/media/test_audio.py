from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.errors import EmptyMedia, MediaNotFound, MediaTooLong, UsageError
from emotrace.media.audio import AudioReader, Waveform, read_waveform
from emotrace.span import Span
from emotrace.testing.synthetic import Tone, write_clip


def pitch_hz(waveform: Waveform) -> float:
    spectrum = np.abs(np.fft.rfft(waveform.samples * np.hanning(len(waveform.samples))))
    return float(np.argmax(spectrum) * waveform.sample_rate_hz / len(waveform.samples))


def write_with_gap(path: Path, gap_seconds: float) -> Path:
    """Half a second of tone, nothing at all for a while, half a second of tone."""
    time = np.arange(8000) / 16_000
    tone = (8000 * np.sin(2 * np.pi * 440 * time)).astype(np.int16)[np.newaxis]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for start_seconds in (0.0, 0.5 + gap_seconds):
            frame = av.AudioFrame.from_ndarray(tone, format="s16", layout="mono")
            frame.sample_rate, frame.time_base = 16_000, Fraction(1, 16_000)
            frame.pts = round(start_seconds * 16_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("name", "tone"),
    [
        ("tone.m4a", Tone()),
        ("tone.wav", Tone(codec="pcm_s16le", sample_rate_hz=22_050, channels=1)),
        ("tone.mp3", Tone(codec="libmp3lame", sample_rate_hz=44_100)),
        ("tone.ogg", Tone(codec="libopus")),
        ("tone.flac", Tone(codec="flac", sample_rate_hz=96_000)),
        ("tone.mkv", Tone(codec="flac", sample_rate_hz=16_000, channels=1)),
        ("tone.wav", Tone(codec="pcm_u8", sample_rate_hz=8_000, channels=1)),
        ("tone.mp4", Tone(channels=6)),
    ],
)
def test_any_codec_becomes_the_same_tone_at_16_khz_mono(tmp_path, name, tone) -> None:
    waveform = read_waveform(write_clip(tmp_path / name, pictures=[], sounds=[tone]))
    assert waveform.samples.dtype == np.float32
    assert waveform.sample_rate_hz == 16_000
    assert waveform.span.start_seconds == pytest.approx(0.0, abs=0.05)
    assert waveform.span.duration_seconds == pytest.approx(2.0, abs=0.08)
    assert pitch_hz(waveform) == pytest.approx(440.0, abs=1.0)
    if tone.channels < 6:  # what six channels are worth is the mixer's choice
        middle = waveform.samples[8000:24_000]
        assert np.sqrt(2) * middle.std() == pytest.approx(0.5, rel=0.06)  # LAME scales by 0.95


def test_a_loud_mix_is_not_clipped(tmp_path) -> None:
    tone = Tone(amplitude=0.95, codec="pcm_s16le")
    waveform = read_waveform(write_clip(tmp_path / "loud.wav", pictures=[], sounds=[tone]))
    middle = waveform.samples[8000:24_000]
    assert np.sqrt(2) * middle.std() == pytest.approx(0.95, rel=0.01)
    assert np.abs(middle).max() < 1.0


def test_waveform_times_come_from_the_sample_count(tmp_path) -> None:
    tone = Tone(codec="pcm_s16le", duration_seconds=2.5)
    reader = AudioReader(write_clip(tmp_path / "tone.wav", pictures=[], sounds=[tone]), block_seconds=1.0)
    blocks = list(reader)
    assert [len(block.samples) for block in blocks] == [16_000, 16_000, 8_000]
    assert [block.span for block in blocks] == [Span(0.0, 1.0), Span(1.0, 2.0), Span(2.0, 2.5)]
    assert (reader.info.end_seconds, reader.info.source_rate_hz, reader.info.source_channels) == (2.5, 48_000, 2)
    assert reader.info.codec == "pcm_s16le"
    assert not reader.truncated


@settings(max_examples=15, deadline=None)
@given(block_seconds=st.floats(0.001, 3.0))
def test_the_block_length_changes_nothing_but_the_cuts(tmp_path_factory, block_seconds) -> None:
    path = tmp_path_factory.getbasetemp() / "blocks.wav"
    if not path.exists():
        write_clip(path, pictures=[], sounds=[Tone(codec="pcm_s16le", sample_rate_hz=44_100, duration_seconds=1.0)])
    blocks = list(AudioReader(path, block_seconds=block_seconds))
    np.testing.assert_array_equal(np.concatenate([block.samples for block in blocks]), read_waveform(path).samples)
    for before, after in pairwise(blocks):
        assert before.span.end_seconds == after.span.start_seconds


def test_sound_that_starts_later_keeps_its_time(tmp_path) -> None:
    path = write_clip(tmp_path / "late.mkv", sounds=[Tone(codec="flac", start_seconds=0.7, duration_seconds=1.0)])
    waveform = read_waveform(path)
    assert waveform.span.start_seconds == pytest.approx(0.7, abs=0.002)
    assert waveform.span.end_seconds == pytest.approx(1.7, abs=0.002)


def test_missing_sound_inside_the_file_comes_as_zeros(tmp_path) -> None:
    waveform = read_waveform(write_with_gap(tmp_path / "gap.mkv", 1.5))
    assert waveform.span.end_seconds == pytest.approx(2.5, abs=0.01)
    samples = waveform.samples
    assert np.abs(samples[:7_900]).max() > 0.2
    assert np.abs(samples[8_100:31_900]).max() == 0.0
    assert np.abs(samples[32_100:]).max() > 0.2


def test_digital_silence_is_present(tmp_path) -> None:
    waveform = read_waveform(write_clip(tmp_path / "silent.mp4", sounds=[Tone(amplitude=0.0)]))
    assert waveform.span.duration_seconds == pytest.approx(2.0, abs=0.05)
    assert not waveform.samples.any()


def test_the_default_track_is_read_and_else_the_first(tmp_path) -> None:
    high, low = Tone(pitch_hz=1000.0, is_default=False), Tone(pitch_hz=300.0)
    assert pitch_hz(read_waveform(write_clip(tmp_path / "a.mp4", sounds=[high, low]))) == pytest.approx(300, abs=2)
    both = [Tone(pitch_hz=1000.0), Tone(pitch_hz=300.0)]
    assert pitch_hz(read_waveform(write_clip(tmp_path / "b.mp4", sounds=both))) == pytest.approx(1000, abs=2)


def test_a_file_cut_short_gives_what_it_has(tmp_path) -> None:
    whole = write_clip(tmp_path / "whole.mp4", sounds=[Tone(duration_seconds=10.0)], options={"movflags": "faststart"})
    data = whole.read_bytes()
    path = tmp_path / "cut.mp4"
    path.write_bytes(data[: len(data) // 2])
    reader = AudioReader(path)
    blocks = list(reader)
    assert reader.truncated
    assert 0.5 < reader.info.end_seconds < 9.0
    assert blocks[-1].span.end_seconds == reader.info.end_seconds
    assert reader.info.duration_seconds_from_header == pytest.approx(10.0, abs=0.05)


def test_the_longest_duration_is_enforced_while_streaming(tmp_path) -> None:
    path = write_clip(tmp_path / "tone.wav", pictures=[], sounds=[Tone(codec="pcm_s16le")])
    with pytest.raises(MediaTooLong, match="limit of 1 s"):
        list(AudioReader(path, block_seconds=0.1, max_duration_seconds=1.0))
    with pytest.raises(MediaTooLong):  # a timestamp that asks for days of silence
        list(AudioReader(write_with_gap(tmp_path / "days.mkv", 200_000.0), max_duration_seconds=60.0))


def test_errors(tmp_path) -> None:
    with pytest.raises(UsageError, match="at least one sample"):
        AudioReader("any.wav", block_seconds=0.0)
    with pytest.raises(MediaNotFound):
        list(AudioReader(tmp_path / "none.wav"))
    with pytest.raises(EmptyMedia, match="no sound"):
        list(AudioReader(write_clip(tmp_path / "mute.mp4", sounds=[])))
    with pytest.raises(RuntimeError, match="read to the end"):
        _ = AudioReader("any.wav").info


def test_repr_shows_the_length_not_the_samples() -> None:
    waveform = Waveform(samples=np.zeros(8000, dtype=np.float32), span=Span(1.0, 1.5))
    assert repr(waveform) == "Waveform(8000 samples at 16000 Hz, 1.00-1.50 s)"


def test_real_clips(shared_media) -> None:
    assert not read_waveform(shared_media / "pyfeat_WolfgangLanger_Pexels.mp4").samples.any()
    assert read_waveform(shared_media / "grid_bbaf2n.mpg").samples.std() > 0.01
    reader = AudioReader(shared_media / "odd" / "truncated_index_first.mp4")
    list(reader)
    assert reader.truncated
    reader = AudioReader(shared_media / "pyfeat_noface_face.mov")
    list(reader)
    assert not reader.truncated  # the sound is shorter than the picture, and its header says so
    assert reader.info.end_seconds == pytest.approx(3.97, abs=0.05)
