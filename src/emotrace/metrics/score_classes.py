"""Scores of the closed-set protocols: classes, with calibration where the answers come with distributions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from emotrace.errors import InvalidScores, UnknownLabel, first_five
from emotrace.labels.schemes import scheme as named_scheme
from emotrace.metrics.answer_files import ANSWER_COLUMNS, PROBABILITY, TRUTH_COLUMNS, AnswerFile, Joined, abstention
from emotrace.metrics.calibration import calibrate, risk_coverage, summed_calibration
from emotrace.metrics.classification import ClosedSetResult, classify
from emotrace.metrics.confusion_matrix import CLOSED_SET_SCORES, class_indices
from emotrace.metrics.protocols import Protocol
from emotrace.metrics.resampling import SummedScore, from_cells
from emotrace.metrics.scored import Scored, Settings, answers_of, cell_of, number_of, one_label


def score_classes(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> Scored:
    """UAR, WAR, WAF and macro-F1; calibration and risk too where the answers come with `prob_<label>` columns."""
    name = settings.scheme or protocol.scheme
    if name is None:
        raise InvalidScores(f"protocol {protocol.name} needs a label scheme", hint="Name it with --scheme NAME")
    labels = named_scheme(name).labels

    def known(value: Any) -> str | None:
        text = one_label(value)
        return None if text is None else named_scheme(name).read_one(text) or text

    column = truth.column(settings.column_truth, TRUTH_COLUMNS, what="truth")
    true_labels = [known(cell_of(row, column)) or "" for row in joined.truth]
    probabilities = _probabilities(joined, answers, labels)
    has_labels = settings.column_answer or any(usual in answers.columns for usual in ANSWER_COLUMNS)
    extraction: dict[str, Any] = {"column": f"{PROBABILITY}*", "extract": "none"}
    if probabilities is not None and not has_labels:
        given: list[str | None] = [labels[index] for index in probabilities.argmax(axis=1)]
    else:
        cells, extraction = answers_of(joined, answers, settings)
        given = [known(cell) for cell in cells]
    result = classify(true_labels, given, labels=labels, engine=settings.engine)
    rows, columns = class_indices(true_labels, labels, what="truth"), class_indices(given, labels, what="predictions")
    summed = _summed(rows, columns, len(labels))
    details: dict[str, Any] = {"scheme": name, "answers": extraction, **class_details(result)}
    scores = {**asdict(result.scores), **{f"answered_{key}": value for key, value in asdict(result.answered).items()}}
    scores["coverage"] = result.coverage
    if probabilities is not None:
        calibration = calibrate(probabilities, rows, engine=settings.engine)
        scores |= {"ece": calibration.ece, "ece_mass": calibration.ece_mass}
        scores |= {"brier": calibration.brier, "nll": calibration.nll}
        curve = risk_coverage(probabilities.max(axis=1), rows == columns)
        scores |= {"aurc": curve.aurc, "excess_aurc": curve.excess_aurc, "risk_at_80": curve.risk_at_80}
        scores |= {"coverage_at_risk_10": curve.coverage_at_risk_10}
        summed |= summed_calibration(probabilities, rows)
        details["reliability"] = [asdict(each) for each in calibration.bins]
    correct = rows == columns
    return Scored(
        scores=scores,
        summed=summed,
        items=[
            (target, answer, {"correct": float(right)})
            for target, answer, right in zip(true_labels, given, correct.tolist(), strict=True)
        ],
        kept=None
        if probabilities is None
        else [{"probabilities": dict(zip(labels, row, strict=True))} for row in probabilities.tolist()],
        abstained=result.abstained,
        scored={"classes": result.clips},
        baselines={
            "majority class": getattr(result.majority, protocol.main, math.nan),
            "drawn from the truth's frequencies": getattr(result.random, protocol.main, math.nan),
        },
        details=details,
        engine=result.engine,
        correct=correct,
    )


def class_details(result: ClosedSetResult) -> dict[str, Any]:
    """The tables of a closed-set result, as plain values."""
    return {
        "labels": list(result.labels),
        "confusion": result.confusion.tolist(),
        "per_class": [asdict(score) for score in result.per_class],
        "classes_without_truth": list(result.classes_without_truth),
        "classes_unused": list(result.classes_unused),
    }


def _summed(rows: Any, columns: Any, classes: int) -> dict[str, SummedScore]:
    """The scores of the confusion matrix, and the coverage, as functions of totals over clips."""
    shape = (classes, classes + 1)
    cells = rows * shape[1] + columns
    scores = {**CLOSED_SET_SCORES, "coverage": _coverage}
    return {name: from_cells(cells, shape=shape, score=score) for name, score in scores.items()}


def _coverage(matrix: Any) -> Any:
    return matrix[..., :-1].sum(axis=(-2, -1)) / matrix.sum(axis=(-2, -1))


def _probabilities(joined: Joined, answers: AnswerFile, labels: Sequence[str]) -> Any:
    """One distribution per clip from the `prob_` columns, or None where the file has none or some answer lacks it."""
    columns = [f"{PROBABILITY}{label}" for label in labels]
    given = [column for column in answers.columns if column.startswith(PROBABILITY)]
    unknown = [column for column in given if column not in columns]
    if unknown or (given and len(given) < len(columns)):
        wrong = [f"{column} is unknown" for column in unknown] or [
            f"{column} is absent" for column in columns if column not in given
        ]
        raise UnknownLabel(
            f"the distribution is not over the scheme's labels: {first_five(wrong)}",
            where=answers.path,
            hint=f"Its columns would be: {', '.join(columns)}",
        )
    silent = [row for row in joined.answers if abstention(row) and all(cell_of(row, each) is None for each in columns)]
    if not given or joined.missing or silent:
        return None
    return np.array(
        [
            [number_of(row.get(column), f"clip {name}, {column}") for column in columns]
            for name, row in zip(joined.names, joined.answers, strict=True)
        ]
    )
