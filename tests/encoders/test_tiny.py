from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from emotrace.encoders.interface import TextEncoder, VisualEncoder
from emotrace.encoders.tiny import TinyEncoder, WordTable
from emotrace.errors import TextTooLong


@pytest.fixture(scope="module")
def encoder() -> TinyEncoder:
    return TinyEncoder().eval()


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.rand(2, 3, 3, 112, 112, generator=torch.Generator().manual_seed(1))


EVERY = torch.ones(2, 3, dtype=torch.bool)


def test_it_fits_the_interfaces_and_is_small(encoder: TinyEncoder) -> None:
    assert isinstance(encoder, VisualEncoder)
    assert isinstance(WordTable(), TextEncoder)
    weights = sum(weight.numel() for tower in (encoder, WordTable()) for weight in tower.parameters())
    assert weights < 300_000


def test_shapes(encoder: TinyEncoder, frames: torch.Tensor) -> None:
    seen = encoder.encode_frames(frames, EVERY)
    assert seen.grid == (3, 14, 14)
    assert seen.features.shape == (2, 3 * 196, 64)
    assert seen.frame_features.shape == (2, 3, 64)
    assert seen.frame_mask.all()


def test_tokens_are_row_by_row(encoder: TinyEncoder) -> None:
    """What changes in one patch changes that token most, wherever it lies."""
    still = torch.full((1, 1, 3, 112, 112), 0.4) + 0.1 * torch.rand(1, 1, 1, 112, 112)
    mask = torch.ones(1, 1, dtype=torch.bool)
    for row, column in ((2, 11), (9, 4)):
        moved = still.clone()
        moved[..., 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] += 0.3
        change = encoder.encode_frames(moved, mask).features - encoder.encode_frames(still, mask).features
        strongest = int(change.norm(dim=2).argmax())
        assert abs(strongest // 14 - row) <= 1
        assert abs(strongest % 14 - column) <= 1


def test_gain_and_offset_do_not_matter(encoder: TinyEncoder, frames: torch.Tensor) -> None:
    darker = 0.5 * frames + 0.1
    seen, other = encoder.encode_frames(frames, EVERY), encoder.encode_frames(darker, EVERY)
    torch.testing.assert_close(seen.features, other.features, rtol=0.05, atol=0.05)


def test_masked_and_unreadable_frames(encoder: TinyEncoder, frames: torch.Tensor) -> None:
    mask = torch.tensor([[True, False, True], [True, True, True]])
    spoiled = frames.clone()
    spoiled[0, 1] = torch.nan
    spoiled[1, 2, 1, 7, 7] = torch.inf
    seen = encoder.encode_frames(spoiled, mask)
    assert seen.frame_mask.tolist() == [[True, False, True], [True, True, False]]
    assert torch.isfinite(seen.features).all()
    assert torch.isfinite(seen.frame_features).all()
    assert seen.features.reshape(2, 3, 196, 64)[~seen.frame_mask].eq(0).all()
    whole = encoder.encode_frames(frames, EVERY)
    torch.testing.assert_close(seen.features[0, :196], whole.features[0, :196])


def test_no_frame_at_all(encoder: TinyEncoder, frames: torch.Tensor) -> None:
    seen = encoder.encode_frames(frames, ~EVERY)
    assert not seen.mask.any()
    assert seen.features.eq(0).all()


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_flat_pictures_are_finite_and_alike(encoder: TinyEncoder, value: float) -> None:
    flat = torch.full((1, 1, 3, 112, 112), value, requires_grad=True)
    seen = encoder.encode_frames(flat, torch.ones(1, 1, dtype=torch.bool))
    seen.features.sum().backward()
    assert torch.isfinite(seen.features).all()
    assert torch.isfinite(flat.grad).all()


def test_one_frame_and_another_size(encoder: TinyEncoder) -> None:
    seen = encoder.encode_frames(torch.rand(1, 1, 3, 60, 80), torch.ones(1, 1, dtype=torch.bool))
    assert seen.grid == (1, 14, 14)
    assert torch.isfinite(seen.features).all()


@pytest.mark.parametrize("training", [False, True])
def test_a_clip_alone_is_a_clip_in_a_batch(frames: torch.Tensor, training: bool) -> None:
    encoder = TinyEncoder().train(training)
    batch, alone = encoder.encode_frames(frames, EVERY), encoder.encode_frames(frames[1:], EVERY[1:])
    torch.testing.assert_close(batch.features[1:], alone.features, rtol=1e-5, atol=1e-5)
    mates = frames.clone()
    mates[0] = torch.rand_like(mates[0])
    torch.testing.assert_close(encoder.encode_frames(mates, EVERY).features[1:], batch.features[1:], rtol=0, atol=0)


def test_grey_and_colour_of_one_mean_are_one(encoder: TinyEncoder, frames: torch.Tensor) -> None:
    grey = frames.mean(dim=2, keepdim=True).expand_as(frames)
    seen, other = encoder.encode_frames(frames, EVERY), encoder.encode_frames(grey, EVERY)
    torch.testing.assert_close(seen.features, other.features, rtol=1e-4, atol=1e-4)


def test_the_seed_decides_the_weights() -> None:
    torch.manual_seed(1)
    first = TinyEncoder(seed=3).state_dict()
    torch.manual_seed(2)
    again, other = TinyEncoder(seed=3).state_dict(), TinyEncoder(seed=4).state_dict()
    assert all(torch.equal(weight, again[name]) for name, weight in first.items())
    assert not torch.equal(first["backbone.stem.0.weight"], other["backbone.stem.0.weight"])


def test_every_weight_learns(frames: torch.Tensor) -> None:
    encoder = TinyEncoder()
    seen = encoder.encode_frames(frames[:, :1], EVERY[:, :1])
    (seen.features.square().mul(torch.linspace(0, 1, 64)).mean() + seen.frame_features.square().mean()).backward()
    assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in encoder.parameters())


def test_a_few_steps_tell_two_pictures_apart(frames: torch.Tensor) -> None:
    encoder, head = TinyEncoder(), torch.nn.Linear(64, 1)
    optimiser = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=3e-3)
    for _ in range(12):
        logits = head(encoder.encode_frames(frames[:, :1], EVERY[:, :1]).frame_features[:, 0])[:, 0]
        loss = functional.binary_cross_entropy_with_logits(logits, torch.tensor([0.0, 1.0]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss.item() < 0.2


def test_phrases_that_share_words_are_near() -> None:
    phrases = ["lip corners raised", "lip corners pulled down", "inner brows drawn together"]
    features = functional.normalize(WordTable().encode_phrases(phrases), dim=1)
    near, far = features[0] @ features[1], features[0] @ features[2]
    assert near > far + 0.2


def test_tokens_and_phrases_are_rows_of_the_table() -> None:
    words = WordTable()
    ids = [token.id for token in words.tokenizer.tokens("lip corners, raised")]
    tokens = words.encode_tokens([ids, []])
    assert tokens[0].shape == (4, 64)
    assert tokens[1].shape == (0, 64)
    torch.testing.assert_close(words.encode_phrases(["lip corners, raised"])[0], tokens[0][[0, 1, 3]].mean(dim=0))
    assert words.encode_phrases(["", "?"]).eq(0).all()
    assert words.encode_phrases([]).shape == (0, 64)
    tokens[0].sum().backward()
    assert words.table.grad is not None


def test_more_tokens_than_the_budget_are_refused() -> None:
    with pytest.raises(TextTooLong, match="76 tokens"):
        WordTable().encode_tokens([[1] * 76])
