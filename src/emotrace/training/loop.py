"""`fit`: the training loop, whatever is trained. `run_folder.py` says what it leaves behind.

A run that was killed goes on from its last checkpoint as if nothing had happened, to the byte on a CPU.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from emotrace.errors import UsageError
from emotrace.progress import Watch
from emotrace.training.history import SCORES, Fit, out_of_patience
from emotrace.training.learner import Item, Learner
from emotrace.training.loading import prefetched
from emotrace.training.log import CurveLog
from emotrace.training.position import Position
from emotrace.training.predict import answers_of
from emotrace.training.predictions import Predictions
from emotrace.training.processes import new_accelerator
from emotrace.training.run_folder import RunFolder
from emotrace.training.sampler import Piece, Sampler
from emotrace.training.seeds import global_generators_kept
from emotrace.training.settings import TrainingSettings
from emotrace.training.splits import DataSplit, hold_out
from emotrace.training.stepper import Stepper


def fit(
    learner: Learner,
    *,
    train: Sequence[Item],
    test: Sequence[Item],
    validation: Sequence[Item] = (),
    settings: TrainingSettings,
    out: Path | str,
    fold: str = "1",
    watch: Watch | None = None,
    resume: bool = True,
) -> Fit:
    """Trains a learner on one fold, tests it every epoch, and leaves a folder from which all of it can be read.

    The headline is the last epoch. Only a validation list may stop training or choose an epoch. Under
    `accelerate launch` or `torchrun` every process calls this; gradients are averaged, the first process writes, and
    all must see the same `out`.

    Args:
        learner: Its module is trained in place and left in evaluation mode, on the accelerator's device.
        train: Clips to learn from.
        test: Clips to answer for; may be empty.
        validation: Clips to choose by. With `settings.validation_share` they are held out from `train` instead.
        settings: How to train.
        out: The run's folder; it is made.
        fold: Name of the fold; it takes part in every seed.
        watch: Told how far it is; gets the seconds of `load`, `learn`, `predict` and `save`.
        resume: Go on from `out/last` if it is there; a finished run is then only read. Else begin anew, and take
            away what an earlier run left in `out`.

    Raises:
        UsageError: Settings, lists or parameter groups that cannot be used.
        UnknownLabel: A clip has a label that the learner does not know.
        CheckpointMismatch: `out/last` belongs to another learner, split or settings; the message names both values.
        ModelFileError: `out/last` is damaged.
        TrainingDiverged: A loss, gradient or answer is not a finite number.
        MissingExtra: TensorBoard was asked for and is not installed.
        UnwritableOutput: The folder cannot be written.
    """
    split = _split(train, validation, test, settings=settings, fold=fold)
    split.demand_labels(learner.labels)
    folder = RunFolder(Path(out), learner=learner, split=split, settings=settings, fold=fold)
    accelerator = new_accelerator(settings.precision)
    with global_generators_kept(accelerator.device):
        run = _Run(learner, split, settings, folder, accelerator, fold=fold, watch=watch or Watch(), resume=resume)
        run.to_the_end()
    return folder.result(run.position.history)


def _split(
    train: Sequence[Item], validation: Sequence[Item], test: Sequence[Item], *, settings: TrainingSettings, fold: str
) -> DataSplit:
    if settings.validation_share and validation:
        raise UsageError("clips to validate by are given already", where="validation_share", hint="Leave one out")
    if settings.validation_share:
        train, validation = hold_out(train, share=settings.validation_share, seed=settings.seed, fold=fold)
    if settings.patience is not None and not validation:
        raise UsageError("needs a validation list: the test list decides nothing", where="patience")
    return DataSplit(train=tuple(train), validation=tuple(validation), test=tuple(test))


class _Run:
    """One fold under way, on one of its processes."""

    def __init__(
        self,
        learner: Learner,
        split: DataSplit,
        settings: TrainingSettings,
        folder: RunFolder,
        accelerator: Accelerator,
        *,
        fold: str,
        watch: Watch,
        resume: bool,
    ) -> None:
        self._learner, self._split, self._settings, self._folder = learner, split, settings, folder
        self._accelerator, self._watch = accelerator, watch
        self._sampler = Sampler.of(split.train, settings=settings, fold=fold)
        self._total_steps = settings.epochs * self._sampler.batches_per_epoch
        going_on = resume and folder.has_a_run()
        accelerator.wait_for_everyone()  # before the first process changes what the others have just looked at
        if accelerator.is_main_process:
            folder.tidy()
            if not going_on:
                folder.clear()
        if going_on:
            folder.load_weights()
        self._stepper = Stepper(learner, settings, accelerator, fold=fold, total_steps=self._total_steps)
        self.position = folder.load_position(self._stepper) if going_on else Position()

    def to_the_end(self) -> None:
        """All epochs that are still to come."""
        wanted = self._settings.tensorboard and self._accelerator.is_main_process
        with CurveLog(self._folder.path / "log" if wanted else None, first_step=self.position.step) as log:
            while not self._finished():
                self._learn(log)
                self._end_epoch(log)
        self._learner.module.eval()

    def _finished(self) -> bool:
        history = self.position.history
        return len(history) == self._settings.epochs or out_of_patience(history, self._settings.patience)

    def _learn(self, log: CurveLog) -> None:
        """The steps of the epoch that are still to come."""
        position, every = self.position, self._settings.checkpoint_every_steps
        batches = self._sampler.pieces(position.epoch, processes=self._accelerator.num_processes)
        self._learner.module.train()
        with closing(self._prepared(batches[position.batches :])) as prepared:
            for pieces in batches[position.batches :]:
                with self._watch.stage("load"):
                    own = [next(prepared) for _ in range(len(pieces) // self._accelerator.num_processes)]
                with self._watch.stage("learn"):
                    result = self._stepper.step(own, pieces, step=position.step, epoch=position.epoch)
                position.add(result, clips=sum(len(piece.items) for piece in pieces if piece.share > 0))
                log.step(result, step=position.step)
                if self._accelerator.is_main_process:
                    self._watch.progress("learn", position.step, self._total_steps)
                if every is not None and position.step % every == 0 and position.batches < len(batches):
                    self._save()

    def _prepared(self, batches: Sequence[Sequence[Piece]]) -> Generator[tuple[Piece, Any]]:
        """This process's pieces, each with what the learner makes of it, prepared ahead."""
        epoch, processes, this = self.position.epoch, self._accelerator.num_processes, self._accelerator.process_index

        def prepare(piece: Piece) -> Any:
            return self._learner.batch(piece.items, epoch=epoch, training=True)

        own = [piece for pieces in batches for piece in pieces if piece.number % processes == this]
        return prefetched(prepare, own, workers=self._settings.workers)

    def _end_epoch(self, log: CurveLog) -> None:
        """Tests, and keeps a record of the epoch."""
        epoch = self.position.epoch
        logged = self._learner.end_of_epoch(epoch)
        due = epoch % self._settings.evaluate_every == 0 or epoch == self._settings.epochs
        validation = self._answers(self._split.validation) if due else None
        test = self._answers(self._split.test) if due else None
        record = self.position.end_epoch(logged=logged, validation=_scores(validation), test=_scores(test))
        log.epoch(record)
        if test is not None and self._accelerator.is_main_process:
            self._folder.write_answers(test, self.position.history)
        self._save()

    def _answers(self, items: Sequence[Item]) -> Predictions | None:
        if not items:
            return None
        with self._watch.stage("predict"):
            return answers_of(
                self._learner,
                items,
                accelerator=self._accelerator,
                batch_size=self._settings.micro_batch_size or self._settings.batch_size,
                precision=self._settings.precision,
                workers=self._settings.workers,
                epoch=self.position.epoch,
                watch=self._watch,
            )

    def _save(self) -> None:
        with self._watch.stage("save"):
            if self._accelerator.is_main_process:
                self._folder.save(self.position, self._stepper)
            self._accelerator.wait_for_everyone()


def _scores(predictions: Predictions | None) -> Mapping[str, float] | None:
    if predictions is None:
        return None
    result = predictions.score()
    return {name: getattr(result, name) for name in SCORES}
