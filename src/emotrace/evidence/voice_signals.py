"""The measured voice: pitch, loudness, voice quality and speech, every 10 ms, from a stream of sound.

`VoiceMeter` takes the sound block by block and keeps some forty bytes per 10 ms. Frames are measured in groups that are
counted from the start of the sound, never from the start of a block, so the size of the blocks changes nothing.
The parts: `pitch.py`, `perturbation.py` (jitter, shimmer), `loudness.py`, `voice_activity.py`.
"""

from __future__ import annotations

import copy

import numpy as np
from jaxtyping import Float32

from emotrace.evidence.loudness import WINDOW_SAMPLES as SHORT_WINDOW
from emotrace.evidence.loudness import spectral_shape
from emotrace.evidence.perturbation import perturbation
from emotrace.evidence.pitch import SAMPLE_RATE_HZ, PitchPath, pitch_candidates
from emotrace.evidence.pitch import WINDOW_SAMPLES as LONG_WINDOW
from emotrace.evidence.voice_activity import speech_frames
from emotrace.evidence.voice_series import HOP_SECONDS, VoiceSeries
from emotrace.media.audio import Waveform

__all__ = ["VoiceMeter", "VoiceSeries"]

_HOP_SAMPLES = 160
_GROUP_FRAMES = 200
_OVERHANG = (LONG_WINDOW - _HOP_SAMPLES) // 2
"""Samples that the window of a frame reaches beyond its hop, on either side."""
_CLIPPED = 0.985


_EMPTY = {
    "pitch_hz": np.float32,
    "loudness": np.float32,
    "level_dbfs": np.float32,
    "harmonicity_db": np.float32,
    "alpha_ratio_db": np.float32,
    "flux": np.float32,
    "jitter": np.float32,
    "shimmer_db": np.float32,
    "clipped": np.bool_,
}


class VoiceMeter:
    """Measures a voice from consecutive blocks of sound.

    >>> meter = VoiceMeter()
    >>> len(meter.finish())
    0
    """

    def __init__(self) -> None:
        self._start_seconds = 0.0
        self._samples = 0
        self._forgotten_frames = 0
        self._buffer = np.zeros(_OVERHANG, np.float32)  # silence before the first sample
        self._path = PitchPath()
        self._open_frames = np.empty((0, LONG_WINDOW), np.float32)
        """Frames whose pitch is not settled yet."""
        self._auditory: np.ndarray | None = None
        self._parts: dict[str, list[np.ndarray]] = {name: [np.empty(0, dtype)] for name, dtype in _EMPTY.items()}

    def feed(self, block: Waveform) -> None:
        """Take in the next block.

        Raises:
            ValueError: The block is not 16 kHz, or does not begin where the one before it ended.
        """
        if block.sample_rate_hz != SAMPLE_RATE_HZ:
            raise ValueError(f"the meter needs {SAMPLE_RATE_HZ} Hz, got {block.sample_rate_hz = }")
        if self._samples == 0:
            self._start_seconds = block.span.start_seconds
        expected = self._start_seconds + self._samples / SAMPLE_RATE_HZ
        if abs(block.span.start_seconds - expected) > HOP_SECONDS:
            raise ValueError(f"blocks must be consecutive: expected one at {expected:.3f} s, got {block.span}")
        self._samples += len(block.samples)
        self._buffer = np.concatenate([self._buffer, block.samples])
        group = _GROUP_FRAMES * _HOP_SAMPLES
        whole = (len(self._buffer) - 2 * _OVERHANG) // group
        for start in range(0, whole * group, group):
            self._measure(self._buffer[start : start + group + 2 * _OVERHANG])
        if whole > 0:
            self._buffer = self._buffer[whole * group :].copy()

    def finish(self) -> VoiceSeries:
        """The whole series; a last part of a hop is left out. Call once, after the last block."""
        frames = (len(self._buffer) - _OVERHANG) // _HOP_SAMPLES
        if frames:
            padded = np.concatenate([self._buffer, np.zeros(_OVERHANG, np.float32)])  # silence after the last sample
            self._measure(padded[: frames * _HOP_SAMPLES + 2 * _OVERHANG])
        self._settle(self._path.finish())
        columns = {name: np.concatenate(parts) for name, parts in self._parts.items()}
        signs = {name: columns[name] for name in ("pitch_hz", "loudness", "level_dbfs", "alpha_ratio_db")}
        return VoiceSeries(
            time_seconds=self._start_seconds
            + (self._forgotten_frames + np.arange(len(columns["pitch_hz"])) + 0.5) * HOP_SECONDS,
            speech=speech_frames(**signs),
            **columns,
        )

    def so_far(self) -> VoiceSeries:
        """The series as if the sound ended here; the meter goes on."""
        return copy.deepcopy(self).finish()

    def forget(self, before_seconds: float) -> None:
        """Drops earlier frames whose pitch is settled, in whole groups of two seconds: the rest stays as it is."""
        columns = {name: np.concatenate(parts) for name, parts in self._parts.items()}
        earlier = int((before_seconds - self._start_seconds) / HOP_SECONDS) - self._forgotten_frames
        count = max(0, min(earlier, *map(len, columns.values()))) // _GROUP_FRAMES * _GROUP_FRAMES
        self._parts = {name: [column[count:].copy()] for name, column in columns.items()}
        self._forgotten_frames += count

    def __len__(self) -> int:
        """How many frames are kept whose pitch is settled."""
        return sum(map(len, self._parts["pitch_hz"]))

    def _measure(self, stretch: np.ndarray) -> None:
        frames = np.lib.stride_tricks.sliding_window_view(stretch, LONG_WINDOW)[::_HOP_SAMPLES]
        margin = (LONG_WINDOW - SHORT_WINDOW) // 2
        shape = spectral_shape(frames[:, margin:-margin], before=self._auditory)
        self._auditory = shape.auditory[-1]
        for name in ("loudness", "level_dbfs", "alpha_ratio_db", "flux"):
            self._parts[name].append(getattr(shape, name))
        hops = stretch[_OVERHANG:-_OVERHANG].reshape(-1, _HOP_SAMPLES)
        self._parts["clipped"].append(np.abs(hops).max(axis=1) >= _CLIPPED)
        self._open_frames = np.concatenate([self._open_frames, frames])
        self._settle(self._path.extend(pitch_candidates(frames)))

    def _settle(self, path: Float32[np.ndarray, "frame 2"]) -> None:
        """Keep the pitch of frames that the path has decided, and what needs the pitch to be measured."""
        pitch, periodicity = path[:, 0], np.clip(path[:, 1], 1e-2, 1.0 - 1e-4)
        frames, self._open_frames = self._open_frames[: len(path)], self._open_frames[len(path) :]
        jitter, shimmer = perturbation(frames, pitch)
        harmonicity = 10.0 * np.log10(periodicity / (1.0 - periodicity))
        for name, values in (("pitch_hz", pitch), ("harmonicity_db", harmonicity)):
            self._parts[name].append(values)
        self._parts["jitter"].append(jitter)
        self._parts["shimmer_db"].append(shimmer)
