"""All folds of a corpus, one after the other: train, test, and lay the frames out in other orders.

    OUT/dfew/f1/    one fold: see `training/run_folder.py`; with experiment.json, fold.json, a card by the weights, and
                    the answers for frames that were shuffled, reversed, or the first one throughout
    OUT/dfew/       results.json and results.md, over the folds that are finished

A finished fold is not trained again, an interrupted one goes on, a failed one does not stop the others. Under
`accelerate launch` every process runs this, and the first one writes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from accelerate import PartialState

from emotrace.datasets.frames import ExampleFrames
from emotrace.encoders.registry import build_encoder
from emotrace.errors import EmotraceError, MissingExtra, ModelNotFound, UnreadableResult, UsageError
from emotrace.files import make_folder, write_atomically
from emotrace.grace.checkpoints import GraceCard, write_card
from emotrace.grace.config import GraceConfig
from emotrace.grace.corpora.fold_results import LAST, ORDERS, FoldRecord, Results, TextRows, answers_file, gather
from emotrace.grace.corpora.protocol import Fold, Protocol, terms_of
from emotrace.grace.corpora.results_page import page_of, sampler_name
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.learner import GraceLearner
from emotrace.grace.model import Grace
from emotrace.grace.views import NO_AUGMENTATION, Augmentation
from emotrace.progress import Watch
from emotrace.training.checkpoint import load_checkpoint
from emotrace.training.history import Fit
from emotrace.training.loop import fit
from emotrace.training.mismatch import demand_same
from emotrace.training.predict import predict
from emotrace.training.settings import TrainingSettings

EXPERIMENT = "experiment.json"
GATE = "gate/"
"""Before the name of a gate in an epoch's log."""
_OF_ALL_FOLDS = (UsageError, MissingExtra, ModelNotFound)
"""Errors that no other fold would be spared."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """What is trained on which protocol, and how."""

    protocol: Protocol
    config: GraceConfig
    settings: TrainingSettings
    augmentation: Augmentation = NO_AUGMENTATION
    texts: Mapping[str, AffectText] = field(default_factory=dict)
    """Words by clip id."""
    text_source: str | None = None
    """Who described the clips."""
    text_sha256: str | None = None
    """Of the descriptions."""

    def identity(self) -> dict[str, Any]:
        """What decides the numbers, as plain values: two runs may share a folder only where it is equal."""
        protocol = self.protocol
        values = {
            "corpus": protocol.corpus,
            "protocol_sha256": protocol.sha256,
            "lists_sha256": protocol.lists_sha256,
            "media_folder": protocol.media_folder,
            "model": self.config.to_dict(),
            "training": self.settings.decisive(),
            "augmentation": asdict(self.augmentation),
            "texts": {"source": self.text_source, "sha256": self.text_sha256},
        }
        plain: dict[str, Any] = json.loads(json.dumps(values))
        return plain

    def learner(self, fold: Fold) -> GraceLearner:
        """A new model with the clips of a fold."""
        config, seed = self.config, self.settings.seed
        towers = build_encoder(config.encoder, seed=seed, adaptation=config.adaptation)
        return GraceLearner(
            Grace(config, *towers, seed=seed),
            ExampleFrames((*fold.train, *fold.test)),
            texts=self.texts,
            train=fold.train_items,
            augmentation=self.augmentation,
            seed=seed,
            fold=fold.name,
        )


def run_folds(
    experiment: Experiment,
    out: Path,
    *,
    resume: bool = True,
    text_alone: TextRows | None = None,
    watch: Watch | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Results:
    """Trains and tests the chosen folds, and writes what all finished folds say.

    Args:
        experiment: What to run.
        out: The corpus's folder of runs; it is made.
        resume: Leave finished folds as they are and go on with an interrupted one; else begin anew.
        text_alone: What the words alone tell, where the model reads them at test time.
        watch: Told how far it is, fold by fold.
        tell: Gets a line for each fold.

    Raises:
        UsageError, MissingExtra, ModelNotFound: As for `fit` and `build_encoder`: no fold would be spared them.
        EmotraceError: Not one fold is finished; this is the first one's error. With several processes, that of any
            fold, since the others would wait for ever.
    """
    make_folder(out)
    processes = PartialState()
    failed: dict[str, EmotraceError] = {}
    for fold in experiment.protocol.folds:
        own = out / f"f{fold.name}"
        try:
            record = run_fold(experiment, fold, own, resume=resume, watch=_of_fold(watch, fold.name))
        except EmotraceError as error:
            if isinstance(error, _OF_ALL_FOLDS) or processes.num_processes > 1:
                raise
            failed[fold.name] = error
            tell(f"fold {fold.name} failed: {_line(error)}")
        else:
            counts = record.data_split.partition(" ")[2]
            tell(f"fold {fold.name} is finished: {record.epochs} epochs {counts}, in {own}")
    finished = _finished(experiment, out, [name for name in experiment.protocol.fold_names if name not in failed])
    if not finished:
        raise next(iter(failed.values()))
    results = gather(
        finished,
        title=f"emotrace's GRACE on {experiment.protocol.corpus}",
        experiment=experiment.identity(),
        failed={fold: _line(error) for fold, error in failed.items()},
        seed=experiment.settings.seed,
        text_alone=text_alone,
    )
    if processes.is_main_process:
        write_atomically(out / "results.json", results.to_json())
        write_atomically(out / "results.md", page_of(results))
    return results


def run_fold(
    experiment: Experiment, fold: Fold, out: Path, *, resume: bool = True, watch: Watch | None = None
) -> FoldRecord:
    """One fold: trained, tested, and asked once more with its frames in other orders. A finished one is only read.

    Raises:
        CheckpointMismatch: The folder holds a fold of another experiment; the message names both values.
        EmotraceError: As for `fit`.
    """
    begun = resume and _was_begun(experiment, out)
    if begun and (record := FoldRecord.read(out)) is not None:
        return record
    processes = PartialState()
    if processes.is_main_process and not begun:
        FoldRecord.forget(make_folder(out))
        write_atomically(out / EXPERIMENT, json.dumps(experiment.identity(), indent=1) + "\n")
    learner = experiment.learner(fold)
    done = fit(
        learner,
        train=fold.train_items,
        test=fold.test_items,
        settings=experiment.settings,
        out=out,
        fold=fold.name,
        watch=watch,
        resume=resume,
    )
    _ask_in_other_orders(learner, experiment, fold, out, watch)
    record = _record(fold, done)
    if processes.is_main_process:
        for weights in ("last", "best"):
            if (out / weights).is_dir():
                _write_card(experiment, fold, out / weights)
        record.write(out)
    processes.wait_for_everyone()
    return record


def _of_fold(watch: Watch | None, fold: str) -> Watch | None:
    """A watch of its own for a fold, which tells the common one."""
    if watch is None:
        return None
    return Watch(lambda stage, share: watch.progress(f"fold {fold}, {stage}", share, 1.0))


def _line(error: EmotraceError) -> str:
    return " ".join(str(error).split())


def _was_begun(experiment: Experiment, out: Path) -> bool:
    """Whether the fold was begun with this very experiment; False where it was not begun."""
    path = out / EXPERIMENT
    if not path.is_file():
        return False
    demand_same(experiment.identity(), _read(path), where=out)
    return True


def _read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise UnreadableResult(f"is no description of an experiment ({error})", where=path) from None
    return found


def _finished(experiment: Experiment, out: Path, names: Sequence[str]) -> dict[str, Path]:
    """The folders of those folds that are finished, by this very experiment."""
    own = experiment.identity()
    folders = {name: out / f"f{name}" for name in names}
    return {
        name: folder
        for name, folder in folders.items()
        if (folder / EXPERIMENT).is_file() and _read(folder / EXPERIMENT) == own and FoldRecord.read(folder) is not None
    }


def _ask_in_other_orders(
    learner: GraceLearner, experiment: Experiment, fold: Fold, out: Path, watch: Watch | None
) -> None:
    """The same weights, the same test clips, their frames laid out otherwise."""
    settings = experiment.settings
    for order in ORDERS:
        learner.order = order
        answers = predict(
            learner,
            fold.test_items,
            batch_size=settings.micro_batch_size or settings.batch_size,
            precision=settings.precision,
            workers=settings.workers,
            watch=watch,
        )
        if PartialState().is_main_process:
            answers.write(answers_file(out, order))
    learner.order = "forward"


def _record(fold: Fold, done: Fit) -> FoldRecord:
    best = done.best_on_test
    if best is None:
        raise UsageError("there is no test clip", where=f"fold {fold.name}")
    return FoldRecord(
        fold=fold.name,
        data_split=load_checkpoint(done.out / LAST).config.data_split,
        epochs=done.last.epoch,
        stopped_early=done.stopped_early,
        best_on_test_epoch=best.epoch,
        chosen_epoch=None if done.chosen is None else done.chosen.epoch,
        gates={name.removeprefix(GATE): value for name, value in done.last.logged.items() if name.startswith(GATE)},
        monitors=dict(done.last.terms),
    )


def _write_card(experiment: Experiment, fold: Fold, folder: Path) -> None:
    """What somebody who is handed these weights should know, beside them."""
    protocol, config, weights = experiment.protocol, experiment.config, load_checkpoint(folder).config
    card = GraceCard(
        weights_sha256=weights.weights_sha256,
        encoder=config.encoder,
        frozen_sha256=weights.frozen_sha256,
        corpus=protocol.corpus,
        corpus_terms=terms_of(protocol.corpus),
        protocol_sha256=protocol.sha256,
        lists_sha256=protocol.lists_sha256,
        media_folder=protocol.media_folder,
        fold=fold.name,
        epochs=weights.epoch,
        text=config.text,
        text_mode=config.text_mode,
        text_source=experiment.text_source,
        sampler=sampler_name(config.to_dict(), experiment.settings.to_dict()),
        seed=experiment.settings.seed,
    )
    write_card(folder, card)
