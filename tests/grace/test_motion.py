from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from emotrace.encoders.encoded import PatchEncoded
from emotrace.errors import UsageError
from emotrace.grace.motion import Motion, affine_fit, emphasis, keep_top, motion_weights
from emotrace.metrics.localisation import localise

from .moving_faces import LIP_PATCHES, SIDE, Pose, clips

GRID = (14, 14)
KINDS = [("pixel", "off"), ("pixel", "median"), ("pixel", "affine")]
KINDS += [("feature", "off"), ("feature", "median"), ("feature", "affine")]
MOVING = [Pose(), Pose(lips=1.0, right=0.5), Pose(lips=2.5, right=1.5, gain=1.05), Pose(lips=1.0, turn=0.02)]


def present(frames: Tensor) -> Tensor:
    return torch.ones(frames.shape[:2], dtype=torch.bool)


def tokens_of(frames: Tensor, mask: Tensor | None = None) -> PatchEncoded:
    """Tokens that say what their patch looks like: its pixels at a quarter of the resolution."""
    mask = present(frames) if mask is None else mask
    small = functional.avg_pool2d(frames[:, :, 0].nan_to_num(0.5), 2).unfold(2, 4, 4).unfold(3, 4, 4)
    features = torch.cat([small.flatten(4) - 0.5, torch.full((*small.shape[:4], 1), 0.2)], dim=4).flatten(1, 3)
    return PatchEncoded(
        features=features,
        mask=mask.repeat_interleave(math.prod(GRID), dim=1),
        grid=(frames.shape[1], *GRID),
        frame_features=features.unflatten(1, (frames.shape[1], -1)).mean(dim=2),
    )


def motion_of(frames: Tensor, mask: Tensor | None = None, **options: Any) -> Motion:
    mask = present(frames) if mask is None else mask
    tokens = tokens_of(frames, mask) if options.get("source") == "feature" else None
    grid = (frames.shape[1], *GRID)
    return motion_weights(frames=frames, tokens=tokens, frame_mask=mask, grid=grid, **options)


def per_frame(motion: Motion) -> Tensor:
    return motion.weights.unflatten(1, motion.map.shape[1:])


# --- where it moves -------------------------------------------------------------------------------------------------


def moved_lips(pose: Pose) -> Tensor:
    """20 faces before and after the lips moved, seen from another pose."""
    return clips([Pose(), replace(pose, lips=2.0)], faces=range(20))


def precision(frames: Tensor, *, rigid: str, fit: Any = None) -> float:
    """Mean average precision of the patches in which the lips moved; chance is 0.04."""
    found = motion_of(frames, rigid=rigid, fit=fit).map[:, 1].numpy()
    return float(localise(found, np.tile(LIP_PATCHES, (20, 1, 1))).average_precision.mean())


def test_a_shift_of_the_head_hides_the_lips_only_without_the_fit() -> None:
    frames = moved_lips(Pose(right=1.5 * math.cos(2.2), down=1.5 * math.sin(2.2)))
    assert precision(frames, rigid="affine") >= 0.75
    assert precision(frames, rigid="off") <= 0.3


TRIAL = {
    "none": Pose(),
    "shift": Pose(right=1.2, down=0.9),
    "tilt and zoom": Pose(turn=0.026, zoom=0.02),
    "light": Pose(gain=1.15),
    "all": Pose(right=1.2, down=0.9, turn=0.026, zoom=0.02, gain=1.15),
}


@pytest.mark.parametrize("name", TRIAL)
def test_each_part_of_the_fit_is_needed_for_what_it_takes_out(name: str) -> None:
    frames = moved_lips(TRIAL[name])
    full = affine_fit(frames, present(frames))
    dark = replace(full, gain=torch.zeros(20), offset=torch.zeros(20))
    raw, median = precision(frames, rigid="off"), precision(frames, rigid="median")
    without_light, whole = precision(frames, rigid="affine", fit=dark), precision(frames, rigid="affine", fit=full)
    assert whole >= 0.75
    if name == "none":
        assert min(raw, median, without_light) >= 0.8
    else:
        assert max(raw, median) <= 0.4
    if name in {"light", "all"}:
        assert without_light <= 0.5
    else:
        assert without_light >= 0.75


