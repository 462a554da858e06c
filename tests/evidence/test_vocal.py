from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emotrace.evidence.functionals import functionals
from emotrace.evidence.observation import Finding
from emotrace.evidence.rhythm import pauses, syllable_nuclei, syllables_per_second
from emotrace.evidence.vocal import baseline, observe, reliability
from emotrace.evidence.voice_series import VoiceSeries
from emotrace.evidence.voice_signals import VoiceMeter
from emotrace.media.audio import AudioReader
from emotrace.media.transcript import Word
from emotrace.span import Span
from emotrace.testing.sounds import RATE, measure, noise, talk, voice


def heard(path: Path) -> VoiceSeries:
    meter = VoiceMeter()
    for block in AudioReader(path):
        meter.feed(block)
    return meter.finish()


def observed(series: VoiceSeries, span: Span) -> dict[str | None, Finding]:
    findings = observe(series, span, baseline=baseline(series, [Span(0.0, series.time_seconds[-1] + 0.005)]))
    assert all(finding.span in span for finding in findings)
    assert len({finding.cue for finding in findings if finding.cue != "long_pauses"}) == len(
        [finding for finding in findings if finding.cue != "long_pauses"]
    )
    return {finding.cue: finding for finding in findings}


def usual_and(other: np.ndarray) -> VoiceSeries:
    """Ten seconds of usual talk, half a second of nothing, then something else."""
    return measure(np.concatenate([talk(10.0), 3e-4 * noise(0.5), other]))


LATER = Span(10.5, 15.5)


def test_a_higher_voice_is_heard_with_its_amount() -> None:
    found = observed(usual_and(talk(5.0, seed=3, base_hz=120 * 2 ** (6 / 12))), LATER)
    assert "pitch_high" in found
    assert "semitones above the speaker's median" in found["pitch_high"].text
    assert found["pitch_high"].strength > 0.3
    assert "pitch_low" not in found
    assert "even_voice" not in found


def test_a_lower_voice_is_heard() -> None:
    found = observed(usual_and(talk(5.0, seed=3, base_hz=120 * 2 ** (-6 / 12))), LATER)
    assert "pitch_low" in found
    assert "pitch_high" not in found


@pytest.mark.parametrize(("gain_db", "cue"), [(12.0, "loud"), (-12.0, "soft")])
def test_a_louder_or_softer_voice_is_heard(gain_db: float, cue: str) -> None:
    found = observed(usual_and(talk(5.0, seed=3) * 10 ** (gain_db / 20)), LATER)
    assert cue in found
    # The median is that of all the talk, the louder or softer part included, so it lies between the two.
    amount = float(found[cue].text.split("(")[1].split(" dB")[0])
    assert 0.5 * gain_db <= amount <= gain_db or gain_db - 3.0 <= amount <= 0.5 * gain_db
    assert not {"pitch_high", "pitch_low"} & set(found)


def test_the_usual_voice_departs_from_nothing() -> None:
    found = observed(usual_and(talk(5.0, seed=3)), LATER)
    assert not {"pitch_high", "pitch_low", "loud", "soft", "tense_voice", "breathy"} & set(found)


def test_no_relative_statement_without_enough_other_speech() -> None:
    short = measure(np.concatenate([talk(1.5), np.zeros(RATE), talk(4.0, base_hz=240.0) * 3]))
    found = observed(short, Span(2.4, 6.5))
    assert not {"pitch_high", "loud", "tense_voice"} & set(found)
    alone = measure(talk(5.0, base_hz=240.0))
    findings = observe(alone, Span(0.0, 5.0), baseline=None)
    assert not {"pitch_high", "pitch_low", "loud", "soft"} & {finding.cue for finding in findings}


def test_pauses_are_timed() -> None:
    series = measure(np.concatenate([talk(3.0), 3e-4 * noise(1.6), talk(3.0, seed=2)]))
    found = observed(series, Span(0.0, 7.6))
    assert found["long_pauses"].span.duration_seconds == pytest.approx(1.6, abs=0.3)
    assert found["long_pauses"].text.startswith("long pause of 1.")
    assert pauses(series, Span(0.0, 3.0), at_least_seconds=1.0) == ()


