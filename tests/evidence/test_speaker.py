from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.evidence.speaker import Attribution, MouthMotion, attribute
from emotrace.evidence.voice_activity import speech_turns
from emotrace.evidence.voice_series import VoiceSeries
from emotrace.span import Span
from emotrace.testing.sounds import RATE, measure, noise, talk

PICTURES_PER_SECOND = 5.0


@cache
def dialogue(*parts: float, seed: int = 0) -> tuple[VoiceSeries, tuple[Span, ...]]:
    """Talk of the given lengths with silences of 1.2 s around; the measured series and its turns."""
    pieces = [np.zeros(round(1.2 * RATE))]
    for index, seconds in enumerate(parts):
        pieces += [talk(seconds, seed=seed + index), np.zeros(round(1.2 * RATE))]
    sound = np.concatenate(pieces)
    series = measure(sound + 1e-4 * noise(len(sound) / RATE)[: len(sound)])
    return series, speech_turns(series, min_pause_seconds=0.8)


def mouth(
    series: VoiceSeries, speaks: list[Span], *, seed: int, scale: float = 1.0, restless: float = 0.3, rest: float = 0.15
) -> MouthMotion:
    """Motion that follows the loudness while this person speaks, and a restless mouth at any time."""
    rng = np.random.default_rng(seed)
    times = np.arange(0.2, series.time_seconds[-1], 1 / PICTURES_PER_SECOND)
    moments = times - 0.1
    loudness = np.interp(moments, series.time_seconds, series.loudness)
    speaking = np.any(
        [np.zeros(len(times), bool), *((moments >= s.start_seconds) & (moments <= s.end_seconds) for s in speaks)],
        axis=0,
    )
    talking = (
        speaking
        * np.minimum(loudness / np.median(series.loudness[series.speech]), 1.5)
        * rng.uniform(0.3, 1.0, len(times))
    )
    return times, scale * (talking + restless * rng.exponential(1.0, len(times)) + rest)


def test_of_two_the_mouth_that_goes_with_the_voice() -> None:
    series, turns = dialogue(3.0, 3.0)
    mouths = {"P1": mouth(series, [], seed=1, scale=5.0), "P2": mouth(series, list(turns), seed=2)}
    assert attribute(series, mouths, turns).speakers == ("P2", "P2")


@pytest.mark.parametrize("seed", range(5))
def test_turns_go_back_and_forth(seed: int) -> None:
    series, turns = dialogue(4.0, 4.0, 4.0, 4.0, seed=10 * seed)
    assert len(turns) == 4
    mouths = {
        "P1": mouth(series, [turns[0], turns[2]], seed=seed, scale=8.0),
        "P2": mouth(series, [turns[1], turns[3]], seed=seed + 50),
        "P3": mouth(series, [], seed=seed + 100, scale=3.0, restless=0.6),
    }
    speakers = attribute(series, mouths, turns).speakers
    right = ("P1", "P2", "P1", "P2")
    assert all(speaker in (truth, None) for speaker, truth in zip(speakers, right, strict=True))
    assert sum(speaker == truth for speaker, truth in zip(speakers, right, strict=True)) >= 3


def test_a_lone_visible_person_gets_the_voice() -> None:
    series, turns = dialogue(3.0)
    assert attribute(series, {"P1": mouth(series, list(turns), seed=1)}, turns).speakers == ("P1",)


def test_unless_the_mouth_keeps_still() -> None:
    series, turns = dialogue(5.0, 5.0)
    times, motion = mouth(series, [], seed=3)
    in_turns = np.any([(times >= t.start_seconds) & (times <= t.end_seconds) for t in turns], axis=0)
    listening = {"P1": (times, np.where(in_turns, 0.08 * motion, 0.3 * motion))}
    result = attribute(series, listening, turns)
    assert result.speakers == (None, None)
    assert all(turn.margin < 0.0 for turn in result.turns)
    # The same course of motion, but as large as speech is: few samples a second prove nothing then.
    moving = {"P1": (times, np.where(in_turns, 0.3 * motion, motion))}
    assert attribute(series, moving, turns).speakers == ("P1", "P1")


def test_a_turn_that_two_claim_goes_to_the_one_who_plainly_speaks_elsewhere() -> None:
    series, turns = dialogue(4.0, 4.0)
    speaker = mouth(series, list(turns), seed=2)
    times, motion = mouth(series, [turns[0]], seed=5, scale=3.0)
    grimacing = (times, motion)
    assert attribute(series, {"P1": grimacing, "P2": speaker}, turns).speakers == ("P2", "P2")


def test_speech_without_a_pause_still_has_a_speaker() -> None:
    series = measure(talk(6.0))
    span = Span(0.0, 6.0)
    assert attribute(series, {"P1": mouth(series, [span], seed=1)}, [span]).speakers == ("P1",)


def test_nobody_visible() -> None:
    series, turns = dialogue(3.0)
    assert attribute(series, {}, turns).speakers == (None,)
    times, motion = mouth(series, list(turns), seed=1)
    gone = times < 1.0
    assert attribute(series, {"P1": (times[gone], motion[gone])}, turns).speakers == (None,)


def test_people_come_and_go() -> None:
    series, turns = dialogue(4.0, 4.0)
    cut = (turns[0].end_seconds + turns[1].start_seconds) / 2
    first, second = mouth(series, [turns[0]], seed=1), mouth(series, [turns[1]], seed=2)
    mouths = {
        "P1": tuple(column[first[0] < cut] for column in first),
        "P2": tuple(column[second[0] >= cut] for column in second),
    }
    assert attribute(series, mouths, turns).speakers == ("P1", "P2")


def test_two_who_move_alike_are_not_told_apart() -> None:
    series, turns = dialogue(3.0)
    same = mouth(series, list(turns), seed=1)
    result = attribute(series, {"P1": same, "P2": same}, turns)
    assert result.speakers == (None,)
    assert result.turns[0].margin == 0.0


def test_no_sound_leaves_presence() -> None:
    times = np.arange(0.0, 5.0, 0.2)
    one = {"P1": (times, np.ones(len(times)))}
    assert attribute(None, one, [Span(0.0, 5.0)]).speakers == ("P1",)
    assert attribute(None, one | {"P2": one["P1"]}, [Span(0.0, 5.0)]).speakers == (None,)
    assert attribute(None, one, []) == Attribution(turns=())


@settings(max_examples=20, deadline=None)
@given(scale=st.floats(0.01, 100.0), offset=st.floats(0.0, 10.0))
def test_moving_more_changes_nothing(scale: float, offset: float) -> None:
    series, turns = dialogue(3.0, 3.0)
    talker, other = mouth(series, list(turns), seed=2), mouth(series, [], seed=1)
    plain = attribute(series, {"P1": talker, "P2": other}, turns)
    moved = attribute(series, {"P1": talker, "P2": (other[0], scale * other[1] + offset)}, turns)
    assert moved.speakers == plain.speakers == ("P1", "P1")
    assert moved.turns[0].margin == pytest.approx(plain.turns[0].margin, abs=0.2)


def test_of_several_still_mouths_nobody_speaks_whatever_their_noise_looks_like() -> None:
    series, turns = dialogue(3.0)
    mouths = {"P1": mouth(series, list(turns), seed=2), "P2": mouth(series, [], seed=1)}
    assert attribute(series, mouths, turns).speakers == ("P1",)
    faint = {person: (times, 0.02 * motion) for person, (times, motion) in mouths.items()}
    assert attribute(series, faint, turns).speakers == (None,)
