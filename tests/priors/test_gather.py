"""Two processes on this machine, each with its own clips: together they have the loss of one batch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from emotrace.priors.bdcl import bdcl
from emotrace.priors.gather import gather_clips

PARTS = slice(0, 3), slice(3, 5)
"""Which clips each process has: not equally many."""


def batch() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(5, 4, generator=generator, dtype=torch.float64)
    prototypes = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    weights = torch.tensor([1.0, 0.5, 1.0, 1.0, 0.25], dtype=torch.float64)
    return features, torch.tensor([0, 1, 0, 2, 1]), weights, prototypes


def work(rank: int, folder: Path) -> None:
    """What each process does: its clips, the others' too, the loss, its gradients."""
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=2)
    features, labels, weights, prototypes = batch()
    own = features[PARTS[rank]].clone().requires_grad_(True)
    prototypes.requires_grad_(True)
    every, names, shares = gather_clips(own, labels[PARTS[rank]], weights[PARTS[rank]])
    loss = bdcl(every, names, prototypes, weights=shares)
    loss.backward()
    torch.save({"loss": loss.detach(), "own": own.grad, "prototypes": prototypes.grad}, folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_alone_the_clips_come_back_as_they_are() -> None:
    features, labels, weights, _ = batch()
    assert gather_clips(features, labels, weights) == (features, labels, weights)


def test_two_processes_have_the_loss_and_gradients_of_one(tmp_path: Path) -> None:
    command = [sys.executable, __file__]
    processes = [subprocess.Popen([*command, str(rank), str(tmp_path)]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]
    features, labels, weights, prototypes = batch()
    features.requires_grad_(True)
    prototypes.requires_grad_(True)
    loss = bdcl(features, labels, prototypes, weights=weights)
    loss.backward()
    found = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    assert features.grad is not None
    for rank, part in enumerate(PARTS):
        assert found[rank]["loss"].item() == pytest.approx(loss.item(), abs=1e-12)
        # once from each process; averaging parameters' gradients over the processes takes the factor out again
        assert torch.allclose(found[rank]["own"], 2 * features.grad[part], atol=1e-12)
        assert torch.allclose(found[rank]["prototypes"], prototypes.grad, atol=1e-12)


if __name__ == "__main__":
    work(int(sys.argv[1]), Path(sys.argv[2]))