@pytest.mark.parametrize(("source", "rigid"), KINDS)
def test_the_one_moving_patch_gets_the_greatest_weight(source: str, rigid: str) -> None:
    frames = clips([Pose()] * 4, noise=0.0)
    frames[0, 2, :, 40:48, 64:72] = frames[0, 2, :, 40:48, 64:72].flip(1)
    found = per_frame(motion_of(frames, source=source, rigid=rigid))[0]
    greatest = {divmod(int(place), 14) for place in found.flatten(1).argmax(dim=1)[2:]}
    assert greatest == {(5, 8)}


def test_features_that_only_shift_with_the_head_are_quieter_with_the_fit() -> None:
    frames = clips([Pose(), Pose(right=4.0), Pose(right=8.0)], faces=range(4))
    smooth_tokens = functional.avg_pool2d(frames[:, :, 0], 9, stride=8, padding=0, ceil_mode=True)
    waves = torch.stack([smooth_tokens, smooth_tokens.square(), torch.ones_like(smooth_tokens) * 0.3], dim=4)
    features = waves.flatten(1, 3)
    tokens = replace(
        tokens_of(frames), features=features, frame_features=torch.zeros(*frames.shape[:2], features.shape[2])
    )
    raw, affine = (
        motion_weights(
            frames=frames, tokens=tokens, frame_mask=present(frames), grid=(3, *GRID), source="feature", rigid=rigid
        ).map
        for rigid in ("off", "affine")
    )
    # In units of the mean plus the floor: the less there is to see, the smaller.
    assert affine[:, 1:].mean() < 0.9 * raw[:, 1:].mean()


# --- what must not matter -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "rigid"), [*KINDS, ("off", "off")])
@pytest.mark.parametrize("group", ["clip", "frame", "time"])
def test_a_still_clip_gets_even_weights(source: str, rigid: str, group: str) -> None:
    frames = clips([Pose()] * 3, noise=0.0)[:, :1].expand(-1, 3, -1, -1, -1)
    motion = motion_of(frames, source=source, rigid=rigid, group=group)
    np.testing.assert_allclose(motion.weights * motion.weights.shape[1], 1.0, atol=1e-4)
    assert motion.refused.sum() == 0


@pytest.mark.parametrize("rigid", ["off", "median", "affine"])
def test_noise_alone_hardly_moves_the_weights(rigid: str) -> None:
    weights = motion_of(clips([Pose()] * 4, noise=0.004), rigid=rigid).weights
    assert (weights * weights.shape[1] - 1).abs().max() < 0.2


def test_more_light_does_not_change_the_weights() -> None:
    frames = clips([Pose(), Pose(lips=2.0)], faces=range(5))
    brighter = torch.stack([frames[:, 0], 1.1 * frames[:, 1] + 0.03], dim=1)
    plain, lit = motion_of(frames).weights, motion_of(brighter).weights
    assert ((lit - plain).abs() / plain).max() <= 0.005
    raw, raw_lit = motion_of(frames, rigid="off").weights, motion_of(brighter, rigid="off").weights
    assert ((raw_lit - raw).abs() / raw).max() > 0.1


@pytest.mark.parametrize(("source", "rigid"), KINDS)
@pytest.mark.parametrize("filling", [math.nan, math.inf, 0.7, None])
def test_padding_changes_nothing_whatever_it_holds(source: str, rigid: str, filling: float | None) -> None:
    frames = clips(MOVING)
    padding = frames[:, -1:].expand(-1, 3, -1, -1, -1).clone()
    if filling is not None:
        padding[:] = filling
    padded = torch.cat([frames, padding], dim=1)
    mask = torch.tensor([[True] * 4 + [False] * 3])
    plain, longer = motion_of(frames, source=source, rigid=rigid), motion_of(padded, mask, source=source, rigid=rigid)
    np.testing.assert_allclose(per_frame(longer)[:, :4], per_frame(plain), rtol=1e-5)
    assert (per_frame(longer)[:, 4:] == 0).all()
    assert (longer.map[:, 4:] == 0).all()


@pytest.mark.parametrize(("source", "rigid"), KINDS)
def test_a_frame_that_is_missing_in_the_middle_leaves_no_trace(source: str, rigid: str) -> None:
    frames = clips(MOVING * 2)
    mask = torch.tensor([[True, True, True, False, True, True, False, True]])
    found = []
    for filling in (0.0, math.nan):
        hole = torch.where(mask[:, :, None, None, None], frames, filling)
        found.append(motion_of(hole, mask, source=source, rigid=rigid))
    assert torch.equal(found[0].weights, found[1].weights)
    assert torch.isfinite(found[1].weights).all()
    # The frame after the hole has no earlier one: it takes the difference of the next. The last stands alone.
    assert torch.equal(found[0].map[:, 4], found[0].map[:, 5])
    assert (found[0].map[:, 7] == 0).all()
    assert found[0].weights.sum().item() == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("source", "rigid"), KINDS)
