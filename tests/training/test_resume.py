"""A run that was killed ends as one that was not."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import Tensor

from emotrace.errors import CheckpointMismatch, ChecksumMismatch, UnreadableCheckpoint
from emotrace.training.history import Fit
from emotrace.training.loop import fit
from emotrace.training.settings import TrainingSettings

# 101 clips in batches of 16 are 7 steps an epoch; each batch is taken in two pieces.
SETTINGS = {"epochs": 4, "batch_size": 16, "micro_batch_size": 8, "checkpoint_every_steps": 3, "seed": 11}


def run(small: ModuleType, out: Path, *, learner: dict[str, Any] | None = None, **settings: Any) -> Fit:
    return fit(
        small.SmallLearner(**(learner or {})),
        train=small.TRAIN,
        test=small.TEST,
        settings=TrainingSettings(**{**SETTINGS, **settings}),
        out=out,
    )


def files(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


@pytest.fixture(scope="module")
def straight(small: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("straight")
    run(small, out)
    return out


def test_killed_in_an_epoch_and_resumed_equals_straight_to_the_byte(
    small: ModuleType, straight: Path, tmp_path: Path
) -> None:
    options = json.dumps({"settings": {**SETTINGS, "workers": 0}, "learner": {}, "kill_at_step": 18})
    killed = subprocess.run(
        [sys.executable, small.__file__, str(tmp_path), options], capture_output=True, text=True, timeout=300
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    position = json.loads((tmp_path / "last/state/position.json").read_text())
    assert (position["epoch"], position["batches"], position["step"]) == (3, 4, 18)  # 18 of 28, in the third epoch
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2

    (tmp_path / ".history.jsonl.12-34.part").write_text("a line that was never")  # as a kill while writing leaves it
    result = run(small, tmp_path)
    assert files(tmp_path) == files(straight)
    assert [record.epoch for record in result.history] == [1, 2, 3, 4]


class Stopped(Exception):
    """What a test stops a run with."""


@pytest.mark.parametrize("stop", [1, 7, 20])
def test_stopped_at_any_step_and_resumed_equals_straight(
    small: ModuleType, straight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: int
) -> None:
    def stopping(self: Any, batch: Any, *, step: int, total_steps: int) -> Any:
        if step == stop:
            raise Stopped
        return loss(self, batch, step=step, total_steps=total_steps)

    loss = small.SmallLearner.loss
    with monkeypatch.context() as patch:
        patch.setattr(small.SmallLearner, "loss", stopping)
        with pytest.raises(Stopped):
            run(small, tmp_path)
    run(small, tmp_path)
    assert files(tmp_path) == files(straight)


def test_a_finished_run_is_read_and_not_trained_again(small: ModuleType, straight: Path) -> None:
    before = files(straight)
    learner = small.SmallLearner()
    result = fit(learner, train=small.TRAIN, test=small.TEST, settings=TrainingSettings(**SETTINGS), out=straight)
    assert learner.seen == []
    assert files(straight) == before
    assert len(result.history) == 4
    assert result.predictions is not None
    answers: Tensor = learner.predict(learner.batch(small.TEST, epoch=4, training=False))
    assert result.predictions.probabilities == pytest.approx(answers.detach().numpy(), abs=1e-6)


def test_without_resume_it_begins_anew_and_leaves_nothing_of_before(
    small: ModuleType, straight: Path, tmp_path: Path
) -> None:
    run(small, tmp_path, validation_share=0.2, seed=5)
    assert (tmp_path / "best").is_dir()
    fit(
        small.SmallLearner(),
        train=small.TRAIN,
        test=small.TEST,
        settings=TrainingSettings(**SETTINGS),
        out=tmp_path,
        resume=False,
    )
    assert files(tmp_path) == files(straight)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 12}, "settings.seed is 11 in the checkpoint and 12 here"),
        ({"epochs": 5}, "settings.epochs is 4 in the checkpoint and 5 here"),
        ({"learner": {"dropout": 0.5}}, "learner.dropout is 0.3 in the checkpoint and 0.5 here"),
    ],
)
def test_another_run_is_refused_with_both_values(
    small: ModuleType, straight: Path, change: dict[str, Any], named: str
) -> None:
    with pytest.raises(CheckpointMismatch, match=named):
        run(small, straight, **change)


def test_another_split_labels_or_fold_are_refused_with_both_values(small: ModuleType, straight: Path) -> None:
    settings = TrainingSettings(**SETTINGS)
    with pytest.raises(
        CheckpointMismatch, match=r"101 train, 0 validation, 101 test.*100 train, 0 validation, 101 test"
    ):
        fit(small.SmallLearner(), train=small.TRAIN[1:], test=small.TEST, settings=settings, out=straight)
    with pytest.raises(CheckpointMismatch, match='fold is "1" in the checkpoint and "2" here'):
        fit(small.SmallLearner(), train=small.TRAIN, test=small.TEST, settings=settings, out=straight, fold="2")
    learner = small.SmallLearner()
    learner.labels = ("sad", "happy", "neutral")
    with pytest.raises(CheckpointMismatch, match=r'labels is \["happy", "sad".* and \["sad", "happy"'):
        fit(learner, train=small.TRAIN, test=small.TEST, settings=settings, out=straight)


def test_threads_and_checkpoints_may_change_on_the_way(small: ModuleType, straight: Path, tmp_path: Path) -> None:
    result = run(small, tmp_path, workers=3, checkpoint_every_steps=None)
    weights = "last/weights.safetensors"
    assert (tmp_path / weights).read_bytes() == (straight / weights).read_bytes()
    assert (tmp_path / "history.jsonl").read_bytes() == (straight / "history.jsonl").read_bytes()
    assert [record.epoch for record in result.history] == [1, 2, 3, 4]


def test_a_damaged_state_is_a_typed_error(small: ModuleType, tmp_path: Path) -> None:
    run(small, tmp_path, epochs=1)
    state = tmp_path / "last/state"
    whole = (state / "optimizer.safetensors").read_bytes()
    (state / "optimizer.safetensors").write_bytes(whole[:-1])
    with pytest.raises(ChecksumMismatch, match=r"optimizer\.safetensors"):
        run(small, tmp_path, epochs=1)
    (state / "optimizer.safetensors").unlink()
    with pytest.raises(UnreadableCheckpoint, match="state to resume from"):
        run(small, tmp_path, epochs=1)
    (state / "position.json").write_text('{"epoch": "soon"}')
    with pytest.raises(UnreadableCheckpoint, match="state to resume from"):
        run(small, tmp_path, epochs=1)
