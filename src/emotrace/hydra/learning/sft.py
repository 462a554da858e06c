"""`train_sft`: a policy learns the protocol from demonstrations. A thin call of TRL's SFTTrainer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from emotrace.hydra.learning.callback import Recorder
from emotrace.hydra.learning.cases import Demonstration
from emotrace.hydra.learning.policy import lora_config, open_policy, resolved_precision
from emotrace.hydra.learning.presets import Precision, SftSettings
from emotrace.hydra.learning.rows import sft_rows
from emotrace.hydra.learning.run_folder import CHECKPOINTS, RunFolder
from emotrace.hydra.learning.running import (
    Learned,
    Tell,
    batches,
    identity_of,
    quiet_and_private,
    run_trainer,
    shared_arguments,
)
from emotrace.progress import Watch

KIND = "hydra-sft"


@quiet_and_private()
def train_sft(
    settings: SftSettings,
    demonstrations: Sequence[Demonstration],
    *,
    model: str | Path,
    out: str | Path,
    resume: bool = False,
    watch: Watch | None = None,
    tell: Tell = lambda line: None,
) -> Learned:
    """Fine-tunes a policy on demonstrations, with the loss on trajectories alone, and leaves a run folder.

    Args:
        settings: How it learns.
        demonstrations: What it imitates; each may have its own number of hypotheses.
        model: A folder, or a name on the hub.
        out: The run's folder.
        resume: Go on with the run in `out`, if there is one.
        watch: Told how far training is.
        tell: Told what a person should know.

    Raises:
        UsageError: A value or combination that cannot be, or a demonstration that is too long.
        ModelNotFound: The model cannot be loaded.
        CheckpointMismatch: The run in `out` is another one.
        TrainingDiverged: The loss is no longer a number.
        UnwritableOutput: The disk is full, or the place is closed.
    """
    precision = resolved_precision(settings.precision, settings.device)
    run_path = Path(out)
    # The arguments come before the model: with ZeRO-3 they decide how it is loaded.
    args = SFTConfig(**sft_arguments(settings, run_path / CHECKPOINTS, precision))
    policy = open_policy(model, settings, precision=precision)
    rows = sft_rows(demonstrations, policy, max_length=settings.max_length, frames=settings.frames)
    teachers = {
        "teachers": sorted({each.teacher for each in demonstrations}),
        "teacher_saw": sorted({each.teacher_saw for each in demonstrations}),
    }
    run = RunFolder(
        path=run_path,
        identity=identity_of(KIND, settings, policy, rows, precision, **teachers),
        about={"model": policy.name},
    )

    def build(recorder: Recorder, start: int) -> SFTTrainer:
        return SFTTrainer(
            model=policy.model,
            args=args,
            train_dataset=rows.dataset,
            processing_class=policy.processor,
            callbacks=[recorder],
            peft_config=None if settings.lora is None else lora_config(settings.lora, policy),
        )

    k = sorted({each.k for each in demonstrations})
    return run_trainer(
        build,
        args=args,
        run=run,
        policy=policy,
        step_to_learn={"kind": KIND, "k": k, "data_sha256": rows.sha256, "rows": len(rows.dataset), **teachers},
        k=None,
        resume=resume,
        watch=watch,
        tell=tell,
    )


def sft_arguments(settings: SftSettings, checkpoints: Path, precision: Precision) -> dict[str, Any]:
    """What is told to `trl.SFTConfig`.

    Raises:
        UsageError: A step cannot be shared evenly among processes and passes.
    """
    return {
        **shared_arguments(settings, checkpoints, precision),
        **batches(settings.batch, settings.micro_batch),
        "num_train_epochs": settings.epochs,
        "max_steps": -1 if settings.steps is None else settings.steps,
        "max_length": settings.max_length,  # TRL's own is 1,024 and cuts the end, which is the answer
        "completion_only_loss": True,
        "packing": False,
        "train_sampling_strategy": "group_by_length" if settings.by_length else "random",
    }
