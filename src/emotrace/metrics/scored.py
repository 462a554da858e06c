"""What one kind of protocol is given and hands back: settings, the cells of a row, and scored clips."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from emotrace.errors import InvalidScores, UsageError
from emotrace.labels.label_table import LabelTable
from emotrace.metrics.answer_files import ANSWER_COLUMNS, TRUTH_COLUMNS, AnswerFile, Joined, Missing, Row
from emotrace.metrics.label_masks import parse_labels
from emotrace.metrics.library_check import Engine
from emotrace.metrics.protocols import ZeroDivision
from emotrace.metrics.resampling import SummedScore

if TYPE_CHECKING:
    from emotrace.labels.asking import LabelAsker

Extract = Literal["none", "rules", "llm"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the caller may choose; the defaults are the protocols' own."""

    scheme: str | None = None
    table: LabelTable | None = None
    zero_division: ZeroDivision | None = None
    rounds: int | None = None
    seed: int = 0
    cluster: str | None = None
    """Column of the truth whose values are drawn whole."""
    group_by: str | None = None
    folds: str | None = None
    """Column of the truth that names each clip's test fold."""
    missing: Missing = "error"
    exact_names: tuple[str, ...] | None = None
    train_names: frozenset[str] = frozenset()
    """Clips that were trained on: the report says how many of them are scored."""
    extract: Extract | None = None
    """None: rules for a `text` column, none for label columns."""
    asker: LabelAsker | None = None
    """Who is asked with `extract="llm"`."""
    column_truth: str | None = None
    column_answer: str | None = None
    clip_values: bool = False
    synonym_groups: Mapping[str, str] = field(default_factory=dict)
    engine: Engine = "auto"

    def as_written(self) -> dict[str, Any]:
        """The choices that a report states."""
        names = ("scheme", "zero_division", "cluster", "group_by", "folds", "missing", "extract", "clip_values")
        columns = {"column_truth": self.column_truth, "column_pred": self.column_answer}
        return {**{name: getattr(self, name) for name in names}, **columns}


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What every kind of protocol hands back."""

    scores: dict[str, float]
    summed: dict[str, SummedScore]
    """Scores as functions of totals, one row per clip; a clip that is left out is a row of zeros."""
    items: list[tuple[Any, Any, dict[str, Any]]]
    """Target, prediction and scores of each clip."""
    kept: list[dict[str, Any]] | None = None
    """What else of each clip is kept, so that it can be scored again: values and distributions."""
    abstained: int
    scored: dict[str, int] = field(default_factory=dict)
    undefined: dict[str, str] = field(default_factory=dict)
    score_notes: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    baselines: dict[str, float] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    name: str | None = None
    engine: str = "emotrace"
    correct: Any = None
    """Per clip, for McNemar's test; None where a clip is not simply right or wrong."""


def cell_of(row: Row, column: str) -> Any:
    """A cell; None where the answer is missing or blank."""
    value = row.get(column)
    return None if value is None or (isinstance(value, str) and not value.strip()) else value


def number_of(value: Any, where: str) -> float:
    """A cell as a number; the error says where it stands."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise InvalidScores(f"{where} has {value!r} where a number is expected") from None


def answers_of(joined: Joined, file: AnswerFile, settings: Settings) -> tuple[list[Any], dict[str, Any]]:
    """The answers as label strings or lists, and how they were taken from free text."""
    usual = (*ANSWER_COLUMNS, "text")
    column = file.column(settings.column_answer, usual, what="answers")
    cells = [cell_of(row, column) for row in joined.answers]
    how = settings.extract or ("rules" if column == "text" else "none")
    if how == "none":
        return cells, {"column": column, "extract": how}
    from emotrace.labels.extract import extract

    found = [None if cell is None else extract(str(cell)) for cell in cells]
    methods = [each.method for each in found if each is not None]
    shares = {method: methods.count(method) / len(methods) for method in sorted(set(methods))}
    labels = [None if each is None else list(each.labels) for each in found]
    if how == "rules":
        return labels, {"column": column, "extract": how, "methods": shares}
    asker = settings.asker
    if asker is None:
        raise UsageError("needs a server and a model", where="--extract llm", hint="Name --llm-url and --llm-model")
    asked = [None if cell is None else list(asker.labels(str(cell))) for cell in cells]
    differing = sum(set(one or ()) != set(other or ()) for one, other in zip(asked, labels, strict=True))
    return asked, {
        "column": column,
        "extract": how,
        **asker.provenance(),
        "methods": shares,
        "differs_from_rules": differing,
    }


def one_label(value: Any) -> str | None:
    """A cell as one label, lower case; None where it is empty."""
    labels = parse_labels(value) if not isinstance(value, int | float) else [f"{value:g}"]
    return ", ".join(labels) or None


def true_labels_of(joined: Joined, truth: AnswerFile, settings: Settings) -> list[Any]:
    """The truth as label strings or lists."""
    usual = ("openset", "labels", *TRUTH_COLUMNS)
    column = truth.column(settings.column_truth, usual, what="truth")
    return [cell_of(row, column) for row in joined.truth]


def column_of_truth(joined: Joined, truth: AnswerFile, column: str) -> list[str]:
    """A column of the truth as texts, one per clip."""
    truth.column(column, (), what="grouping")
    return [str(row.get(column, "")) for row in joined.truth]


def plain(value: float) -> float | None:
    """A number for JSON: None for nan."""
    return None if math.isnan(value) else float(value)
