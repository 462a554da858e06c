from __future__ import annotations

import math

import pytest
import torch

from emotrace.grace import losses


def test_the_hinge_is_zero_once_another_clips_words_cost_a_margin_more() -> None:
    matched, mismatched = torch.tensor([1.0, 1.0]), torch.tensor([1.5, 1.2])
    valid = torch.tensor([True, True])
    assert losses.hinge(matched, mismatched, valid, 0.5).item() == pytest.approx(0.15)


def test_clips_without_words_or_rival_have_no_part_in_a_loss() -> None:
    value = torch.tensor([1.0, 99.0], requires_grad=True)
    loss = losses.hinge(value, torch.tensor([1.0, 0.0]), torch.tensor([True, False]), 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(0.5)
    assert value.grad is not None
    assert value.grad.tolist() == [1.0, 0.0]


def test_a_batch_without_a_valid_clip_has_loss_zero_and_gradient_zero() -> None:
    value = torch.tensor([math.inf, 2.0], requires_grad=True)
    loss = losses.positive(value, torch.tensor([False, False]))
    loss.backward()
    assert loss.item() == 0.0
    assert value.grad is not None
    assert value.grad.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("targets", "usable", "rivals", "has"),
    [
        ([0, 0, 1, 1], [True] * 4, [2, 2, 0, 0], [True] * 4),
        ([0, 0, 0], [True] * 3, None, [False] * 3),
        ([0, 1, 1], [True, False, True], [2, None, 0], [True, False, True]),
        ([0, 1, 2], [True] * 3, [1, 2, 0], [True] * 3),
    ],
)
def test_the_rival_is_the_next_clip_of_another_class(
    targets: list[int], usable: list[bool], rivals: list[int | None] | None, has: list[bool]
) -> None:
    nearest, valid = losses.next_of_another_class(torch.tensor(targets), torch.tensor(usable))
    assert valid.tolist() == has
    for place, rival in enumerate(rivals or []):
        if rival is not None:
            assert nearest[place].item() == rival


def test_logit_adjustment_adds_the_log_prior() -> None:
    logits, targets = torch.tensor([[0.0, 0.0]]), torch.tensor([1])
    prior = torch.tensor([0.9, 0.1]).log()
    loss = losses.classification(logits, targets, log_prior=prior, logit_adjustment=1.0)
    assert loss.item() == pytest.approx(-math.log(0.1), abs=1e-5)


def test_contrast_ignores_other_clips_of_the_same_class() -> None:
    pictures = torch.eye(3)
    words = torch.eye(3)
    alike = losses.contrastive(pictures, words, torch.tensor([0, 0, 0]), torch.ones(3, dtype=torch.bool), 0.1)
    rivals = losses.contrastive(pictures, words, torch.tensor([0, 1, 2]), torch.ones(3, dtype=torch.bool), 0.1)
    assert alike.item() == pytest.approx(0.0, abs=1e-6)
    assert rivals.item() == pytest.approx(math.log1p(2 * math.exp(-10)), abs=1e-6)
