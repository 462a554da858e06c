from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean

import pytest

pytest.importorskip("trl", reason="needs the extra [rl]")

from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from emotrace.errors import CheckpointMismatch, ModelNotFound, UsageError
from emotrace.hydra.grammar import parse
from emotrace.hydra.learning.cases import Demonstration
from emotrace.hydra.learning.presets import LoraSettings, SftSettings
from emotrace.hydra.learning.prompts import prompt_messages
from emotrace.hydra.learning.running import Learned
from emotrace.hydra.learning.sft import train_sft

QUICK = SftSettings.preset("world", steps=2, batch=2, learning_rate=1e-2, save_every=1, device="cpu")


def test_the_loss_falls_and_the_model_writes_what_it_was_shown(
    apprentice: Learned, demonstrations: list[Demonstration]
) -> None:
    losses = [line["loss"] for line in apprentice.metrics]
    assert len(losses) == apprentice.steps == 90
    assert fmean(losses[-5:]) < 0.2 < 4.0 < losses[0]
    assert all(line["seconds"] > 0 for line in apprentice.metrics)
    model = AutoModelForCausalLM.from_pretrained(apprentice.final)
    tokenizer = AutoTokenizer.from_pretrained(apprentice.final)
    # A server that cuts `<think>` off a reply would leave nothing to be read.
    said = tokenizer("<think>\n</think>\n<ans>sad [V1]</ans>")["input_ids"]
    assert tokenizer.parse_response(said, prefix="").get("content", "").startswith("<think>")
    shown = demonstrations[0]
    asked = tokenizer.apply_chat_template(
        prompt_messages(shown.sheet, k=shown.k), return_tensors="pt", return_dict=True, add_generation_prompt=True
    )
    written = model.generate(**asked, max_new_tokens=200, do_sample=False)[0, asked["input_ids"].shape[1] :]
    text = tokenizer.decode(written, skip_special_tokens=True)
    assert parse(text, k=shown.k).trace is not None
    assert text == shown.trace


def test_a_run_leaves_whole_files_and_no_pickle_in_the_model(apprentice: Learned) -> None:
    names = {path.name for path in apprentice.out.iterdir()}
    assert names == {"config.json", "metrics.jsonl", "checkpoints", "final", "card.md"}
    assert not list(apprentice.final.glob("*.bin"))
    lineage = json.loads((apprentice.final / "emotrace.json").read_text())["runs"]
    assert [run["kind"] for run in lineage] == ["hydra-sft"]
    assert lineage[0]["teacher_saw"] == ["nothing"]
    assert "the teacher saw nothing" in (apprentice.out / "card.md").read_text()
    config = json.loads((apprentice.out / "config.json").read_text())
    assert {"trl", "torch", "transformers", "emotrace"} <= set(config["about"]["versions"])
    assert len(config["identity"]["prompts_sha256"]) == 64


def test_a_killed_run_goes_on_to_the_same_weights(
    newborn: Path, demonstrations: list[Demonstration], tmp_path: Path
) -> None:
    settings = replace(QUICK, steps=4, save_every=2, by_length=False)
    whole = train_sft(settings, demonstrations, model=newborn, out=tmp_path / "whole")

    with pytest.raises(_Kill):
        train_sft(settings, demonstrations, model=newborn, out=tmp_path / "killed", watch=_kill_after(0.5))
    torn = tmp_path / "killed/checkpoints/checkpoint-3"
    torn.mkdir()
    told: list[str] = []
    again = train_sft(settings, demonstrations, model=newborn, out=tmp_path / "killed", resume=True, tell=told.append)
    assert told == ["goes on after step 2"]
    assert (again.final / "model.safetensors").read_bytes() == (whole.final / "model.safetensors").read_bytes()
    assert not torn.exists()
    assert [line["step"] for line in again.metrics] == [1, 2, 3, 4]
    assert [line["loss"] for line in again.metrics] == [line["loss"] for line in whole.metrics]
    told.clear()
    done = train_sft(settings, demonstrations, model=newborn, out=again.out, resume=True, tell=told.append)
    assert told == [f"{again.out} is finished"]
    assert done == again


def test_three_checkpoints_are_kept_and_another_run_is_not_gone_on_with(
    newborn: Path, demonstrations: list[Demonstration], tmp_path: Path
) -> None:
    settings = replace(QUICK, steps=5)
    train_sft(settings, demonstrations, model=newborn, out=tmp_path)
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == [
        "checkpoint-3",
        "checkpoint-4",
        "checkpoint-5",
    ]
    with pytest.raises(UsageError, match="--resume"):
        train_sft(settings, demonstrations, model=newborn, out=tmp_path)
    with pytest.raises(CheckpointMismatch, match=r"settings.seed is 0 in the checkpoint and 1 here"):
        train_sft(replace(settings, seed=1), demonstrations, model=newborn, out=tmp_path, resume=True)
    with pytest.raises(CheckpointMismatch, match=r"data.sha256"):
        train_sft(settings, demonstrations[:1] * 2, model=newborn, out=tmp_path, resume=True)


def test_adapters_touch_projections_alone_and_are_merged(
    newborn: Path, demonstrations: list[Demonstration], tmp_path: Path
) -> None:
    learned = train_sft(replace(QUICK, lora=LoraSettings()), demonstrations, model=newborn, out=tmp_path)
    before, after = (load_file(folder / "model.safetensors") for folder in (newborn, learned.final))
    moved = {name.split(".")[-2] for name in before if not before[name].equal(after[name])}
    assert moved == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert before.keys() == after.keys()
    assert (tmp_path / "adapter/adapter_config.json").is_file()
    assert "adapter_config.json" not in {path.name for path in learned.final.iterdir()}


def test_a_long_row_is_refused_not_cut(newborn: Path, demonstrations: list[Demonstration], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=demonstrations[0].clip_id):
        train_sft(replace(QUICK, max_length=60), demonstrations, model=newborn, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_loaded_is_named(newborn: Path, demonstrations: list[Demonstration], tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="nowhere"):
        train_sft(QUICK, demonstrations, model=tmp_path / "nowhere", out=tmp_path / "run")
    with pytest.raises(UsageError, match="nothing to learn"):
        train_sft(QUICK, [], model=newborn, out=tmp_path / "run")
    with pytest.raises(UsageError, match="shared evenly"):
        train_sft(replace(QUICK, batch=3, micro_batch=2), demonstrations, model=newborn, out=tmp_path / "run")


class _Kill(Exception):
    pass


def _kill_after(share: float):  # type: ignore[no-untyped-def]
    from emotrace.progress import Watch

    def look(stage: str, done: float) -> None:
        if done > share:
            raise _Kill

    return Watch(look)
