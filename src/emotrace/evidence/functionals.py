"""Functionals: one number per measure over a stretch of speech, under eGeMAPS names where the measures coincide.

The names, and what they stand for, are those of Eyben et al. 2016, "The Geneva Minimalistic Acoustic Parameter Set
(GeMAPS) for voice research and affective computing", IEEE TAC 7(2) [field]. Ours differ in this:

* pitch is found by Boersma's method in 60 to 500 Hz (theirs: sub-harmonic summation up to 1000 Hz);
* the harmonics-to-noise ratio is corrected for the window, which makes it some 4 dB higher;
* jitter and shimmer come from three periods around each frame;
* `loudnessPeaksPerSec` counts syllable nuclei per second of speech;
* only frames that voice activity calls speech count, and a value that cannot be measured is left out, not zero.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from emotrace.evidence.rhythm import syllable_nuclei
from emotrace.evidence.voice_activity import run_edges
from emotrace.evidence.voice_series import HOP_SECONDS, VoiceSeries
from emotrace.span import Span


def functionals(series: VoiceSeries, span: Span) -> dict[str, float]:
    """What the voice is like in a span; empty where nobody speaks.

    Semitones are above 27.5 Hz, lengths in seconds, ratios in dB, jitter is a share of the period, loudness is in the
    linear unit of the series. `stddevNorm` is the standard deviation divided by the mean.
    """
    part = series.cut(span)
    if not part.speech.any():
        return {}
    first, last = part.speech.argmax(), len(part) - part.speech[::-1].argmax()
    power = np.mean(10.0 ** (part.level_dbfs[part.speech] / 10.0))
    return {
        **_distribution("F0semitoneFrom27.5Hz_sma3nz", _smooth(part.semitones, part.voiced)),
        **_distribution("loudness_sma3", _smooth(part.loudness, part.speech)),
        **_mean_and_spread("jitterLocal_sma3nz", _smooth(part.jitter, part.voiced)),
        **_mean_and_spread("shimmerLocaldB_sma3nz", _smooth(part.shimmer_db, part.voiced)),
        **_mean_and_spread("HNRdBACF_sma3nz", _smooth(part.harmonicity_db, part.voiced)),
        **_mean_and_spread("alphaRatioV_sma3nz", _smooth(part.alpha_ratio_db, part.voiced)),
        **_segments(part.voiced[first:last]),
        "loudnessPeaksPerSec": len(syllable_nuclei(series, span)) / part.speech_seconds,
        "equivalentSoundLevel_dBp": float(10.0 * np.log10(max(power, 1e-12))),
    }


def _smooth(values: Float32[np.ndarray, " time"], chosen: np.ndarray) -> Float32[np.ndarray, " chosen"]:
    """Mean over three neighbouring frames, of those that are chosen and measurable ("sma3", "nz": no zeros)."""
    known = chosen & np.isfinite(values)
    padded = np.pad(np.where(known, values, 0.0), 1)
    count = np.pad(known.astype(np.float32), 1)
    total, number = (column[:-2] + column[1:-1] + column[2:] for column in (padded, count))
    smoothed: Float32[np.ndarray, " chosen"] = (total[known] / number[known]).astype(np.float32)
    return smoothed


def _mean_and_spread(name: str, values: Float32[np.ndarray, " chosen"]) -> dict[str, float]:
    if not len(values):
        return {}
    mean, spread = float(values.mean()), float(values.std())
    result = {f"{name}_amean": mean}
    if mean != 0.0:
        result[f"{name}_stddevNorm"] = spread / mean
    return result


def _distribution(name: str, values: Float32[np.ndarray, " chosen"]) -> dict[str, float]:
    result = _mean_and_spread(name, values)
    if result:
        low, middle, high = (float(value) for value in np.percentile(values, (20, 50, 80)))
        result |= {f"{name}_percentile20.0": low, f"{name}_percentile50.0": middle, f"{name}_percentile80.0": high}
        result[f"{name}_pctlrange0-2"] = high - low
    return result


def _segments(voiced: np.ndarray) -> dict[str, float]:
    """Rate and length of voiced and unvoiced stretches, from the first to the last frame of speech."""
    result: dict[str, float] = {}
    for name, flags in (("VoicedSegmentLengthSec", voiced), ("UnvoicedSegmentLength", ~voiced)):
        starts, ends = run_edges(flags)
        lengths = (ends - starts) * HOP_SECONDS
        if len(lengths):
            result |= {f"Mean{name}": float(lengths.mean()), f"Stddev{name}": float(lengths.std())}
    result["VoicedSegmentsPerSec"] = len(run_edges(voiced)[0]) / (len(voiced) * HOP_SECONDS)
    return result
