"""`RunFolder`: what a run leaves behind, and how it is found again.

    history.jsonl                     a line per epoch
    last/                             checkpoint of the last epoch, with what it takes to go on
    predictions_last.csv              its answers on the test list: the headline
    best/, predictions_chosen.csv     the same at the epoch that the validation list chose, if there is one
    predictions_best_on_test.csv      at the epoch that did best on the test list (peer protocol); decides nothing
    log/                              TensorBoard, if asked for

Whatever repeats `last/` is written before it. A kill between two writes then only means that the last epoch's end is
done once more, with the same bytes.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from emotrace._version import __version__
from emotrace.errors import UnwritableOutput
from emotrace.files import make_folder
from emotrace.training.checkpoint import load_checkpoint, save_checkpoint
from emotrace.training.history import EpochRecord, Fit, best_on_test, chosen, write_history
from emotrace.training.learner import Learner
from emotrace.training.mismatch import demand_plain, demand_same
from emotrace.training.position import Position
from emotrace.training.predictions import Predictions
from emotrace.training.resume import load_state, state_files
from emotrace.training.settings import TrainingSettings
from emotrace.training.splits import DataSplit
from emotrace.training.stepper import Stepper
from emotrace.training.whole_folder import standing


class RunFolder:
    """The folder of one fold of one run.

    Args:
        path: The folder; it is made.
        learner: Whose weights are kept.
        split: The lists of clips.
        settings: How it is trained.
        fold: Name of the fold.

    Raises:
        UsageError: The learner's configuration is not made of plain values.
        UnwritableOutput: The folder cannot be made.
    """

    def __init__(
        self, path: Path, *, learner: Learner, split: DataSplit, settings: TrainingSettings, fold: str
    ) -> None:
        demand_plain(learner.config, where="config of the learner")
        self.path = make_folder(path)
        self._last, self._best, self._history = path / "last", path / "best", path / "history.jsonl"
        self._tables = {name: path / f"predictions_{name}.csv" for name in ("last", "chosen", "best_on_test")}
        self._learner, self._settings, self._tested = learner, settings, bool(split.test)
        self._validated = bool(split.validation)
        self._identity = {
            "labels": learner.labels,
            "learner": dict(learner.config),
            "data_split": str(split),
            "fold": fold,
        }

    def has_a_run(self) -> bool:
        """Whether there is something to go on from."""
        return standing(self._last).is_dir()

    def clear(self) -> None:
        """Takes away an earlier run, so that nothing of it passes for this one's.

        Raises:
            UnwritableOutput: Something cannot be removed.
        """
        try:
            for folder in (self._last, self._best, self.path / "log"):
                for place in {folder, standing(folder)}:
                    if place.exists():
                        shutil.rmtree(place)
            for file in (self._history, *self._tables.values()):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise UnwritableOutput(f"cannot be cleared ({error.strerror})", where=self.path) from error

    def tidy(self) -> None:
        """Takes away what a kill in the middle of writing a file left beside it."""
        for file in (self._history, *self._tables.values()):
            for leftover in self.path.glob(f".{file.name}.*.part"):
                leftover.unlink(missing_ok=True)

    # ---- going on

    def load_weights(self) -> None:
        """Puts the weights of `last/` into the learner's module.

        Raises:
            CheckpointMismatch: They belong to another learner, split, fold or settings; the message has both values.
            ModelFileError: They are damaged.
        """
        checkpoint = load_checkpoint(self._last)
        decisive = self._settings.decisive()
        theirs = {name: getattr(checkpoint.config, name) for name in self._identity}
        settings = {name: value for name, value in checkpoint.config.settings.items() if name in decisive}
        demand_same({**self._identity, "settings": decisive}, {**theirs, "settings": settings}, where=self._last)
        checkpoint.load_into(self._learner.module)

    def load_position(self, stepper: Stepper) -> Position:
        """Puts the optimiser where it was, and says how far the run is.

        Raises:
            ModelFileError: The state is damaged.
        """
        position = load_state(self._last, optimizer=stepper.optimizer, module=self._learner.module)
        stepper.scaler.load_state_dict(position.scaler)
        return position

    # ---- writing

    def write_answers(self, test: Predictions, history: Sequence[EpochRecord]) -> None:
        """Writes the last epoch's answers on the test list into the tables that they belong to."""
        test.write(self._tables["last"])
        if chosen(history) is history[-1]:
            test.write(self._tables["chosen"])
        if best_on_test(history) is history[-1]:
            test.write(self._tables["best_on_test"])

    def save(self, position: Position, stepper: Stepper) -> None:
        """Writes `last/`; after an epoch the history too, and `best/` if that epoch is the chosen one."""
        history = position.history
        config = self._config(position)
        module, keep_frozen = self._learner.module, self._settings.keep_frozen
        if history and position.batches == 0:
            if chosen(history) is history[-1]:
                save_checkpoint(self._best, module=module, keep_frozen=keep_frozen, **config)
            write_history(self._history, history)
        state = state_files(position, optimizer=stepper.optimizer, module=module, scaler=stepper.scaler.state_dict())
        save_checkpoint(self._last, module=module, state=state, keep_frozen=keep_frozen, **config)

    def _config(self, position: Position) -> dict[str, Any]:
        last = position.history[-1] if position.history else None
        return {
            **self._identity,
            "emotrace": __version__,
            "settings": self._settings.to_dict(),
            "settings_sha256": self._settings.sha256,
            "seed": self._settings.seed,
            "epoch": len(position.history),
            "step": position.step,
            "metrics": {"validation": last and last.validation, "test": last and last.test},
        }

    def result(self, history: Sequence[EpochRecord]) -> Fit:
        """The finished run.

        Raises:
            UnreadableTable: A table of answers is gone.
        """
        return Fit(
            out=self.path,
            history=tuple(history),
            stopped_early=len(history) < self._settings.epochs,
            predictions=self._answers("last") if self._tested else None,
            predictions_chosen=self._answers("chosen") if self._tested and self._validated else None,
            predictions_best_on_test=self._answers("best_on_test") if self._tested else None,
        )

    def _answers(self, name: str) -> Predictions:
        return Predictions.read(self._tables[name])
