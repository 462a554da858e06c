from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emotrace.cli.main import app
from emotrace.errors import (
    CheckpointMismatch,
    CorpusNotFound,
    ExitCode,
    UnknownChoice,
    UnreadableTrace,
    UsageError,
)
from emotrace.testing.mertools_corpus import MiniatureMer, write_mer

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = ("--folds", "1", "--epochs", "2", "--tuning-epochs", "1", "--batch-size", "16", "--text-encoder", "hashed")


def train(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["train", "priors", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def mer(tmp_path_factory: pytest.TempPathFactory) -> MiniatureMer:
    return write_mer(tmp_path_factory.mktemp("mer") / "root", labelled=60, pool=10, tested=12)


def of(mer: MiniatureMer) -> tuple[str | Path, ...]:
    named = [part for features in mer.features for part in ("--features", features)]
    return ("--data", mer.corpus, "--root", mer.root, *named)


@pytest.fixture(scope="module")
def out(mer: MiniatureMer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    result = train(*of(mer), *QUICK, "--traces", mer.traces, "--view", "all", "--out", out)
    assert result.exit_code == ExitCode.DONE, result.output
    for words in ("emotrace's priors on mer2024", "Our reconstruction", "gap to none", "Label leak", "sad x 1.75"):
        assert words in result.stdout
    for words in ("lines that are no trace", "made-vocal-UTT", "view shuffled: WAF", "wrote"):
        assert words in result.stderr
    return out


def test_all_views_are_written(out: Path) -> None:
    study = json.loads((out / "mer2024/views.json").read_text())
    assert list(study["views"]) == ["none", "full", "masked", "verdict", "shuffled"]
    assert study["views"]["full"]["tests"]["semi"]["clips"] == 12
    for view in study["views"]:
        assert (out / f"mer2024/{view}/f1/s0/tuned/last/card.json").is_file()
        assert (out / f"mer2024/{view}/results.md").is_file()
        assert (out / f"mer2024/{view}/submission.csv").is_file()


def test_a_folder_of_other_settings_is_not_gone_on_with(mer: MiniatureMer, out: Path) -> None:
    result = train(*of(mer), *QUICK, "--traces", mer.traces, "--kappa", "1", "--out", out)
    assert isinstance(result.exception, CheckpointMismatch), result.output


def test_without_traces_it_trains_a_network_without_priors(mer: MiniatureMer, tmp_path: Path) -> None:
    more = ("--seeds", "3,4", "--no-unlabelled", "--limit", "30", "--contrast", "none", "--kappa", "0.25", "--quiet")
    result = train(*of(mer), *QUICK, *more, "--out", tmp_path)
    assert result.exit_code == ExitCode.DONE, result.output
    assert result.output == ""
    study = json.loads((tmp_path / "mer2024/views.json").read_text())
    assert list(study["views"]) == ["none"]
    assert study["clips"] == {"labelled": 30, "unlabelled": 0, "semi": 12}
    assert (study["seeds"], study["traces"], study["leak"]) == ([3, 4], None, None)
    assert (study["config"]["logit_adjustment"], study["config"]["contrastive_weight"]) == (0.25, 0.0)


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("--data", "mer2022"), UnknownChoice, "mer2023"),
        (("--folds", "6"), UsageError, "1 to 5"),
        (("--seeds", "0"), UsageError, "0,1"),
        (("--features", "visual=nobody"), (UnknownChoice, UsageError), "nobody|two sets"),
        (("--view", "full"), UsageError, "--traces"),
        (("--test", "multi"), UnknownChoice, "semi"),
        (("--traces", "no-such-file.jsonl"), UnreadableTrace, "jsonl"),
        (("--set", "frames=3"), UsageError, "takes"),
    ],
)
def test_a_wrong_choice_is_a_typed_error(
    mer: MiniatureMer, tmp_path: Path, arguments: tuple[str, ...], error: type, said: str
) -> None:
    result = train(*of(mer), *QUICK, "--out", tmp_path, *arguments)
    assert isinstance(result.exception, error), result.output
    assert any(word in str(result.exception) for word in said.split("|"))


def test_a_corpus_that_is_not_there_is_named(mer: MiniatureMer, tmp_path: Path) -> None:
    result = train(*of(mer), *QUICK, "--root", tmp_path / "nowhere", "--out", tmp_path)
    assert isinstance(result.exception, CorpusNotFound)


def test_without_its_packages_it_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['emotrace', *sys.argv[1:]]\n"
        "from emotrace.cli.main import run; run()"
    )
    command = ("train", "priors", "--data", "mer2024", "--root", ".", "--features", "visual=x")
    run = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=False, timeout=60
    )
    assert run.returncode == ExitCode.MISSING_EXTRA
    assert "pip install 'emotrace[train]'" in run.stderr


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from emotrace.cli.main import app\n"
        "try: app(['train', 'priors', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "--text-encoder" in run.stdout
    assert not {"torch", "numpy", "cv2"} & set(run.stdout.splitlines()[-1].split())
