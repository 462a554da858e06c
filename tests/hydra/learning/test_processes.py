"""Two processes that share a step of GRPO take the step of one: the same samples, loss, gradient and weights."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl", reason="needs the extra [rl]")

import torch
from safetensors.torch import load_file

from emotrace.hydra.asking.question import sheet_lines
from emotrace.hydra.grammar import render
from emotrace.hydra.learning.cases import Case, read_cases, write_cases
from emotrace.hydra.learning.grpo import train_grpo
from emotrace.hydra.learning.presets import GrpoSettings
from emotrace.hydra.learning.running import Learned
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.trace import trace_of
from emotrace.testing.two_processes import in_two_processes

GROUP = 4
SETTINGS = GrpoSettings.preset("world", k=0, steps=2, group=GROUP, prompts_per_step=2, max_completion=160, device="cpu")


def scripted(cases: list[Case]) -> Callable[[list[Any], Any], dict[str, Any]]:
    """Four answers to each question, of different worth, whoever asks: sampling would differ between processes."""

    def answers(prompt: Any) -> list[str]:
        question = prompt[-1]["content"]
        case = next(each for each in cases if all(line in question for line in sheet_lines(each.sheet)))
        verdict = run(case.sheet, EmbeddedReasoner(), k=0, abstain=False)
        trace = render(trace_of(verdict, case.sheet))
        head, _, _ = trace.partition("<ans>")
        cite = case.sheet.observations[0].id
        return [trace, head, f"{head}<ans>{case.gold[0]} 0.80 [{cite}]</ans>", f"{head}<ans>bored 0.50 [{cite}]</ans>"]

    def roll_out(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        tokenizer = trainer.processing_class
        asked = [tokenizer.apply_chat_template(p, add_generation_prompt=True, return_dict=False) for p in prompts]
        said = [answers(prompt)[place % GROUP] for place, prompt in enumerate(prompts)]
        replies = [[*tokenizer.encode(text)[:150], tokenizer.eos_token_id] for text in said]
        return {"prompt_ids": asked, "completion_ids": replies, "logprobs": None}

    return roll_out


def learn(cases: list[Case], model: str | Path, out: str | Path) -> Learned:
    return train_grpo(SETTINGS, cases, model=model, out=out, rollout_func=scripted(cases))


def test_two_processes_take_the_steps_of_one(cases: list[Case], newborn: Path, tmp_path: Path) -> None:
    write_cases(tmp_path / "cases.jsonl", cases)
    said = in_two_processes(__file__, tmp_path / "cases.jsonl", newborn, tmp_path / "two")
    assert [text.splitlines()[-1] for text in said] == ["2 steps written", "0 steps written"]

    alone = learn(cases, newborn, tmp_path / "one")
    together = learned_metrics(tmp_path / "two")
    for one, two in zip(alone.metrics, together, strict=True):
        assert two["reward"] == pytest.approx(one["reward"], abs=1e-6)
        assert two["loss"] == pytest.approx(one["loss"], abs=1e-6)
        assert two["gradient_norm"] == pytest.approx(one["gradient_norm"], rel=1e-5)
        assert two["raw"] == pytest.approx(one["raw"])
        assert two["gradient_norm"] > 0.0
    here, there = (load_file(tmp_path / name / "final" / "model.safetensors") for name in ("one", "two"))
    for name, weight in here.items():
        torch.testing.assert_close(weight, there[name], rtol=1e-4, atol=1e-5)


def learned_metrics(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]


if __name__ == "__main__":
    torch.set_num_threads(1)
    done = learn(read_cases(Path(sys.argv[1])), sys.argv[2], sys.argv[3])
    first = os.environ["RANK"] == "0"
    print(f"{len(done.metrics) if first else 0} steps written")  # noqa: T201 - what the test reads
