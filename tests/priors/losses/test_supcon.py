from __future__ import annotations

import math

import pytest
import torch

from emotrace.priors.losses.supcon import supcon


def test_one_positive_and_one_negative() -> None:
    features = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    value = supcon(features, torch.tensor([0, 0, 1]), temperature=0.5)
    # both anchors of class 0: positive at 2, negative at 0; the lone clip of class 1 is skipped
    assert float(value) == pytest.approx(math.log1p(math.exp(-2)), abs=1e-12)


def test_a_batch_without_a_pair_has_loss_zero_and_gradient_zero() -> None:
    features = torch.eye(3, requires_grad=True)
    loss = supcon(features, torch.tensor([0, 1, 2]))
    loss.backward()
    assert loss.item() == 0.0
    assert features.grad is not None
    assert features.grad.tolist() == [[0.0] * 3] * 3


def test_a_weight_counts_like_copies_where_the_copies_are_told_apart() -> None:
    # a negative of weight 2 in the sum is two negatives of weight 1
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(4, 3, generator=generator, dtype=torch.float64)
    labels, weights = torch.tensor([0, 0, 0, 1]), torch.tensor([1.0, 1.0, 1.0, 2.0], dtype=torch.float64)
    twice = supcon(torch.cat([features, features[3:]]), torch.tensor([0, 0, 0, 1, 2]))
    # the two copies have other labels than each other: neither is an anchor, and both stand in the sums
    assert float(supcon(features, labels, weights=weights)) == pytest.approx(float(twice), abs=1e-12)


def test_half_a_weight_for_all_halves_the_sum_and_nothing_else() -> None:
    features = torch.randn(6, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels, half = torch.tensor([0, 0, 0, 1, 1, 2]), torch.full((6,), 0.5, dtype=torch.float64)
    expected = float(supcon(features, labels)) - math.log(2)
    assert float(supcon(features, labels, weights=half)) == pytest.approx(expected, abs=1e-12)
