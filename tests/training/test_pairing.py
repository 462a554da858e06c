"""Two arms of a comparison see the same clips, in the same batches, with the same pixels."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from emotrace.training.loop import fit
from emotrace.training.settings import TrainingSettings


def arm(small: ModuleType, out: Path, *, learner: dict[str, Any] | None = None, **settings: Any) -> Any:
    learner_here = small.SmallLearner(**(learner or {}))
    both = {"epochs": 2, "batch_size": 32, **settings}
    fit(learner_here, train=small.TRAIN, test=(), settings=TrainingSettings(**both), out=out)
    return learner_here


def test_arms_see_the_same_batches_whatever_their_model_and_threads(small: ModuleType, tmp_path: Path) -> None:
    base = arm(small, tmp_path / "base", workers=0)
    wide = arm(small, tmp_path / "wide", learner={"width": 24, "dropout": 0.0}, workers=3)
    assert len(base.seen) == 8
    assert wide.seen == base.seen
    assert arm(small, tmp_path / "other", seed=1).seen != base.seen


def test_an_added_branch_changes_no_draw_of_the_others(small: ModuleType, tmp_path: Path) -> None:
    plain, branched = small.SmallLearner(), small.SmallLearner(extra=True)
    points = plain.batch(small.TEST, epoch=0, training=False).points
    assert torch.equal(plain.module.eval()(points), branched.module.eval()(points))
    plain, branched = arm(small, tmp_path / "1"), arm(small, tmp_path / "2", learner={"extra": True})
    assert torch.equal(plain.module(points), branched.module(points))  # dropout too drew the same masks


def test_training_leaves_no_trace_in_the_global_generators(small: ModuleType, tmp_path: Path) -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    arm(small, tmp_path)
    assert torch.equal(torch.rand(4), expected)
