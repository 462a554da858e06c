"""`Position`: how far a run is. With the weights and the optimiser's state it is all that a resume needs.

States of random generators are not part of it: every draw is seeded from its name (`seeds.py`), so the position alone
says what comes next. That is also why a run may go on with another number of processes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from emotrace.training.history import EpochRecord
from emotrace.training.stepper import StepResult
from emotrace.training.tally import Tally


class Position(BaseModel):
    """How far a run is."""

    model_config = ConfigDict(extra="forbid", ser_json_inf_nan="strings")

    format: Literal["emotrace position 1"] = "emotrace position 1"
    epoch: int = 1
    """The epoch that is under way, or comes next, counted from 1."""
    batches: int = 0
    """Batches of that epoch that were learned from."""
    step: int = 0
    """Optimiser steps since the start of the run."""
    tally: Tally = Field(default_factory=Tally)
    """Of the epoch under way."""
    history: list[EpochRecord] = Field(default_factory=list)
    """The finished epochs."""
    scaler: dict[str, int | float] = Field(default_factory=dict)
    """Loss scaling of fp16."""
    optimizer_sha256: str = ""

    def add(self, result: StepResult, *, clips: int) -> None:
        """Counts one step, over so many clips."""
        self.tally.add(result, clips=clips)
        self.batches += 1
        self.step += 1

    def end_epoch(
        self,
        *,
        logged: Mapping[str, float],
        validation: Mapping[str, float] | None,
        test: Mapping[str, float] | None,
    ) -> EpochRecord:
        """Ends the epoch under way: its record joins the history."""
        record = self.tally.record(epoch=self.epoch, step=self.step, logged=logged, validation=validation, test=test)
        self.history.append(record)
        self.tally = Tally()
        self.epoch += 1
        self.batches = 0
        return record
