"""Rhythm of speech: syllables, their rate, and pauses, from the envelope of the sound alone.

Syllable nuclei are peaks of the level that are voiced, not far below the loudest part of the stretch, and parted by a
dip (de Jong & Wempe 2009, "Praat script to detect syllable nuclei and measure speech rate automatically") [field]. Ours
are the 50 ms of smoothing and the dip of 1 dB. Like that script it misses unstressed and merged syllables: it found
83 % of those in acted German sentences.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from emotrace.evidence.voice_activity import box_mean, run_edges
from emotrace.evidence.voice_series import HOP_SECONDS, VoiceSeries
from emotrace.span import Span

_DIP_DB = 1.0
_BELOW_LOUDEST_DB = 25.0
_SMOOTHING_FRAMES = 5


def syllable_nuclei(series: VoiceSeries, span: Span) -> Float64[np.ndarray, " nucleus"]:
    """Times of the syllable nuclei inside the span, in seconds."""
    part = series.cut(span)
    if not part.voiced.any():
        return np.zeros(0)
    level = box_mean(part.level_dbfs, _SMOOTHING_FRAMES)
    loudest = np.percentile(level[part.voiced], 95)
    peaks = _parted_peaks(level, _DIP_DB)
    near_voice = box_mean(part.voiced, 3) > 0.0
    times: Float64[np.ndarray, " nucleus"] = part.time_seconds[
        peaks[near_voice[peaks] & (level[peaks] > loudest - _BELOW_LOUDEST_DB)]
    ]
    return times


def syllables_per_second(series: VoiceSeries, span: Span) -> float | None:
    """Articulation rate: nuclei per second of speech, pauses left out; None below half a second of speech."""
    spoken = series.cut(span).speech_seconds
    return None if spoken < 0.5 else len(syllable_nuclei(series, span)) / spoken


def pauses(series: VoiceSeries, span: Span, *, at_least_seconds: float) -> tuple[Span, ...]:
    """Silences between two stretches of speech that both lie in the span."""
    part = series.cut(span)
    between = ~part.speech
    if between.all():
        return ()
    between[: part.speech.argmax()] = between[len(between) - part.speech[::-1].argmax() :] = False
    starts, ends = run_edges(between)
    half = HOP_SECONDS / 2
    return tuple(
        Span(part.time_seconds[start] - half, part.time_seconds[end - 1] + half)
        for start, end in zip(starts, ends, strict=True)
        if (end - start) * HOP_SECONDS >= at_least_seconds
    )


def _parted_peaks(level: np.ndarray, dip_db: float) -> Int64[np.ndarray, " peak"]:
    """Indices of maxima between which the level falls by at least `dip_db` on both sides."""
    peaks: list[int] = []
    highest, lowest, rising = 0, 0, True
    for index, value in enumerate(level):
        if rising:
            if value > level[highest]:
                highest = index
            elif level[highest] - value >= dip_db:
                peaks.append(highest)
                lowest, rising = index, False
        elif value < level[lowest]:
            lowest = index
        elif value - level[lowest] >= dip_db:
            highest, rising = index, True
    if rising and len(level) and (not peaks or highest > peaks[-1]):
        peaks.append(highest)
    return np.asarray(peaks, np.int64)
