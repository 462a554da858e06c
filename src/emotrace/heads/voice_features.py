"""What the voice head hears: 50 times a second a mel spectrum, a level, a pitch and how periodic the sound is.

Computed with numpy from 16 kHz mono sound, block by block, in flat memory. The pitch is a rough one, frame by frame,
after Boersma 1993 [field] (autocorrelation divided by that of the window) without his path through the frames: the
head only sees its statistics. [ours] Numbers are kept as float16: 72 bytes a frame, 3.6 kB per second of sound.
"""

from __future__ import annotations

import copy
from typing import Final

import numpy as np
from jaxtyping import Float16, Float32

from emotrace.media.audio import SAMPLE_RATE_HZ, Waveform

FRAMES_PER_SECOND: Final = 50
BANDS: Final = 32
LEVEL, PITCH, PERIODICITY, TILT = BANDS, BANDS + 1, BANDS + 2, BANDS + 3
COLUMNS: Final = BANDS + 4
"""Mel bands in dB; level in dB against full scale; pitch in semitones above 27.5 Hz; share of the energy that repeats
at that pitch (0..1); level of the first harmonic over the second, in dB."""
SILENCE_DBFS: Final = -100.0

_HOP = SAMPLE_RATE_HZ // FRAMES_PER_SECOND
_LONG, _SHORT = 800, 400
"""Windows of 50 ms for the pitch and of 25 ms for the spectrum, both around the middle of the hop."""
_OVERHANG = (_LONG - _HOP) // 2
_GROUP = 100
"""Frames measured at a time."""
_LOWEST_HZ, _HIGHEST_HZ = 60.0, 500.0
_PITCH_FFT, _MEL_FFT = 1080, 512
_OCTAVE_COST = 0.06
_SEMITONE_ZERO_HZ = 27.5
_TINY = 1e-10


def _mel_filters() -> Float32[np.ndarray, "bin band"]:
    """Triangles of unit area, even on the mel scale from 60 to 7600 Hz."""
    lowest, highest = 1127.0 * np.log1p(np.array([60.0, 7600.0]) / 700.0)
    edges = 700.0 * np.expm1(np.linspace(lowest, highest, BANDS + 2) / 1127.0)
    hz = np.fft.rfftfreq(_MEL_FFT, 1 / SAMPLE_RATE_HZ)[:, None]
    low, centre, high = edges[:-2], edges[1:-1], edges[2:]
    triangles = np.clip(np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre)), 0.0, None)
    filters: Float32[np.ndarray, "bin band"] = (triangles / triangles.sum(axis=0)).astype(np.float32)
    return filters


def _band_pass() -> Float32[np.ndarray, " bin"]:
    """What enters the autocorrelation: 60 to 3500 Hz, so that hum and hiss stay out."""
    hz = np.fft.rfftfreq(_PITCH_FFT, 1 / SAMPLE_RATE_HZ)
    return np.asarray(np.clip(np.minimum((hz - 40.0) / 20.0, (4500.0 - hz) / 1000.0), 0.0, 1.0), np.float32)


_SHORT_WINDOW = np.hanning(_SHORT + 2)[1:-1].astype(np.float32)
_LONG_WINDOW = np.hanning(_LONG + 2)[1:-1].astype(np.float32)
_FILTERS, _BAND = _mel_filters(), _band_pass()
_LAGS = np.arange(int(SAMPLE_RATE_HZ / _HIGHEST_HZ), int(SAMPLE_RATE_HZ / _LOWEST_HZ) + 2)


def _window_correlation() -> Float32[np.ndarray, " lag"]:
    correlation = np.fft.irfft(np.abs(np.fft.rfft(_LONG_WINDOW.astype(np.float64), _PITCH_FFT)) ** 2, _PITCH_FFT)
    return np.asarray(correlation[_LAGS] / correlation[0], np.float32)


_WINDOW_CORRELATION = _window_correlation()
_LAG_PRICE = (_OCTAVE_COST * np.log2(_LAGS * (_LOWEST_HZ / SAMPLE_RATE_HZ))).astype(np.float32)


