from __future__ import annotations

import torch

from emotrace.encoders.initialise import drawn_for


def _draw(name: str, seed: int) -> torch.Tensor:
    with drawn_for(name, seed=seed):
        return torch.rand(4)


def test_what_is_drawn_depends_on_seed_and_name_alone() -> None:
    torch.manual_seed(1)
    first = _draw("head", 0)
    torch.manual_seed(2)
    torch.rand(100)
    assert torch.equal(first, _draw("head", 0))
    assert not torch.equal(first, _draw("head", 1))
    assert not torch.equal(first, _draw("gate", 0))


def test_outside_nothing_was_drawn() -> None:
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    _draw("branch", 3)
    assert torch.equal(torch.rand(2), expected)


def test_the_numbers_stay_the_same_from_release_to_release() -> None:
    assert _draw("head", 0).tolist() == torch.tensor(PINNED).tolist()


PINNED = [0.4628537893295288, 0.6124485731124878, 0.8612378239631653, 0.21435129642486572]
