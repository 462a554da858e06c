"""Answers of a learner for a list of clips: each clip once, on however many processes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from jaxtyping import Float32

from emotrace.errors import InvalidScores, TrainingDiverged, first_five
from emotrace.progress import Watch
from emotrace.training.learner import Item, Learner
from emotrace.training.loading import moved, prefetched
from emotrace.training.predictions import Predictions
from emotrace.training.processes import arithmetic, gathered, new_accelerator
from emotrace.training.seeds import global_generators_kept
from emotrace.training.settings import Precision


def predict(
    learner: Learner,
    items: Sequence[Item],
    *,
    batch_size: int = 32,
    precision: Precision = "no",
    workers: int = 2,
    watch: Watch | None = None,
) -> Predictions:
    """Label distributions of clips by a learner as it is. Every process gets all of them.

    Args:
        learner: Its module is moved to the accelerator's device, and left in evaluation mode.
        items: The clips.
        batch_size: Clips that a process takes at once.
        precision: Arithmetic of the matrix products.
        workers: Threads that prepare batches ahead.
        watch: Told how far it is.

    Raises:
        InvalidScores: The learner gave another number of rows or columns than clips and labels.
        TrainingDiverged: A probability is not a finite number; the message names clips.
    """
    accelerator = new_accelerator(precision)
    learner.module.to(accelerator.device)
    with global_generators_kept(accelerator.device):
        return answers_of(
            learner,
            items,
            accelerator=accelerator,
            batch_size=batch_size,
            precision=precision,
            workers=workers,
            watch=watch,
        )


def answers_of(
    learner: Learner,
    items: Sequence[Item],
    *,
    accelerator: Accelerator,
    batch_size: int,
    precision: Precision,
    workers: int,
    epoch: int = 0,
    watch: Watch | None = None,
) -> Predictions:
    """`predict` for a module that is on its device already. The pieces are the same for any number of processes."""
    pieces = [items[start : start + batch_size] for start in range(0, len(items), batch_size)]
    numbers = range(accelerator.process_index, len(pieces), accelerator.num_processes)

    def prepared(number: int) -> Any:
        return learner.batch(pieces[number], epoch=epoch, training=False)

    def answers() -> Iterator[tuple[int, np.ndarray]]:
        for done, (number, batch) in enumerate(prefetched(prepared, numbers, workers=workers)):
            yield number, learner.predict(moved(batch, accelerator.device)).float().cpu().numpy()
            if watch is not None and accelerator.is_main_process:
                watch.progress("predict", done + 1, len(numbers))

    learner.module.eval()
    # Not inference mode: what a learner keeps for later, such as features of class words, must stay fit to learn from.
    with torch.no_grad(), arithmetic(precision, accelerator.device):
        found = dict(gathered(list(answers()), accelerator))
    # Checked when all processes have all answers: they then stop together.
    rows = [_checked(found[number], piece, learner.labels, epoch) for number, piece in enumerate(pieces)]
    return Predictions(
        labels=learner.labels,
        keys=tuple(item.key for item in items),
        truth=tuple(item.label for item in items),
        probabilities=np.concatenate([np.zeros((0, len(learner.labels)), np.float32), *rows]),
    )


def _checked(
    rows: np.ndarray, items: Sequence[Item], labels: Sequence[str], epoch: int
) -> Float32[np.ndarray, "clip label"]:
    if rows.shape != (len(items), len(labels)):
        raise InvalidScores(f"the learner answered {len(items)} clips of {len(labels)} labels with {rows.shape = }")
    if not np.isfinite(rows).all():
        bad = [item.key for item, row in zip(items, rows, strict=True) if not np.isfinite(row).all()]
        raise TrainingDiverged(
            f"the answers for {first_five(bad)} are not finite numbers",
            where=f"epoch {epoch}",
            hint="Look at these clips, or lower the learning rate",
        )
    return rows
