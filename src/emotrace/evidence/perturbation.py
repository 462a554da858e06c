"""Jitter and shimmer: how much the length and the height of neighbouring periods of the voice differ.

Around the middle of a voiced frame lie three neighbouring periods. The distance from the first to the second, and
from the second to the third, is where their waveforms match best (Boersma 2009 [field]: waveform matching is the most
exact of the usual ways). The difference of the two distances is jitter, that of the peak-to-peak heights is shimmer.
One value per frame, so that long stretches of steady voice weigh as much as their length.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

from emotrace.evidence.pitch import SAMPLE_RATE_HZ

_REACH = 0.06
"""How far, as a share of the period, the next period may begin from where the mean pitch puts it."""
_LENGTH_CLASSES = (64, 128, 272)
"""Frames are measured in groups of similar period, so that short periods do not pay for long ones."""


def perturbation(
    frames: Float32[np.ndarray, "frame sample"], pitch_hz: Float32[np.ndarray, " frame"]
) -> tuple[Float32[np.ndarray, " frame"], Float32[np.ndarray, " frame"]]:
    """Jitter and shimmer of each frame.

    Args:
        frames: 800 samples (50 ms at 16 kHz) around each moment.
        pitch_hz: Pitch of each frame; nan where unvoiced.

    Returns:
        Jitter as a share of the period, and shimmer in dB; both nan where three periods do not fit or do not match.
    """
    jitter, shimmer = np.full((2, len(frames)), np.nan, np.float32)
    period = SAMPLE_RATE_HZ / pitch_hz
    reach = np.ceil(period * _REACH) + 2
    measurable = np.isfinite(period) & (1.5 * period + 2 * reach + 2 < frames.shape[1] / 2)
    shortest = 0
    for longest in _LENGTH_CLASSES:
        group = np.flatnonzero(measurable & (period > shortest) & (period <= longest))
        if len(group):
            jitter[group], shimmer[group] = _of_group(frames[group], period[group], longest)
        shortest = longest
    return jitter, shimmer


def _of_group(
    frames: Float32[np.ndarray, "frame sample"], period: Float32[np.ndarray, " frame"], longest: int
) -> tuple[Float32[np.ndarray, " frame"], Float32[np.ndarray, " frame"]]:
    whole = np.rint(period).astype(int)
    within = np.arange(longest) < whole[:, None]
    start = frames.shape[1] // 2 - whole // 2
    middle = _cut(frames, start, longest) * within
    reach = int(np.ceil(longest * _REACH)) + 2
    shifts = np.arange(-reach, reach + 1)
    before = _match(frames, middle, within, start - whole, shifts)
    after = _match(frames, middle, within, start + whole, shifts)
    to_before, to_after = whole - before, whole + after
    jitter = np.abs(to_before - to_after) / (0.5 * (to_before + to_after))
    heights = [
        np.ptp(np.where(within, _cut(frames, start + step * whole, longest), middle[:, :1]), axis=1)
        for step in (-1, 0, 1)
    ]
    first, second, third = (np.log10(np.maximum(height, 1e-7)) for height in heights)
    shimmer = 10.0 * (np.abs(first - second) + np.abs(second - third))
    return jitter.astype(np.float32), np.where(np.isnan(jitter), np.nan, shimmer).astype(np.float32)


def _cut(frames: np.ndarray, start: np.ndarray, length: int) -> np.ndarray:
    columns = np.clip(start[:, None] + np.arange(length), 0, frames.shape[1] - 1)
    return np.take_along_axis(frames, columns, axis=1)


def _match(
    frames: np.ndarray, middle: np.ndarray, within: np.ndarray, expected: np.ndarray, shifts: np.ndarray
) -> np.ndarray:
    """Shift in samples at which a neighbouring period looks most like the middle one; nan if none does."""
    length = middle.shape[1]
    wide = _cut(frames, expected + shifts[0], length + len(shifts) - 1)
    windows = np.lib.stride_tricks.sliding_window_view(wide, length, axis=1)
    product = np.einsum("fkn,fn->fk", windows, middle)
    squares = np.lib.stride_tricks.sliding_window_view(wide**2, length, axis=1)
    energy = np.einsum("fkn,fn->fk", squares, within.astype(np.float32))
    likeness = product / np.sqrt(np.maximum(energy * np.sum(middle**2, axis=1, keepdims=True), 1e-20))
    best = likeness.argmax(axis=1)
    inside = (best > 0) & (best < len(shifts) - 1) & (likeness.max(axis=1) > 0.7)
    best = np.clip(best, 1, len(shifts) - 2)
    left, top, right = (np.take_along_axis(likeness, (best + step)[:, None], 1)[:, 0] for step in (-1, 0, 1))
    shift = 0.5 * (left - right) / np.minimum(left - 2.0 * top + right, -1e-9)
    return np.where(inside, shifts[best] + np.clip(shift, -0.5, 0.5), np.nan)
