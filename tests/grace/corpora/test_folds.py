from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from emotrace.errors import CheckpointMismatch, UnknownLabel, UnreadableResult, UsageError
from emotrace.grace.checkpoints import load_grace, read_card
from emotrace.grace.config import DISCLAIMER, GraceConfig
from emotrace.grace.corpora import folds
from emotrace.grace.corpora.fold_results import ORDERS, answers_file
from emotrace.grace.corpora.folds import Experiment, run_fold, run_folds
from emotrace.grace.corpora.protocol import open_protocol
from emotrace.progress import Watch
from emotrace.testing.miniature import layout_of, write
from emotrace.training.predictions import Predictions
from emotrace.training.settings import TrainingSettings

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dfew")
    write(replace(layout_of("dfew"), frames=3), root)
    return root


def experiment(root: Path, fold: str = "all", epochs: int = 1, **choices: Any) -> Experiment:
    protocol = open_protocol("dfew", root, fold=fold, options={})
    base = {"encoder": "tiny", "adaptation": "full", "frames": 2, "text": "none", "alignment": "none", "motion": "off"}
    config = GraceConfig(**{"labels": protocol.labels, **base, **choices})
    return Experiment(
        protocol=protocol, config=config, settings=TrainingSettings(epochs=epochs, batch_size=4, workers=0)
    )