class VoiceFeatureMeter:
    """Takes the sound block by block; frames are counted from the start of the file, whatever the size of the blocks.

    >>> meter = VoiceFeatureMeter()
    >>> meter.finish().shape
    (0, 36)
    """

    def __init__(self) -> None:
        self._buffer: np.ndarray | None = None
        self._parts: list[Float16[np.ndarray, "frame feature"]] = [np.empty((0, COLUMNS), np.float16)]
        self._forgotten = 0

    def feed(self, block: Waveform) -> None:
        """Take in the next block; sound that starts after the picture gets silence before it.

        Raises:
            ValueError: The block is not 16 kHz.
        """
        if block.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ValueError(f"the meter needs {SAMPLE_RATE_HZ} Hz, got {block.sample_rate_hz = }")
        if self._buffer is None:
            late_frames, late_samples = divmod(round(block.span.start_seconds * SAMPLE_RATE_HZ), _HOP)
            self._parts.append(np.repeat(_silence(), late_frames, axis=0))
            self._buffer = np.zeros(_OVERHANG + late_samples, np.float32)
        self._take(block.samples)

    def finish(self) -> Float32[np.ndarray, "frame feature"]:
        """All frames, 20 ms each, from the start of the file; a last part of 20 ms is left out. Call once."""
        if self._buffer is not None:
            frames = (len(self._buffer) - _OVERHANG) // _HOP
            if frames > 0:
                padded = np.concatenate([self._buffer, np.zeros(_OVERHANG, np.float32)])
                self._parts.append(_measured(padded[: frames * _HOP + 2 * _OVERHANG]))
        kept = np.concatenate(self._parts)
        if not self._forgotten:
            return kept.astype(np.float32)
        # Pages of zeros that nobody reads take no memory; frames keep their number, which is their time.
        frames_and_zeros = np.zeros((self._forgotten + len(kept), COLUMNS), np.float32)
        frames_and_zeros[self._forgotten :] = kept
        return frames_and_zeros

    def so_far(self) -> Float32[np.ndarray, "frame feature"]:
        """What `finish` would give if the sound ended here; the meter goes on."""
        return copy.deepcopy(self).finish()

    def forget(self, before_seconds: float) -> None:
        """Drops earlier frames, which are zeros from then on: they are not to be read any more."""
        kept = np.concatenate(self._parts)
        count = min(len(kept), max(0, int(before_seconds * FRAMES_PER_SECOND) - self._forgotten))
        self._parts = [kept[count:].copy()]
        self._forgotten += count

    def __len__(self) -> int:
        """How many frames are kept."""
        return sum(map(len, self._parts))

    def _take(self, samples: Float32[np.ndarray, " sample"]) -> None:
        assert self._buffer is not None
        self._buffer = np.concatenate([self._buffer, samples])
        group = _GROUP * _HOP
        whole = max((len(self._buffer) - 2 * _OVERHANG) // group, 0)
        for start in range(0, whole * group, group):
            self._parts.append(_measured(self._buffer[start : start + group + 2 * _OVERHANG]))
        self._buffer = self._buffer[whole * group :].copy()


def _silence() -> Float16[np.ndarray, "1 feature"]:
    return _measured(np.zeros(_LONG, np.float32))


def _measured(stretch: Float32[np.ndarray, " sample"]) -> Float16[np.ndarray, "frame feature"]:
    frames = np.lib.stride_tricks.sliding_window_view(stretch, _LONG)[::_HOP]
    margin = (_LONG - _SHORT) // 2
    short = frames[:, margin:-margin]
    spectrum = np.fft.rfft(short * _SHORT_WINDOW, _MEL_FFT)
    mel = (spectrum.real**2 + spectrum.imag**2) @ _FILTERS / np.float32(np.sum(_SHORT_WINDOW**2))
    columns = np.empty((len(frames), COLUMNS), np.float32)
    columns[:, :BANDS] = 10.0 * np.log10(np.maximum(mel, _TINY))
    columns[:, LEVEL] = 10.0 * np.log10(np.maximum(np.mean(short**2, axis=1), _TINY))
    columns[:, PITCH:] = _pitch(frames)
    return columns.astype(np.float16)


def _pitch(frames: Float32[np.ndarray, "frame sample"]) -> Float32[np.ndarray, "frame 3"]:
    """Semitones, periodicity and first harmonic over second of each frame."""
    spectrum = np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * _LONG_WINDOW, _PITCH_FFT)
    power = spectrum.real**2 + spectrum.imag**2
    correlation = np.fft.irfft(power * _BAND, _PITCH_FFT)
    energy = np.maximum(correlation[:, :1], _TINY * _LONG)
    height = correlation[:, _LAGS] / (energy * _WINDOW_CORRELATION)
    inner = height[:, 1:-1]
    is_peak = (inner > height[:, :-2]) & (inner >= height[:, 2:])
    best = np.where(is_peak, inner - _LAG_PRICE[1:-1], -1.0).argmax(axis=1) + 1
    row = np.arange(len(frames))
    left, middle, right = (height[row, best + step] for step in (-1, 0, 1))
    curvature = np.minimum(left - 2.0 * middle + right, -1e-6)
    pitch_hz = SAMPLE_RATE_HZ / (_LAGS[best] + np.clip(0.5 * (left - right) / curvature, -0.5, 0.5))
    first, second = (_near(power, times * pitch_hz) for times in (1.0, 2.0))
    tilt = np.clip(10.0 * np.log10(np.maximum(first, _TINY) / np.maximum(second, _TINY)), -40.0, 40.0)
    semitones = 12.0 * np.log2(pitch_hz / _SEMITONE_ZERO_HZ)
    return np.stack([semitones, np.clip(middle, 0.0, 1.0), tilt], axis=1).astype(np.float32)


def _near(power: Float32[np.ndarray, "frame bin"], hz: np.ndarray) -> np.ndarray:
    """The strongest of the three bins around a frequency."""
    centre = np.rint(hz * (_PITCH_FFT / SAMPLE_RATE_HZ)).astype(int)
    return np.asarray(np.max([power[np.arange(len(power)), centre + step] for step in (-1, 0, 1)], axis=0))
