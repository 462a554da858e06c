"""Pitch: the fundamental frequency of the voice, every 10 ms, by autocorrelation and a cheapest path.

Method: Boersma 1993 [field], "Accurate short-term analysis of the fundamental frequency and the harmonics-to-noise
ratio of a sampled sound". Each frame's autocorrelation, divided by that of its Hann window, has a local maximum at
each plausible period; the cheapest path through the candidates of all frames avoids leaps of an octave and brief
flips of voicing. The height of the chosen maximum is the share of periodic energy, hence the harmonics-to-noise ratio.

What is ours: the band of 60 to 5000 Hz that enters the autocorrelation (hum and hiss stay out); a path that commits
half a second behind the newest frame, so that memory stays flat; no loudness term in the voicing decision, because
the loudest moment of a stream is not known until it ends.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

SAMPLE_RATE_HZ = 16_000
LOWEST_HZ, HIGHEST_HZ = 60.0, 500.0
"""Range of the search: adults and children speaking, not singing."""
WINDOW_SAMPLES = 800
"""50 ms: three periods of the lowest pitch, as Boersma asks."""

_SHORTEST, _LONGEST = int(SAMPLE_RATE_HZ / HIGHEST_HZ), int(np.ceil(SAMPLE_RATE_HZ / LOWEST_HZ))
_FFT_SAMPLES = 1080  # window + longest period, rounded up to a product of small primes: no wrap-around
_CANDIDATES = 4
_OCTAVE_COST = 0.05  # prefers the shorter of two periods that fit alike
_OCTAVE_LEAP_COST = 0.7
_VOICING_FLIP_COST = 0.3
_VOICING_THRESHOLD = 0.6
"""[ours] The four; Boersma's defaults are 0.01, 0.35, 0.14 and 0.45. In recorded talk these leap and flip less."""
_SILENCE_POWER = 1e-7  # -70 dBFS: below it lies dither, which can be periodic
_LAG_FRAMES = 50
_UNVOICED = np.float32(np.nan)


def _band_weights() -> Float32[np.ndarray, " bin"]:
    """1 from 60 to 4000 Hz, falling to 0 at 40 and 5000 Hz: autocorrelation peaks wide enough for a parabola."""
    hz = np.fft.rfftfreq(_FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)
    weights = np.minimum((hz - 40.0) / 20.0, (5000.0 - hz) / 1000.0)
    return np.asarray(np.clip(weights, 0.0, 1.0), np.float32)


_WINDOW = np.hanning(WINDOW_SAMPLES + 2)[1:-1].astype(np.float32)
_BAND = _band_weights()
_LAGS = np.arange(_SHORTEST - 2, _LONGEST + 3)


def _window_autocorrelation() -> Float32[np.ndarray, " lag"]:
    power = np.abs(np.fft.rfft(_WINDOW.astype(np.float64), _FFT_SAMPLES)) ** 2
    correlation = np.fft.irfft(power, _FFT_SAMPLES)
    return np.asarray(correlation[_LAGS] / correlation[0], np.float32)


_WINDOW_CORRELATION = _window_autocorrelation()


@dataclass(frozen=True, kw_only=True)
class PitchCandidates:
    """The plausible periods of each frame; a strength of -inf marks an empty place."""

    pitch_hz: Float32[np.ndarray, "frame candidate"]
    periodicity: Float32[np.ndarray, "frame candidate"]
    """Share of the energy that repeats at that pitch, at most 1."""
    strength: Float32[np.ndarray, "frame candidate"]
    """Periodicity minus the price of a long period: what the path maximises."""