@pytest.fixture(scope="module")
def out(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All folds of two epochs."""
    out = tmp_path_factory.mktemp("runs") / "dfew"
    run_folds(experiment(root, epochs=2), out)
    return out


def test_every_fold_leaves_weights_answers_and_a_card(root: Path, out: Path) -> None:
    for number in range(1, 6):
        fold = out / f"f{number}"
        assert load_grace(fold / "last").config.labels[0] == "happy"
        card = read_card(fold / "last")
        assert card is not None
        assert (card.fold, card.corpus, card.epochs) == (str(number), "dfew", 2)
        for column in ("last", "best_on_test", *ORDERS):
            assert len(Predictions.read(answers_file(fold, column)).keys) == 2


def test_the_table_has_both_columns_and_everything_that_decides_it(root: Path, out: Path) -> None:
    results = json.loads((out / "results.json").read_text())
    assert results["disclaimer"] == DISCLAIMER
    assert results["experiment"]["protocol_sha256"] == experiment(root).protocol.sha256
    assert results["experiment"]["training"]["sampler"] == "shuffled"
    assert set(results["scores"]) == {"last", "best_on_test", *ORDERS}
    assert list(results["scores"]["last"]) == ["1", "2", "3", "4", "5"]
    values = [fold["uar"]["value"] for fold in results["scores"]["last"].values()]
    mean = results["mean"]["last"]
    assert mean["uar"]["value"] == pytest.approx(sum(values) / 5)
    assert mean["uar"]["low"] <= mean["uar"]["value"] <= mean["uar"]["high"]
    assert results["pooled"]["clips"] == 10
    assert sum(map(sum, results["pooled"]["confusion"])) == 10
    best = [record["best_on_test_epoch"] for record in results["records"].values()]
    assert all(1 <= epoch <= 2 for epoch in best)
    for fold, scores in results["scores"]["best_on_test"].items():
        assert scores["war"]["value"] >= results["scores"]["last"][fold]["war"]["value"]
    assert set(results["records"]["1"]["gates"]) == {"tracks", "local", "text"}
    page = (out / "results.md").read_text()
    for words in ("best_on_test (peer protocol)", "mean over folds", "shuffled", "reversed", "first frame", DISCLAIMER):
        assert words in page
    assert "left out of its UAR: angry" in page


def test_reordered_frames_are_asked_with_the_same_weights(out: Path) -> None:
    results = json.loads((out / "results.json").read_text())
    for order in ORDERS:
        drop = results["drops"][order]["value"]
        assert drop == pytest.approx(results["mean"]["last"]["uar"]["value"] - results["mean"][order]["uar"]["value"])
    answers = {column: Predictions.read(answers_file(out / "f1", column)) for column in ("last", *ORDERS)}
    assert (answers["first"].probabilities != answers["last"].probabilities).any()
    assert (answers["reversed"].probabilities != answers["last"].probabilities).any()


def test_a_finished_fold_is_only_read(root: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = (out / "results.json").read_bytes()
    monkeypatch.setattr(folds, "fit", lambda *args, **settings: pytest.fail("it was trained again"))
    run_folds(experiment(root, epochs=2), out)
    assert (out / "results.json").read_bytes() == before
    run_folds(experiment(root, epochs=2, fold="3"), out)
    assert (out / "results.json").read_bytes() == before


def test_folds_that_were_run_one_by_one_make_one_table(root: Path, tmp_path: Path) -> None:
    first = run_folds(experiment(root, fold="1"), tmp_path)
    both = run_folds(experiment(root, fold="2"), tmp_path)
    assert list(first.records) == ["1"]
    assert list(both.records) == ["1", "2"]
    assert both.mean["last"].deviation.keys() == {"uar", "war", "macro_f1"}
    assert run_folds(experiment(root, fold="1,2"), tmp_path / "again").to_json() == both.to_json()


def test_a_folder_of_another_experiment_is_refused_with_both_values(root: Path, out: Path) -> None:
    before = (out / "f1" / "fold.json").read_bytes()
    with pytest.raises(CheckpointMismatch, match=r'model.alignment is "none".*"softmax"'):
        run_folds(experiment(root, epochs=2, alignment="softmax"), out)
    assert (out / "f1" / "fold.json").read_bytes() == before


def test_beginning_anew_forgets_what_was_there(root: Path, tmp_path: Path) -> None:
    run_folds(experiment(root, fold="1", alignment="softmax", epochs=2), tmp_path)
    results = run_folds(experiment(root, fold="1"), tmp_path, resume=False)
    assert results.experiment["model"]["alignment"] == "none"
    assert results.records["1"].epochs == 1


def test_a_failed_fold_does_not_stop_the_others_and_is_named(tmp_path: Path) -> None:
    root = tmp_path / "dfew"
    write(replace(layout_of("dfew"), frames=3), root)
    for picture in (root / "Clip/clip_224x224/00001").iterdir():  # tested in fold 1, learned from in all others
        picture.write_bytes(b"no picture")
    protocol = open_protocol("dfew", root, options={})
    sound = [fold for fold in protocol.folds if fold.name in ("1", "2")]
    without = replace(sound[1], train=tuple(clip for clip in sound[1].train if clip.id != "00001"))
    plan = replace(experiment(root), protocol=replace(protocol, folds=(sound[0], without)))
    told: list[str] = []
    results = run_folds(plan, tmp_path / "runs", tell=told.append)
    assert list(results.records) == ["2"]
    assert "00001" in results.failed["1"]
    assert told[0].startswith("fold 1 failed")
    assert "Folds that failed" in (tmp_path / "runs/results.md").read_text()


def test_where_no_fold_could_be_finished_the_first_error_is_raised(tmp_path: Path, root: Path) -> None:
    protocol = open_protocol("dfew", root, fold="1", options={})
    config = experiment(root).config.model_copy(update={"labels": ("happy", "sad")})
    with pytest.raises(UnknownLabel, match="neutral"):
        run_folds(replace(experiment(root), protocol=protocol, config=config), tmp_path)


def test_an_interrupted_fold_goes_on_to_the_same_bytes(root: Path, tmp_path: Path) -> None:
    plan = experiment(root, fold="1", epochs=2)
    (fold,) = plan.protocol.folds
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    run_fold(plan, fold, straight)

    class Killed(Exception):
        pass

    def kill(stage: str, share: float) -> None:
        if stage == "learn" and share > 0.6:
            raise Killed

    with pytest.raises(Killed):
        run_fold(plan, fold, killed, watch=Watch(kill))
    assert not (killed / "fold.json").exists()
    run_fold(plan, fold, killed)
    for name in ("fold.json", "predictions_last.csv", "predictions_shuffled.csv", "last/weights.safetensors"):
        assert (killed / name).read_bytes() == (straight / name).read_bytes(), name


def test_a_real_validation_list_chooses_an_epoch_and_has_its_row(root: Path, tmp_path: Path) -> None:
    plan = experiment(root, fold="2", epochs=2)
    plan = replace(plan, settings=replace(plan.settings, validation_share=0.25))
    results = run_folds(plan, tmp_path)
    assert results.records["2"].chosen_epoch in (1, 2)
    assert "chosen" in results.mean
    assert read_card(tmp_path / "f2" / "best") is not None
    assert "epoch chosen on validation" in (tmp_path / "results.md").read_text()


def test_a_damaged_record_is_named(root: Path, tmp_path: Path) -> None:
    plan = experiment(root, fold="1")
    run_folds(plan, tmp_path)
    (tmp_path / "f1" / "fold.json").write_text("{")
    with pytest.raises(UnreadableResult, match=r"fold.json"):
        run_folds(plan, tmp_path)


def test_the_share_of_each_gate_is_finite(out: Path) -> None:
    results = json.loads((out / "results.json").read_text())
    assert all(math.isfinite(value) for record in results["records"].values() for value in record["gates"].values())


def test_settings_that_no_fold_would_survive_stop_at_once(root: Path, tmp_path: Path) -> None:
    plan = experiment(root)
    with pytest.raises(UsageError, match="fp16"):
        run_folds(replace(plan, settings=replace(plan.settings, precision="fp16")), tmp_path)
