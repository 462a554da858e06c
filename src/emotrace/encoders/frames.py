"""What every visual encoder does around its network: leave out missing frames, resize, put back in place."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from emotrace.encoders.encoded import PatchEncoded

SeeFrames = Callable[[Tensor], tuple[Tensor, Tensor]]
"""RGB pictures [n 3 H W] -> tokens [n P d] and one feature per picture [n d]; both of one dtype."""


def encode_each(
    frames: Float[Tensor, "batch frame 3 height width"],
    frame_mask: Bool[Tensor, "batch frame"],
    *,
    see: SeeFrames,
    patch_grid: tuple[int, int],
    dim: int,
    at_once: int = 128,
) -> PatchEncoded:
    """Applies `see` to the frames that are there, all clips' in one batch, and scatters what it returns.

    A frame with a pixel that is not a finite number counts as not there, whatever the mask says. `see` must treat every
    picture by itself; then a clip's features do not depend on the clips that it shares a batch with. It is given at
    most `at_once` pictures, so that without gradients the memory does not grow with the batch.
    """
    batch, count = frame_mask.shape
    patches = patch_grid[0] * patch_grid[1]
    there = frame_mask & torch.isfinite(frames.sum(dim=(2, 3, 4)))  # one NaN or infinity makes the sum one
    tokens = torch.zeros(batch, count, patches, dim, device=frames.device)
    pooled = torch.zeros(batch, count, dim, device=frames.device)
    if bool(there.any()):
        parts = [see(pictures) for pictures in torch.split(frames[there], at_once)]
        seen_tokens, seen_pooled = (torch.cat(part) for part in zip(*parts, strict=True))
        tokens = tokens.to(seen_tokens.dtype).index_put((there,), seen_tokens)
        pooled = pooled.to(seen_pooled.dtype).index_put((there,), seen_pooled)
    return PatchEncoded(
        features=tokens.flatten(1, 2),
        mask=there.repeat_interleave(patches, dim=1),
        grid=(count, *patch_grid),
        frame_features=pooled,
    )


def resized(pictures: Float[Tensor, "picture 3 height width"], pixels: int) -> Float[Tensor, "picture 3 side side"]:
    """The pictures at `pixels` x `pixels`, by antialiased bicubic interpolation as CLIP's own [field], kept in 0..1."""
    if pictures.shape[-2:] == (pixels, pixels):
        return pictures
    size = (pixels, pixels)
    return functional.interpolate(pictures, size=size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)
