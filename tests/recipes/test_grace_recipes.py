from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from emotrace.datasets.corpora import open_corpus
from emotrace.labels.schemes import scheme
from emotrace.testing.miniature import layout_of, write

pytestmark = pytest.mark.usefixtures("one_thread")

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
NAMES = ("dfew", "ferv39k", "mafw")


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> tuple[ModuleType, Any]:
    """The module that the recipes share, and what is particular to one corpus."""
    monkeypatch.syspath_prepend(str(RECIPES))
    module = importlib.import_module(f"grace_{request.param}")
    return importlib.import_module("grace_corpus"), getattr(module, request.param.upper())


@pytest.mark.parametrize("recipe", ["dfew"], indirect=True)
def test_a_dry_run_takes_every_step_of_five_folds(
    recipe: tuple[ModuleType, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    shared, dfew = recipe
    assert shared.main(dfew, ["--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "verify: 0 faults" in said
    plain, rest = said.split("| balanced |")
    assert "| none |" in plain  # printed before any other arm is trained
    assert all(f"fold {number} is finished" in rest.split("sampler")[0] + plain for number in range(1, 6))
    assert "balanced, sampler logit_adjustment" in rest
    assert "asked: 2 test clips of fold 1" in rest


@pytest.mark.parametrize("recipe", ["ferv39k", "mafw"], indirect=True)
def test_the_other_recipes_say_what_is_needed_and_plan_their_protocol(
    recipe: tuple[ModuleType, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from emotrace.grace.corpora.experiment import Choices, prepare

    shared, own = recipe
    assert shared.main(own, []) == 2
    said = capsys.readouterr().out
    assert "--root" in said
    assert "https://github.com/" in said
    assert "openai/clip-vit-base-patch16" in said
    layout = layout_of(own.corpus)
    write(layout, tmp_path / own.corpus)
    open_corpus(own.corpus, tmp_path / own.corpus, **own.options)
    choices = Choices(
        data=own.corpus, root=tmp_path / own.corpus, options=own.options, encoder="tiny", sampler=own.other_sampler
    )
    plan = prepare(choices, out=tmp_path / "runs")
    assert plan.experiment.config.labels == scheme(own.corpus).labels
    assert len(plan.experiment.protocol.folds) == (1 if own.corpus == "ferv39k" else 5)
    assert plan.experiment.settings.epochs == {"ferv39k": 15, "mafw": 30}[own.corpus]


@pytest.mark.parametrize("recipe", ["ferv39k"], indirect=True)
def test_a_copy_that_is_not_as_published_is_not_trained_on(
    recipe: tuple[ModuleType, Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shared, own = recipe
    write(layout_of("ferv39k"), tmp_path / "ferv39k")
    assert shared.main(own, ["--root", str(tmp_path / "ferv39k"), "--out", str(tmp_path / "runs")]) == 3
    assert "fault: counts" in capsys.readouterr().out
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", NAMES)
def test_each_recipe_is_a_program(name: str) -> None:
    command = [sys.executable, str(RECIPES / f"grace_{name}.py"), "--help"]
    run = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "--dry-run" in run.stdout
