"""Motion-difference weights: how much each patch moves beyond the head, the camera and the light.

The paper weights or filters tokens by facial motion difference [paper]; every formula here is ours [ours]:

    pixel     d[t, p] = mean over the patch of |I[t] - I~[t-1]| / (1 + gain)      I: grey, 112 px, blurred by 1 px
    feature   d[t, p] = |u[t, p] - u~[t-1, p]|                                    u: token of unit length
    rigid     `off`     the previous frame as it is
              `median`  minus the frame's median: what all patches do alike
              `affine`  the previous frame moved, tilted, zoomed and lit as the whole picture was, then the medians
    map       min(d / (mean d + floor), 5): a still clip gives flat weights, not noise
    weights   softmax of map / temperature over the clip (or frame, or patch in time), mixed with a uniform share

A first frame takes the difference of the next one. Pairs that touch a masked frame do not exist. Talking is no rigid
motion and stays: telling it from expression is the words' job.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from emotrace.encoders.encoded import PatchEncoded
from emotrace.errors import UsageError
from emotrace.grace.affine import PAIRS_AT_ONCE, AffineFit, fit_affine, smooth, warped

Source = Literal["pixel", "feature", "off"]
Rigid = Literal["off", "median", "affine"]
Group = Literal["clip", "frame", "time"]

SIDE = 112
"""Motion is measured on pictures of this side, whatever the encoder takes."""
FLOOR = {"pixel": 2.0 / 255.0, "feature": 0.02}
"""Differences of this size are noise."""
CAP = 5.0
LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601."""


@dataclass(frozen=True, kw_only=True)
class Motion:
    """Where a batch of clips moves. Nothing in it carries a gradient."""

    weights: Float[Tensor, "batch token"]
    """Sum to 1 per clip; 0 on masked tokens; all 0 for a clip without a valid frame."""
    map: Float[Tensor, "batch frame row column"]
    """Differences in units of the clip's mean difference, 0..5, before the softmax."""
    refused: Int[Tensor, " batch"]
    """Frame pairs whose affine fit was refused; they were treated as `median`."""


@torch.no_grad()
def motion_weights(
    *,
    frames: Float[Tensor, "batch frame 3 height width"] | None,
    tokens: PatchEncoded | None = None,
    frame_mask: Bool[Tensor, "batch frame"],
    grid: tuple[int, int, int],
    source: Source = "pixel",
    rigid: Rigid = "affine",
    group: Group = "clip",
    temperature: float = 1.0,
    uniform_share: float = 0.1,
    fit: AffineFit | None = None,
) -> Motion:
    """Weights of a clip's tokens by what moves there.

    Args:
        frames: RGB in 0..1; needed by `pixel`, and by `feature` with `affine`. Masked frames are not looked at.
        tokens: Needed by `feature`; where given, tokens that it masks get no weight.
        frame_mask: Which frames are there.
        grid: Frames, patch rows and patch columns of the tokens.
        source: What is compared from frame to frame; `off` gives uniform weights.
        rigid: What is taken out as motion of the head, the camera or the light.
        group: Tokens that compete with each other: all of the clip, those of a frame, or a patch's over time.
        temperature: Larger is flatter.
        uniform_share: Weight that every group spreads evenly, so that no token is out of reach.
        fit: Of the same frames by `affine_fit`, where several sources are wanted; else it is made here.

    Raises:
        UsageError: Frames or tokens are needed and missing, or `grid` has another number of frames.
    """
    batch, count = frame_mask.shape
    if count != grid[0]:
        raise UsageError(f"the grid of tokens has {grid[0]} frames and the mask {count}")
    valid = frame_mask[:, :, None].expand(batch, count, grid[1] * grid[2])
    if tokens is not None:
        valid = valid & tokens.mask.reshape(batch, count, -1)
    refused = frame_mask.new_zeros(batch, dtype=torch.long)
    if source == "off":
        scaled = torch.zeros(valid.shape, device=valid.device)
    else:
        differences, refused = _differences(frames, tokens, frame_mask, valid, grid[1:], source, rigid, fit)
        scaled = _in_units_of_the_mean(differences, valid, FLOOR[source])
    weights = _shares(scaled / temperature, valid, group, uniform_share)
    return Motion(weights=weights.flatten(1), map=scaled.reshape(batch, *grid), refused=refused)


@torch.no_grad()
def affine_fit(
    frames: Float[Tensor, "batch frame 3 height width"] | None, frame_mask: Bool[Tensor, "batch frame"]
) -> AffineFit:
    """How the whole picture moved, tilted, zoomed and changed its light, from each frame to the next that is there."""
    pixels, pairs = _grey(frames, frame_mask), _Pairs.of(frame_mask)
    return fit_affine(pixels[pairs.earlier], pixels[pairs.later])


