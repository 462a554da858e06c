"""`Predictions`: what a model answered for each clip, kept as a table that `emotrace evaluate` reads again."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from emotrace.errors import InvalidScores, UnreadableTable
from emotrace.files import write_atomically
from emotrace.metrics.answer_files import PROBABILITY, read_answers
from emotrace.metrics.classification import ClosedSetResult, classify
from emotrace.metrics.library_check import Engine


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Label distributions of clips, in the order of the list that was asked about.

    Raises:
        InvalidScores: The parts do not fit each other, or a probability is not a finite number.
    """

    labels: tuple[str, ...]
    keys: tuple[str, ...]
    truth: tuple[str, ...]
    """The clips' labels."""
    probabilities: Float32[np.ndarray, "clip label"]

    def __post_init__(self) -> None:
        shape = (len(self.keys), len(self.labels))
        if self.probabilities.shape != shape or len(self.truth) != len(self.keys):
            raise InvalidScores(
                f"{len(self.keys)} clips, {len(self.truth)} truths and {len(self.labels)} labels "
                f"do not fit {self.probabilities.shape = }"
            )
        if not np.isfinite(self.probabilities).all():
            raise InvalidScores("a probability is not a finite number")

    @property
    def answers(self) -> tuple[str, ...]:
        """The most probable label of each clip; the first of equals."""
        return tuple(self.labels[index] for index in self.probabilities.argmax(axis=1))

    def score(self, *, engine: Engine = "base") -> ClosedSetResult:
        """UAR, WAR and whatever else a confusion matrix says."""
        return classify(self.truth, self.answers, labels=self.labels, engine=engine)

    def write(self, path: Path) -> Path:
        """Writes a csv table with the columns `name`, `label` (the truth), `prediction` and `prob_<label>`.

        Nine digits give every float32 back exactly.

        Raises:
            UnwritableOutput: It cannot be written.
        """
        table = io.StringIO()
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(["name", "label", "prediction", *(f"{PROBABILITY}{label}" for label in self.labels)])
        for key, label, answer, row in zip(self.keys, self.truth, self.answers, self.probabilities, strict=True):
            writer.writerow([key, label, answer, *(f"{value:.9g}" for value in row)])
        return write_atomically(path, table.getvalue())

    @classmethod
    def read(cls, path: Path) -> Predictions:
        """Reads what `write` wrote.

        Raises:
            UnreadableTable: Not there, or another table.
            DuplicateName: A clip has two rows.
            InvalidScores: A probability is not a finite number.
        """
        file = read_answers(path)
        labels = tuple(column.removeprefix(PROBABILITY) for column in file.columns if column.startswith(PROBABILITY))
        rows = list(file.rows.values())
        try:
            truth = tuple(row["label"] for row in rows)
            values = [[float(row[f"{PROBABILITY}{label}"]) for label in labels] for row in rows]
        except (KeyError, ValueError) as error:
            raise UnreadableTable(f"is no table of predictions ({error})", where=path) from None
        probabilities = np.array(values, dtype=np.float32).reshape(len(rows), len(labels))
        return cls(labels=labels, keys=tuple(file.rows), truth=truth, probabilities=probabilities)
