"""What both stages do with a trainer of TRL: arguments that they share, a start or a resume, the end."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants
from transformers import PrinterCallback
from transformers.utils import logging

from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
from emotrace.errors import TrainingDiverged, UsageError
from emotrace.hydra.asking.prompts import prompts_sha256
from emotrace.hydra.learning.callback import Recorder
from emotrace.hydra.learning.finishing import finish
from emotrace.hydra.learning.journal import Journal
from emotrace.hydra.learning.policy import Policy
from emotrace.hydra.learning.presets import GrpoSettings, Precision, SftSettings
from emotrace.hydra.learning.rows import Rows
from emotrace.hydra.learning.run_folder import METRICS, RunFolder, lineage_of, step_of
from emotrace.progress import Watch
from emotrace.training.seeds import global_generators_kept

Tell = Callable[[str], None]

_NOT_FOR_USERS = (
    # TRL 1.16 uses these names of transformers, whose new ones not all releases know.
    r"`(is_)?gradient_checkpointing(_kwargs|_enable|_disable)?`.* is deprecated",
    # rollout_func, as our documentation says too.
    "You are using 'rollout_func'",
    # torch, each time that a scheduler's state is saved; transformers saves the optimizer's beside it.
    "Please also save or load the state of the optimizer",
)


@dataclass(frozen=True, kw_only=True)
class Learned:
    """A finished run."""

    out: Path
    final: Path
    """Folder of the model, to be served or trained on."""
    steps: int
    metrics: tuple[Mapping[str, Any], ...]
    """The lines of `metrics.jsonl`; empty in all processes but the first."""


def shared_arguments(settings: SftSettings | GrpoSettings, out: Path, precision: Precision) -> dict[str, Any]:
    """What both stages tell transformers' trainer. Nothing is sent to anybody, and nothing printed."""
    on_cpu = settings.device == "cpu" or not torch.cuda.is_available()
    return {
        "output_dir": str(out),
        "learning_rate": settings.learning_rate,
        **settings.scheduler,
        "warmup_steps": settings.warmup_share,  # below 1 it is a share of all steps
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.clip_norm,
        "optim": "adamw_torch",
        "bf16": precision == "bf16",
        "fp16": False,
        "use_cpu": on_cpu,
        "gradient_checkpointing": settings.checkpointing and not on_cpu,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "logging_steps": 1,
        "logging_first_step": True,
        "logging_nan_inf_filter": False,  # it would hide a loss that is no number
        "save_strategy": "steps",
        "save_steps": settings.save_every,
        "save_total_limit": settings.keep,
        "report_to": "none",
        "push_to_hub": False,
        "disable_tqdm": True,
        "dataloader_pin_memory": not on_cpu,
    }


def batches(texts: int, micro_batch: int | None) -> dict[str, int]:
    """How a step's texts are shared among processes and passes.

    Raises:
        UsageError: They cannot be shared evenly.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))
    share, rest = divmod(texts, processes)
    at_once = min(micro_batch or share, share)
    if rest or not at_once or share % at_once:
        raise UsageError(
            f"{texts} texts of a step cannot be shared evenly among {processes} processes, {micro_batch or share} at "
            "once",
            where="micro batch",
            hint="Choose numbers that divide each other",
        )
    return {"per_device_train_batch_size": at_once, "gradient_accumulation_steps": share // at_once}


@contextmanager
def quiet_and_private() -> Iterator[None]:
    """TRL tells its makers about every trainer that is built; not from here. Nor does each library draw its own bar.

    Warnings that no user can do anything about are kept from them, by name.
    """
    telemetry = constants.HF_HUB_DISABLE_TELEMETRY
    bars, model_bars = not are_progress_bars_disabled(), logging.is_progress_bar_enabled()
    disable_progress_bars()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    constants.HF_HUB_DISABLE_TELEMETRY = True
    try:
        with warnings.catch_warnings():
            for message in _NOT_FOR_USERS:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        constants.HF_HUB_DISABLE_TELEMETRY = telemetry
        if bars:
            enable_progress_bars()
        if model_bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def identity_of(
    kind: str, settings: SftSettings | GrpoSettings, policy: Policy, rows: Rows, precision: Precision, **more: Any
) -> dict[str, Any]:
    """What decides the numbers of a run, as plain values."""
    return {
        "kind": kind,
        "settings": {**settings.decisive(), "precision": precision},
        "data": rows.record(),
        "model": policy.record(),
        "prompts_sha256": prompts_sha256(),
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        **more,
    }


def run_trainer(
    build: Callable[[Recorder, int], Any],
    *,
    args: Any,
    run: RunFolder,
    policy: Policy,
    step_to_learn: Mapping[str, Any],
    k: int | None,
    resume: bool,
    watch: Watch | None,
    tell: Tell,
) -> Learned:
    """Starts a run or goes on with it, and finishes it.

    Args:
        build: Gives the trainer that a recorder watches, from a step on.
        args: The trainer's arguments.
        run: Where everything goes.
        policy: Who learns.
        step_to_learn: The line of this run in the model's lineage.
        k: How many hypotheses; None for supervised fine-tuning.
        resume: Whether a run in the folder is gone on with.
        watch: Who looks on.
        tell: Where lines for the person at the keyboard go.

    Raises:
        UsageError, CheckpointMismatch, UnreadableCheckpoint: As `RunFolder.check` says.
        TrainingDiverged: The loss is no longer a number.
    """
    main = args.process_index == 0
    checkpoint = run.check(resume=resume)
    args.distributed_state.wait_for_everyone()  # all have looked before the first one writes
    start = step_of(checkpoint)
    if main and not run.final.exists():
        run.begin()
    metrics = Journal(run.path / METRICS, last_step=start) if main and not run.final.exists() else None
    if run.final.exists():
        tell(f"{run.path} is finished")
        return _learned(run, step_of(checkpoint))
    if checkpoint is not None:
        tell(f"goes on after step {start}")
    with global_generators_kept(args.device):
        trainer = build(Recorder(metrics, k=k, watch=watch or Watch(), tell=tell), start)
        trainer.remove_callback(PrinterCallback)
        trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        if metrics is not None and metrics.lines and metrics.lines[-1]["loss"] is None:
            raise TrainingDiverged("the loss is no longer a finite number", where=run.path, hint="Lower the rate")
        finish(run, trainer, policy, [*lineage_of(policy.name), step_to_learn])
    return _learned(run, trainer.state.global_step)


def _learned(run: RunFolder, steps: int) -> Learned:
    lines: Sequence[Mapping[str, Any]] = Journal(run.path / METRICS, last_step=steps).lines
    return Learned(out=run.path, final=run.final, steps=steps, metrics=tuple(lines))