@torch.no_grad()
def keep_top(
    weights: Float[Tensor, "batch token"], mask: Bool[Tensor, "batch token"], *, share: float = 0.5
) -> Bool[Tensor, "batch token"]:
    """The filter: the ceil(share * valid) tokens of largest weight of each clip, the earlier of two that are equal."""
    order = torch.where(mask, weights, -1.0).sort(dim=1, descending=True, stable=True).indices
    rank = torch.empty_like(order).scatter_(1, order, torch.arange(mask.shape[1], device=mask.device).expand_as(order))
    # Counted in double precision, or a share of 0.1 of 30 tokens would keep four.
    wanted = (mask.sum(dim=1).double() * share - 1e-9).ceil()
    return mask & (rank < wanted[:, None])


def emphasis(
    features: Float[Tensor, "batch token dim"],
    weights: Float[Tensor, "batch token"],
    mask: Bool[Tensor, "batch token"],
    *,
    strength: float = 0.5,
) -> Float[Tensor, "batch token dim"]:
    """Features scaled by 1 + strength * (valid tokens * weight - 1): longer where it moves, mean factor 1.

    For pooling alone: a cosine cost does not see a positive factor.
    """
    relative = weights * mask.sum(dim=1, keepdim=True)
    factor = torch.where(mask, 1.0 + strength * (relative - 1.0), 1.0)
    return features * factor[:, :, None].to(features.dtype)


@dataclass(frozen=True, kw_only=True)
class _Pairs:
    """Neighbouring frames that are both there, counted among the frames that are there.

    Only those are ever gathered, so what a masked frame holds, nan included, cannot leak.
    """

    exists: Bool[Tensor, "batch step"]
    earlier: Int[Tensor, " pair"]
    later: Int[Tensor, " pair"]

    @classmethod
    def of(cls, frame_mask: Bool[Tensor, "batch frame"]) -> _Pairs:
        exists = frame_mask[:, 1:] & frame_mask[:, :-1]
        number = (frame_mask.flatten().cumsum(0) - 1).view_as(frame_mask)
        return cls(exists=exists, earlier=number[:, :-1][exists], later=number[:, 1:][exists])

    def spread(self, measured: Float[Tensor, "pair patch"]) -> Float[Tensor, "batch frame patch"]:
        """Differences at their later frames; a frame without one takes that of the next frame, or 0."""
        batch, steps = self.exists.shape
        after = measured.new_zeros(batch, steps + 1, measured.shape[1])
        after[:, 1:][self.exists] = measured
        starts = torch.zeros(batch, steps + 1, dtype=torch.bool, device=measured.device)
        starts[:, 1:] = self.exists
        following = functional.pad(after[:, 1:], (0, 0, 0, 1))
        return torch.where(starts[:, :, None], after, following)

    def count(self, flags: Bool[Tensor, " pair"]) -> Int[Tensor, " batch"]:
        """How many pairs of each clip are flagged."""
        flagged = torch.zeros_like(self.exists)
        flagged[self.exists] = flags
        return flagged.sum(dim=1)


def _differences(
    frames: Float[Tensor, "batch frame 3 height width"] | None,
    tokens: PatchEncoded | None,
    frame_mask: Bool[Tensor, "batch frame"],
    valid: Bool[Tensor, "batch frame patch"],
    patches: tuple[int, int],
    source: Literal["pixel", "feature"],
    rigid: Rigid,
    fit: AffineFit | None,
) -> tuple[Float[Tensor, "batch frame patch"], Int[Tensor, " batch"]]:
    """Difference of every patch to the frame before, and how many fits of each clip were refused."""
    pairs = _Pairs.of(frame_mask)
    there = (valid[:, 1:] & valid[:, :-1])[pairs.exists]
    if rigid != "affine":
        fit = AffineFit.at_rest(len(pairs.later), device=frame_mask.device)
    elif fit is not None and len(fit.refused) != len(pairs.later):
        raise UsageError(
            f"the affine fit is of {len(fit.refused)} pairs of frames; these clips have {len(pairs.later)}"
        )
    if source == "pixel":
        pixels = _grey(frames, frame_mask)
        fit = fit or fit_affine(pixels[pairs.earlier], pixels[pairs.later])
        measured = _pixel_differences(pixels, pairs, fit, patches)
    else:
        fit = fit or affine_fit(frames, frame_mask)
        measured = _feature_differences(_units(tokens, frame_mask), pairs, there, fit, patches, centred=rigid != "off")
    measured = torch.where(there, measured, 0.0)
    if rigid != "off":
        measured = (measured - _median(measured, there)).clamp_min(0.0)
    return pairs.spread(measured), pairs.count(fit.refused)


