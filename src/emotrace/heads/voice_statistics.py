"""One row of numbers for a stretch of voice: how its frames are spread, whatever their order and whatever was said.

The kinds are those of eGeMAPS (Eyben et al. 2016, IEEE TAC 7(2)) [field]: pitch, loudness, spectral shape, voice
quality and rhythm. None depends on the gain of the recording. [ours] The exact list, and measuring them on mel frames.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64

from emotrace.heads.voice_features import BANDS, FRAMES_PER_SECOND, LEVEL, PERIODICITY, PITCH, TILT

_CEPSTRA = 14
STATISTICS: Final = 97
"""How many numbers a row has."""
_BELOW_PEAK_DB, _QUIETEST_DBFS = 30.0, -75.0
_VOICED_PERIODICITY = 0.6
_SMOOTH = 5


def _cosines() -> Float32[np.ndarray, "band cepstrum"]:
    """The discrete cosine transform that makes mel spectra cepstra, without the level."""
    angle = np.pi * (np.arange(BANDS)[:, None] + 0.5) * np.arange(1, _CEPSTRA + 1) / BANDS
    return np.asarray(np.cos(angle) * np.sqrt(2.0 / BANDS), np.float32)


_COSINES = _cosines()


def sounding(frames: Float32[np.ndarray, "frame feature"]) -> Bool[np.ndarray, " frame"]:
    """Frames that are heard: at most 30 dB below the loud ones, and above -75 dB of full scale."""
    if not len(frames):
        return np.zeros(0, bool)
    level = frames[:, LEVEL]
    heard: Bool[np.ndarray, " frame"] = level > max(float(np.percentile(level, 95)) - _BELOW_PEAK_DB, _QUIETEST_DBFS)
    return heard


def voiced(frames: Float32[np.ndarray, "frame feature"]) -> Bool[np.ndarray, " frame"]:
    """Frames that are heard and have a pitch."""
    pitched: Bool[np.ndarray, " frame"] = sounding(frames) & (frames[:, PERIODICITY] > _VOICED_PERIODICITY)
    return pitched


def statistics(frames: Float32[np.ndarray, "frame feature"]) -> Float32[np.ndarray, " statistic"]:
    """The numbers of a stretch that has at least some voiced frames."""
    heard, pitched = sounding(frames), voiced(frames)
    first, last = int(heard.argmax()), len(heard) - int(heard[::-1].argmax())
    frames, heard, pitched = frames[first:last], heard[first:last], pitched[first:last]
    row = [
        *_spectrum(frames, heard, pitched),
        *_level(frames[:, LEVEL].astype(np.float64), heard),
        *_pitch(frames[:, PITCH].astype(np.float64), frames[:, LEVEL], pitched),
        *_quality(frames, pitched),
        *_rhythm(heard, pitched),
    ]
    return np.array(row, np.float32)


def _spectrum(frames: np.ndarray, heard: np.ndarray, pitched: np.ndarray) -> list[float]:
    """Mean and spread of the cepstra, their mean where voiced, and how fast they move."""
    cepstra = frames[:, :BANDS] @ _COSINES / 10.0
    step = np.abs(np.diff(cepstra, axis=0))[heard[1:] & heard[:-1]]
    parts = (
        cepstra[heard].mean(axis=0),
        cepstra[heard].std(axis=0),
        cepstra[pitched].mean(axis=0),
        step.mean(axis=0) if len(step) else np.zeros(_CEPSTRA),
    )
    return [float(value) for part in parts for value in part]


def _level(level: Float64[np.ndarray, " frame"], heard: np.ndarray) -> list[float]:
    """Spread of the loudness in dB, how fast it rises and falls, and how deep syllables modulate it."""
    low, middle, high = np.percentile(level[heard], (10, 50, 90))
    step = np.diff(level)[heard[1:] & heard[:-1]]
    rises, falls = step[step > 0], step[step <= 0]
    swing = _box(level, _SMOOTH) - _box(level, 25)
    return [
        float(level[heard].std()),
        float(high - middle),
        float(middle - low),
        float(rises.mean()) if len(rises) else 0.0,
        float(falls.mean()) if len(falls) else 0.0,
        float(swing[heard].std()),
    ]


def _pitch(semitones: Float64[np.ndarray, " frame"], level: np.ndarray, pitched: np.ndarray) -> list[float]:
    """Height, spread and movement of the pitch, in semitones; what leaps by more than an octave is left out."""
    centre = float(np.median(semitones[pitched]))
    kept = pitched & (np.abs(semitones - centre) < 12.0)
    values = semitones[kept]
    low, fifth, middle, eightieth, high = np.percentile(values, (5, 20, 50, 80, 95))
    pairs = kept[1:] & kept[:-1]
    step = np.diff(semitones)[pairs]
    step = step[np.abs(step) < 3.0]
    time = np.flatnonzero(kept) / FRAMES_PER_SECOND
    spread = float(values.std())
    loud = level[kept] - level[kept].mean()
    together = float(np.mean(loud * (values - values.mean()))) / max(spread * float(loud.std()), 1e-3)
    slope = float(np.mean((time - time.mean()) * values)) / max(float(time.var()), 1e-3)
    return [
        float(values.mean()),
        float(middle),
        float(low),
        float(fifth),
        float(eightieth),
        float(high),
        float(eightieth - fifth),
        float(high - low),
        spread,
        float(np.abs(step).mean()) if len(step) else 0.0,
        float(step.mean()) if len(step) else 0.0,
        float(step.std()) if len(step) else 0.0,
        float(np.median(np.abs(np.diff(step)))) if len(step) > 1 else 0.0,
        float(np.clip(slope, -20.0, 20.0)),
        together,
    ]


def _quality(frames: np.ndarray, pitched: np.ndarray) -> list[float]:
    """How periodic the voice is, its first harmonic over the second, and the balance of high and low bands."""
    periodic, tilt = frames[pitched, PERIODICITY], frames[pitched, TILT]
    mel = frames[:, :BANDS]
    balance = (mel[:, 16:27].mean(axis=1) - mel[:, :14].mean(axis=1))[pitched]
    edge = (mel[:, :16].max(axis=1) - mel[:, 16:27].max(axis=1))[pitched]
    return [
        float(periodic.mean()),
        float(periodic.std()),
        float(np.percentile(periodic, 20)),
        float(tilt.mean()),
        float(tilt.std()),
        float(balance.mean()),
        float(balance.std()),
        float(edge.mean()),
        float(edge.std()),
    ]


def _rhythm(heard: np.ndarray, pitched: np.ndarray) -> list[float]:
    """Shares, rates and lengths of voiced stretches and of pauses, in seconds."""
    seconds = len(heard) / FRAMES_PER_SECOND
    lengths, gaps = _run_seconds(pitched), _run_seconds(~heard)
    return [
        float(pitched.mean()),
        float(heard.mean()),
        len(lengths) / seconds,
        float(lengths.mean()),
        float(lengths.std()),
        float(lengths.max()),
        len(gaps) / seconds,
        float(gaps.mean()) if len(gaps) else 0.0,
        float(gaps.max()) if len(gaps) else 0.0,
        float(pitched.sum() / max(int(heard.sum()), 1)),
        float(np.log(seconds)),
    ]


def _run_seconds(flags: np.ndarray) -> Float64[np.ndarray, " run"]:
    edges = np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8))
    lengths: Float64[np.ndarray, " run"] = (
        np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
    ) / FRAMES_PER_SECOND
    return lengths


def _box(values: Float64[np.ndarray, " frame"], width: int) -> Float64[np.ndarray, " frame"]:
    padded = np.pad(values, width // 2, mode="edge")
    total = np.concatenate([[0.0], np.cumsum(padded)])
    mean: Float64[np.ndarray, " frame"] = (total[width:] - total[:-width]) / width
    return mean
