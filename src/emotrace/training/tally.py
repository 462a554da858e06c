"""`Tally`: what the steps of an epoch came to so far. It is kept in a checkpoint, so that a resumed epoch adds up."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import BaseModel, Field

from emotrace.training.history import EpochRecord
from emotrace.training.stepper import StepResult


class Tally(BaseModel):
    """Sums over the steps of one epoch."""

    clips: int = 0
    loss: float = 0.0
    """Sum over clips."""
    terms: dict[str, tuple[float, int]] = Field(default_factory=dict)
    """Sum over clips of each term, and for how many clips it was a finite number."""
    steps: int = 0
    gradient_norm: float = 0.0
    """Sum over the steps in which it was a finite number."""
    norms: int = 0
    learning_rates: tuple[float, ...] = ()
    """Of the last step."""

    def add(self, result: StepResult, *, clips: int) -> None:
        """Adds one step, over so many clips."""
        self.clips += clips
        self.loss += clips * result.loss
        self.steps += 1
        if math.isfinite(result.gradient_norm):
            self.gradient_norm += result.gradient_norm
            self.norms += 1
        self.learning_rates = result.learning_rates
        for piece in result.pieces:
            seen = round(piece.share * clips)
            for name, value in piece.terms.items():
                if math.isfinite(value):
                    total, count = self.terms.get(name, (0.0, 0))
                    self.terms[name] = (total + seen * float(value), count + seen)

    def record(
        self,
        *,
        epoch: int,
        step: int,
        logged: Mapping[str, float],
        validation: Mapping[str, float] | None,
        test: Mapping[str, float] | None,
    ) -> EpochRecord:
        """The epoch's record, from the sums and from what was found after them."""
        return EpochRecord(
            epoch=epoch,
            step=step,
            loss=self.loss / self.clips,
            terms={name: total / count for name, (total, count) in self.terms.items()},
            learning_rates=self.learning_rates,
            gradient_norm=self.gradient_norm / self.norms if self.norms else math.nan,
            logged={name: float(value) for name, value in logged.items()},
            validation=validation,
            test=test,
        )
