"""Neighbouring patches become one token: a quarter of the tokens, so a quarter of the transport's bytes [ours]."""

from __future__ import annotations

from dataclasses import replace

import torch.nn.functional as F  # noqa: N812 - torch's own name for it

from emotrace.encoders.encoded import PatchEncoded
from emotrace.errors import UsageError
from emotrace.grace.motion import Motion


def pool_patches(tokens: PatchEncoded, factor: int) -> PatchEncoded:
    """The mean of every factor x factor patches of a frame.

    Raises:
        UsageError: The grid's sides are not multiples of the factor.
    """
    if factor == 1:
        return tokens
    frames, height, width = tokens.grid
    if height % factor or width % factor:
        raise UsageError(f"a grid of {height} x {width} patches has no blocks of {factor} x {factor}")
    grid = (frames, height // factor, width // factor)
    batch, _, dim = tokens.features.shape
    pictures = tokens.features.view(batch * frames, height, width, dim).permute(0, 3, 1, 2)
    pooled = F.avg_pool2d(pictures, factor).permute(0, 2, 3, 1).reshape(batch, -1, dim)
    return replace(
        tokens,
        features=pooled,
        mask=tokens.frame_mask.repeat_interleave(grid[1] * grid[2], dim=1),
        grid=grid,
    )


def pool_motion(motion: Motion, grid: tuple[int, int, int], factor: int) -> Motion:
    """Weights add up, movement is averaged."""
    if factor == 1:
        return motion
    weights = F.avg_pool2d(motion.weights.view(-1, *grid), factor) * factor**2
    return replace(motion, weights=weights.flatten(1), map=F.avg_pool2d(motion.map, factor))
