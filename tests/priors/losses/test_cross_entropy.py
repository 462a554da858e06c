from __future__ import annotations

import math

import pytest
import torch

from emotrace.priors.losses.cross_entropy import cross_entropy, log_class_shares


def test_it_is_torchs_own_without_weights_and_shares() -> None:
    logits = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(9) % 4
    expected = torch.nn.functional.cross_entropy(logits, labels)
    assert float(cross_entropy(logits, labels)) == pytest.approx(float(expected), abs=1e-6)


@pytest.mark.parametrize("strength", [0.25, 1.0])
def test_the_adjustment_adds_the_log_shares(strength: float) -> None:
    shares = torch.tensor([0.9, 0.1], dtype=torch.float64)
    loss = cross_entropy(
        torch.zeros(1, 2, dtype=torch.float64), torch.tensor([1]), log_shares=shares.log(), strength=strength
    )
    expected = -math.log(0.1**strength / (0.1**strength + 0.9**strength))
    assert float(loss) == pytest.approx(expected, abs=1e-12)


def test_at_full_strength_balanced_logits_are_the_optimum_of_any_shares() -> None:
    # one indistinguishable input of shares π: the loss is least where the logits say "equally likely"
    labels = torch.tensor([0] * 9 + [1])
    logits = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    loss = cross_entropy(logits.expand(10, -1), labels, log_shares=log_class_shares(labels, 2), strength=1.0)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient.abs().max().item() < 1e-7


def test_weights_and_missing_labels() -> None:
    logits = torch.tensor([[0.0, 0.0], [3.0, 0.0], [9.0, -9.0]], dtype=torch.float64)
    weights = torch.tensor([1.0, 0.5, 7.0], dtype=torch.float64)
    loss = cross_entropy(logits, torch.tensor([0, 1, -1]), weights=weights)
    assert float(loss) == pytest.approx((math.log(2) + 0.5 * math.log1p(math.exp(3))) / 1.5, abs=1e-12)


def test_a_batch_without_a_label_has_loss_zero_and_gradient_zero() -> None:
    logits = torch.randn(2, 3, requires_grad=True)
    loss = cross_entropy(logits, torch.tensor([-1, -1]))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_shares_count_an_absent_class_as_one_clip() -> None:
    shares = log_class_shares(torch.tensor([0, 0, 0, 1, -1]), 3).exp()
    assert shares.tolist() == pytest.approx([3 / 5, 1 / 5, 1 / 5])