def pitch_candidates(frames: Float32[np.ndarray, "frame sample"]) -> PitchCandidates:
    """The four strongest local maxima of each frame's normalised autocorrelation.

    Args:
        frames: 800 samples (50 ms at 16 kHz) around each moment.
    """
    centred = (frames - frames.mean(axis=1, keepdims=True)) * _WINDOW
    spectrum = np.fft.rfft(centred, _FFT_SAMPLES)
    power = (spectrum.real**2 + spectrum.imag**2) * _BAND
    correlation = np.fft.irfft(power, _FFT_SAMPLES)
    energy = correlation[:, :1]
    audible = energy > _SILENCE_POWER * np.sum(_WINDOW**2)
    r = np.where(audible, correlation[:, _LAGS] / (np.maximum(energy, 1e-20) * _WINDOW_CORRELATION), 0.0)

    left, middle, right = r[:, :-2], r[:, 1:-1], r[:, 2:]
    curvature = np.minimum(left - 2.0 * middle + right, -1e-9)
    shift = np.clip(0.5 * (left - right) / curvature, -0.5, 0.5)
    lag = _LAGS[1:-1] + shift
    height = np.minimum(middle - 0.25 * (left - right) * shift, 1.0)
    is_peak = (middle > left) & (middle >= right) & (height > 0.15)
    is_peak &= (lag >= SAMPLE_RATE_HZ / HIGHEST_HZ) & (lag <= SAMPLE_RATE_HZ / LOWEST_HZ)
    strength = np.where(is_peak, height - _OCTAVE_COST * np.log2(lag * (LOWEST_HZ / SAMPLE_RATE_HZ)), -np.inf)

    best = np.argsort(-strength, axis=1, kind="stable")[:, :_CANDIDATES]
    return PitchCandidates(
        pitch_hz=(SAMPLE_RATE_HZ / np.take_along_axis(lag, best, 1)).astype(np.float32),
        periodicity=np.take_along_axis(height, best, 1).astype(np.float32),
        strength=np.take_along_axis(strength, best, 1).astype(np.float32),
    )


@dataclass(kw_only=True)
class PitchPath:
    """The best path through the candidates so far (Viterbi), committed half a second behind the newest frame."""

    _total: np.ndarray = field(default_factory=lambda: np.full(_CANDIDATES + 1, 0.0))
    _log2_hz: np.ndarray = field(default_factory=lambda: np.zeros(_CANDIDATES))
    _pending: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    """Per uncommitted frame: (where each state came from, pitch and periodicity of each state)."""

    def extend(self, candidates: PitchCandidates) -> Float32[np.ndarray, "frame 2"]:
        """Take in the next frames; returns (pitch in Hz or nan, periodicity) of the frames that are now settled."""
        log2_hz = np.log2(candidates.pitch_hz.astype(np.float64))
        values = _with_unvoiced(candidates)
        voiced = slice(0, _CANDIDATES)
        for hz, strength, value in zip(log2_hz, candidates.strength.astype(np.float64), values, strict=True):
            routes = np.empty((_CANDIDATES + 1, _CANDIDATES + 1))  # from, to
            routes[voiced, voiced] = -_OCTAVE_LEAP_COST * np.abs(self._log2_hz[:, None] - hz)
            routes[-1, voiced] = routes[voiced, -1] = -_VOICING_FLIP_COST
            routes[-1, -1] = 0.0
            routes += self._total[:, None]
            came_from = routes.argmax(axis=0)
            self._total = routes.max(axis=0)
            self._total[voiced] += strength
            self._total[-1] += _VOICING_THRESHOLD
            self._total -= self._total.max()
            self._log2_hz = hz
            self._pending.append((came_from, value))
        return self._settle(keep=_LAG_FRAMES)

    def finish(self) -> Float32[np.ndarray, "frame 2"]:
        """The frames that were still open."""
        return self._settle(keep=0)

    def _settle(self, *, keep: int) -> Float32[np.ndarray, "frame 2"]:
        state = int(self._total.argmax())
        settled = np.empty((max(len(self._pending) - keep, 0), 2), np.float32)
        for index in range(len(self._pending) - 1, -1, -1):
            came_from, value = self._pending[index]
            if index < len(settled):
                settled[index] = value[state]
            state = int(came_from[state])
        del self._pending[: len(settled)]
        return settled


def _with_unvoiced(candidates: PitchCandidates) -> Float32[np.ndarray, "frame state 2"]:
    """(pitch, periodicity) of every state; the last state is unvoiced and keeps the best periodicity seen."""
    frames = len(candidates.pitch_hz)
    values = np.full((frames, _CANDIDATES + 1, 2), _UNVOICED, np.float32)
    values[:, :-1, 0], values[:, :-1, 1] = candidates.pitch_hz, candidates.periodicity
    strongest = np.where(np.isfinite(candidates.strength[:, 0]), candidates.periodicity[:, 0], 0.0)
    values[:, -1, 1] = np.clip(strongest, 0.0, 1.0)
    return values
