"""What is written while a policy learns: a line of numbers for each step, and a mark on every whole checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from emotrace.hydra.learning.alarms import alarms
from emotrace.hydra.learning.journal import Journal
from emotrace.hydra.learning.observing import ISSUE
from emotrace.hydra.learning.run_folder import mark_whole
from emotrace.hydra.rewards import TERMS
from emotrace.progress import Watch

STAGE = "training"
PLAIN = {
    "loss": "loss",
    "grad_norm": "gradient_norm",
    "learning_rate": "learning_rate",
    "entropy": "entropy",
    "num_tokens": "tokens",
}
"""TRL's name of a number -> ours, for both stages. Entropy in nats per token."""
OF_SFT = {"mean_token_accuracy": "token_accuracy"}
OF_GRPO = {
    "reward": "reward",
    "reward_std": "reward_spread",
    "closure": "closure",
    "format_rate": "format_rate",
    "abstention_rate": "abstention_rate",
    "labels_per_answer": "labels_per_answer",
    "winner_is_h1": "winner_is_h1",
    "cites_per_hypothesis": "cites_per_hypothesis",
    "zero_variance_share": "zero_variance_share",
    "completions/mean_length": "completion_tokens",
    "completions/clipped_ratio": "truncated_share",
    "kl": "kl",
}
"""Of GRPO alone. A number that a step does not have, as kl without a reference, is None."""


class Recorder(TrainerCallback):
    """Writes `metrics.jsonl`, raises alarms, reports progress.

    Args:
        metrics: Where lines go; None in all processes but the first.
        k: How many hypotheses, for the alarms of GRPO; None for supervised fine-tuning.
        watch: Who looks on.
        tell: Where an alarm is said, once each.
    """

    def __init__(self, metrics: Journal | None, *, k: int | None, watch: Watch, tell: Callable[[str], None]) -> None:
        self._metrics = metrics
        self._k = k
        self._watch = watch
        self._tell = tell
        self._told: set[str] = set()
        self._began = 0.0
        self._seconds = 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Starts the clock."""
        self._began = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Stops the clock, reports progress."""
        self._seconds = time.perf_counter() - self._began
        self._watch.progress(STAGE, state.global_step, state.max_steps)

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        """Writes the line of a step."""
        if self._metrics is None or logs is None or "loss" not in logs:  # the summary at the end has no loss
            return
        line = metrics_line(state.global_step, logs, grpo=self._k is not None) | {"seconds": self._seconds}
        if self._k is not None and (found := alarms([*self._metrics.lines, line], k=self._k)):
            line["alarms"] = found
            for name in found.keys() - self._told:
                self._tell(f"step {state.global_step}: {found[name]}")
            self._told |= found.keys()
        self._metrics.append(line)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Marks the checkpoint as whole, once every process has written its part."""
        args.distributed_state.wait_for_everyone()
        if self._metrics is not None:
            mark_whole(Path(args.output_dir) / f"checkpoint-{state.global_step}")


def metrics_line(step: int, logs: Mapping[str, Any], *, grpo: bool) -> dict[str, Any]:
    """One step's numbers under our names; None for a number that is not there or not finite."""
    names = PLAIN | (OF_GRPO if grpo else OF_SFT)
    line: dict[str, Any] = {"step": step} | {ours: _number(logs.get(theirs)) for theirs, ours in names.items()}
    if grpo:
        line["gated"] = {term: _number(logs.get(f"rewards/reward_{term}/mean")) for term in TERMS}
        line["raw"] = {term: _number(logs.get(f"raw/{term}")) for term in TERMS}
        line["issues"] = {
            name.removeprefix(ISSUE): value for name, value in logs.items() if name.startswith(ISSUE) and value
        }
    return line


def _number(value: Any) -> float | int | None:
    if value is None or not math.isfinite(value):
        return None
    return value if isinstance(value, int) else float(value)
