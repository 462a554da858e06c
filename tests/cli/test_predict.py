from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emotrace.cli.main import app
from emotrace.errors import ExitCode, MediaNotFound, ModelNotFound, UsageError
from emotrace.testing.miniature import layout_of, write
from emotrace.training.predictions import Predictions

pytestmark = pytest.mark.usefixtures("one_thread")


def emotrace(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dfew")
    write(replace(layout_of("dfew"), frames=5), root)
    return root


@pytest.fixture(scope="module")
def fold(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    quick = ("--encoder", "tiny", "--epochs", "1", "--frames", "3", "--motion", "off", "--workers", "0", "--quiet")
    result = emotrace("train", "grace", "--data", "dfew", "--root", corpus, "--fold", "1", *quick, "--out", out)
    assert result.exit_code == ExitCode.DONE, result.output
    return out / "dfew" / "f1"


def test_a_list_of_a_corpus_gets_the_answers_of_training_and_can_be_evaluated(
    corpus: Path, fold: Path, tmp_path: Path
) -> None:
    table = tmp_path / "answers.csv"
    asked = ("predict", "grace", "--weights", fold / "last", "--data", "dfew", "--root", corpus, "--fold", "1")
    result = emotrace(*asked, "--out", table)
    assert result.exit_code == ExitCode.DONE, result.output
    kept = Predictions.read(fold / "predictions_last.csv")
    found = Predictions.read(table)
    assert (found.keys, found.truth, found.labels) == (kept.keys, kept.truth, kept.labels)
    assert found.probabilities == pytest.approx(kept.probabilities, abs=1e-5)
    scored = emotrace(
        "evaluate", "-p", "dfer", "--scheme", "dfew", "--truth", table, "--pred", table, "--engine", "base"
    )
    assert scored.exit_code == ExitCode.DONE, scored.output
    assert "uar" in scored.output.lower()


def test_folders_of_frames_are_asked_by_their_names(corpus: Path, fold: Path) -> None:
    clips = corpus / "Clip/clip_224x224"
    result = emotrace("predict", "grace", "--weights", fold / "last", clips / "00007", clips / "00002")
    assert result.exit_code == ExitCode.DONE, result.output
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [row["name"] for row in rows] == ["00007", "00002"]
    assert [row["frames"] for row in rows] == ["3", "3"]
    assert "label" not in rows[0]
    assert all(row["prediction"] for row in rows)
    whole = emotrace("predict", "grace", "--weights", fold / "last", clips, "--quiet")
    assert len(list(csv.DictReader(whole.stdout.splitlines()))) == 10


def test_where_no_clip_gets_an_answer_the_reason_is_said(fold: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_text("no video")
    result = emotrace(
        "predict", "grace", "--weights", fold / "last", tmp_path / "broken.mp4", "--out", tmp_path / "a.csv"
    )
    assert result.exit_code == ExitCode.ABSTAINED
    assert "broken (unreadable)" in result.stderr
    (row,) = csv.DictReader((tmp_path / "a.csv").read_text().splitlines())
    assert (row["prediction"], row["abstained"]) == ("", "unreadable")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((), UsageError),
        (("--data", "dfew"), UsageError),
        (("x", "--data", "dfew", "--root", "."), UsageError),
        (("nowhere.mp4",), MediaNotFound),
    ],
)
def test_clips_must_be_named_one_way(fold: Path, arguments: tuple[str, ...], error: type) -> None:
    assert isinstance(emotrace("predict", "grace", "--weights", fold / "last", *arguments).exception, error)


def test_a_folder_without_weights_is_named(fold: Path, corpus: Path) -> None:
    result = emotrace("predict", "grace", "--weights", fold, corpus / "Clip/clip_224x224")
    assert isinstance(result.exception, ModelNotFound)
    assert "last" in str(result.exception)
