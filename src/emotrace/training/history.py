"""What happened, epoch by epoch, and what is concluded from it. Every conclusion is a pure function of the records."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from emotrace.files import write_atomically
from emotrace.training.predictions import Predictions

SCORES = ("uar", "war", "macro_f1")
"""Scores of an epoch, each in [0, 1]."""


@dataclass(frozen=True, kw_only=True)
class EpochRecord:
    """One epoch."""

    epoch: int
    """Counted from 1."""
    step: int
    """Optimiser steps done since the start of the run."""
    loss: float
    """Mean over the clips that were learned from, as they were met; not the loss of the model at the epoch's end."""
    terms: Mapping[str, float] = field(default_factory=dict)
    """Means of what the learner logs beside its loss. A value that is not a number is left out of its mean."""
    learning_rates: tuple[float, ...]
    """Of each parameter group, in the epoch's last step."""
    gradient_norm: float
    """Mean norm of the gradient before clipping."""
    logged: Mapping[str, float] = field(default_factory=dict)
    """What the learner said at the epoch's end, such as its gates."""
    validation: Mapping[str, float] | None = None
    """Scores on the held-out part of the training list; None where nothing is held out, or not tested this epoch."""
    test: Mapping[str, float] | None = None
    """Scores on the test list. Nothing is ever decided by them."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, in which what is not a finite number is null."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def chosen(history: Sequence[EpochRecord]) -> EpochRecord | None:
    """The epoch with the best validation UAR, the first of equals; None without a validation list."""
    tested = [record for record in history if record.validation is not None]
    return max(tested, key=lambda record: (record.validation or {})["uar"], default=None)


def best_on_test(history: Sequence[EpochRecord]) -> EpochRecord | None:
    """The epoch with the best WAR on the test list, the first of equals: for comparison with peers, and for that alone.

    Peers keep the epoch that did best on the very clips they report [field: zengqunzhao/DFER-CLIP main.py, by
    accuracy], which flatters. Nothing here depends on it.
    """
    tested = [record for record in history if record.test is not None]
    return max(tested, key=lambda record: (record.test or {})["war"], default=None)


def out_of_patience(history: Sequence[EpochRecord], patience: int | None) -> bool:
    """Whether the last epoch was tested, and the best validation UAR is `patience` epochs old."""
    best = chosen(history)
    if patience is None or best is None or history[-1].validation is None:
        return False
    return history[-1].epoch - best.epoch >= patience


def write_history(path: Path, history: Sequence[EpochRecord]) -> Path:
    """One JSON line per epoch.

    Raises:
        UnwritableOutput: It cannot be written.
    """
    return write_atomically(path, "".join(f"{json.dumps(record.to_dict(), allow_nan=False)}\n" for record in history))


@dataclass(frozen=True, kw_only=True, eq=False)
class Fit:
    """A finished run of one fold."""

    out: Path
    """Its folder."""
    history: tuple[EpochRecord, ...]
    stopped_early: bool
    """Whether the validation list ended training before its time."""
    predictions: Predictions | None
    """Of the last epoch: the headline. None without a test list."""
    predictions_chosen: Predictions | None
    """Of the test list, at the epoch that the validation list chose; None without one."""
    predictions_best_on_test: Predictions | None
    """Of the test list, at the epoch that did best on it (peer protocol); no decision may use them."""

    @property
    def last(self) -> EpochRecord:
        """The last epoch."""
        return self.history[-1]

    @property
    def chosen(self) -> EpochRecord | None:
        """The epoch that the validation list chose."""
        return chosen(self.history)

    @property
    def best_on_test(self) -> EpochRecord | None:
        """The epoch that did best on the test list (peer protocol)."""
        return best_on_test(self.history)
