from __future__ import annotations

import math

import pytest
import torch

from emotrace.priors.losses.dualcl import dualcl


def test_equal_vectors_give_the_logarithm_of_the_other_clips() -> None:
    same = torch.ones(5, 3, dtype=torch.float64)
    prototypes = torch.ones(2, 3, dtype=torch.float64)
    assert float(dualcl(same, torch.tensor([0, 0, 0, 1, 1]), prototypes)) == pytest.approx(math.log(4), abs=1e-12)


def test_two_classes_on_a_line() -> None:
    # each clip: one positive at +1/τ, two negatives at -1/τ, in both directions
    labels = torch.tensor([0, 0, 1, 1])
    vertices = torch.tensor([[1.0], [-1.0]], dtype=torch.float64)
    expected = math.log1p(2 * math.exp(-2 / 0.5))
    assert float(dualcl(vertices[labels], labels, vertices, temperature=0.5)) == pytest.approx(expected, abs=1e-12)


def test_an_anchor_without_a_positive_adds_nothing_but_counts() -> None:
    labels = torch.tensor([0, 0, 1])
    same, prototypes = torch.ones(3, 2, dtype=torch.float64), torch.ones(2, 2, dtype=torch.float64)
    assert float(dualcl(same, labels, prototypes)) == pytest.approx(2 / 3 * math.log(2), abs=1e-12)
