from __future__ import annotations

import math

import pytest
import torch

from emotrace.priors.losses.crossmodal import crossmodal


def test_the_partner_is_the_positive_and_nobody_is_compared_with_himself() -> None:
    # orthogonal clips whose modalities agree: one at 1/τ, n-1 at 0
    axes = torch.eye(5, dtype=torch.float64)
    assert float(crossmodal(axes, axes, temperature=0.5)) == pytest.approx(math.log1p(4 * math.exp(-2)), abs=1e-12)
    # modalities of another clip: the positive is at 0, one negative at 1/τ
    expected = math.log(math.exp(2) + 4)
    assert float(crossmodal(axes, axes.roll(1, 0), temperature=0.5)) == pytest.approx(expected, abs=1e-12)


def test_a_clip_that_lacks_a_modality_takes_no_part() -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randn(6, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    weights = torch.tensor([1.0, 1.0, 0.0, 1.0, 0.0, 1.0], dtype=torch.float64)
    kept = weights > 0
    alone = float(crossmodal(first[kept], second[kept]))
    assert float(crossmodal(first, second, weights=weights)) == pytest.approx(alone, abs=1e-12)


def test_it_treats_both_modalities_alike() -> None:
    generator = torch.Generator().manual_seed(1)
    first, second = (torch.randn(6, 4, generator=generator, dtype=torch.float64) for _ in range(2))
    assert float(crossmodal(first, second)) == pytest.approx(float(crossmodal(second, first)), abs=1e-12)


def test_one_clip_has_nothing_to_learn_from() -> None:
    first = torch.randn(1, 4, requires_grad=True)
    loss = crossmodal(first, torch.randn(1, 4))
    loss.backward()
    assert loss.item() == pytest.approx(0.0, abs=1e-6)
