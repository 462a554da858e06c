"""A learner for tests: Gaussian blobs, a layer with dropout, a running mean. As a program it trains, and may be killed.

python small_learner.py OUT '{"settings": {...}, "learner": {...}, "kill_at_step": 7}'
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from emotrace.encoders.initialise import drawn_for
from emotrace.training.learner import Item, Losses
from emotrace.training.loop import fit
from emotrace.training.seeds import generator_of
from emotrace.training.settings import TrainingSettings

LABELS = ("happy", "sad", "neutral")


def clips(count: int, *, first: int = 0) -> list[Item]:
    """Clips whose labels come in a fixed uneven order, so that long-tailed lists are the rule here."""
    pattern = (0, 0, 0, 1, 1, 2)
    return [Item(key=f"clip{i:04d}", label=LABELS[pattern[i % 6]]) for i in range(first, first + count)]


TRAIN, TEST = clips(101), clips(101, first=200)


@dataclass(frozen=True, kw_only=True)
class Blobs:
    points: Tensor
    labels: Tensor
    keys: tuple[str, ...]


class Layers(nn.Module):
    def __init__(self, *, width: int, dropout: float, centre: bool, extra: bool) -> None:
        super().__init__()
        with drawn_for("first", seed=0):
            self.first = nn.Linear(6, width)
        if extra:
            with drawn_for("extra", seed=0):
                self.extra = nn.Linear(width, width)
        with drawn_for("last", seed=0):
            self.last = nn.Linear(width, len(LABELS))
        self.dropout = nn.Dropout(dropout)
        self.centre = centre
        self.register_buffer("mean", torch.zeros(6))

    def forward(self, points: Tensor) -> Tensor:
        shifted = points - self.mean if self.centre else points
        if self.training:
            self.mean.lerp_(points.mean(0), 0.1)
        return self.last(self.dropout(torch.relu(self.first(shifted))))


class SmallLearner:
    labels = LABELS

    def __init__(
        self,
        *,
        width: int = 16,
        dropout: float = 0.3,
        centre: bool = True,
        extra: bool = False,
        kill_at_step: int | None = None,
    ) -> None:
        self.module = Layers(width=width, dropout=dropout, centre=centre, extra=extra)
        self.config: dict[str, Any] = {"width": width, "dropout": dropout, "centre": centre}
        self.seen: list[tuple[int, tuple[str, ...], bytes]] = []
        self._kill_at_step = kill_at_step

    def parameter_groups(self) -> list[dict[str, Any]]:
        named = list(self.module.named_parameters())
        weights = [each for name, each in named if name.endswith("weight") and each.requires_grad]
        biases = [each for name, each in named if name.endswith("bias") and each.requires_grad]
        return [
            {"params": weights, "lr": 0.02, "weight_decay": 0.05},
            {"params": biases, "lr": 0.01, "weight_decay": 0.0},
        ]

    def batch(self, items: Sequence[Item], *, epoch: int, training: bool) -> Blobs:
        points = np.stack([generator_of(0, "", 0, "blob", item.key).normal(size=6) for item in items])
        for row, item in zip(points, items, strict=True):
            row[LABELS.index(item.label)] += 2.5
            if training:
                row += 0.1 * generator_of(0, "", epoch, "augmentation", item.key).normal(size=6)
        return Blobs(
            points=torch.tensor(points, dtype=torch.float32),
            labels=torch.tensor([LABELS.index(item.label) for item in items]),
            keys=tuple(item.key for item in items),
        )

    def loss(self, batch: Blobs, *, step: int, total_steps: int) -> Losses:
        if step == self._kill_at_step:
            os.kill(os.getpid(), signal.SIGKILL)
        self.seen.append((step, batch.keys, batch.points.cpu().numpy().tobytes()))
        total = nn.functional.cross_entropy(self.module(batch.points), batch.labels)
        return Losses(total=total, terms={"entropy": float(total.detach()), "share": step / total_steps})

    def predict(self, batch: Blobs) -> Tensor:
        return self.module(batch.points).softmax(-1)

    def end_of_epoch(self, epoch: int) -> Mapping[str, float]:
        return {"spread": float(self.module.last.weight.detach().std())}


def main(out: Path, settings: Mapping[str, Any], learner: Mapping[str, Any], kill_at_step: int | None = None) -> None:
    fit(
        SmallLearner(**learner, kill_at_step=kill_at_step),
        train=TRAIN,
        test=TEST,
        settings=TrainingSettings(**settings),
        out=out,
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    for folder, options in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        main(Path(folder), **json.loads(options))
    print(Accelerator().num_processes, "processes")  # noqa: T201 - the test that launched them wants to know