@pytest.mark.parametrize("rate", [2.5, 4.0, 6.0])
def test_syllables_are_counted(rate: float) -> None:
    series = measure(talk(8.0, syllables_per_second=rate, seed=8))
    counted = syllables_per_second(series, Span(0.0, 8.0))
    assert counted is not None
    assert counted == pytest.approx(rate, rel=0.2)
    nuclei = syllable_nuclei(series, Span(2.0, 5.0))
    assert ((nuclei >= 2.0) & (nuclei <= 5.0)).all()


def test_slow_and_fast_talk() -> None:
    slow = measure(talk(8.0, syllables_per_second=2.2, seed=8))
    assert "slow" in observed(slow, Span(0.0, 8.0))
    fast = measure(talk(8.0, syllables_per_second=8.0, seed=8))
    assert "fast" in observed(fast, Span(0.0, 8.0))


def test_timed_words_give_the_rate_and_guessed_ones_do_not() -> None:
    series = measure(talk(6.0))

    def words(measured: bool) -> list[Word]:
        times = np.arange(0.1, 5.8, 0.2)
        return [Word(text="so", span=Span(t, t + 0.15), measured=measured) for t in times]

    cues = {
        measured: {f.cue: f.text for f in observe(series, Span(0.0, 6.0), baseline=None, words=words(measured))}
        for measured in (True, False)
    }
    assert "words per second" in cues[True]["fast"]
    assert "fast" not in cues[False]


def test_a_trembling_voice() -> None:
    time = np.arange(round(0.8 * RATE)) / RATE
    trembling = voice(150 * 2 ** (0.6 * np.sin(2 * np.pi * 6.0 * time) / 12), 0.8)
    series = measure(np.concatenate([talk(3.0), trembling, talk(3.0, seed=2)]))
    found = observed(series, Span(0.0, 6.8))
    assert "6.0 times per second" in found["tremor"].text
    assert "tremor" not in observed(measure(talk(7.0)), Span(0.0, 7.0))


def test_an_even_voice_is_measured_stillness() -> None:
    series = measure(talk(8.0, movement=1.8))
    findings = observe(series, Span(0.0, 8.0), baseline=baseline(series, [Span(0.0, 8.0)]))
    assert [finding.cue for finding in findings] == ["even_voice"]
    assert "semitones" in findings[0].text


@pytest.mark.parametrize("sound", [np.zeros(3 * RATE), noise(3.0), voice(150.0, 3.0)], ids=["silence", "noise", "tone"])
def test_nothing_is_heard_where_nobody_speaks(sound: np.ndarray) -> None:
    series, span = measure(sound), Span(0.0, 3.0)
    assert baseline(series, [span]) is None
    assert observe(series, span, baseline=None) == []
    assert reliability(series, span) == 0.0
    assert functionals(series, span) == {}


def test_reliability_falls_with_noise_clipping_and_shortness() -> None:
    sound = np.concatenate([3e-4 * noise(0.7), talk(4.0), 3e-4 * noise(0.7)])
    span = Span(0.0, 5.4)
    clean = reliability(measure(sound), span)
    assert clean > 0.9
    assert reliability(measure(sound + noise(5.4, level=0.03)), span) < clean - 0.1
    assert reliability(measure(np.clip(20 * sound, -1, 1)), span) < 0.3
    assert reliability(measure(sound), Span(1.0, 1.5)) < 0.4


def test_functionals_of_a_known_voice() -> None:
    series = measure(talk(8.0, base_hz=200.0))
    values = functionals(series, Span(0.0, 8.0))
    semitones = series.semitones[series.voiced]
    assert values["F0semitoneFrom27.5Hz_sma3nz_amean"] == pytest.approx(semitones.mean(), abs=0.1)
    assert values["F0semitoneFrom27.5Hz_sma3nz_percentile50.0"] == pytest.approx(np.median(semitones), abs=0.2)
    assert values["VoicedSegmentsPerSec"] == pytest.approx(4.0, abs=1.0)
    assert 0.1 < values["MeanVoicedSegmentLengthSec"] < 0.25
    assert values["jitterLocal_sma3nz_amean"] < 0.02
    assert all(isinstance(value, float) and np.isfinite(value) for value in values.values())


@pytest.mark.parametrize("name", ["grid_bbaf2n.mpg", "grid_lbax4n.mpg", "grid_lwbsza.mpg", "grid_swiz3n.mpg"])
def test_a_short_neutral_command_yields_no_emotional_cue(shared_media: Path, name: str) -> None:
    series = heard(shared_media / name)
    assert set(observed(series, Span(0.0, 2.97))) <= {"even_voice"}
