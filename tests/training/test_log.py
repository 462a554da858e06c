from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emotrace.errors import MissingExtra
from emotrace.training.loop import fit
from emotrace.training.settings import TrainingSettings

WRITTEN: dict[tuple[str, int], float] = {}


class Writer:
    """Stands in for TensorBoard's writer, which need not be installed."""

    def __init__(self, folder: str, purge_step: int) -> None:
        self.folder, self.purge_step = folder, purge_step
        for key in [key for key in WRITTEN if key[1] >= purge_step]:
            del WRITTEN[key]

    def add_scalar(self, name: str, value: float, step: int) -> None:
        WRITTEN[name, step] = value

    def close(self) -> None:
        WRITTEN["closed", -1] = 1.0


def run(small: ModuleType, out: Path) -> Any:
    settings = TrainingSettings(epochs=2, batch_size=32, tensorboard=True)
    return fit(small.SmallLearner(), train=small.TRAIN, test=small.TEST, settings=settings, out=out)


def test_without_tensorboard_it_says_what_to_install(
    small: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(MissingExtra, match=r"pip install 'emotrace\[tensorboard\]'"):
        run(small, tmp_path)


def test_every_step_and_epoch_is_a_point_of_a_curve(
    small: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = ModuleType("torch.utils.tensorboard")
    module.SummaryWriter = Writer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", module)
    WRITTEN.clear()
    result = run(small, tmp_path)
    assert [step for name, step in WRITTEN if name == "step/loss"] == list(range(1, 9))
    assert WRITTEN["epoch/loss", 8] == result.last.loss
    assert WRITTEN["test/uar", 4] == result.history[0].test["uar"]
    assert WRITTEN["logged/spread", 8] == result.last.logged["spread"]
    assert WRITTEN["learning_rate/group_1", 8] == result.last.learning_rates[1]
    assert WRITTEN["closed", -1] == 1.0
