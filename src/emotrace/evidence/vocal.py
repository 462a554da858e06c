"""The vocal observer: what is heard in a voice, in checkable words, each with its time and amount.

Two kinds of statement. *Relative* ones (higher, lower, louder, softer, pressed, breathy) compare a second or more of
speech with the same speaker's own median, and need at least three seconds of that speaker beyond the stretch.
*Absolute* ones (range of pitch, rate, pauses, trembling, evenness) compare with usual values of read and conversational
speech, given beside each constant. Laughing, sobbing, gasping and sighing are not claimed: nothing here was shown to
tell them from speech.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from emotrace.evidence.observation import Finding
from emotrace.evidence.rhythm import pauses, syllables_per_second
from emotrace.evidence.tremor import strongest_tremor
from emotrace.evidence.voice_activity import box_mean, run_edges
from emotrace.evidence.voice_series import HOP_SECONDS, VoiceSeries
from emotrace.media.transcript import Word
from emotrace.span import Span

SOURCE = "vocal@1"
_OTHER_SPEECH_SECONDS = 3.0
_SUSTAINED_FRAMES = 101
_VOICED_FRAMES_NEEDED = 25
_SHORTEST_DEPARTURE_SECONDS = 0.3


@dataclass(frozen=True, kw_only=True)
class Usual:
    """The middle of a measure and its robust spread (1.4826 times the median absolute deviation)."""

    median: float
    spread: float

    def z(self, value: float) -> float:
        """How many spreads a value lies above the middle."""
        return (value - self.median) / self.spread


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """How one person usually sounds, by the voiced frames of all the speech that is given to this person."""

    spans: tuple[Span, ...]
    """The stretches it was measured on."""
    speech_seconds: float
    """How much speech they hold."""
    semitones: Usual
    """Pitch, above 27.5 Hz."""
    level_dbfs: Usual
    alpha_ratio_db: Usual
    harmonicity_db: Usual

    def other_seconds(self, series: VoiceSeries, span: Span) -> float:
        """How much speech it rests on beyond a span."""
        part = series.cut(span)
        own = part.inside(shared for other in self.spans if (shared := other & span) is not None)
        return self.speech_seconds - float(np.count_nonzero(part.speech & own)) * HOP_SECONDS


# The spread of a very even speaker is not taken below these, so that a trifle cannot become marked. [ours]
_LEAST_SPREAD = {"semitones": 1.5, "level_dbfs": 4.0, "alpha_ratio_db": 3.0, "harmonicity_db": 2.0}

_PITCH_RANGE = Usual(median=np.log(7.5), spread=0.30)
"""Logarithm of the 10-90 % range in semitones. [ours], from neutral acted sentences; it agrees with standard deviations
near 3 semitones in ordinary speech (Traunmüller & Eriksson 1995) [field]."""
_WIDEST_RANGE_SEMITONES = 20.0
"""A wider one is no melody but two voices, or octaves mistaken by the pitch tracker: nothing is stated. [ours]"""
_SYLLABLE_RATE = Usual(median=4.5, spread=0.8)
"""Per second of speech. Goldman-Eisler 1968: 4.4 to 5.9 [field], of which `rhythm.py` finds some 83 %."""
_WORD_RATE = Usual(median=2.8, spread=0.5)
"""Per second. Tauroza & Allison 1990: 170 words a minute on average in British English [field]."""
_LEVEL_SPREAD_DB = Usual(median=6.2, spread=1.2)
"""Standard deviation of the level of voiced frames. [ours], from neutral acted sentences."""
_LONG_PAUSE_SECONDS = 1.0
"""Campione & Véronis 2002 call pauses above one second long [field]."""
_MARKED = 2.0
"""Spreads beyond the usual before an absolute statement is made. [ours]"""
_ENOUGH_SECONDS = 2.5
"""Speech below which range and rate follow the wording more than the manner. [ours]"""


def baseline(series: VoiceSeries, spans: Sequence[Span]) -> Baseline | None:
    """How a person usually sounds.

    Args:
        series: The measured sound.
        spans: All the stretches in which this person is taken to speak.

    Returns:
        None where fewer than 0.25 s of them are voiced.
    """
    own = series.inside(spans)
    voiced = series.voiced & own
    if np.count_nonzero(voiced) < _VOICED_FRAMES_NEEDED:
        return None
    return Baseline(
        spans=tuple(spans),
        speech_seconds=float(np.count_nonzero(series.speech & own)) * HOP_SECONDS,
        **{name: _usual(getattr(series, name)[voiced], name) for name in _LEAST_SPREAD},
    )


def _usual(values: Float32[np.ndarray, " chosen"], name: str) -> Usual:
    median = float(np.median(values))
    spread = 1.4826 * float(np.median(np.abs(values - median)))
    return Usual(median=median, spread=max(spread, _LEAST_SPREAD[name]))


def reliability(series: VoiceSeries, span: Span) -> float:
    """How far the vocal observations of a span can be trusted, 0..1: enough speech, above the noise, not clipped.

    [ours] The product of three: speech out of two seconds; the level of voiced frames above the quietest twentieth
    within five seconds, 3 dB counting nothing and 20 dB in full; and the share of frames not clipped, five times over.
    """
    part = series.cut(span)
    if not part.voiced.any():
        return 0.0
    amount = min(part.speech_seconds / 2.0, 1.0)
    around = series.cut(Span(max(span.start_seconds - 5.0, 0.0), span.end_seconds + 5.0)).level_dbfs
    above = float(np.median(part.level_dbfs[part.voiced]) - np.percentile(around, 5))
    clear = float(np.clip((above - 3.0) / 17.0, 0.0, 1.0))
    clean = max(0.0, 1.0 - 5.0 * float(np.mean(part.clipped[part.speech])))
    return amount * clear * clean


def observe(
    series: VoiceSeries, span: Span, *, baseline: Baseline | None, words: Sequence[Word] | None = None
) -> list[Finding]:
    """What is heard in one stretch of a person's speech; nothing where less than 0.5 s is spoken.

    Args:
        series: The measured sound.
        span: The stretch, in which this person is taken to speak.
        baseline: How the person usually sounds; without it no relative statement is made.
        words: What was said; words whose times were measured give the rate in place of counted syllables.
    """
    heard = _Heard(series=series.cut(span), span=span)
    if heard.series.speech_seconds < 0.5:
        return []
    findings = [*_pitch_range(heard), *_rate(heard, words), *_long_pauses(heard), *_tremor(heard)]
    if baseline is not None and (other := baseline.other_seconds(series, span)) >= _OTHER_SPEECH_SECONDS:
        confidence = 0.6 + 0.3 * min(other / 15.0, 1.0)
        findings += _relative(heard, baseline, confidence)
    if not findings:
        findings += _even_voice(heard, baseline)
    return findings


@dataclass(frozen=True, kw_only=True)
class _Heard:
    """One stretch under observation."""

    series: VoiceSeries
    """The frames of the stretch alone."""
    span: Span

    @property
    def extent(self) -> Span:
        """From the first to the last speech in it."""
        spoken = self.series.time_seconds[self.series.speech]
        return Span(spoken[0], spoken[-1])

    @property
    def pitch_range(self) -> float | None:
        """10-90 % range in semitones; None below 0.6 s of voice."""
        semitones = self.series.semitones[self.series.voiced]
        if len(semitones) < 60:
            return None
        low, high = np.percentile(semitones, (10, 90))
        return max(float(high - low), 0.1)

    def finding(self, cue: str, text: str, *, z: float, confidence: float, span: Span | None = None) -> Finding:
        return Finding(
            modality="vocal",
            span=(span or self.extent).rounded(2) & self.span or self.span,
            text=text,
            strength=float(np.clip(abs(z) / 3.0, 0.0, 1.0)),
            confidence=confidence,
            source=SOURCE,
            cue=cue,
        )


def _pitch_range(heard: _Heard) -> list[Finding]:
    semitones = heard.pitch_range
    if semitones is None or semitones > _WIDEST_RANGE_SEMITONES or heard.series.speech_seconds < _ENOUGH_SECONDS:
        return []
    z = _PITCH_RANGE.z(float(np.log(semitones)))
    if z >= _MARKED:
        return [heard.finding("pitch_wide", f"pitch ranges over {semitones:.1f} semitones", z=z, confidence=0.6)]
    if z <= -_MARKED:
        return [heard.finding("pitch_flat", f"pitch moves little ({semitones:.1f} semitones)", z=z, confidence=0.7)]
    return []


def _rate(heard: _Heard, words: Sequence[Word] | None) -> list[Finding]:
    if heard.series.speech_seconds < _ENOUGH_SECONDS:
        return []
    timed = [w for w in words or () if w.measured and w.span.middle_seconds in heard.span]
    if len(timed) >= 4:
        rate, usual, what, confidence = len(timed) / heard.series.speech_seconds, _WORD_RATE, "words", 0.8
    elif (counted := syllables_per_second(heard.series, heard.span)) is not None:
        rate, usual, what, confidence = counted, _SYLLABLE_RATE, "syllables", 0.6
    else:
        return []
    z = usual.z(rate)
    if abs(z) < _MARKED:
        return []
    cue = "fast" if z > 0 else "slow"
    how = "fast" if z > 0 else "slowly"
    return [heard.finding(cue, f"speaks {how}: {rate:.1f} {what} per second", z=z, confidence=confidence)]


def _long_pauses(heard: _Heard) -> list[Finding]:
    found = pauses(heard.series, heard.span, at_least_seconds=_LONG_PAUSE_SECONDS)
    return [
        heard.finding(
            "long_pauses",
            f"long pause of {pause.duration_seconds:.1f} s at {pause.start_seconds:.1f} s",
            z=pause.duration_seconds,
            confidence=0.85,
            span=pause,
        )
        for pause in sorted(sorted(found, key=lambda p: -p.duration_seconds)[:2])
    ]


def _tremor(heard: _Heard) -> list[Finding]:
    tremor = strongest_tremor(heard.series)
    if tremor is None:
        return []
    extent, rate = tremor.extent_semitones, tremor.rate_hz
    text = f"voice trembles: pitch swings by {extent:.1f} semitones, {rate:.1f} times per second"
    z = 1.0 + extent
    return [heard.finding("tremor", text, z=z, confidence=0.4, span=tremor.span)]


def _relative(heard: _Heard, own: Baseline, confidence: float) -> list[Finding]:
    """Sustained departures from the speaker's own median. The least amounts are [ours]."""
    findings = []
    series = heard.series
    for sign, cue, verb in ((1, "pitch_high", "rises"), (-1, "pitch_low", "falls")):
        if departure := _departure(heard, series.semitones, own.semitones, sign=sign, least=2.5):
            where, amount, value = departure
            hz = 27.5 * 2 ** (value / 12.0)
            side = "above" if sign > 0 else "below"
            text = f"pitch {verb} to {hz:.0f} Hz, {abs(amount):.1f} semitones {side} the speaker's median"
            z = amount / own.semitones.spread
            findings.append(heard.finding(cue, text, z=z, confidence=confidence, span=where))
    for sign, cue, how in ((1, "loud", "louder"), (-1, "soft", "softer")):
        if departure := _departure(heard, series.level_dbfs, own.level_dbfs, sign=sign, least=5.0):
            where, amount, _ = departure
            text = f"voice is {how} from {where.start_seconds:.1f} s ({amount:+.0f} dB against the speaker's median)"
            z = amount / own.level_dbfs.spread
            findings.append(heard.finding(cue, text, z=z, confidence=0.9 * confidence, span=where))
    return findings + _voice_quality(heard, own, confidence)