def test_batch_mates_do_not_matter(source: str, rigid: str) -> None:
    frames = clips(MOVING, faces=range(3))
    frames[1] = 0.0
    mask = present(frames)
    mask[2, 1:] = False
    together = motion_of(frames, mask, source=source, rigid=rigid)
    for clip in range(3):
        alone = motion_of(frames[clip : clip + 1], mask[clip : clip + 1], source=source, rigid=rigid)
        np.testing.assert_allclose(together.weights[clip], alone.weights[0], rtol=2e-5)
        assert together.refused[clip] == alone.refused[0]


@pytest.mark.parametrize(("source", "rigid"), KINDS)
def test_a_mirrored_clip_has_mirrored_weights(source: str, rigid: str) -> None:
    frames = clips(MOVING)
    plain, mirrored = (motion_of(each, source=source, rigid=rigid) for each in (frames, frames.flip(4)))
    if source == "pixel":
        np.testing.assert_allclose(per_frame(mirrored).flip(3), per_frame(plain), rtol=2e-4)
    else:
        # The order of the numbers in these tokens changes with the mirror, the length of their difference does not.
        np.testing.assert_allclose(mirrored.map.flip(3), plain.map, rtol=0.02, atol=0.02)


@pytest.mark.parametrize("side", [56, 96, 224, 336])
def test_the_size_of_the_frames_hardly_matters(side: int) -> None:
    frames = clips(MOVING, noise=0.0)
    sized = functional.interpolate(frames[0], size=(side, side), mode="bilinear", antialias=True)[None]
    plain, other = motion_of(frames).map, motion_of(sized).map
    assert np.corrcoef(plain.flatten(), other.flatten())[0, 1] > 0.9


def test_the_same_clip_gives_the_same_bytes() -> None:
    frames = clips(MOVING)
    assert torch.equal(motion_of(frames).weights, motion_of(frames).weights)


# --- clips with nothing to compare ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "rigid"), [*KINDS, ("off", "off")])
@pytest.mark.parametrize("kind", ["one frame", "one of many", "black", "nothing"])
def test_a_clip_with_nothing_to_compare_is_even_or_empty(source: str, rigid: str, kind: str) -> None:
    frames = clips(MOVING[:1] if kind == "one frame" else MOVING)
    mask = present(frames)
    if kind == "black":
        frames = torch.zeros_like(frames)
    elif kind == "one of many":
        mask[:, 1:] = False
    elif kind == "nothing":
        frames, mask = torch.full_like(frames, math.nan), torch.zeros_like(mask)
    motion = motion_of(frames, mask, source=source, rigid=rigid)
    valid = mask.repeat_interleave(196, dim=1)
    expected = valid / valid.sum().clamp_min(1)
    np.testing.assert_allclose(motion.weights, expected, rtol=1e-4, atol=1e-8)
    assert (motion.map <= 1e-5).all()  # what reading between pixels rounds
    assert motion.refused.tolist() == [0]


# --- the weights as a distribution ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("source", "rigid"), KINDS)
@pytest.mark.parametrize("group", ["clip", "frame", "time"])
def test_weights_are_a_distribution_and_groups_weigh_the_same(source: str, rigid: str, group: str) -> None:
    frames = clips(MOVING, faces=range(2))
    mask = present(frames)
    mask[1, 3] = False
    motion = motion_of(frames, mask, source=source, rigid=rigid, group=group)
    weights = per_frame(motion).flatten(2)
    np.testing.assert_allclose(motion.weights.sum(dim=1), 1.0, atol=1e-6)
    assert (weights[mask] > 0).all()
    assert (weights[~mask] == 0).all()
    assert ((motion.map >= 0) & (motion.map <= 5)).all()
    if group == "frame":
        np.testing.assert_allclose(weights.sum(dim=2), mask / mask.sum(dim=1, keepdim=True), atol=1e-6)
    elif group == "time":
        np.testing.assert_allclose(weights.sum(dim=1), 1 / 196, atol=1e-6)


