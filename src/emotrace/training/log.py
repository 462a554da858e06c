"""Curves for TensorBoard, where somebody wants them and has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotrace.errors import MissingExtra
from emotrace.training.history import EpochRecord
from emotrace.training.stepper import StepResult


class CurveLog:
    """Writes each step's loss and each epoch's record; silent where `folder` is None.

    Args:
        folder: Where the event files go.
        first_step: The step that comes next: what a killed run wrote from there on is taken back.

    Raises:
        MissingExtra: TensorBoard is not installed.
    """

    def __init__(self, folder: Path | None, *, first_step: int = 0) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise MissingExtra("Logging to TensorBoard", extra="tensorboard") from None
        self._writer = SummaryWriter(str(folder), purge_step=first_step)

    def __enter__(self) -> CurveLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.close()

    def step(self, result: StepResult, *, step: int) -> None:
        """One step: loss, gradient norm and learning rates."""
        rates = {f"learning_rate/group_{index}": rate for index, rate in enumerate(result.learning_rates)}
        self._write({"step/loss": result.loss, "step/gradient_norm": result.gradient_norm, **rates}, step)

    def epoch(self, record: EpochRecord) -> None:
        """One epoch, at the step it ended with."""
        parts = {"terms": record.terms, "logged": record.logged, "validation": record.validation, "test": record.test}
        scalars = {f"{part}/{name}": value for part, values in parts.items() for name, value in (values or {}).items()}
        self._write({"epoch/loss": record.loss, **scalars}, record.step)

    def _write(self, scalars: Mapping[str, float], step: int) -> None:
        if self._writer is not None:
            for name, value in scalars.items():
                self._writer.add_scalar(name, value, step)