def _voice_quality(heard: _Heard, own: Baseline, confidence: float) -> list[Finding]:
    """Pressed: more energy above 1 kHz than usual. Breathy: less of it, and more noise between the harmonics."""
    series = heard.series
    if departure := _departure(heard, series.alpha_ratio_db, own.alpha_ratio_db, sign=1, least=5.0):
        where, amount, _ = departure
        text = f"voice is pressed: {amount:+.0f} dB above 1 kHz against the speaker's median"
        z = amount / own.alpha_ratio_db.spread
        return [heard.finding("tense_voice", text, z=z, confidence=0.55 * confidence, span=where)]
    softer = _departure(heard, series.alpha_ratio_db, own.alpha_ratio_db, sign=-1, least=2.0)
    noisier = _departure(heard, series.harmonicity_db, own.harmonicity_db, sign=-1, least=3.0)
    if softer and noisier and (shared := softer[0] & noisier[0]):
        text = f"breathy voice: harmonics-to-noise {noisier[1]:+.0f} dB against the speaker's median"
        z = noisier[1] / own.harmonicity_db.spread
        return [heard.finding("breathy", text, z=z, confidence=0.5 * confidence, span=shared)]
    return []


def _departure(
    heard: _Heard, values: Float32[np.ndarray, " time"], usual: Usual, *, sign: int, least: float
) -> tuple[Span, float, float] | None:
    """Where the mean over a second of voice lies most beyond the usual: (when, by how much, the mean itself)."""
    voiced, times = heard.series.voiced, heard.series.time_seconds
    share = box_mean(voiced, _SUSTAINED_FRAMES, beyond="constant")
    total = box_mean(np.where(voiced, values, 0.0), _SUSTAINED_FRAMES, beyond="constant")
    enough = share * _SUSTAINED_FRAMES >= _VOICED_FRAMES_NEEDED
    beyond = sign * (total / np.maximum(share, 1e-9) - usual.median) >= max(least, 0.9 * usual.spread)
    starts, ends = run_edges(enough & beyond)
    if not len(starts):
        return None
    longest = int(np.argmax(ends - starts))
    chosen = np.flatnonzero(voiced[starts[longest] : ends[longest]]) + starts[longest]
    if len(chosen) * HOP_SECONDS < _SHORTEST_DEPARTURE_SECONDS:
        return None
    value = float(np.mean(values[chosen]))
    return Span(times[chosen[0]], times[chosen[-1]]), value - usual.median, value