def _grey(
    frames: Float[Tensor, "batch frame 3 height width"] | None, frame_mask: Bool[Tensor, "batch frame"]
) -> Float[Tensor, "present side side"]:
    """The frames that are there: luma 0..1 at 112 px, blurred by 1 px."""
    if frames is None:
        raise UsageError("differences of pixels and affine fits need frames")
    red, green, blue = (frames[:, :, channel][frame_mask].float() for channel in range(3))
    luma = (LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[:, None]
    if min(luma.shape[2:]) >= SIDE:
        sized = functional.interpolate(luma, size=(SIDE, SIDE), mode="area")
    else:
        sized = functional.interpolate(luma, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
    return smooth(sized[:, 0])


def _units(tokens: PatchEncoded | None, frame_mask: Bool[Tensor, "batch frame"]) -> Float[Tensor, "present patch dim"]:
    """Tokens of the frames that are there, at length 1; masked ones 0."""
    if tokens is None:
        raise UsageError("differences of features need tokens")
    kept = torch.where(tokens.mask[:, :, None], tokens.features.float(), 0.0)
    return functional.normalize(kept.reshape(*frame_mask.shape, -1, kept.shape[2])[frame_mask], dim=-1)


def _pixel_differences(
    pixels: Float[Tensor, "present side side"], pairs: _Pairs, fit: AffineFit, patches: tuple[int, int]
) -> Float[Tensor, "pair patch"]:
    """Mean absolute difference over those pixels of a patch that the earlier picture shows, in its light."""
    gain, offset = fit.gain[:, None, None], fit.offset[:, None, None]
    earlier, seen = warped(pixels[pairs.earlier][:, None], fit)
    off = (pixels[pairs.later] - (1 + gain) * earlier[:, 0] - offset).abs() / (1 + gain)
    sums = functional.adaptive_avg_pool2d(torch.stack([off * seen, seen.to(off.dtype)], dim=1), patches)
    total, share = sums.flatten(2).unbind(dim=1)
    return torch.where(share > 0, total / share, 0.0)


def _feature_differences(
    units: Float[Tensor, "present patch dim"],
    pairs: _Pairs,
    there: Bool[Tensor, "pair patch"],
    fit: AffineFit,
    patches: tuple[int, int],
    *,
    centred: bool,
) -> Float[Tensor, "pair patch"]:
    """Length of the difference of unit tokens; `centred`: without what all patches of the frame share."""
    parts = []
    # A few pairs at a time: a warped copy of all tokens of a batch would be the largest thing in memory.
    for first in range(0, len(there), PAIRS_AT_ONCE):
        some = slice(first, first + PAIRS_AT_ONCE)
        earlier = units[pairs.earlier[some]].mT
        maps = earlier.reshape(*earlier.shape[:2], *patches)
        there_before, seen = warped(maps, fit.of(some))
        change = units[pairs.later[some]] - there_before.flatten(2).mT
        visible = seen.flatten(1) & there[some]
        if centred:
            change = change - _median(change.mT, visible[:, None].expand_as(change.mT)).mT
        parts.append(torch.where(visible, change.norm(dim=2), 0.0))
    return torch.cat(parts) if parts else units.new_zeros(0, units.shape[1])


def _median(values: Float[Tensor, "*lead member"], there: Bool[Tensor, "*lead member"]) -> Float[Tensor, "*lead 1"]:
    """Median of those that are there, 0 of none."""
    return torch.where(there, values, torch.nan).nanmedian(dim=-1, keepdim=True).values.nan_to_num(0.0)


def _in_units_of_the_mean(
    differences: Float[Tensor, "batch frame patch"], valid: Bool[Tensor, "batch frame patch"], floor: float
) -> Float[Tensor, "batch frame patch"]:
    kept = torch.where(valid, differences, 0.0)
    mean = kept.sum(dim=(1, 2), keepdim=True) / valid.sum(dim=(1, 2), keepdim=True).clamp_min(1)
    return (kept / (mean + floor)).clamp_max(CAP)


def _shares(
    scores: Float[Tensor, "batch frame patch"], valid: Bool[Tensor, "batch frame patch"], group: Group, uniform: float
) -> Float[Tensor, "batch frame patch"]:
    """Softmax within every group, mixed with a uniform share; groups that have a member weigh the same."""
    dims = {"clip": (1, 2), "frame": (2,), "time": (1,)}[group]
    masked = torch.where(valid, scores, -torch.inf)
    risen = torch.where(valid, (scores - masked.amax(dim=dims, keepdim=True)).exp(), 0.0)
    soft = risen / risen.sum(dim=dims, keepdim=True).clamp_min(1e-30)
    members = valid.sum(dim=dims, keepdim=True)
    mixed = (1 - uniform) * soft + uniform * valid / members.clamp_min(1)
    return mixed / (members > 0).sum(dim=(1, 2), keepdim=True).clamp_min(1)
