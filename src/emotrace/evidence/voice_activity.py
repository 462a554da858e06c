"""Voice activity: where somebody speaks, told from silence, noise, tones and music by measured signs, without a model.

One second and a half of speech differs from other sounds in four ways, and all four must hold:

* *voiced*: parts of it have one pitch. Noise has none, and a chord's common pitch is weak or jumps.
* *gliding*: that pitch moves a little all the time. An instrument stays on its note and then leaps.
* *syllabic*: loudness swings between 2 and 8 times a second, the rate of syllables. Hum, strings and sirens do not.
* *articulated*: vowels and consonants alternate, so that the spectral balance swings too.

[field] Syllabic rhythm and voicing as signs of speech: Scheirer & Slaney 1997, "Construction and evaluation of a robust
multifeature speech/music discriminator". [ours] These four measures and their limits, set on synthetic music and
noise and on recorded speech. Singing, and a solo instrument that glides in the rhythm of syllables, can pass for
speech; a whisper, which has no pitch, is missed.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Float64
from numpy.lib.stride_tricks import sliding_window_view as _windows

from emotrace.evidence.voice_series import HOP_SECONDS, VoiceSeries
from emotrace.span import Span, union

_BLOCK = 10
"""Frames of 10 ms that share one decision about the sound around them."""
_AROUND = 15
"""Blocks of that surrounding: 1.5 s."""
_FLOOR_BLOCKS = 31
"""Blocks in which the noise floor is looked for: 1.5 s to either side."""
_QUIETEST_DBFS = -70.0
_SHORTEST_VOICING = 3
_REACH = 25
"""Frames before and after voice in which a voiceless consonant may belong to it."""
_HELD_REACH, _LONGEST_HELD = 50, 150
"""Frames that a held vowel may lie from other speech, and last."""
_LONGEST_GAP, _SHORTEST_SPEECH = 20, 15

_VOICED_SHARE = (0.04, 0.12)
_GLIDING_SHARE = (0.45, 0.75)
_GLIDE_SEMITONES = (0.025, 1.0)
_MODULATION_DEPTH = (0.07, 0.14)
_BALANCE_SWING_DB = (2.0, 4.5)
"""(no sign of speech, full sign) of each measure."""


def speech_frames(
    *,
    pitch_hz: Float32[np.ndarray, " time"],
    loudness: Float32[np.ndarray, " time"],
    level_dbfs: Float32[np.ndarray, " time"],
    alpha_ratio_db: Float32[np.ndarray, " time"],
) -> Bool[np.ndarray, " time"]:
    """Which frames, one per 10 ms, belong to speech; gaps up to 0.2 s between words are included."""
    if not len(pitch_hz):
        return np.zeros(0, bool)
    floor = noise_floor_dbfs(level_dbfs)
    above_floor = level_dbfs - floor
    dynamic_range = -noise_floor_dbfs(-level_dbfs) - floor
    audible = (above_floor > np.maximum(6.0, 0.25 * dynamic_range)) & (level_dbfs > _QUIETEST_DBFS)
    voiced = long_runs(np.isfinite(pitch_hz) & (level_dbfs > _QUIETEST_DBFS), _SHORTEST_VOICING)
    voiced &= box_mean(above_floor, 5) > 3.0
    likeness = _speech_likeness(voiced, audible, pitch_hz, loudness, alpha_ratio_db)
    core = voiced & (likeness > 0.5)
    core |= _held(voiced, core)
    near_core = box_mean(core, 2 * _REACH + 1) > 0.5 / (2 * _REACH + 1)
    speech = core | (audible & near_core)
    speech = ~long_runs(~speech, _LONGEST_GAP + 1) & near_core
    return long_runs(speech, _SHORTEST_SPEECH)


def speech_turns(series: VoiceSeries, *, min_pause_seconds: float = 0.5) -> tuple[Span, ...]:
    """Stretches of speech, in order, that pauses of at least `min_pause_seconds` part from each other."""
    starts, ends = run_edges(series.speech)
    half = HOP_SECONDS / 2
    spans = [
        Span(max(series.time_seconds[start] - half, 0.0), series.time_seconds[end - 1] + half)
        for start, end in zip(starts, ends, strict=True)
    ]
    return union(spans, bridge_seconds=min_pause_seconds - 1e-6)


def noise_floor_dbfs(level_dbfs: Float32[np.ndarray, " time"]) -> Float32[np.ndarray, " time"]:
    """Level of the quietest tenth of a second within 1.5 s of each frame."""
    quietest = _blocks(box_mean(level_dbfs, 5), fill=np.inf).min(axis=1)
    padded = np.pad(quietest, _FLOOR_BLOCKS // 2, constant_values=np.inf)
    floor = _windows(padded, _FLOOR_BLOCKS).min(axis=1)
    return np.repeat(floor, _BLOCK)[: len(level_dbfs)].astype(np.float32)


def long_runs(flags: Bool[np.ndarray, " time"], shortest: int) -> Bool[np.ndarray, " time"]:
    """The flags without runs of fewer than `shortest` true values.

    >>> long_runs(np.array([True, False, True, True]), 2)
    array([False, False,  True,  True])
    """
    starts, ends = run_edges(flags)
    kept = ends - starts >= shortest
    steps = np.zeros(len(flags) + 1, int)
    steps[starts[kept]] += 1
    steps[ends[kept]] -= 1
    kept_flags: Bool[np.ndarray, " time"] = np.cumsum(steps[:-1]) > 0
    return kept_flags


def run_edges(flags: Bool[np.ndarray, " time"]) -> tuple[np.ndarray, np.ndarray]:
    """First index, and index after the last, of every run of true values."""
    edges = np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))
    return np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)


def _held(voiced: Bool[np.ndarray, " time"], core: Bool[np.ndarray, " time"]) -> Bool[np.ndarray, " time"]:
    """Unbroken voice next to speech: a held vowel has no syllables of its own, yet belongs to it."""
    starts, ends = run_edges(voiced)
    so_far = np.concatenate([[0], np.cumsum(core)])
    first, last = np.maximum(starts - _HELD_REACH, 0), np.minimum(ends + _HELD_REACH, len(core))
    touches = (so_far[last] > so_far[first]) & (ends - starts <= _LONGEST_HELD)
    held = np.zeros(len(core), bool)
    for start, end in zip(starts[touches], ends[touches], strict=True):
        held[start:end] = True
    return held


def _speech_likeness(
    voiced: Bool[np.ndarray, " time"],
    audible: Bool[np.ndarray, " time"],
    pitch_hz: Float32[np.ndarray, " time"],
    loudness: Float32[np.ndarray, " time"],
    alpha_ratio_db: Float32[np.ndarray, " time"],
) -> Float64[np.ndarray, " time"]:
    """The weakest of the four signs, 0..1, in the second and a half around each frame."""
    step = np.abs(np.diff(12.0 * np.log2(np.where(voiced, pitch_hz, np.nan)), prepend=np.nan))
    pair = np.isfinite(step)
    gliding = pair & (step > _GLIDE_SEMITONES[0]) & (step < _GLIDE_SEMITONES[1])
    swing = box_mean(loudness, 5) - box_mean(loudness, 25)  # keeps about 2 to 8 Hz
    balance = np.where(audible, alpha_ratio_db, 0.0)
    frames, audible_frames = _around(np.ones(len(voiced))), np.maximum(_around(audible), 1.0)
    depth = np.sqrt(_around(swing**2) * frames) / np.maximum(_around(loudness), 1e-9)
    variance = _around(balance**2) / audible_frames - (_around(balance) / audible_frames) ** 2
    signs = (
        _ramp(_around(voiced) / frames, _VOICED_SHARE),
        _ramp(_around(gliding) / np.maximum(_around(pair), 1.0), _GLIDING_SHARE),
        _ramp(depth, _MODULATION_DEPTH),
        _ramp(np.sqrt(np.maximum(variance, 0.0)), _BALANCE_SWING_DB),
    )
    likeness: Float64[np.ndarray, " time"] = np.repeat(np.min(signs, axis=0), _BLOCK)[: len(voiced)]
    return likeness


def _ramp(value: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    return np.asarray(np.clip((value - limits[0]) / (limits[1] - limits[0]), 0.0, 1.0))


def _around(values: np.ndarray) -> Float64[np.ndarray, " block"]:
    """Sum over the 1.5 s around each block; less at the ends of the sound."""
    sums = _blocks(values, fill=0.0).sum(axis=1)
    sums_around: Float64[np.ndarray, " block"] = _windows(np.pad(sums, _AROUND // 2), _AROUND).sum(axis=1)
    return sums_around


def _blocks(values: np.ndarray, *, fill: float) -> Float64[np.ndarray, "block 10"]:
    padded = np.pad(values.astype(np.float64), (0, -len(values) % _BLOCK), constant_values=fill)
    return padded.reshape(-1, _BLOCK)


def box_mean(
    values: np.ndarray, width: int, *, beyond: Literal["edge", "constant"] = "edge"
) -> Float64[np.ndarray, " time"]:
    """Mean over `width` frames (an odd number) around each one; beyond the ends lie the last values, or zeros.

    >>> box_mean(np.array([3.0, 0.0, 0.0]), 3).tolist()
    [2.0, 1.0, 0.0]
    """
    padded = np.pad(values.astype(np.float64), width // 2, mode=beyond)
    total = np.concatenate([[0.0], np.cumsum(padded)])
    mean: Float64[np.ndarray, " time"] = (total[width:] - total[:-width]) / width
    return mean
