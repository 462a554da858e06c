"""What a run of one or several folds comes to: `results.json`, read from the tables of answers that the folds left.

The headline is the last epoch. `best_on_test` is what peers publish [field: DFER-CLIP, MAE-DFER, S2D]: the epoch that
did best on the very clips it is tested on. It stands beside, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from emotrace._version import __version__
from emotrace.errors import UnreadableResult
from emotrace.files import write_atomically
from emotrace.grace.config import DISCLAIMER
from emotrace.grace.corpora.fold_scores import (
    Estimate,
    FoldMean,
    Frozen,
    Scores,
    mean_gap,
    mean_over_folds,
    pooled,
    scores_of,
)
from emotrace.grace.language.text_probe import FLAGGED_GAIN
from emotrace.training.predictions import Predictions

LAST, CHOSEN, BEST = "last", "chosen", "best_on_test"
ORDERS: tuple[Literal["shuffled", "reversed", "first"], ...] = ("shuffled", "reversed", "first")
"""How the frames of the test clips are laid out to see whether a model uses their order."""
RECORD = "fold.json"


class FoldRecord(Frozen):
    """A finished fold, beside its tables of answers."""

    fold: str
    data_split: str
    """First digits of the SHA-256 of the lists of clips, and their lengths."""
    epochs: int
    stopped_early: bool
    best_on_test_epoch: int
    chosen_epoch: int | None
    """The epoch that the validation list chose; None without one."""
    gates: dict[str, float]
    """How far each branch has opened; one near 0 is unused."""
    monitors: dict[str, float]
    """Means over the last epoch, such as the share of converged plans."""

    def write(self, folder: Path) -> None:
        """Marks the fold as finished."""
        write_atomically(folder / RECORD, self.model_dump_json(indent=1) + "\n")

    @staticmethod
    def forget(folder: Path) -> None:
        """Marks the fold as not finished."""
        (folder / RECORD).unlink(missing_ok=True)

    @classmethod
    def read(cls, folder: Path) -> FoldRecord | None:
        """The record of a finished fold; None where it is not finished.

        Raises:
            UnreadableResult: The file is damaged.
        """
        path = folder / RECORD
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            raise UnreadableResult(f"is no record of a fold ({error})", where=path, hint="Remove it") from None


class TextRows(Frozen):
    """What the clips' words alone tell: UAR and WAR by kind of text, as means over the folds."""

    uar: dict[str, float]
    war: dict[str, float]
    read_by_model: str
    """Which of the kinds the model read."""

    def decide(self, model_uar: float) -> bool:
        """Whether the pictures add less than one point of UAR to the words that the model read."""
        return model_uar - self.uar[self.read_by_model] < FLAGGED_GAIN


class Results(Frozen):
    """Everything that a run of several folds says."""

    title: str
    disclaimer: str = DISCLAIMER
    emotrace: str = __version__
    experiment: dict[str, Any]
    """What decides the numbers: protocol, model, training, texts."""
    labels: tuple[str, ...]
    records: dict[str, FoldRecord]
    scores: dict[str, dict[str, Scores]]
    """`last`, `best_on_test`, `chosen` or an order of the frames -> fold -> scores."""
    mean: dict[str, FoldMean]
    """The same -> the mean over folds."""
    pooled: Scores
    """Of the last epoch, the clips of all folds taken together."""
    pooled_shares: tuple[tuple[float, ...], ...]
    """`pooled.confusion` with rows that sum to 1."""
    drops: dict[str, Estimate]
    """Order of the frames -> how much UAR it costs, paired clip by clip."""
    text_alone: TextRows | None = None
    """Only where the model reads words at test time."""
    text_decides: bool | None = None
    failed: dict[str, str] = Field(default_factory=dict)
    """Fold -> why it is not there."""

    def to_json(self) -> str:
        """The results as JSON text, the same for the same tables and settings."""
        return self.model_dump_json(indent=1) + "\n"


def answers_file(folder: Path, column: str) -> Path:
    """Where the answers of a fold lie: `predictions_last.csv` and so on."""
    return folder / f"predictions_{column}.csv"


def gather(
    folders: Mapping[str, Path],
    *,
    title: str,
    experiment: Mapping[str, Any],
    failed: Mapping[str, str],
    seed: int,
    text_alone: TextRows | None = None,
) -> Results:
    """Reads the finished folds and scores them.

    Args:
        folders: Fold -> its folder; each is finished.
        title: Of the table.
        experiment: What decides the numbers.
        failed: Fold -> why it is not among them.
        seed: Of the resampling.
        text_alone: What the words alone tell, where the model reads them.

    Raises:
        UnreadableTable: A table of answers is gone or damaged.
    """
    records = {fold: record for fold, folder in folders.items() if (record := FoldRecord.read(folder)) is not None}
    columns = [LAST, BEST, *ORDERS]
    if all(record.chosen_epoch is not None for record in records.values()):
        columns.insert(1, CHOSEN)
    tables = {
        column: {fold: Predictions.read(answers_file(folders[fold], column)) for fold in records} for column in columns
    }
    together = pooled(list(tables[LAST].values()))
    scores, mean = scores_of(together, seed=seed), {c: mean_over_folds(each, seed=seed) for c, each in tables.items()}
    return Results(
        title=title,
        experiment=dict(experiment),
        labels=together.labels,
        records=records,
        scores={
            column: {fold: scores_of(each, seed=seed + number) for number, (fold, each) in enumerate(folds.items())}
            for column, folds in tables.items()
        },
        mean=mean,
        pooled=scores,
        pooled_shares=scores.row_shares,
        drops={order: mean_gap(_single(tables[LAST]), _single(tables[order]), seed=seed) for order in ORDERS},
        text_alone=text_alone,
        text_decides=None if text_alone is None else text_alone.decide(mean[LAST].uar.value),
        failed=dict(failed),
    )


def _single(folds: Mapping[str, Predictions]) -> dict[str, list[Predictions]]:
    """Each fold with its one run."""
    return {fold: [each] for fold, each in folds.items()}
