"""Loudness and spectral balance of short frames, as in the eGeMAPS set (Eyben et al. 2016, IEEE TAC 7(2)) [field].

Loudness is the sum of an auditory spectrum: 26 mel bands from 20 to 8000 Hz, weighted by the ear's sensitivity and
compressed with the exponent 0.33 (Hermansky 1990, perceptual linear prediction). The alpha ratio is the level of
1 to 5 kHz over that of 50 Hz to 1 kHz: a pressed voice is rich in the upper band, a soft one poor.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from emotrace.evidence.pitch import SAMPLE_RATE_HZ

WINDOW_SAMPLES = 320
"""20 ms."""
_FFT_SAMPLES = 512
_BANDS = 26
_COMPRESSION = 0.33
_TINY = 1e-12
_UNIT = 1.0 / 15.0  # [ours] brings the loudness of recorded speech to the numbers of openSMILE, whose scaling differs


@dataclass(frozen=True, kw_only=True)
class SpectralShape:
    """What one short spectrum tells about each frame."""

    loudness: Float32[np.ndarray, " frame"]
    """Arbitrary linear unit, 0 for digital silence."""
    level_dbfs: Float32[np.ndarray, " frame"]
    """Mean power against that of a full-scale square wave, in dB; at least -120."""
    alpha_ratio_db: Float32[np.ndarray, " frame"]
    flux: Float32[np.ndarray, " frame"]
    """How far the auditory spectrum moved since the frame before, as a share of its size: 0 still, 1 another sound."""
    auditory: Float32[np.ndarray, "frame band"]
    """The auditory spectrum itself."""


def _mel(hz: np.ndarray) -> np.ndarray:
    return np.asarray(1127.0 * np.log1p(hz / 700.0))


def _filters() -> Float32[np.ndarray, "bin band"]:
    """Triangles, even on the mel scale, each scaled by the ear's sensitivity (Hermansky 1990) at its centre."""
    lowest, highest = _mel(np.array([20.0, 8000.0]))
    edges_mel = np.linspace(lowest, highest, _BANDS + 2)
    bins_mel = _mel(np.fft.rfftfreq(_FFT_SAMPLES, 1 / SAMPLE_RATE_HZ))[:, None]
    low, centre, high = edges_mel[:-2], edges_mel[1:-1], edges_mel[2:]
    triangles = np.clip(np.minimum((bins_mel - low) / (centre - low), (high - bins_mel) / (high - centre)), 0.0, None)
    squared = (700.0 * np.expm1(centre / 1127.0)) ** 2
    sensitivity = (squared / (squared + 1.6e5)) ** 2 * (squared + 1.44e6) / (squared + 9.61e6)
    filters: Float32[np.ndarray, "bin band"] = (triangles * sensitivity).astype(np.float32)
    return filters


_WINDOW = np.hamming(WINDOW_SAMPLES).astype(np.float32)
_FILTERS = _filters()
_HZ = np.fft.rfftfreq(_FFT_SAMPLES, 1 / SAMPLE_RATE_HZ)
_LOW_BAND, _HIGH_BAND = (_HZ >= 50) & (_HZ < 1000), (_HZ >= 1000) & (_HZ < 5000)


def spectral_shape(
    frames: Float32[np.ndarray, "frame sample"], before: Float32[np.ndarray, " band"] | None = None
) -> SpectralShape:
    """Loudness, level, balance and movement of each frame.

    Args:
        frames: 320 samples (20 ms at 16 kHz) around each moment, full scale at ±1.
        before: Auditory spectrum of the frame before the first; None at the start of the sound.
    """
    spectrum = np.fft.rfft(frames * _WINDOW, _FFT_SAMPLES)
    power = spectrum.real**2 + spectrum.imag**2
    auditory = np.power(power @ _FILTERS, np.float32(_COMPRESSION))
    low, high = power[:, _LOW_BAND].sum(axis=1), power[:, _HIGH_BAND].sum(axis=1)
    level = 10.0 * np.log10(np.maximum(np.mean(frames**2, axis=1), _TINY))
    previous = np.vstack([auditory[:1] if before is None else before, auditory[:-1]])
    size = np.sqrt(np.sum(auditory**2, axis=1) + np.sum(previous**2, axis=1))
    moved = np.sqrt(np.sum((auditory - previous) ** 2, axis=1)) / np.maximum(size, 1e-6)
    return SpectralShape(
        loudness=auditory.sum(axis=1) * np.float32(_UNIT),
        level_dbfs=level.astype(np.float32),
        alpha_ratio_db=(10.0 * np.log10(np.maximum(high, _TINY) / np.maximum(low, _TINY))).astype(np.float32),
        flux=moved.astype(np.float32),
        auditory=auditory,
    )
