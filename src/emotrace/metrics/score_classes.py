"""Scores of the closed-set protocols: classes, values, and both together (MER2023)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from emotrace.errors import InvalidScores, first_five
from emotrace.labels.schemes import scheme as named_scheme
from emotrace.metrics.answer_files import ANSWER_COLUMNS, PROBABILITY, TRUTH_COLUMNS, VALUE_COLUMNS, AnswerFile, Joined
from emotrace.metrics.calibration import calibrate, risk_coverage
from emotrace.metrics.classification import (
    CLOSED_SET_SCORES,
    ClosedSetResult,
    ccc,
    class_indices,
    classify,
    mer2023_combined,
    mse,
)
from emotrace.metrics.protocols import Protocol
from emotrace.metrics.resampling import SummedScore, from_cells
from emotrace.metrics.scored import Scored, Settings, answers_of, cell_of, column_of_truth, number_of, one_label, plain

NO_VALUE = -10.0
"""How MER2023 writes "no value" [field]."""
SMALLEST_GROUP = 30


def score_classes(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> Scored:
    """UAR, WAR, WAF and macro-F1; calibration and risk too where the answers come with `prob_<label>` columns."""
    name = settings.scheme or protocol.scheme
    if name is None:
        raise InvalidScores(f"protocol {protocol.name} needs a label scheme", todo="Name it with --scheme NAME")
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
    cells_index = rows * (len(labels) + 1) + columns
    shape = (len(labels), len(labels) + 1)
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
        details["reliability"] = [asdict(each) for each in calibration.bins]
    if settings.group_by:
        details["groups"] = _groups(joined, truth, settings, true_labels, given, labels)
    correct = rows == columns
    return Scored(
        scores=scores,
        summed={
            key: from_cells(cells_index, shape=shape, score=function) for key, function in CLOSED_SET_SCORES.items()
        },
        items=[
            (target, answer, {"correct": float(right)})
            for target, answer, right in zip(true_labels, given, correct.tolist(), strict=True)
        ],
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


def _probabilities(joined: Joined, answers: AnswerFile, labels: Sequence[str]) -> Any:
    """One distribution per clip from the `prob_` columns, or None where the file has none or some answer lacks it."""
    columns = [f"{PROBABILITY}{label}" for label in labels]
    if not set(columns) <= set(answers.columns) or joined.missing:
        return None
    return np.array(
        [
            [number_of(row.get(column), f"clip {name}, {column}") for column in columns]
            for name, row in zip(joined.names, joined.answers, strict=True)
        ]
    )


def _groups(
    joined: Joined,
    truth: AnswerFile,
    settings: Settings,
    true_labels: Sequence[str],
    given: Sequence[str | None],
    labels: Sequence[str],
) -> dict[str, Any]:
    """UAR, WAR and coverage of each group with at least 30 clips; smaller ones show their number alone."""
    groups = column_of_truth(joined, truth, settings.group_by or "")
    table: dict[str, Any] = {}
    for group in sorted(set(groups)):
        rows = [row for row, each in enumerate(groups) if each == group]
        table[group] = {"clips": len(rows)}
        if len(rows) >= SMALLEST_GROUP:
            result = classify([true_labels[r] for r in rows], [given[r] for r in rows], labels=labels, engine="base")
            table[group] |= {"uar": result.uar, "war": result.war, "coverage": result.coverage}
    return table


def _values(joined: Joined, truth: AnswerFile, answers: AnswerFile, protocol: Protocol, settings: Settings) -> Any:
    """True and predicted values, nan for a truth without one; and what was out of range."""
    true_column = truth.column(settings.column_truth if protocol.kind == "value" else None, VALUE_COLUMNS, what="value")
    own_column = answers.column(
        settings.column_answer if protocol.kind == "value" else None, ("prediction", *VALUE_COLUMNS), what="value"
    )
    y = np.array(
        [
            math.nan if cell_of(row, true_column) is None else number_of(row[true_column], f"clip {name}")
            for name, row in zip(joined.names, joined.truth, strict=True)
        ]
    )
    p = np.array(
        [
            math.nan if cell_of(row, own_column) is None else number_of(row[own_column], f"clip {name}")
            for name, row in zip(joined.names, joined.answers, strict=True)
        ]
    )
    y[y == NO_VALUE] = np.nan
    low, high = protocol.value_range or (-math.inf, math.inf)
    if not math.isfinite(low) and settings.scheme:
        low, high = next(iter(named_scheme(settings.scheme).values.values()), (low, high))
    outside = [f"{name} ({value:g})" for name, value in zip(joined.names, y, strict=True) if not (low <= value <= high)]
    outside = [each for each in outside if "(nan)" not in each]
    if outside:
        raise InvalidScores(f"has values outside [{low:g}, {high:g}]: {first_five(outside)}", where=truth.path)
    off = int(((p < low) | (p > high)).sum())
    if settings.clip_values:
        p = np.clip(p, low, high)
    unanswered = [name for name, a, b in zip(joined.names, y, p, strict=True) if not math.isnan(a) and math.isnan(b)]
    if unanswered:
        raise InvalidScores(f"has no value for: {first_five(unanswered)}", where=answers.path)
    details = {"values": int((~np.isnan(y)).sum()), "outside": off, "clipped": settings.clip_values}
    return y, p, details


def _error_rows(y: Any, p: Any) -> Any:
    """Per clip: squared error, and whether it counts."""
    known = ~np.isnan(y)
    return np.stack([np.where(known, (p - y) ** 2, 0.0), known], axis=1)


def score_value(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> Scored:
    """CCC and MSE of a rated dimension."""
    y, p, details = _values(joined, truth, answers, protocol, settings)
    known = ~np.isnan(y)
    centre = float(np.mean(y[known])) if known.any() else 0.0
    a, b = np.where(known, y - centre, 0.0), np.where(known, p - centre, 0.0)
    moments = np.stack([known, a, b, a * a, b * b, a * b], axis=1).astype(np.float64)

    def concordance(totals: Any) -> Any:
        n, sa, sb, saa, sbb, sab = np.moveaxis(np.asarray(totals, dtype=np.float64), -1, 0)
        with np.errstate(invalid="ignore", divide="ignore"):
            spread = saa / n - (sa / n) ** 2 + sbb / n - (sb / n) ** 2 + ((sa - sb) / n) ** 2
            return np.where(spread > 1e-15, 2.0 * (sab / n - sa * sb / n**2) / spread, np.nan)

    scores = {"ccc": ccc(y, p), "mse": mse(y, p)}
    return Scored(
        scores=scores,
        summed={
            "ccc": SummedScore(rows=moments, finish=concordance),
            "mse": SummedScore(rows=_error_rows(y, p), finish=lambda totals: totals[..., 0] / totals[..., 1]),
        },
        items=[(plain(u), plain(v), {"squared_error": plain((u - v) ** 2)}) for u, v in zip(y, p, strict=True)],
        abstained=0,
        scored={"values": int(known.sum())},
        undefined={"ccc": "truth and prediction are both constant, or no clip has a value"},
        details=details,
    )


def score_classes_and_value(
    protocol: Protocol, joined: Joined, truth: AnswerFile, answers: AnswerFile, settings: Settings
) -> Scored:
    """MER2023's combined score, with WAF and MSE apart."""
    classes = score_classes(protocol, joined, truth, answers, settings)
    y, p, details = _values(joined, truth, answers, protocol, settings)
    error = mse(y, p)
    matrix = classes.summed["waf"]
    cells = matrix.rows.shape[1]

    def combined(totals: Any) -> Any:
        errors = np.asarray(totals)[..., cells:]
        with np.errstate(invalid="ignore", divide="ignore"):
            return mer2023_combined(matrix.finish(totals[..., :cells]), errors[..., 0] / errors[..., 1])

    both = SummedScore(rows=np.concatenate([matrix.rows, _error_rows(y, p)], axis=1), finish=combined)
    return Scored(
        scores={"combined": mer2023_combined(classes.scores["waf"], error), "mse": error, **classes.scores},
        summed={"combined": both, **classes.summed},
        items=classes.items,
        abstained=classes.abstained,
        scored={**classes.scored, "values": details["values"]},
        undefined={"mse": "no clip has a value", "combined": "no clip has a value"},
        details={**classes.details, "value": details},
        engine=classes.engine,
    )
