from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emotrace.cli.main import app
from emotrace.errors import CheckpointMismatch, CorpusNotFound, ExitCode, ModelNotFound, UnknownChoice, UsageError
from emotrace.testing.miniature import layout_of, write

pytestmark = pytest.mark.usefixtures("one_thread")

QUICK = ("--encoder", "tiny", "--epochs", "1", "--frames", "2", "--rigid", "off", "--workers", "0")


def train(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["train", "grace", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("dfew")
    write(replace(layout_of("dfew"), frames=3), root)
    return root


@pytest.fixture(scope="module")
def out(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    result = train("--data", "dfew", "--root", root, "--fold", "1,3", *QUICK, "--out", out)
    assert result.exit_code == ExitCode.DONE, result.output
    return out


def test_a_run_prints_its_tables_and_writes_them(root: Path, out: Path) -> None:
    result = train("--data", "dfew", "--root", root, "--fold", "1,3", *QUICK, "--out", out)
    assert result.exit_code == ExitCode.DONE, result.output
    for words in ("best_on_test (peer protocol)", "mean over folds", "the first frame throughout", "Reimplementation"):
        assert words in result.stdout
    assert "no texts" in result.stderr
    assert "fold 3 is finished" in result.stderr
    results = json.loads((out / "dfew/results.json").read_text())
    assert list(results["records"]) == ["1", "3"]
    assert results["experiment"]["model"]["text"] == "none"
    assert (out / "dfew/results.md").read_text().startswith("# emotrace's GRACE on dfew")
    assert (out / "dfew/f1/last/weights.safetensors").is_file()


def test_what_was_asked_for_is_what_is_trained(root: Path, tmp_path: Path) -> None:
    texts = tmp_path / "texts.csv"
    texts.write_text("id,text\n" + "".join(f"{n:05d},The lip corners rise.\n" for n in range(1, 11)))
    told = ("--texts", texts, "--text", "coarse", "--text-mode", "train_and_test", "--arm", "softmax")
    more = ("--sampler", "logit_adjustment", "--motion", "off", "--seed", "3", "--quiet")
    result = train("--data", "dfew", "--root", root, "--fold", "2", *QUICK, *told, *more, "--out", tmp_path)
    assert result.exit_code == ExitCode.DONE, result.output
    assert result.output == ""
    results = json.loads((tmp_path / "dfew/results.json").read_text())
    model, training = results["experiment"]["model"], results["experiment"]["training"]
    assert (model["text"], model["text_mode"], model["alignment"]) == ("coarse", "train_and_test", "softmax")
    assert (model["motion"], model["logit_adjustment"], model["frames"]) == ("off", 1.0, 2)
    assert (training["seed"], training["validation_share"], training["sampler"]) == (3, 0.0, "shuffled")
    assert results["experiment"]["texts"]["source"] == "texts.csv"
    assert set(results["text_alone"]["uar"]) >= {"coarse", "fine", "fine, emotion words kept"}
    assert results["text_decides"] in (True, False)
    assert "What the words alone tell" in (tmp_path / "dfew/results.md").read_text()


def test_the_embedded_observers_describe_the_training_clips_once(root: Path, tmp_path: Path) -> None:
    command = ("--data", "dfew", "--root", root, "--fold", "1", *QUICK, "--texts", "embedded", "--out", tmp_path)
    assert train(*command).exit_code == ExitCode.DONE
    cache = tmp_path / "dfew/texts.embedded.jsonl"
    assert len(cache.read_text().splitlines()) == 8  # the training list alone
    before = cache.read_bytes()
    assert train(*command).exit_code == ExitCode.DONE
    assert cache.read_bytes() == before


def test_every_corpus_has_its_own_protocol(tmp_path: Path) -> None:
    from emotrace.grace.corpora.experiment import Choices, config_of, settings_of
    from emotrace.grace.corpora.protocol import open_protocol
    from emotrace.grace.views import AUGMENTATIONS

    epochs = {}
    for name in ("dfew", "ferv39k", "mafw"):
        write(replace(layout_of(name), frames=1), tmp_path / name)
        choices = Choices(data=name, root=tmp_path / name)
        protocol = open_protocol(name, tmp_path / name, options={})
        epochs[name] = settings_of(choices, protocol).epochs
        assert config_of(choices, protocol).adaptation == "lora"
        assert len(protocol.labels) == (11 if name == "mafw" else 7)
        assert protocol.corpus in AUGMENTATIONS
        held_out = settings_of(replace(choices, validation=True, epochs=3), protocol)
        assert (held_out.validation_share, held_out.epochs) == (0.1, 3)
    assert epochs == {"dfew": 25, "ferv39k": 15, "mafw": 30}


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("--data", "dfwe"), UnknownChoice, "dfew, ferv39k, mafw"),
        (("--data", "dfew", "--fold", "6"), UnknownChoice, "1, 2, 3, 4, 5"),
        (("--data", "dfew", "--text", "fine"), UsageError, "--texts"),
        (("--data", "dfew", "--text-mode", "train_and_test"), UsageError, "--texts"),
        (("--data", "dfew", "--set", "frames=jpg_512"), UsageError, "jpg_256"),
        (("--data", "dfew", "--adaptation", "lora"), UsageError, "lora|LoRA"),
        (("--data", "dfew", "--encoder", "nobody/no-such-clip"), ModelNotFound, "no-such-clip"),
        (("--data", "dfew", "--precision", "fp16"), UsageError, "GPU"),
    ],
)
def test_a_wrong_choice_is_a_typed_error(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], error: type, said: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    result = train("--root", root, "--out", tmp_path, "--fold", "1", *QUICK, *arguments)
    assert isinstance(result.exception, error), result.output
    assert any(word in str(result.exception) for word in said.split("|"))


