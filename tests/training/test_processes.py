"""Two processes learn what one learns."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType

from emotrace.errors import UsageError
from emotrace.testing.two_processes import in_two_processes
from emotrace.training import processes
from emotrace.training.checkpoint import load_checkpoint
from emotrace.training.loop import fit
from emotrace.training.predictions import Predictions
from emotrace.training.processes import arithmetic, new_accelerator
from emotrace.training.settings import TrainingSettings

# With pieces of a given size, both see the same pieces, with the same dropout. The mean that moves with each piece
# is left out there; it is compared where each process takes its half of a batch at once, without dropout.
CASES: dict[str, dict[str, Any]] = {
    "pieces": {
        "settings": {"epochs": 2, "batch_size": 20, "micro_batch_size": 7},
        "learner": {"centre": False, "dropout": 0.3},
    },
    "halves": {"settings": {"epochs": 2, "batch_size": 20}, "learner": {"centre": True, "dropout": 0.0, "extra": True}},
}


@pytest.fixture(scope="module")
def of_two(small: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of both cases, trained by two processes that a launcher such as torchrun would start so."""
    out = tmp_path_factory.mktemp("two")
    arguments = [word for name, case in CASES.items() for word in (str(out / name), json.dumps(case))]
    said = in_two_processes(small.__file__ or "", *arguments)
    assert all(text.endswith("2 processes\n") for text in said), said
    return out


@pytest.mark.parametrize("name", CASES)
def test_two_processes_give_the_curve_of_one(small: ModuleType, of_two: Path, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    alone = fit(
        small.SmallLearner(**case["learner"]),
        train=small.TRAIN,
        test=small.TEST,
        settings=TrainingSettings(**case["settings"]),
        out=tmp_path / name,
    )
    together = [json.loads(line) for line in (of_two / name / "history.jsonl").read_text().splitlines()]
    assert [line["loss"] for line in together] == pytest.approx([each.loss for each in alone.history], rel=1e-5)
    assert [line["gradient_norm"] for line in together] == pytest.approx(
        [each.gradient_norm for each in alone.history], rel=1e-4
    )
    assert alone.last.terms == pytest.approx(together[-1]["terms"], rel=1e-5)
    assert alone.last.test == together[-1]["test"]
    assert alone.predictions is not None
    answers = Predictions.read(of_two / name / "predictions_last.csv")
    assert answers.keys == alone.predictions.keys  # each clip once, in the order of the list
    assert answers.probabilities == pytest.approx(alone.predictions.probabilities, abs=1e-5)

    here, there = (load_checkpoint(folder / name / "last").weights for folder in (tmp_path, of_two))
    for key, tensor in here.items():  # a branch without a part in the loss included: nobody may decay it
        if key != "mean" or name == "halves":
            torch.testing.assert_close(tensor, there[key], rtol=1e-4, atol=1e-5)


def test_what_two_processes_began_one_process_goes_on_with(small: ModuleType, of_two: Path) -> None:
    learner = small.SmallLearner(**CASES["halves"]["learner"])
    settings = TrainingSettings(**CASES["halves"]["settings"])
    result = fit(learner, train=small.TRAIN, test=small.TEST, settings=settings, out=of_two / "halves")
    assert learner.seen == []  # it was finished
    assert len(result.history) == 2


def test_fp16_without_a_gpu_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^precision: fp16 needs a GPU.*Use 'bf16' or 'no'"):
        new_accelerator("fp16")


def test_a_launcher_that_shards_the_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sharding(Accelerator):
        distributed_type = DistributedType.FSDP

    monkeypatch.setattr(processes, "Accelerator", Sharding)
    with pytest.raises(UsageError, match="FSDP shards a model"):
        new_accelerator("no")


def test_the_settings_decide_the_arithmetic_whatever_surrounds_them() -> None:
    one = torch.ones(2, 2)
    cpu = torch.device("cpu")
    with torch.autocast("cpu", dtype=torch.bfloat16), arithmetic("no", cpu):
        assert (one @ one).dtype == torch.float32
    with arithmetic("bf16", cpu):
        assert (one @ one).dtype == torch.bfloat16
