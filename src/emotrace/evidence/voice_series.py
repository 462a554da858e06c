"""What was measured of the sound of a clip: one value of everything per 10 ms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float32, Float64

from emotrace.span import Span

HOP_SECONDS = 0.01
_SEMITONE_REFERENCE_HZ = 27.5


@dataclass(frozen=True, kw_only=True)
class VoiceSeries:
    """One value per 10 ms of sound; all arrays have the same length, 0 where there was no sound at all."""

    time_seconds: Float64[np.ndarray, " time"]
    """Middle of each frame, from the start of the file."""
    speech: Bool[np.ndarray, " time"]
    """Whether somebody speaks, short pauses between words included."""
    pitch_hz: Float32[np.ndarray, " time"]
    """Fundamental frequency, 60 to 500 Hz; nan where the sound is not voiced."""
    loudness: Float32[np.ndarray, " time"]
    """Perceptual loudness in an arbitrary linear unit, near that of eGeMAPS."""
    level_dbfs: Float32[np.ndarray, " time"]
    """Mean power in dB against full scale, -120 to 0."""
    harmonicity_db: Float32[np.ndarray, " time"]
    """Harmonics-to-noise ratio below 5 kHz in dB, -20 to 40; nan where not voiced."""
    alpha_ratio_db: Float32[np.ndarray, " time"]
    """Level of 1 to 5 kHz over that of 50 Hz to 1 kHz, in dB."""
    flux: Float32[np.ndarray, " time"]
    """How much the spectrum moved since the frame before, 0..1."""
    jitter: Float32[np.ndarray, " time"]
    """Difference of neighbouring periods as a share of the period; nan where not measurable."""
    shimmer_db: Float32[np.ndarray, " time"]
    """Difference of the heights of neighbouring periods in dB; nan where not measurable."""
    clipped: Bool[np.ndarray, " time"]
    """Whether samples stood at full scale."""

    def __len__(self) -> int:
        return len(self.time_seconds)

    @cached_property
    def semitones(self) -> Float32[np.ndarray, " time"]:
        """Pitch in semitones above 27.5 Hz, as eGeMAPS counts; nan where not voiced."""
        semitones: Float32[np.ndarray, " time"] = 12.0 * np.log2(self.pitch_hz / np.float32(_SEMITONE_REFERENCE_HZ))
        return semitones

    @cached_property
    def voiced(self) -> Bool[np.ndarray, " time"]:
        """Speech with a pitch."""
        voiced: Bool[np.ndarray, " time"] = self.speech & np.isfinite(self.pitch_hz)
        return voiced

    @cached_property
    def speech_seconds(self) -> float:
        """How much speech there is."""
        return float(np.count_nonzero(self.speech)) * HOP_SECONDS

    def cut(self, span: Span) -> VoiceSeries:
        """The frames whose middle lies in the span."""
        first, last = np.searchsorted(self.time_seconds, (span.start_seconds, span.end_seconds))
        return replace(self, **{column.name: getattr(self, column.name)[first:last] for column in fields(self)})

    def inside(self, spans: Iterable[Span]) -> Bool[np.ndarray, " time"]:
        """Which frames have their middle in one of the spans."""
        chosen = np.zeros(len(self), bool)
        for span in spans:
            first, last = np.searchsorted(self.time_seconds, (span.start_seconds, span.end_seconds))
            chosen[first:last] = True
        return chosen