def test_heat_and_the_uniform_share_flatten() -> None:
    frames = clips(MOVING)
    spread = [motion_of(frames, temperature=each).weights.max() for each in (0.5, 1.0, 2.0, 100.0)]
    assert spread == sorted(spread, reverse=True)
    even = motion_of(frames, uniform_share=1.0).weights
    np.testing.assert_allclose(even, 1 / even.shape[1], rtol=1e-6)
    assert motion_of(frames, uniform_share=0.1).weights.min() >= 0.1 / even.shape[1]


def test_tokens_that_the_encoder_masks_get_no_weight() -> None:
    frames = clips(MOVING)
    tokens = tokens_of(frames)
    kept = tokens.mask.clone()
    kept[:, ::3] = False
    features = torch.where(kept[:, :, None], tokens.features, torch.nan)
    holey = replace(tokens, mask=kept, features=features)
    for source in ("feature", "pixel"):
        found = motion_weights(
            frames=frames, tokens=holey, frame_mask=present(frames), grid=(4, *GRID), source=source
        ).weights
        assert (found[~kept] == 0).all()
        assert (found[kept] > 0).all()
        assert found.sum().item() == pytest.approx(1.0, abs=1e-6)


def test_no_gradient_flows_into_it() -> None:
    frames = clips(MOVING).requires_grad_()
    tokens = replace(tokens_of(frames), features=tokens_of(frames).features.detach().requires_grad_())
    found = motion_weights(frames=frames, tokens=tokens, frame_mask=present(frames), grid=(4, *GRID), source="feature")
    assert not found.weights.requires_grad
    assert not found.map.requires_grad


def test_a_fit_may_be_shared_and_must_fit() -> None:
    frames = clips(MOVING)
    fit = affine_fit(frames, present(frames))
    assert torch.equal(motion_of(frames, fit=fit).weights, motion_of(frames).weights)
    with pytest.raises(UsageError, match="3 pairs"):
        motion_of(frames[:, :3], fit=fit)


@pytest.mark.parametrize("source", ["pixel", "feature"])
def test_what_is_missing_is_named(source: str) -> None:
    mask = torch.ones(1, 2, dtype=torch.bool)
    with pytest.raises(UsageError, match="need"):
        motion_weights(frames=None, tokens=None, frame_mask=mask, grid=(2, 4, 4), source=source)
    with pytest.raises(UsageError, match="3 frames"):
        motion_weights(frames=torch.zeros(1, 2, 3, SIDE, SIDE), frame_mask=mask, grid=(3, 4, 4), source=source)


# --- the two other uses of a weight ---------------------------------------------------------------------------------


def test_the_filter_keeps_the_greater_half_of_each_clip() -> None:
    weights = torch.tensor([[0.1, 0.4, 0.2, 0.3, 0.0], [0.25, 0.25, 0.25, 0.25, 0.0], [0.0] * 5])
    mask = torch.tensor([[True] * 5, [True, True, True, True, False], [False] * 5])
    expected = [[False, True, True, True, False], [True, True, False, False, False], [False] * 5]
    assert keep_top(weights, mask).tolist() == expected
    assert keep_top(weights, mask, share=1.0).equal(mask)


@pytest.mark.parametrize(("count", "share"), [(30, 0.1), (10, 0.3), (7, 0.5), (1, 0.01)])
def test_the_filter_keeps_a_share_rounded_up(count: int, share: float) -> None:
    mask = torch.arange(40)[None] < count
    weights = torch.rand(1, 40, generator=torch.Generator().manual_seed(0)) * mask
    assert keep_top(weights, mask, share=share).sum() == math.ceil(round(share * count, 9))


def test_emphasis_has_mean_one_and_no_cosine_sees_it() -> None:
    frames = clips(MOVING, faces=range(2))
    mask = present(frames)
    mask[1, 2:] = False
    tokens = tokens_of(frames, mask)
    motion = motion_of(frames, mask)
    scaled = emphasis(tokens.features, motion.weights, tokens.mask)
    factor = (scaled.norm(dim=2) / tokens.features.norm(dim=2))[tokens.mask]
    assert factor.mean().item() == pytest.approx(1.0, abs=1e-5)
    assert factor.min() >= 0.5
    assert torch.equal(scaled[~tokens.mask], tokens.features[~tokens.mask])
    words = torch.randn(2, 6, tokens.features.shape[2], generator=torch.Generator().manual_seed(0))
    plain, emphasised = (
        1 - functional.normalize(each, dim=2) @ functional.normalize(words, dim=2).mT
        for each in (tokens.features, scaled)
    )
    assert (plain - emphasised).abs().max() < 1e-6
