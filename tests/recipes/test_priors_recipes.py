from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from emotrace.testing.mertools_corpus import write_mer

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPES = Path(__file__).resolve().parents[2] / "recipes"


@pytest.fixture(autouse=True)
def _beside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(RECIPES))


def test_a_dry_run_takes_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    own, shared = importlib.import_module("priors_mer2024"), importlib.import_module("priors_corpus")
    assert shared.main(own.MER2024, ["--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "verify: 0 faults" in said
    first, rest = said.split("view none: WAF", maxsplit=1)
    assert "| MERBench attention |" in first  # printed before anything of ours is trained
    arms = ["none, cross-entropy alone", "none, BDCL", "gated, full traces, cross-entropy alone"]
    arms += [f"gated, {view} traces, BDCL" for view in ("full", "masked", "verdict", "shuffled")]
    assert all(f"| {arm} |" in rest for arm in arms)
    assert "WAF, semi" in rest
    assert "merbench/submission_semi.csv" in rest
    assert "submission file" in rest


@pytest.mark.parametrize("name", ["mer2023", "mer2024"])
def test_each_recipe_says_what_its_user_must_have(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    own, shared = importlib.import_module(f"priors_{name}"), importlib.import_module("priors_corpus")
    assert shared.main(getattr(own, name.upper()), []) == 2
    said = capsys.readouterr().out
    for words in ("agreement", "features", "traces", "--dry-run", "forbids uploading"):
        assert words in said


def test_a_copy_that_is_not_as_published_is_not_trained_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own, shared = importlib.import_module("priors_mer2024"), importlib.import_module("priors_corpus")
    made = write_mer(tmp_path / "root", labelled=20, pool=4)
    told = [part for features in made.features for part in ("--features", features)]
    command = ["--root", str(made.root), *told, "--traces", str(made.traces), "--out", str(tmp_path / "runs")]
    assert shared.main(own.MER2024, command) == 3
    assert "fault: counts" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


def test_the_smoke_recipe_shows_both_stages_all_views_and_a_submission(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    smoke = importlib.import_module("priors_smoke")
    assert smoke.main(["--folds", "1", "--limit", "60", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for words in ("| shuffled |", "Label leak", "## Pseudo-labels", "sad x 1.75", "submission file: 30 clips"):
        assert words in said
    assert (tmp_path / "mer2024/full/f1/s0/tuned/last/card.json").is_file()


def test_a_recipe_is_a_program() -> None:
    command = [sys.executable, str(RECIPES / "priors_mer2023.py"), "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "--dry-run" in run.stdout
