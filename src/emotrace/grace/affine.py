"""How a whole picture moved and changed its light from one frame to the next: a robust affine and photometric fit [ours].

    current(x) ~ (1 + gain) * previous(x + shift + matrix @ x) + offset          x from the picture's centre

Eight numbers per pair of frames, by Gauss-Newton with weights that let a moving mouth or a waving hand count as an
outlier, from coarse to fine. What is left after it is what the face did beyond moving, tilting and zooming as a whole.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

STRIDES = (4, 2, 1)
"""Coarse to fine. Each level is smoothed by one of its own pixels, so blur is 4, 2 and 1 px of the picture."""
STEPS = 6
BORDER = 1.0 / 28.0
"""Share of the side left out along each edge: 4 px of 112."""
MOST_SHIFT = 2.0 / 7.0
"""In half sides: 16 px of 112."""
MOST_MATRIX = 0.3
RIDGE = 1e-6
LOSS_SLACK = 1e-3
"""A still pair stays as good as it was but for rounding: that is no failure."""
SCALE_FLOOR = 1e-4
PAIRS_AT_ONCE = 64
"""Memory stays flat, and the pairs in work stay in the cache."""


@dataclass(frozen=True, kw_only=True)
class AffineFit:
    """One fit per pair of pictures; the identity where it was refused."""

    shift: Float[Tensor, "pair 2"]
    """Right and down, in half sides of the picture."""
    matrix: Float[Tensor, "pair 2 2"]
    """What the map adds to the identity."""
    gain: Float[Tensor, " pair"]
    offset: Float[Tensor, " pair"]
    refused: Bool[Tensor, " pair"]
    """Moved by more than a face can between two frames, or fitted no better than nothing."""


def smooth(pictures: Float[Tensor, "pair side side"], sigma: float = 1.0) -> Float[Tensor, "pair side side"]:
    """Gaussian blur with the edge repeated."""
    reach = int(3 * sigma + 0.5)
    steps = torch.arange(-reach, reach + 1, dtype=pictures.dtype, device=pictures.device)
    kernel = torch.softmax(-0.5 * (steps / sigma).square(), dim=0)
    padded = functional.pad(pictures[:, None], (reach, reach, reach, reach), mode="replicate")
    across = functional.conv2d(padded, kernel.view(1, 1, 1, -1))
    return functional.conv2d(across, kernel.view(1, 1, -1, 1))[:, 0]


def places(rows: int, columns: int, *, like: Tensor) -> Float[Tensor, "rows columns 2"]:
    """Centres of the cells of a grid, right and down, in half sides from the picture's centre."""
    centres = (
        (torch.arange(cells, dtype=like.dtype, device=like.device) * 2 + 1) / cells - 1 for cells in (rows, columns)
    )
    down, right = torch.meshgrid(*centres, indexing="ij")
    return torch.stack([right, down], dim=-1)


def moved(
    pictures: Float[Tensor, "pair channel height width"],
    where: Float[Tensor, "rows columns 2"],
    *,
    shift: Float[Tensor, "pair 2"],
    matrix: Float[Tensor, "pair 2 2"],
) -> tuple[Float[Tensor, "pair channel rows columns"], Bool[Tensor, "pair rows columns"]]:
    """Pictures read at x + shift + matrix @ x for every x of `where`, and which of these lie inside the picture."""
    sources = where + shift[:, None, None] + torch.einsum("pij,hwj->phwi", matrix, where)
    read = functional.grid_sample(pictures, sources, mode="bilinear", padding_mode="border", align_corners=False)
    return read, (sources.abs() <= 1.0).all(dim=-1)


def at_rest(pairs: int, *, device: torch.device | str = "cpu") -> AffineFit:
    """The identity for every pair."""
    zeros = torch.zeros(pairs, device=device)
    return AffineFit(
        shift=torch.zeros(pairs, 2, device=device),
        matrix=torch.zeros(pairs, 2, 2, device=device),
        gain=zeros,
        offset=zeros,
        refused=torch.zeros(pairs, dtype=torch.bool, device=device),
    )


@torch.no_grad()
def fit_affine(previous: Float[Tensor, "pair side side"], current: Float[Tensor, "pair side side"]) -> AffineFit:
    """Fits every pair by itself; the pairs of a batch do not touch each other.

    Args:
        previous: Grey pictures in 0..1, lightly smoothed.
        current: What they became.
    """
    parts = [_fit(*pair) for pair in zip(previous.split(PAIRS_AT_ONCE), current.split(PAIRS_AT_ONCE), strict=True)]
    fields = ("shift", "matrix", "gain", "offset", "refused")
    return AffineFit(**{name: torch.cat([getattr(part, name) for part in parts]) for name in fields})


@dataclass(frozen=True, kw_only=True)
class _Level:
    """What stays the same over the steps at one size of picture."""

    previous: Float[Tensor, "pair 1 side side"]
    current: Float[Tensor, "pair pixel"]
    where: Float[Tensor, "rows columns 2"]
    slopes: Float[Tensor, "pair 8 pixel"]
    """How the model's picture changes with each of the eight numbers, read off the current picture: it is what the
    warped one becomes, so its slopes need not be measured again at every step."""