def test_a_corpus_that_is_not_there_is_named(tmp_path: Path) -> None:
    result = train("--data", "dfew", "--root", tmp_path / "nowhere", *QUICK, "--out", tmp_path)
    assert isinstance(result.exception, CorpusNotFound)


def test_a_folder_of_other_settings_is_not_gone_on_with(root: Path, out: Path) -> None:
    result = train("--data", "dfew", "--root", root, "--fold", "1", *QUICK, "--frames", "3", "--out", out)
    assert isinstance(result.exception, CheckpointMismatch)
    assert "model.frames is 2" in str(result.exception)


def test_failed_folds_are_named_and_leave_with_three(tmp_path: Path) -> None:
    write(replace(layout_of("dfew"), frames=3), tmp_path / "dfew")
    for picture in (tmp_path / "dfew/Clip/clip_224x224/00001").iterdir():
        picture.write_bytes(b"no picture")
    first = tmp_path / "dfew/EmoLabel_DataSplit/train(single-labeled)/set_2.csv"
    first.write_text("".join(f"{line}\n" for line in first.read_text().splitlines() if not line.startswith("1,")))
    result = train("--data", "dfew", "--root", tmp_path / "dfew", "--fold", "1,2", *QUICK, "--out", tmp_path)
    assert result.exit_code == ExitCode.BAD_INPUT
    assert "folds that failed: 1;" in result.stderr
    assert "Folds that failed" in result.stdout


def test_without_its_packages_it_names_the_extra(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None; sys.argv = ['emotrace', *sys.argv[1:]]\n"
        "from emotrace.cli.main import run; run()"
    )
    for command in (("train", "grace", "--data", "dfew", "--root", "."), ("predict", "grace", "-w", "x", "y")):
        run = subprocess.run(
            [sys.executable, "-c", code, *command], capture_output=True, text=True, check=False, timeout=60
        )
        assert run.returncode == ExitCode.MISSING_EXTRA
        assert "pip install 'emotrace[train]'" in run.stderr


def test_help_loads_no_torch() -> None:
    code = (
        "import sys; from emotrace.cli.main import app\n"
        "try: app(['train', 'grace', '--help'])\n"
        "except SystemExit: pass\n"
        "print(*sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "--text-mode" in run.stdout
    assert not {"torch", "numpy", "cv2"} & set(run.stdout.splitlines()[-1].split())


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "emotrace", "train", "--help"]
    assert "grace" in subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
