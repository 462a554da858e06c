from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the extra [rl]")

from safetensors.torch import load_file

from emotrace.errors import CheckpointMismatch, RewardFailed, UsageError
from emotrace.hydra.learning.cases import Case
from emotrace.hydra.learning.grpo import grpo_arguments, train_grpo
from emotrace.hydra.learning.presets import GrpoSettings, LoraSettings
from emotrace.hydra.learning.running import Learned
from emotrace.hydra.rewards import TERMS, RewardConfig
from emotrace.progress import Watch


class _Kill(Exception):
    pass


def kill_at(share: float) -> Watch:
    def look(stage: str, done: float) -> None:
        if done > share:
            raise _Kill

    return Watch(look)


@pytest.fixture(scope="module")
def six(
    apprentice: Learned, cases: list[Case], short: GrpoSettings, tmp_path_factory: pytest.TempPathFactory
) -> Learned:
    """Six steps without a break."""
    return train_grpo(short, cases, model=apprentice.final, out=tmp_path_factory.mktemp("grpo") / "six")


def test_rewards_move_the_policy_and_every_number_is_written(six: Learned, apprentice: Learned) -> None:
    assert [line["step"] for line in six.metrics] == [1, 2, 3, 4, 5, 6]
    assert any(line["gradient_norm"] > 0 for line in six.metrics)
    before, after = (load_file(run.final / "model.safetensors") for run in (apprentice, six))
    assert any(not before[name].equal(after[name]) for name in before)
    weights = RewardConfig(k=0).weights
    for line in six.metrics:
        assert line["reward"] == pytest.approx(sum(weights[term] * line["gated"][term] for term in TERMS), abs=1e-6)
        assert set(line["raw"]) == set(TERMS)
        assert line["format_rate"] == pytest.approx(line["raw"]["fmt"])
        assert 0 <= line["zero_variance_share"] <= 1
        assert line["completion_tokens"] > 0
        assert line["entropy"] >= 0
        assert line["kl"] is None
        assert line["seconds"] > 0
    assert max(line["format_rate"] for line in six.metrics) > 0


def test_samples_are_kept_with_what_they_earned(six: Learned, cases: list[Case]) -> None:
    samples = [json.loads(line) for line in (six.out / "samples.jsonl").read_text().splitlines()]
    assert [sample["step"] for sample in samples] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert {sample["clip_id"] for sample in samples} <= {case.clip_id for case in cases}
    assert all(first["clip_id"] != second["clip_id"] for first, second in zip(samples[::2], samples[1::2], strict=True))
    assert all((sample["reward"] > 0) == (not _fatal(sample["issues"])) for sample in samples)


def _fatal(issues: list[str]) -> bool:
    from emotrace.hydra.trace import IssueCode

    return any(IssueCode(code).fatal for code in issues)


def test_three_steps_and_three_more_are_six(
    six: Learned, apprentice: Learned, cases: list[Case], short: GrpoSettings, tmp_path: Path
) -> None:
    with pytest.raises(_Kill):
        train_grpo(short, cases, model=apprentice.final, out=tmp_path, watch=kill_at(3.5 / 6))
    assert not (tmp_path / "final").exists()
    again = train_grpo(short, cases, model=apprentice.final, out=tmp_path, resume=True)
    for name in ("model.safetensors", "config.json", "emotrace.json"):
        assert (again.final / name).read_bytes() == (six.final / name).read_bytes()
    assert (again.out / "samples.jsonl").read_bytes() == (six.out / "samples.jsonl").read_bytes()
    assert [_timeless(line) for line in again.metrics] == [_timeless(line) for line in six.metrics]


def _timeless(line: Any) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name != "seconds"}


def test_a_run_of_other_rewards_or_settings_is_not_gone_on_with(
    six: Learned, apprentice: Learned, cases: list[Case], short: GrpoSettings
) -> None:
    def again(settings: GrpoSettings = short, learned: list[Case] = cases, **more: Any) -> Learned:
        return train_grpo(settings, learned, model=apprentice.final, out=six.out, resume=True, **more)

    with pytest.raises(CheckpointMismatch, match=r"reward.weights.think"):
        again(reward=RewardConfig.preset("outcome", k=0))
    with pytest.raises(CheckpointMismatch, match=r"settings.group is 4 in the checkpoint and 8 here"):
        again(replace(short, group=8))
    with pytest.raises(CheckpointMismatch, match=r"data.sha256"):
        again(learned=cases[:3])
    assert again(replace(short, samples_per_step=0)).metrics == six.metrics


def test_lineage_goes_from_run_to_run(six: Learned) -> None:
    runs = json.loads((six.final / "emotrace.json").read_text())["runs"]
    assert [run["kind"] for run in runs] == ["hydra-sft", "hydra-grpo"]
    card = (six.out / "card.md").read_text()
    assert "the teacher saw nothing" in card
    assert "our" not in card.split("\n")[0]


def test_what_cannot_be_scored_moves_nothing(
    apprentice: Learned, cases: list[Case], short: GrpoSettings, tmp_path: Path
) -> None:
    unknown = [replace(case, gold=("zzyzx",)) for case in cases]
    learned = train_grpo(replace(short, steps=1), unknown, model=apprentice.final, out=tmp_path)
    before, after = (load_file(run.final / "model.safetensors") for run in (apprentice, learned))
    assert all(before[name].equal(after[name]) for name in before)
    assert learned.metrics[0]["reward"] is None
    assert learned.metrics[0]["gradient_norm"] == 0.0


Rollout = Callable[[list[Any], Any], dict[str, Any]]


