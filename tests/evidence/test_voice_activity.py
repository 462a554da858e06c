from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotrace.evidence.voice_activity import long_runs, noise_floor_dbfs, run_edges, speech_turns
from emotrace.evidence.voice_series import VoiceSeries
from emotrace.evidence.voice_signals import VoiceMeter
from emotrace.media.audio import AudioReader
from emotrace.span import Span
from emotrace.testing.sounds import RATE, band, measure, music, noise, note, talk, voice, with_noise


def heard(path: Path) -> VoiceSeries:
    meter = VoiceMeter()
    for block in AudioReader(path):
        meter.feed(block)
    return meter.finish()


TIME = np.arange(8 * RATE) / RATE
NOT_SPEECH = {
    "silence": np.zeros(8 * RATE),
    "white noise": noise(8.0),
    "pink noise": noise(8.0, pink=True),
    "faint noise": noise(8.0, level=1e-4),
    "tone": note(220.0, 8.0, harmonics=1),
    "hum": note(100.0, 8.0, harmonics=20),
    "held vowel": voice(150.0, 8.0),
    "siren": 0.3 * np.sin(2 * np.pi * np.cumsum(300 + 100 * np.sin(2 * np.pi * 0.3 * TIME)) / RATE),
    "waves of noise": noise(8.0) * (1 + np.sin(2 * np.pi * 4 * TIME)) / 2,
    "knocks": noise(8.0) * np.exp(-(TIME % 0.5) / 0.03),
    "band": band(8.0),
}


@pytest.mark.parametrize("name", NOT_SPEECH)
def test_no_speech_where_nobody_speaks(name: str) -> None:
    assert measure(NOT_SPEECH[name]).speech.mean() < 0.02


@pytest.mark.parametrize("kind", ["chords", "arpeggio", "melody", "vibrato", "drums"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_speech_in_music(kind: str, seed: int) -> None:
    assert measure(music(kind, 10.0, seed=seed)).speech.mean() < 0.05


@pytest.mark.parametrize("base_hz", [90.0, 130.0, 220.0, 300.0])
@pytest.mark.parametrize("seed", [1, 2])
def test_talk_is_speech(base_hz: float, seed: int) -> None:
    series = measure(talk(8.0, base_hz=base_hz, seed=seed))
    assert series.speech.mean() > 0.75
    assert series.voiced.sum() > 0.9 * np.isfinite(series.pitch_hz).sum()


@pytest.mark.parametrize("seed", [201, 204, 210])
def test_a_band_is_never_a_second_of_speech(seed: int) -> None:
    """A tune over drums: its notes stand still and leap, and the drums swing like syllables."""
    turns = speech_turns(measure(band(10.0, seed=seed)))
    assert all(turn.duration_seconds < 1.0 for turn in turns)


def test_talk_is_speech_at_any_level_and_in_noise() -> None:
    sound = talk(8.0)
    assert measure(sound / 30).speech.mean() > 0.75
    assert measure(with_noise(sound, 15.0)).speech.mean() > 0.6


def test_talk_between_music_and_silence_has_its_place() -> None:
    pieces = [music("chords", 4.0), np.zeros(2 * RATE), talk(5.0), np.zeros(2 * RATE), noise(3.0)]
    series = measure(np.concatenate(pieces))
    turns = speech_turns(series)
    assert turns
    for turn in turns:
        assert turn in Span(5.5, 11.5)
    assert sum(turn.duration_seconds for turn in turns) > 3.5


def test_turns_are_parted_by_pauses() -> None:
    sound = np.concatenate([talk(3.0), np.zeros(RATE), talk(3.0, seed=4)])
    series = measure(sound + 1e-4 * noise(7.0))
    assert len(speech_turns(series)) == 2
    assert len(speech_turns(series, min_pause_seconds=2.0)) == 1
    first, second = speech_turns(series)
    assert first.end_seconds == pytest.approx(3.0, abs=0.3)
    assert second.start_seconds == pytest.approx(4.0, abs=0.3)


def test_empty_series_has_no_turns() -> None:
    assert speech_turns(VoiceMeter().finish()) == ()


def test_noise_floor_is_the_quietest_nearby() -> None:
    level = np.full(1000, -20.0, np.float32)
    level[500:510] = -50.0
    floor = noise_floor_dbfs(level)
    assert floor[505] == pytest.approx(-50.0, abs=0.1)
    assert floor[0] == floor[-1] == -20.0


def test_runs() -> None:
    flags = np.array([1, 0, 1, 1, 1, 0, 1, 1], bool)
    assert [edge.tolist() for edge in run_edges(flags)] == [[0, 2, 6], [1, 5, 8]]
    assert long_runs(flags, 3).tolist() == [False, False, True, True, True, False, False, False]


SPOKEN = ["grid_bbaf2n.mpg", "grid_lbax4n.mpg", "grid_lwbsza.mpg", "grid_swiz3n.mpg"]
SPOKEN += ["thorsten_amused.wav", "thorsten_angry.wav", "thorsten_neutral.wav", "odd/audio_only.m4a"]
UNSPOKEN = [
    "pyfeat_no_face.mp4",
    "pyfeat_WolfgangLanger_Pexels.mp4",
    "pyfeat_single_face.mp4",
    "pyfeat_noface_face.mov",
]


@pytest.mark.parametrize("name", SPOKEN)
def test_recorded_speech(shared_media: Path, name: str) -> None:
    series = heard(shared_media / name)
    assert series.speech.mean() > 0.5
    assert len(speech_turns(series)) == 1


@pytest.mark.parametrize("name", UNSPOKEN)
def test_recorded_music_and_silence(shared_media: Path, name: str) -> None:
    assert not heard(shared_media / name).speech.any()
