"""Tremor: a regular swing of the pitch, 4 to 10 times a second, in a voice that is held.

Vocal tremor is a quasi-periodic modulation of pitch at some 4 to 8 Hz, up to 10 (Titze 1994, "Principles of voice
production") [field]. A sinusoid is fitted to every unbroken stretch of voice; [ours] are the limits that tell a tremor
from the rise and fall of syllables: half a second, three and a half cycles, three quarters of the movement explained.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from emotrace.evidence.voice_activity import run_edges
from emotrace.evidence.voice_series import HOP_SECONDS, VoiceSeries
from emotrace.span import Span

_RATES_HZ = np.arange(4.0, 10.01, 0.25)
_SHORTEST_FRAMES = 50
_LEAST_CYCLES = 3.5
_LEAST_EXTENT_SEMITONES = 0.4
_LEAST_EXPLAINED = 0.75


@dataclass(frozen=True, kw_only=True)
class Tremor:
    """A swing of the pitch."""

    span: Span
    rate_hz: float
    extent_semitones: float
    """From trough to peak."""
    explained: float
    """Share of the pitch movement, slow drift apart, that one sinusoid explains, 0..1."""


def strongest_tremor(series: VoiceSeries) -> Tremor | None:
    """The most regular tremor among the unbroken stretches of voice; None where there is none."""
    found = []
    starts, ends = run_edges(series.voiced)
    for start, end in zip(starts, ends, strict=True):
        if end - start < _SHORTEST_FRAMES:
            continue
        rate, extent, explained = _fit(series.semitones[start:end])
        cycles = rate * (end - start) * HOP_SECONDS
        if extent >= _LEAST_EXTENT_SEMITONES and explained >= _LEAST_EXPLAINED and cycles >= _LEAST_CYCLES:
            span = Span(float(series.time_seconds[start]), float(series.time_seconds[end - 1]))
            found.append(Tremor(span=span, rate_hz=rate, extent_semitones=extent, explained=explained))
    return max(found, key=lambda tremor: (tremor.explained, tremor.span), default=None)


def _fit(semitones: Float32[np.ndarray, " time"]) -> tuple[float, float, float]:
    """(rate, extent, share explained) of the sinusoid that fits best beside a slow drift."""
    time = np.arange(len(semitones)) * HOP_SECONDS
    drift = np.vander(time / time[-1], 4)
    moving = semitones - drift @ np.linalg.lstsq(drift, semitones.astype(np.float64), rcond=None)[0]
    total = float(np.sum(moving**2))
    best = (0.0, 0.0, 0.0)
    for rate in _RATES_HZ:
        waves = np.stack([np.cos(2 * np.pi * rate * time), np.sin(2 * np.pi * rate * time)], axis=1)
        weights = np.linalg.lstsq(waves, moving, rcond=None)[0]
        explained = float(np.sum((waves @ weights) ** 2)) / max(total, 1e-9)
        if explained > best[2]:
            best = (float(rate), 2.0 * float(np.hypot(*weights)), explained)
    return best
