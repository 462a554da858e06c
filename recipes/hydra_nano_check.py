"""Does `hydra_nano.py` do what the library does? Six steps by each, from the same weights, on the same samples.

    python recipes/hydra_nano.py --check

Wanted on seed 7: rewards equal, loss within 2e-6, the gradient's norm within 1e-5 of its size. `rollout_func`, by which
TRL is given the sampler, is experimental there: the comparison holds for the pinned TRL.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hydra_nano import Imitation, Reinforcement, cold_start, imitate, reinforce, rows_of, sample
from transformers import AutoModelForCausalLM, AutoTokenizer

from emotrace.hydra.learning.cases import Demonstration
from emotrace.hydra.learning.grpo import train_grpo
from emotrace.hydra.learning.presets import GrpoSettings
from emotrace.hydra.nano.model import nano_model, save_nano
from emotrace.hydra.nano.tokenizer import nano_tokenizer
from emotrace.hydra.rewards import RewardConfig, Scorer
from emotrace.hydra.world_wheel import WorldWheel


def check(folder: Path, *, steps: int = 6, seed: int = 7, start: Path | None = None) -> dict[str, float]:
    """Takes the same steps by this file and by TRL; the largest difference of reward, loss and gradient's norm.

    Args:
        folder: Where weights and the library's run are written.
        steps: How many are taken by each.
        seed: Of cases, samples and order.
        start: A trained policy. None: one that learns a few trajectories by heart, so that some of its answers are
            legal and some are not.
    """
    demonstrations = cold_start(2, sheets=40, seed=seed).demonstrations[:4]
    start = start or _learned_by_heart(folder / "start", demonstrations, seed)
    tokenizer = AutoTokenizer.from_pretrained(start)
    model = AutoModelForCausalLM.from_pretrained(start, dtype=torch.float32)
    settings = Reinforcement(steps=steps, prompts=2, group=4, most_tokens=160, lr=5e-5)
    reward = RewardConfig(k=2, table=WorldWheel())
    own = reinforce(model, tokenizer, demonstrations, Scorer(reward), settings, seed=seed)

    generator = torch.Generator().manual_seed(seed)

    def roll_out(prompts: list[Any], trainer: Any) -> dict[str, Any]:
        asked = [tokenizer.apply_chat_template(p, add_generation_prompt=True, return_dict=False) for p in prompts]
        said = sample(
            trainer.model,
            tokenizer,
            asked[:: settings.group],
            group=settings.group,
            most_tokens=settings.most_tokens,
            generator=generator,
        )
        return {"prompt_ids": asked, "completion_ids": said, "logprobs": None}

    told = GrpoSettings.preset(
        "world",
        k=2,
        steps=steps,
        group=settings.group,
        prompts_per_step=settings.prompts,
        max_completion=settings.most_tokens,
        learning_rate=settings.lr,
        seed=seed,
        device="cpu",
    )
    learned = train_grpo(told, demonstrations, model=start, out=folder / "run", reward=reward, rollout_func=roll_out)
    pairs = list(zip(own, learned.metrics, strict=True))
    return {
        "mean reward": float(np.mean([step.reward for step in own])),
        "reward": max(abs(a.reward - b["reward"]) for a, b in pairs),
        "loss": max(abs(a.loss - b["loss"]) for a, b in pairs),
        "norm": max(abs(a.norm - b["gradient_norm"]) / max(a.norm, 1e-9) for a, b in pairs),
    }


def _learned_by_heart(folder: Path, demonstrations: list[Demonstration], seed: int) -> Path:
    tokenizer = nano_tokenizer()
    model = nano_model("nano", tokenizer, seed=seed)
    imitate(model, tokenizer, rows_of(tokenizer, demonstrations), Imitation(epochs=120, batch=4, lr=2e-3), seed=seed)
    save_nano(folder, model, tokenizer)
    return folder


def main() -> None:
    """Prints the comparison."""
    with tempfile.TemporaryDirectory() as folder:
        for name, value in check(Path(folder)).items():
            print(f"{name}: {value:.3g}")


if __name__ == "__main__":
    main()
