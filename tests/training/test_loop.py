from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from emotrace.errors import InvalidScores, TrainingDiverged, UnknownLabel, UnwritableOutput, UsageError
from emotrace.progress import Watch
from emotrace.training.checkpoint import load_checkpoint
from emotrace.training.history import EpochRecord, Fit, best_on_test, chosen, out_of_patience
from emotrace.training.learner import Losses
from emotrace.training.loop import fit
from emotrace.training.predict import predict
from emotrace.training.settings import TrainingSettings


def run(small: ModuleType, out: Path, learner: Any = None, **options: Any) -> Fit:
    lists = {"train": small.TRAIN, "test": small.TEST, "validation": ()}
    lists = {name: options.pop(name, items) for name, items in lists.items()}
    settings = TrainingSettings(**{"epochs": 3, "batch_size": 32, **options})
    return fit(learner or small.SmallLearner(), settings=settings, out=out, **lists)


def test_it_learns_and_says_what_happened(small: ModuleType, tmp_path: Path) -> None:
    done: list[tuple[str, float]] = []
    watch = Watch(lambda stage, share: done.append((stage, share)))
    learner = small.SmallLearner(dropout=0.0)
    settings = TrainingSettings(epochs=6, batch_size=32)
    result = fit(learner, train=small.TRAIN, test=small.TEST, settings=settings, out=tmp_path, watch=watch)
    losses = [record.loss for record in result.history]
    assert losses[-1] < 0.8 * losses[0]
    assert result.last.test is not None
    assert result.last.test["uar"] > 0.6
    assert [(record.epoch, record.step) for record in result.history] == [(n, 4 * n) for n in range(1, 7)]
    assert result.last.terms["entropy"] == pytest.approx(result.last.loss, rel=1e-6)
    assert result.last.logged == {"spread": learner.end_of_epoch(6)["spread"]}
    assert result.last.learning_rates == (1e-6, 1e-6)
    assert not learner.module.training
    assert {"load", "learn", "predict", "save"} == watch.seconds.keys()
    assert [share for stage, share in done if stage == "learn"] == [n / 24 for n in range(1, 25)]
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert lines == [record.to_dict() for record in result.history]


def test_the_headline_is_the_last_epoch_and_the_best_on_test_stands_apart(small: ModuleType, tmp_path: Path) -> None:
    result = run(small, tmp_path, epochs=5, warmup_share=0.0)
    assert result.predictions is not None
    assert result.predictions_best_on_test is not None
    assert result.predictions_chosen is None
    wars = [record.test["war"] for record in result.history if record.test]
    assert result.predictions.score().war == wars[-1]
    assert result.predictions_best_on_test.score().war == max(wars)
    assert result.best_on_test is not None
    assert result.best_on_test.epoch == wars.index(max(wars)) + 1
    assert load_checkpoint(tmp_path / "last").config.metrics["test"] == result.last.test
    assert not (tmp_path / "best").exists()


def test_the_test_list_decides_nothing(small: ModuleType, tmp_path: Path) -> None:
    turned = [dataclasses.replace(item, label=small.LABELS[(n % 3)]) for n, item in enumerate(small.TEST)]
    options = {"epochs": 8, "validation_share": 0.3, "patience": 1}
    results = [run(small, tmp_path / str(n), test=items, **options) for n, items in enumerate((small.TEST, turned, []))]
    weights = [(tmp_path / str(n) / "last/weights.safetensors").read_bytes() for n in range(3)]
    assert weights[0] == weights[1] == weights[2]
    for other in results[1:]:
        pairs = zip(results[0].history, other.history, strict=True)
        assert all(dataclasses.replace(one, test=None) == dataclasses.replace(two, test=None) for one, two in pairs)
    assert results[0].last.test != results[1].last.test
    assert results[2].predictions is None
    assert not (tmp_path / "2" / "predictions_last.csv").exists()


def test_validation_chooses_an_epoch_and_stops(small: ModuleType, tmp_path: Path) -> None:
    learner = small.SmallLearner()
    uars = iter([0.5, 0.7, 0.6, 0.7, 0.65])

    def answers(batch: Any) -> torch.Tensor:
        # Right for as many clips of the validation list as it takes, whatever was learned.
        right = round(next(uars) * 20) if len(batch.keys) == 20 else 0
        columns = [(n + (place >= right)) % 2 for place, n in enumerate(batch.labels.tolist())]
        return torch.nn.functional.one_hot(torch.tensor(columns), 3).float()

    learner.predict = answers
    validation = [dataclasses.replace(item, label="happy") for item in small.clips(20, first=500)]
    result = run(small, tmp_path, learner, epochs=9, validation=validation, patience=2)
    assert [record.validation["uar"] for record in result.history if record.validation] == [0.5, 0.7, 0.6, 0.7]
    assert result.stopped_early
    assert result.chosen is not None
    assert result.chosen.epoch == load_checkpoint(tmp_path / "best").config.epoch == 2
    assert result.predictions_chosen is not None
    again = run(small, tmp_path, small.SmallLearner(), epochs=9, validation=validation, patience=2)
    assert again.stopped_early
    assert len(again.history) == 4


