from __future__ import annotations

import math

import pytest
import torch

from emotrace.errors import UsageError
from emotrace.priors.losses.cross_entropy import cross_entropy
from emotrace.priors.losses.focal import focal


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0, 5.0])
def test_an_undecided_clip(gamma: float) -> None:
    loss = focal(torch.zeros(1, 4, dtype=torch.float64), torch.tensor([2]), gamma=gamma)
    assert float(loss) == pytest.approx(0.75**gamma * math.log(4), abs=1e-12)


def test_gamma_zero_is_cross_entropy() -> None:
    logits = torch.randn(6, 5, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels, weights = torch.tensor([0, 1, 2, 3, 4, -1]), torch.linspace(0.1, 1.0, 6, dtype=torch.float64)
    expected = float(cross_entropy(logits, labels, weights=weights))
    assert float(focal(logits, labels, gamma=0.0, weights=weights)) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_clip_answered_beyond_doubt_keeps_a_finite_gradient(gamma: float) -> None:
    logits = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    focal(logits, torch.tensor([0, 0]), gamma=gamma).backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())


def test_gradients_agree_with_finite_differences() -> None:
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda o: focal(o, torch.tensor([0, 1, 2, 0])), (logits,))


def test_a_negative_gamma_is_refused() -> None:
    with pytest.raises(UsageError, match="gamma"):
        focal(torch.zeros(1, 2), torch.tensor([0]), gamma=-1.0)