def _level(previous: Tensor, current: Tensor, stride: int) -> _Level:
    if stride > 1:
        previous, current = (smooth(functional.avg_pool2d(each[:, None], stride)[:, 0]) for each in (previous, current))
    side = current.shape[-1]
    rim = max(1, round(side * BORDER))
    inside = slice(rim, side - rim)
    where = places(side, side, like=current)[inside, inside]
    right, down = where[..., 0].flatten(), where[..., 1].flatten()
    across = (current[:, inside, rim + 1 : side - rim + 1] - current[:, inside, rim - 1 : side - rim - 1]).flatten(1)
    along = (current[:, rim + 1 : side - rim + 1, inside] - current[:, rim - 1 : side - rim - 1, inside]).flatten(1)
    across, along = across * (side / 4), along * (side / 4)
    inner = current[:, inside, inside].flatten(1)
    contrast = inner - inner.mean(dim=1, keepdim=True)
    slopes = [
        across,
        along,
        across * right,
        across * down,
        along * right,
        along * down,
        contrast,
        torch.ones_like(across),
    ]
    return _Level(previous=previous[:, None], current=inner, where=where, slopes=torch.stack(slopes, dim=1))


def _fit(previous: Float[Tensor, "pair side side"], current: Float[Tensor, "pair side side"]) -> AffineFit:
    pairs = len(previous)
    shift = previous.new_zeros(pairs, 2)
    matrix = previous.new_zeros(pairs, 2, 2)
    gain, offset = previous.new_zeros(pairs), previous.new_zeros(pairs)
    middle = previous.mean(dim=(1, 2))
    ridge = RIDGE * torch.eye(8, dtype=previous.dtype, device=previous.device)
    eye = torch.eye(2, dtype=previous.dtype, device=previous.device)

    def residual(level: _Level) -> tuple[Tensor, Tensor]:
        warped, seen = moved(level.previous, level.where, shift=shift, matrix=matrix)
        made = (1 + gain)[:, None] * (warped.flatten(1) - middle[:, None]) + (middle + offset)[:, None]
        return made - level.current, seen.flatten(1)

    for stride in STRIDES:
        level = _level(previous, current, stride)
        for _ in range(STEPS):
            left, seen = residual(level)
            weights = _trust(left, _scale(left)) * seen
            weighted = level.slopes * weights[:, None]
            normal = weighted @ level.slopes.mT / left.shape[1]
            pull = weighted @ left[:, :, None] / left.shape[1]
            step = -torch.linalg.solve(normal + ridge, pull)[:, :, 0]
            frame = eye + matrix
            shift = shift + (frame @ step[:, :2, None])[:, :, 0]
            matrix = matrix + frame @ step[:, 2:6].unflatten(1, (2, 2))
            gain = gain + (1 + gain) * step[:, 6]
            offset = offset + step[:, 7]
    # Both judged by the same ruler, the spread before any motion was taken out.
    before = _residual_at_rest(level)
    after, _ = residual(level)
    scale = _scale(before)
    worse = _loss(after, scale) > _loss(before, scale) + LOSS_SLACK
    refused = worse | (shift.norm(dim=1) > MOST_SHIFT) | (matrix.abs().amax(dim=(1, 2)) > MOST_MATRIX)
    # Where a pair's numbers ran away they are not finite or senseless: the identity takes their place.
    refused |= ~(torch.isfinite(gain) & torch.isfinite(offset) & (gain > -1.0))
    keep = ~refused
    return AffineFit(
        shift=torch.where(keep[:, None], shift, 0.0),
        matrix=torch.where(keep[:, None, None], matrix, 0.0),
        gain=torch.where(keep, gain, 0.0),
        offset=torch.where(keep, offset - gain * middle, 0.0),
        refused=refused,
    )


def _scale(left: Float[Tensor, "pair pixel"]) -> Float[Tensor, "pair 1"]:
    """Standard deviation of a normal distribution with the same median size."""
    return 1.4826 * left.abs().median(dim=1, keepdim=True).values + SCALE_FLOOR


def _trust(left: Float[Tensor, "pair pixel"], scale: Float[Tensor, "pair 1"]) -> Float[Tensor, "pair pixel"]:
    """Geman-McClure weights: 1 for small residuals, 1/4 at two deviations, towards 0 beyond."""
    return (1 + (left / (2 * scale)).square()).square().reciprocal()


def _loss(left: Float[Tensor, "pair pixel"], scale: Float[Tensor, "pair 1"]) -> Float[Tensor, " pair"]:
    """Mean Geman-McClure loss, 0..1."""
    squares = (left / (2 * scale)).square()
    return (squares / (1 + squares)).mean(dim=1)


def _residual_at_rest(level: _Level) -> Float[Tensor, "pair pixel"]:
    rim = (level.previous.shape[-1] - level.where.shape[0]) // 2
    inside = slice(rim, level.previous.shape[-1] - rim)
    return level.previous[:, 0, inside, inside].flatten(1) - level.current
