from __future__ import annotations

import math

import pytest
import torch

from emotrace.priors.losses.cross_entropy import cross_entropy
from emotrace.priors.losses.ldam import ldam


def test_the_margin_falls_with_the_fourth_root_of_the_count() -> None:
    counts = torch.tensor([16, 1])  # margins 0.25 and 0.5
    cosines = torch.zeros(1, 2, dtype=torch.float64)
    of_frequent = ldam(cosines, torch.tensor([0]), counts=counts, scale=4.0)
    of_rare = ldam(cosines, torch.tensor([1]), counts=counts, scale=4.0)
    assert float(of_frequent) == pytest.approx(math.log1p(math.exp(4 * 0.25)), abs=1e-9)
    assert float(of_rare) == pytest.approx(math.log1p(math.exp(4 * 0.5)), abs=1e-9)


def test_without_a_margin_it_is_cross_entropy_of_scaled_cosines() -> None:
    cosines = torch.rand(5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.tensor([0, 1, 2, 0, -1])
    found = ldam(cosines, labels, counts=torch.tensor([9, 3, 1]), max_margin=0.0)
    assert float(found) == pytest.approx(float(cross_entropy(30.0 * cosines, labels)), abs=1e-12)


def test_a_class_without_a_clip_counts_as_one() -> None:
    loss = ldam(torch.zeros(1, 2), torch.tensor([0]), counts=torch.tensor([16, 0]), scale=4.0)
    assert float(loss) == pytest.approx(math.log1p(math.exp(1.0)), abs=1e-6)
