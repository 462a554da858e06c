"""Clips as tensors: which frames of a clip are seen, and a batch of them as `views.py` shows them.

Sampling [field: DFER-CLIP, MMA-DFER]. n frames are cut into T equal segments; training takes a random frame of each,
testing frame ⌊(k + 0.5)·n/T⌋. A clip with fewer than T frames gives all of them in order, and its last one repeated
under a mask [ours].

All randomness comes from (run, fold, epoch, clip): batches, workers and their order cannot change a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float32, Int64
from torch import Tensor

from emotrace.datasets.frames import FrameSource as FrameSource
from emotrace.datasets.frames import Picture
from emotrace.errors import EmptyMedia, UnreadableMedia, UsageError
from emotrace.grace.views import NO_AUGMENTATION, Augmentation, View, draw_view, warp
from emotrace.training.seeds import generator_of

Order = Literal["forward", "shuffled", "reversed", "first"]
"""How the frames of a clip are laid out: as they are, or, to see whether a model uses their order at all, shuffled,
reversed, or its first one throughout."""


@dataclass(frozen=True, kw_only=True)
class ClipBatch:
    """B clips of T frames. What could not be read is 0 and masked."""

    frames: Float32[Tensor, "batch frame 3 height width"]
    """RGB in 0..1."""
    frame_mask: Bool[Tensor, "batch frame"]
    frame_times_seconds: Float32[Tensor, "batch frame"]
    """nan where the source has no times. Of the place in the clip: reordered frames do not bring theirs along."""
    flipped: Bool[Tensor, " batch"]
    unreadable: Int64[Tensor, " batch"]
    """How many of the sampled frames could not be read."""


def load(
    source: FrameSource,
    keys: Sequence[str],
    *,
    frames: int = 16,
    pixels: int = 224,
    epoch: int = 0,
    training: bool = False,
    augment: Augmentation = NO_AUGMENTATION,
    run_seed: int = 0,
    fold: str = "1",
    order: Order = "forward",
) -> ClipBatch:
    """A batch of clips.

    Args:
        source: Where the frames are.
        keys: The clips, in the order of the batch.
        frames: T. Every clip gives so many, the short ones with masked repeats.
        pixels: Height and width; the largest centred square of a picture is what is seen of it.
        epoch: Training draws other frames and views in every epoch.
        training: Whether frames and views are drawn. Without, nothing is random but the order that was asked for.
        augment: What training views are drawn from.
        run_seed: Number of the run.
        fold: Name of the fold.
        order: Of the frames, for testing alone. A shuffle is the same in every epoch, so that it can be repeated.

    Raises:
        EmptyMedia: A clip has no frames.
        UnreadableMedia: No frame of a clip can be read.
        UsageError: Another order while training, or sizes below 1.
    """
    if frames < 1 or pixels < 1:
        raise UsageError(f"frames and pixels must be at least 1, got {frames} and {pixels}")
    if training and order != "forward":
        raise UsageError(f"frames are {order} in tests alone: training needs them in their order")
    batch = _empty(len(keys), frames, pixels)
    for place, key in enumerate(keys):
        draws = partial(generator_of, run_seed, fold, epoch, key=key)
        count = source.frame_count(key)
        if count < 1:
            raise EmptyMedia(f"the clip {key} has no frames")
        indices, mask = sample_indices(count, frames, draws("frames") if training else None)
        view = draw_view(augment, draws("augment")) if training else View()
        shown = reordered(indices, mask, order, generator_of(run_seed, fold, 0, "order", key))
        pictures, was_read = _seen(source, key, shown, pixels, view)
        if not was_read[mask].any():
            raise UnreadableMedia(f"none of the frames sampled from the clip {key} can be read")
        _write(pictures, view.brightness, batch.frames[place])
        batch.frame_mask[place] = torch.from_numpy(mask & was_read)
        batch.frame_times_seconds[place] = torch.tensor(source.times_seconds(key, indices.tolist()))
        batch.flipped[place] = view.is_flipped
        batch.unreadable[place] = int((mask & ~was_read).sum())
    return batch


def sample_indices(
    count: int, frames: int, rng: np.random.Generator | None
) -> tuple[Int64[np.ndarray, " frame"], Bool[np.ndarray, " frame"]]:
    """Which frames of a clip are seen, and which of them are no repeats.

    Args:
        count: Frames of the clip, n.
        frames: Frames that are wanted, T.
        rng: Draws a frame of each segment; None takes the middle ones.

    Returns:
        Indices that rise, and the mask: True for a frame, False for a repeat of the last one of a short clip.

    >>> sample_indices(40, 4, None)[0].tolist(), sample_indices(2, 4, None)[0].tolist()
    ([5, 15, 25, 35], [0, 1, 1, 1])
    """
    places = np.arange(frames, dtype=np.int64)
    if count < frames:
        return np.minimum(places, count - 1), places < count
    if rng is None:
        return (2 * places + 1) * count // (2 * frames), np.ones(frames, dtype=bool)
    starts = np.arange(frames + 1, dtype=np.int64) * count // frames  # apart from each other, so no frame comes twice
    return rng.integers(starts[:-1], starts[1:]), np.ones(frames, dtype=bool)


def reordered(
    indices: Int64[np.ndarray, " frame"], mask: Bool[np.ndarray, " frame"], order: Order, rng: np.random.Generator
) -> Int64[np.ndarray, " frame"]:
    """The frames in another order. Masked places keep theirs."""
    real = indices[mask]
    if order == "shuffled":
        real = rng.permutation(real)
    elif order == "reversed":
        real = real[::-1]
    elif order == "first":
        real = np.full_like(real, real[0])
    result = indices.copy()
    result[mask] = real
    return result


def _seen(
    source: FrameSource, key: str, indices: Int64[np.ndarray, " frame"], pixels: int, view: View
) -> tuple[np.ndarray, Bool[np.ndarray, " frame"]]:
    """The warped frames of a clip, [T 3 H W] or [T 1 H W], and which of them could be read. Repeats are read once."""
    wanted, places = np.unique(indices, return_inverse=True)
    planes = [None if each is None else _planes(each, pixels, view) for each in source.read(key, wanted.tolist())]
    was_read = np.array([each is not None for each in planes])
    black = np.zeros(next((each.shape for each in planes if each is not None), (1, pixels, pixels)), dtype=np.uint8)
    stack = np.stack([black if each is None else each for each in planes])
    return stack[places], was_read[places]


def _planes(picture: Picture, pixels: int, view: View) -> np.ndarray | None:
    """A warped picture, channels first; None for one with a number that is none: it would spread through the batch."""
    if picture.dtype != np.uint8:
        picture = picture.astype(np.float32)
        if not np.isfinite(picture).all():
            return None
    warped = warp(picture, pixels, view)
    return warped[None] if warped.ndim == 2 else np.stack(cv2.split(warped))


def _write(levels: np.ndarray, brightness: float, frames: Float32[Tensor, "frame 3 height width"]) -> None:
    """Writes a clip into its place in the batch; grey goes into all three channels."""
    frames.copy_(torch.from_numpy(levels))
    frames.mul_(brightness / (255 if levels.dtype == np.uint8 else 1)).clamp_(0, 1)


def _empty(clips: int, frames: int, pixels: int) -> ClipBatch:
    return ClipBatch(
        frames=torch.zeros(clips, frames, 3, pixels, pixels),
        frame_mask=torch.zeros(clips, frames, dtype=torch.bool),
        frame_times_seconds=torch.full((clips, frames), math.nan),
        flipped=torch.zeros(clips, dtype=torch.bool),
        unreadable=torch.zeros(clips, dtype=torch.int64),
    )