def rollout(texts: list[str], **columns: Any) -> Rollout:
    """Answers that are handed in, one after the other, whatever is asked."""

    def answers(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        tokenizer = trainer.processing_class
        ids = [
            tokenizer(texts[place % len(texts)])["input_ids"] + [tokenizer.eos_token_id]
            for place, _ in enumerate(prompts)
        ]
        asked = [
            tokenizer.apply_chat_template(prompt, tokenize=True, return_dict=True, add_generation_prompt=True)[
                "input_ids"
            ]
            for prompt in prompts
        ]
        told = {name: [value] * len(prompts) for name, value in columns.items()}
        return {"prompt_ids": asked, "completion_ids": ids, "logprobs": [[0.0] * len(each) for each in ids], **told}

    return answers


def test_a_sampler_of_ones_own_is_rewarded_and_seen(
    newborn: Path, cases: list[Case], short: GrpoSettings, tmp_path: Path
) -> None:
    one = cases[0]
    first = one.sheet.observations[0]
    quote = " ".join(first.text.split()[:4])
    rivals = f"<hyp>\nh1 face: {one.gold[0]} | so it goes [{first.id}]\nh2 voice: bored | or so\n</hyp>\n"
    checks = "<think>\n" + f'[{first.id}] "{quote}" h1+ h2~' + "\nverdict: h1\n</think>\n"
    good = f"{rivals}{checks}<ans>{one.gold[0]} 0.80 [{first.id}]; bored 0.20 [{first.id}]</ans>"
    told: list[str] = []
    settings = replace(short, k=2, steps=5, kl=0.04)
    learned = train_grpo(
        settings, [one], model=newborn, out=tmp_path, rollout_func=rollout([good, "nothing"]), tell=told.append
    )
    line = learned.metrics[0]
    assert line["format_rate"] == 0.5
    assert line["issues"]["MISSING_BLOCK"] == 0.5
    assert (line["labels_per_answer"], line["winner_is_h1"], line["cites_per_hypothesis"]) == (2.0, 1.0, 0.5)
    assert line["zero_variance_share"] == 0.0
    assert line["closure"] > 0
    assert line["kl"] == 0.0  # the policy is still where it began
    assert learned.metrics[-1]["kl"] > 0
    assert "alarms" not in line
    assert "h1 wins 100% of the time" in learned.metrics[-1]["alarms"]["winner_is_h1"]
    assert len([words for words in told if "h1 wins" in words]) == 1
    assert learned.metrics[-1]["loss"] is not None


def test_a_reward_that_fails_stops_the_run_and_names_the_sample(
    newborn: Path, cases: list[Case], short: GrpoSettings, tmp_path: Path
) -> None:
    with pytest.raises(RewardFailed, match=r"sample 0 \(clip 0000"):
        train_grpo(short, cases, model=newborn, out=tmp_path, rollout_func=rollout(["x"], sheet="no sheet"))
    assert not (tmp_path / "final").exists()


def test_adapters_learn_by_reward_too(
    apprentice: Learned, cases: list[Case], short: GrpoSettings, tmp_path: Path
) -> None:
    settings = replace(short, steps=2, lora=LoraSettings(rank=4, alpha=8), learning_rate=1e-2, kl=0.1)
    learned = train_grpo(settings, cases, model=apprentice.final, out=tmp_path)
    before, after = (load_file(run.final / "model.safetensors") for run in (apprentice, learned))
    assert before["model.embed_tokens.weight"].equal(after["model.embed_tokens.weight"])
    assert any(not before[name].equal(after[name]) for name in before)


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"vllm": "colocate"}, "vLLM is not installed"), ({"device": "cuda"}, "no GPU"), ({"precision": "bf16"}, "bf16")],
)
def test_what_this_machine_cannot_do_is_said(
    newborn: Path, cases: list[Case], short: GrpoSettings, tmp_path: Path, changes: dict[str, Any], error: str
) -> None:
    import importlib.util

    import torch

    if torch.cuda.is_available() or importlib.util.find_spec("vllm"):
        pytest.skip("this machine can")
    settings = replace(short, **{"device": "auto", **changes})
    with pytest.raises(UsageError, match=error):
        train_grpo(settings, cases, model=newborn, out=tmp_path / "run")
    with pytest.raises(UsageError, match="expects 3 hypotheses"):
        train_grpo(short, cases, model=newborn, out=tmp_path / "run", reward=RewardConfig(k=3))


def test_presets_in_the_words_of_trl(tmp_path: Path) -> None:
    world = grpo_arguments(GrpoSettings.preset("world"), tmp_path, "no")
    assert (world["loss_type"], world["scale_rewards"], world["beta"]) == ("dapo", "batch", 0.0)
    assert (world["per_device_train_batch_size"], world["gradient_accumulation_steps"]) == (96, 1)
    assert (world["report_to"], world["push_to_hub"], world["bf16"]) == ("none", False, False)
    paper = grpo_arguments(GrpoSettings.preset("paper"), tmp_path, "bf16")
    assert (paper["loss_type"], paper["scale_rewards"], paper["beta"]) == ("grpo", "group", 0.04)
    assert (paper["use_bias_correction_kl"], paper["max_steps"], paper["bf16"]) == (False, 4500, True)
    assert paper["per_device_train_batch_size"] * paper["gradient_accumulation_steps"] == 64
    server = grpo_arguments(GrpoSettings.preset("house", vllm="server", vllm_server="http://gpu:1"), tmp_path, "bf16")
    assert (server["use_vllm"], server["vllm_mode"], server["vllm_server_base_url"]) == (True, "server", "http://gpu:1")