def _even_voice(heard: _Heard, own: Baseline | None) -> list[Finding]:
    """Evenness that was measured, not the lack of findings: pitch, level and rate all near the middle of the usual."""
    semitones = heard.pitch_range
    rate = syllables_per_second(heard.series, heard.span)
    if semitones is None or rate is None or heard.series.speech_seconds < 1.0:
        return []
    levels = heard.series.level_dbfs[heard.series.voiced]
    movement = _PITCH_RANGE.z(float(np.log(semitones)))
    deviations = [
        max(movement, -0.5 * movement),  # little movement is even, too
        _LEVEL_SPREAD_DB.z(float(levels.std())),
    ]
    if heard.series.speech_seconds >= _ENOUGH_SECONDS:
        deviations.append(0.75 * abs(_SYLLABLE_RATE.z(rate)))
    if own is not None:
        deviations.append(abs(own.semitones.z(float(np.median(heard.series.semitones[heard.series.voiced])))) / 0.6)
        deviations.append(abs(own.level_dbfs.z(float(np.median(levels)))) / 0.6)
    worst = max(deviations)
    if worst > 1.5:
        return []
    text = f"even voice: pitch within {semitones:.1f} semitones, {rate:.1f} syllables per second"
    return [heard.finding("even_voice", text, z=2.5 - max(worst, 0.0), confidence=0.5 if own is None else 0.6)]