def test_patience_waits_for_a_tested_epoch() -> None:
    def record(epoch: int, uar: float | None) -> EpochRecord:
        scores = None if uar is None else {"uar": uar, "war": uar}
        return EpochRecord(
            epoch=epoch, step=epoch, loss=1.0, learning_rates=(), gradient_norm=1.0, validation=scores, test=scores
        )

    history = [record(1, None), record(2, 0.5), record(3, None), record(4, 0.5), record(5, None)]
    best, peers = chosen(history), best_on_test(history)
    assert best is not None
    assert peers is not None
    assert best.epoch == peers.epoch == 2  # the first of equals
    assert out_of_patience(history[:4], 2)
    assert not out_of_patience(history, 2)
    assert not out_of_patience(history[:4], 3)
    assert not out_of_patience(history, None)
    assert not out_of_patience([record(1, None)], 1)


def test_patience_without_a_validation_list_is_refused(small: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the test list decides nothing"):
        run(small, tmp_path, patience=3)
    with pytest.raises(UsageError, match="given already"):
        run(small, tmp_path, validation=small.clips(5, first=900), validation_share=0.1)


def test_pieces_add_up_to_the_gradient_of_the_batch(small: ModuleType, tmp_path: Path) -> None:
    whole, pieces = (
        run(small, tmp_path / str(n), small.SmallLearner(dropout=0.0, centre=False), micro_batch_size=n)
        for n in (32, 5)
    )
    assert [each.loss for each in pieces.history] == pytest.approx([each.loss for each in whole.history], rel=1e-5)
    assert [each.gradient_norm for each in pieces.history] == pytest.approx(
        [each.gradient_norm for each in whole.history], rel=1e-4
    )


def test_the_last_epoch_is_tested_however_rarely_the_others_are(small: ModuleType, tmp_path: Path) -> None:
    result = run(small, tmp_path, epochs=5, evaluate_every=2)
    assert [record.epoch for record in result.history if record.test] == [2, 4, 5]


def test_runs_of_different_precision_follow_each_other(small: ModuleType, tmp_path: Path) -> None:
    kinds: set[torch.dtype] = set()
    learner = small.SmallLearner()
    learner.module.last.register_forward_hook(lambda _, __, out: kinds.add(out.dtype))
    run(small, tmp_path / "bf16", learner, epochs=1, precision="bf16")
    assert kinds == {torch.bfloat16}
    assert learner.module.last.weight.dtype == torch.float32
    kinds.clear()
    run(small, tmp_path / "no", learner, epochs=1)
    assert kinds == {torch.float32}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_before_it_does_harm(small: ModuleType, tmp_path: Path, value: float) -> None:
    learner = small.SmallLearner()
    loss, before = learner.loss, {}

    def breaking(batch: Any, *, step: int, total_steps: int) -> Losses:
        losses = loss(batch, step=step, total_steps=total_steps)
        if step != 6 or "clip0042" not in batch.keys:
            return losses
        before.update({name: each.detach().clone() for name, each in learner.module.named_parameters()})
        return Losses(total=losses.total * value)

    learner.loss = breaking
    # 28 clips are 4 steps an epoch; in pieces of one clip, the one to blame is named.
    items = [item for item in small.TRAIN if item.key == "clip0042"]
    with pytest.raises(
        TrainingDiverged, match=rf"^epoch 2, step 7: the loss is {value}, with the clips clip0042\. Look"
    ):
        run(small, tmp_path, learner, train=items + small.clips(27), batch_size=7, micro_batch_size=1, seed=4)
    assert all(torch.equal(before[name], each) for name, each in learner.module.named_parameters())
    assert load_checkpoint(tmp_path / "last").config.epoch == 1


def test_a_gradient_that_is_no_number_stops_too(small: ModuleType, tmp_path: Path) -> None:
    learner = small.SmallLearner()
    learner.module.last.weight.register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(TrainingDiverged, match=r"^epoch 1, step 1: the gradient's norm is (nan|inf), with the clips"):
        run(small, tmp_path, learner)


def test_answers_that_are_no_numbers_or_of_another_shape_are_refused(small: ModuleType, tmp_path: Path) -> None:
    learner = small.SmallLearner()
    learner.predict = lambda batch: torch.full((len(batch.keys), 3), torch.nan)
    with pytest.raises(TrainingDiverged, match=r"^epoch 1: the answers for clip0200, .* are not finite numbers"):
        run(small, tmp_path / "1", learner)
    learner.predict = lambda batch: torch.zeros(len(batch.keys), 2)
    with pytest.raises(InvalidScores, match=r"32 clips of 3 labels with rows.shape = \(32, 2\)"):
        run(small, tmp_path / "2", learner)


def test_terms_that_are_no_numbers_are_left_out_of_their_mean(small: ModuleType, tmp_path: Path) -> None:
    learner = small.SmallLearner()
    loss = learner.loss

    def some(batch: Any, *, step: int, total_steps: int) -> Losses:
        total = loss(batch, step=step, total_steps=total_steps).total
        return Losses(total=total, terms={"seldom": 2.0 if step == 1 else float("nan"), "never": float("nan")})

    learner.loss = some
    assert run(small, tmp_path, learner, epochs=1).last.terms == {"seldom": 2.0}


def test_parameters_that_nobody_trains_are_named(small: ModuleType, tmp_path: Path) -> None:
    learner = small.SmallLearner()
    groups = learner.parameter_groups()
    learner.parameter_groups = lambda: groups[:1]
    with pytest.raises(
        UsageError, match=r"^parameter_groups: leave out first\.bias, last\.bias\. Freeze or group them"
    ):
        run(small, tmp_path, learner)
    learner.parameter_groups = lambda: [*groups, {"params": [torch.nn.Parameter(torch.ones(1))], "lr": 1.0}]
    with pytest.raises(UsageError, match="have 1 parameters that the module does not have"):
        run(small, tmp_path, learner)


def test_frozen_weights_stay_as_they_are_and_may_be_left_out(small: ModuleType, tmp_path: Path) -> None:
    def learner() -> Any:
        made = small.SmallLearner()
        made.module.first.requires_grad_(False)
        return made

    before = learner().module.first.weight
    trained = learner()
    run(small, tmp_path, trained, epochs=1, keep_frozen=False)
    assert torch.equal(trained.module.first.weight, before)
    assert sorted(load_checkpoint(tmp_path / "last").weights) == ["last.bias", "last.weight", "mean"]
    resumed = learner()
    run(small, tmp_path, resumed, epochs=1, keep_frozen=False)
    assert torch.equal(resumed.module.last.weight, trained.module.last.weight)


def test_bad_lists_and_places_are_typed_errors(small: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="test: shares clips with train"):
        run(small, tmp_path, test=small.TRAIN[:3])
    strange = [dataclasses.replace(small.TEST[0], label="joy")]
    with pytest.raises(UnknownLabel, match="test: has labels that the learner does not know: joy"):
        run(small, tmp_path, test=strange)
    learner = small.SmallLearner()
    learner.config = {"width": np.int64(3)}
    with pytest.raises(UsageError, match="config of the learner: is not made of plain values"):
        run(small, tmp_path, learner)
    (tmp_path / "file").write_text("")
    with pytest.raises(UnwritableOutput):
        run(small, tmp_path / "file")


def test_predict_answers_each_clip_once_in_order(small: ModuleType) -> None:
    learner = small.SmallLearner()
    items = small.TRAIN[::-1]
    answers = predict(learner, items, batch_size=7)
    assert answers.keys == tuple(item.key for item in items)
    rows = learner.predict(learner.batch(items, epoch=0, training=False)).detach().numpy()
    assert answers.probabilities == pytest.approx(rows, abs=1e-6)
    assert predict(learner, items, batch_size=50, workers=0).answers == answers.answers
    assert predict(learner, []).probabilities.shape == (0, 3)


def test_an_epoch_record_is_plain_json() -> None:
    odd: Mapping[str, float] = {"gate": float("inf")}
    record = EpochRecord(epoch=1, step=2, loss=0.5, learning_rates=(0.1,), gradient_norm=float("nan"), logged=odd)
    assert json.loads(json.dumps(record.to_dict(), allow_nan=False)) == {
        "epoch": 1, "step": 2, "loss": 0.5, "terms": {}, "learning_rates": [0.1], "gradient_norm": None,
        "logged": {"gate": None}, "validation": None, "test": None,
    }  # fmt: skip
