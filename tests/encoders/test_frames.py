from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from emotrace.encoders.frames import encode_each, resized


def _mean_colour(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A 1 x 2 grid: the mean colour of the left and of the right half; and of the whole."""
    left, right = pictures.chunk(2, dim=3)
    return torch.stack([left.mean(dim=(2, 3)), right.mean(dim=(2, 3))], dim=1), pictures.mean(dim=(2, 3))


@given(st.integers(0, 3), st.integers(1, 4), st.integers(0, 2**12 - 1), st.integers(1, 5))
def test_every_frame_comes_back_to_its_place(batch: int, count: int, bits: int, at_once: int) -> None:
    frames = torch.rand(batch, count, 3, 4, 6, generator=torch.Generator().manual_seed(bits))
    mask = torch.tensor([[bool(bits >> (row * count + frame) & 1) for frame in range(count)] for row in range(batch)])
    mask = mask.reshape(batch, count).bool()
    spoiled = frames.clone()
    spoiled[~mask] = torch.nan
    seen = encode_each(spoiled, mask, see=_mean_colour, patch_grid=(1, 2), dim=3, at_once=at_once)
    assert torch.equal(seen.frame_mask, mask)
    assert seen.grid == (count, 1, 2)
    kept = mask[..., None].float()
    torch.testing.assert_close(seen.frame_features, frames.mean(dim=(3, 4)) * kept)
    left = seen.features.reshape(batch, count, 2, 3)[:, :, 0]
    torch.testing.assert_close(left, frames[..., :3].mean(dim=(3, 4)) * kept)


def test_gradients_reach_the_frames_that_are_there() -> None:
    frames = torch.rand(1, 2, 3, 4, 4, requires_grad=True)
    mask = torch.tensor([[True, False]])
    encode_each(frames, mask, see=_mean_colour, patch_grid=(1, 2), dim=3).features.sum().backward()
    assert frames.grad is not None
    assert (frames.grad[0, 0] > 0).all()
    assert (frames.grad[0, 1] == 0).all()


def test_resizing_keeps_flat_pictures_and_the_range() -> None:
    flat = torch.full((1, 3, 40, 30), 0.25)
    torch.testing.assert_close(resized(flat, 16), torch.full((1, 3, 16, 16), 0.25))
    edges = (torch.rand(1, 3, 9, 9) > 0.5).float()
    assert 0 <= resized(edges, 32).min() <= resized(edges, 32).max() <= 1
    assert resized(edges, 9) is edges
