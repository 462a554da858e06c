from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from emotrace.cli.main import app
from emotrace.errors import ExitCode, ModelNotFound, UnreadableTable, UsageError


def train(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["train", *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A decoder of a few thousand weights over bytes, which has learned nothing."""
    pytest.importorskip("trl", reason="needs the extra [rl]")
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    from emotrace.hydra.nano.tokenizer import CHAT_TEMPLATE, END, PAD

    bytes_alone = {letter: number for number, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    built = Tokenizer(models.BPE(vocab=bytes_alone, merges=[]))
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    built.decoder = decoders.ByteLevel()
    built.add_special_tokens([PAD, END])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=built, pad_token=PAD, eos_token=END, chat_template=CHAT_TEMPLATE, padding_side="left"
    )
    config = Qwen3Config(
        vocab_size=len(tokenizer), hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1,
        num_key_value_heads=1, head_dim=16, max_position_embeddings=4096, tie_word_embeddings=True,
        bos_token_id=None, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("model")
    with torch.random.fork_rng(devices=[]):
        Qwen3ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Two demonstrations, and the same cases without their trajectories."""
    from emotrace.hydra.learning.cases import Case, Demonstration, write_cases
    from emotrace.hydra.world import World, sample

    folder = tmp_path_factory.mktemp("data")
    cases = [Case(sheet=draw.sheet, gold=draw.cause.gold) for draw in sample(World(), 2, seed=1)]
    write_cases(folder / "cases.jsonl", cases)
    shown = [Demonstration(sheet=c.sheet, gold=c.gold, k=2, trace="<ans>calm</ans>", teacher="t@1") for c in cases]
    write_cases(folder / "demonstrations.jsonl", shown)
    return {name: folder / f"{name}.jsonl" for name in ("cases", "demonstrations")}


QUICK = ("--preset", "world", "--steps", "1", "--device", "cpu")
GRPO = ("--group", "2", "--prompts-per-step", "1", "--max-completion", "4", "--max-prompt", "3000")


@pytest.mark.usefixtures("one_thread")
def test_from_demonstrations_to_rewards(model: Path, data: dict[str, Path], tmp_path: Path) -> None:
    first = ("--data", data["demonstrations"], "--model", model, "--out", tmp_path / "sft", "--max-length", "3000")
    result = train("hydra-sft", *QUICK, "--batch", "2", *first)
    assert result.exit_code == ExitCode.DONE, result.output
    assert "after 1 steps" in result.stderr
    assert result.stdout == ""

    second = ("--data", data["cases"], "--model", tmp_path / "sft/final", "--out", tmp_path / "grpo")
    command = ("hydra-grpo", *QUICK, *GRPO, "--k", "1", "--reward", "outcome", "--lora", *second)
    result = train(*command)
    assert result.exit_code == ExitCode.DONE, result.output
    identity = json.loads((tmp_path / "grpo/config.json").read_text())["identity"]
    assert (identity["settings"]["k"], identity["settings"]["lora"]["rank"]) == (1, 16)
    assert identity["reward"]["weights"]["think"] == 0.0
    assert len((tmp_path / "grpo/metrics.jsonl").read_text().splitlines()) == 1
    assert (tmp_path / "grpo/final/model.safetensors").is_file()

    assert isinstance(train(*command).exception, UsageError)
    again = train(*command, "--resume", "--quiet")
    assert (again.exit_code, again.output) == (ExitCode.DONE, "")


def test_wrong_input_is_a_typed_error(model: Path, data: dict[str, Path], tmp_path: Path) -> None:
    out = ("--out", tmp_path / "run")
    cases = ("--data", data["cases"])
    wrong = [
        (("hydra-grpo", "--data", "nowhere.jsonl", "--model", model), UsageError, "or world"),
        (("hydra-grpo", *cases, "--model", tmp_path / "nowhere"), ModelNotFound, "nowhere"),
        (("hydra-grpo", *cases, "--model", model, "--k", "9"), UsageError, "0..4"),
        (("hydra-sft", *cases, "--model", model), UnreadableTable, "line 1 is no demonstration"),
        (("hydra-sft", "--data", data["demonstrations"], "--model", model, "--max-length", "9"), UsageError, "cut"),
    ]
    for command, error, said in wrong:
        result = train(*command, *out)
        assert isinstance(result.exception, error), result.output
        assert said in str(result.exception)
    assert not (tmp_path / "run").exists()


def test_without_its_packages_it_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['trl'] = None; sys.argv = ['emotrace', *sys.argv[1:]]\n"
        "from emotrace.cli.main import run; run()"
    )
    for command in ("hydra-sft", "hydra-grpo"):
        run = subprocess.run(
            [sys.executable, "-c", code, "train", command, "--data", "x", "--model", "y", "--out", "z"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert run.returncode == ExitCode.MISSING_EXTRA
        assert "pip install 'emotrace[rl]'" in run.stderr
