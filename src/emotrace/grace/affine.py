"""How a picture moved and changed its light as a whole from one frame to the next: a robust affine fit [ours].

    current(x) ~ (1 + gain) * previous(x + shift + matrix @ x) + offset          x from the picture's centre

Eight numbers per pair of frames, by Gauss-Newton with Geman-McClure weights: a moving mouth or a waving hand counts as
an outlier. Coarse pictures come first, for large motion. What is left after the fit is what the face did beyond moving,
tilting and zooming as a whole, and beyond the lamp. A head that turns shows new sides, which no affine map explains.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

STEPS = 6
"""Gauss-Newton steps at each level."""
RIM = 1.0 / 28.0
"""Share of the side that is left out along each edge: 4 px of 112."""
MOST_SHIFT = 2.0 / 7.0
"""In half sides: 16 px of 112. A face that moves farther between two frames is another face, or a cut."""
MOST_MATRIX = 0.3
RIDGE = 1e-6
SCALE_FLOOR = 1e-4
TEXTURE = 0.1
"""Pixels with at least this share of the mean squared slope say how well the pictures fit. A flat wall fits itself
under any motion: were it the larger part of the picture and counted, it would make the face the outlier."""
LOSS_SLACK = 1e-3
"""A still pair stays as good as it was but for rounding: that is no failure."""
PAIRS_AT_ONCE = 16
"""Memory stays flat, and what is in work stays in the cache."""


@dataclass(frozen=True, kw_only=True)
class AffineFit:
    """One map per pair of pictures; the identity where the fit was refused."""

    shift: Float[Tensor, "pair 2"]
    """Right and down, in half sides of the picture."""
    matrix: Float[Tensor, "pair 2 2"]
    """What the map adds to the identity."""
    gain: Float[Tensor, " pair"]
    offset: Float[Tensor, " pair"]
    refused: Bool[Tensor, " pair"]
    """Moved by more than a face can between two frames, or explained no better than by standing still."""

    @classmethod
    def at_rest(cls, pairs: int, *, device: torch.device) -> AffineFit:
        """The identity for every pair."""
        return cls(
            shift=torch.zeros(pairs, 2, device=device),
            matrix=torch.zeros(pairs, 2, 2, device=device),
            gain=torch.zeros(pairs, device=device),
            offset=torch.zeros(pairs, device=device),
            refused=torch.zeros(pairs, dtype=torch.bool, device=device),
        )

    def of(self, pairs: slice) -> AffineFit:
        """The maps of some pairs."""
        return AffineFit(**{name: values[pairs] for name, values in vars(self).items()})


@torch.no_grad()
def fit_affine(previous: Float[Tensor, "pair side side"], current: Float[Tensor, "pair side side"]) -> AffineFit:
    """Fits each pair by itself: what else is in the batch does not matter.

    Args:
        previous: Grey pictures in 0..1, lightly smoothed, of a side that 4 divides.
        current: What they became.
    """
    if not len(previous):
        return AffineFit.at_rest(0, device=previous.device)
    starts = range(0, len(previous), PAIRS_AT_ONCE)
    with torch.autocast(previous.device.type, enabled=False):
        parts = [_fit(previous[at : at + PAIRS_AT_ONCE], current[at : at + PAIRS_AT_ONCE]) for at in starts]
    return AffineFit(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def warped(
    pictures: Float[Tensor, "pair channel height width"], fit: AffineFit
) -> tuple[Float[Tensor, "pair channel height width"], Bool[Tensor, "pair height width"]]:
    """Pictures, or maps of features, moved as `fit` says, in their own light; and which cells have a source inside."""
    return _warped(pictures, fit.shift, fit.matrix)


def smooth(pictures: Float[Tensor, "picture side side"]) -> Float[Tensor, "picture side side"]:
    """Gaussian blur of one pixel, with the edge repeated."""
    side = pictures.shape[-1]
    kernel = torch.softmax(-0.5 * torch.arange(-3.0, 4.0).square(), dim=0).tolist()
    # Sums instead of a convolution: that would lose precision on the GPUs that round its factors.
    padded = functional.pad(pictures[:, None], (3, 3, 3, 3), mode="replicate")[:, 0]
    rows = sum((weight * padded[:, at : at + side] for at, weight in enumerate(kernel)), start=torch.zeros(()))
    return sum((weight * rows[:, :, at : at + side] for at, weight in enumerate(kernel)), start=torch.zeros(()))


def _warped(
    pictures: Float[Tensor, "pair channel height width"],
    shift: Float[Tensor, "pair 2"],
    matrix: Float[Tensor, "pair 2 2"],
) -> tuple[Float[Tensor, "pair channel height width"], Bool[Tensor, "pair height width"]]:
    down, right = (_centres(cells, pictures.device) for cells in pictures.shape[2:])
    # x + shift + matrix @ x, as sums of what depends on the column and what depends on the row.
    from_column = matrix[:, :, 0, None] * right
    from_row = matrix[:, :, 1, None] * down + shift[:, :, None]
    x = (right + from_column[:, 0])[:, None, :] + from_row[:, 0, :, None]
    y = from_column[:, 1][:, None, :] + (down + from_row[:, 1])[:, :, None]
    read = functional.grid_sample(
        pictures, torch.stack([x, y], dim=3), mode="bilinear", padding_mode="border", align_corners=False
    )
    return read, (x.abs() <= 1.0) & (y.abs() <= 1.0)


def _centres(cells: int, device: torch.device) -> Float[Tensor, " cell"]:
    """Where the cells of a row lie, in half sides from the middle."""
    return (torch.arange(cells, device=device) * 2 + 1) / cells - 1


def _levels(pictures: Float[Tensor, "pair side side"]) -> Iterator[Float[Tensor, "pair level level"]]:
    """Coarse to fine: of 112 px these are blurs of 4, 2 and 1 px.

    Half the size is enough to say to a twentieth of a pixel how the picture moved, at a quarter of the cost.
    """
    half = _halved(pictures)
    yield smooth(_halved(half))
    yield smooth(half)
    yield half


def _halved(pictures: Float[Tensor, "pair side side"]) -> Float[Tensor, "pair half half"]:
    rows = pictures[:, 0::2] + pictures[:, 1::2]
    return (rows[:, :, 0::2] + rows[:, :, 1::2]) / 4


@dataclass(frozen=True, kw_only=True)
class _Level:
    """A pair of pictures at one size, and what stays the same over the steps there."""

    previous: Float[Tensor, "pair 1 side side"]
    current: Float[Tensor, "pair pixel"]
    slopes: Float[Tensor, "pair 8 pixel"]
    """How the moved picture changes with each of the eight numbers, read off the current one, which it comes to be."""
    counted: Bool[Tensor, " pixel"]
    judges: Int[Tensor, " judge"]
    """Every second pixel along both axes, the same from left and right: they say how well the pictures fit."""
    textured: Bool[Tensor, "pair judge"]

    @classmethod
    def of(cls, previous: Float[Tensor, "pair side side"], current: Float[Tensor, "pair side side"]) -> _Level:
        side = current.shape[-1]
        along = _centres(side, current.device)
        rim = max(1, round(side * RIM))
        inner = functional.pad(torch.ones(side - 2 * rim, device=current.device), (rim, rim))
        counted = torch.outer(inner, inner).flatten() > 0
        # Central differences per half side, as positions are counted.
        right = functional.pad((current[:, :, 2:] - current[:, :, :-2]) * (side / 4), (1, 1))
        down = functional.pad((current[:, 2:] - current[:, :-2]) * (side / 4), (0, 0, 1, 1))
        energy = (right.square() + down.square()).flatten(1) * counted
        contrast = current - current.mean(dim=(1, 2), keepdim=True)
        edge = torch.minimum(
            torch.arange(side, device=current.device), torch.arange(side, device=current.device).flip(0)
        )
        judges = (torch.outer(edge % 2 == 0, edge % 2 == 0).flatten() & counted).nonzero()[:, 0]
        textured = energy[:, judges] >= TEXTURE * energy.sum(dim=1, keepdim=True) / counted.sum()
        moves = [right, down, right * along, right * along[:, None], down * along, down * along[:, None]]
        return cls(
            previous=previous[:, None],
            current=current.flatten(1),
            slopes=torch.stack([*moves, contrast, torch.ones_like(contrast)], dim=1).flatten(2),
            counted=counted,
            judges=judges,
            textured=textured,
        )

    def scale(self, left: Float[Tensor, "pair pixel"]) -> Float[Tensor, "pair 1"]:
        """Standard deviation of a normal distribution with the median size of the textured pixels."""
        sizes = torch.where(self.textured, left[:, self.judges].abs(), torch.nan)
        return 1.4826 * sizes.nanmedian(dim=1, keepdim=True).values.nan_to_num(0.0) + SCALE_FLOOR

    def loss(self, left: Float[Tensor, "pair pixel"], scale: Float[Tensor, "pair 1"]) -> Float[Tensor, " pair"]:
        """Mean Geman-McClure loss of the textured pixels, 0..1."""
        squares = (left[:, self.judges] / (2 * scale)).square()
        return (squares / (1 + squares) * self.textured).sum(dim=1) / self.textured.sum(dim=1).clamp_min(1)


def _fit(previous: Float[Tensor, "pair side side"], current: Float[Tensor, "pair side side"]) -> AffineFit:
    """Gauss-Newton on r = (1 + gain)(previous(Mx + s) - middle) + middle + lift - current.

    With the light pivoted at the picture's mean, gain and lift hardly depend on each other. The slopes are those of the
    current picture, seen through the motion so far (Hager & Belhumeur 1998 [field]): none is measured twice at a level.
    """
    pairs, device = len(previous), previous.device
    eye, ridge = torch.eye(2, device=device), RIDGE * torch.eye(8, device=device)
    shift, matrix = torch.zeros(pairs, 2, device=device), torch.zeros(pairs, 2, 2, device=device)
    gain, lift = torch.zeros(pairs, device=device), torch.zeros(pairs, device=device)
    middle = previous.mean(dim=(1, 2))

    def residual(level: _Level) -> tuple[Tensor, Tensor]:
        read, seen = _warped(level.previous, shift, matrix)
        made = (1 + gain)[:, None] * (read.flatten(1) - middle[:, None]) + (middle + lift)[:, None]
        return made - level.current, seen.flatten(1)

    for pictures in zip(_levels(previous), _levels(current), strict=True):
        level = _Level.of(*pictures)
        for _ in range(STEPS):
            left, seen = residual(level)
            trust = (1 + (left / (2 * level.scale(left))).square()).square().reciprocal() * seen * level.counted
            weighted = level.slopes * trust[:, None] / level.counted.sum()
            pull = weighted @ left[:, :, None]
            step = -torch.linalg.solve(weighted @ level.slopes.mT + ridge, pull)[:, :, 0]
            shift = shift + ((eye + matrix) @ step[:, :2, None])[:, :, 0]
            matrix = matrix + (eye + matrix) @ step[:, 2:6].unflatten(1, (2, 2))
            gain, lift = gain + (1 + gain) * step[:, 6], lift + step[:, 7]

    # Both are judged by the same ruler: the spread before any motion was taken out.
    left, _ = residual(level)
    still = level.previous.flatten(1) - level.current
    scale = level.scale(still)
    worse = level.loss(left, scale) > level.loss(still, scale) + LOSS_SLACK
    far = (shift.norm(dim=1) > MOST_SHIFT) | (matrix.abs().amax(dim=(1, 2)) > MOST_MATRIX)
    lost = ~torch.isfinite(left).all(dim=1) | (gain <= -1.0)
    refused = worse | far | lost
    kept = ~refused
    return AffineFit(
        shift=torch.where(kept[:, None], shift, 0.0),
        matrix=torch.where(kept[:, None, None], matrix, 0.0),
        gain=torch.where(kept, gain, 0.0),
        offset=torch.where(kept, lift - gain * middle, 0.0),
        refused=refused,
    )
