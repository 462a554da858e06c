"""Scores of rated dimensions: a value alone, and MER2023's combination of one with classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from emotrace.errors import InvalidScores, first_five
from emotrace.labels.schemes import scheme as named_scheme
from emotrace.metrics.answer_files import VALUE_COLUMNS, AnswerFile, Joined, Row
from emotrace.metrics.protocols import Protocol
from emotrace.metrics.quotient import quotient
from emotrace.metrics.resampling import SummedScore
from emotrace.metrics.score_classes import score_classes
from emotrace.metrics.scored import Scored, Settings, cell_of, number_of, plain
from emotrace.metrics.values import ccc, mer2023_combined, mse

NO_VALUE = -10.0
"""How MER2023 writes "no value" [field]."""


def _numbers(names: Sequence[str], rows: Sequence[Row], column: str) -> Any:
    """The numbers of a column, nan where a cell is blank."""
    cells = [cell_of(row, column) for row in rows]
    return np.array(
        [math.nan if cell is None else number_of(cell, f"clip {name}") for name, cell in zip(names, cells, strict=True)]
    )


def _values(joined: Joined, truth: AnswerFile, answers: AnswerFile, protocol: Protocol, settings: Settings) -> Any:
    """True and predicted values, nan for a truth without one; and what was out of range."""
    alone = protocol.kind == "value"
    true_columns = ("target_value", *VALUE_COLUMNS, *(("target",) if alone else ()))
    own_columns = ("prediction_value", *VALUE_COLUMNS, *(("prediction",) if alone else ()))
    true_column = truth.column(settings.column_truth if alone else None, true_columns, what="value")
    own_column = answers.column(settings.column_answer if alone else None, own_columns, what="value")
    y, p = _numbers(joined.names, joined.truth, true_column), _numbers(joined.names, joined.answers, own_column)
    y[y == NO_VALUE] = np.nan
    low, high = protocol.value_range or (-math.inf, math.inf)
    if not math.isfinite(low) and settings.scheme:
        low, high = next(iter(named_scheme(settings.scheme).values.values()), (low, high))
    wrong = (y < low) | (y > high) | np.isinf(y)
    if wrong.any():
        outside = [f"{name} ({value:g})" for name, value, off in zip(joined.names, y, wrong, strict=True) if off]
        raise InvalidScores(f"has values outside [{low:g}, {high:g}]: {first_five(outside)}", where=truth.path)
    off = int(((p < low) | (p > high)).sum())
    if settings.clip_values:
        p = np.clip(p, low, high)
    lacking = ~np.isnan(y) & ~np.isfinite(p)
    if lacking.any():
        unanswered = [name for name, lacks in zip(joined.names, lacking, strict=True) if lacks]
        raise InvalidScores(f"has no value for: {first_five(unanswered)}", where=answers.path)
    return y, p, {"values": int((~np.isnan(y)).sum()), "outside": off, "clipped": settings.clip_values}


def _error_rows(y: Any, p: Any) -> Any:
    """Per clip: squared error, and whether it counts."""
    known = ~np.isnan(y)
    return np.stack([np.where(known, (p - y) ** 2, 0.0), known], axis=1)


def _mean(totals: Any) -> Any:
    return quotient(totals[..., 0], totals[..., 1])


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
            "mse": SummedScore(rows=_error_rows(y, p), finish=_mean),
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
        return mer2023_combined(matrix.finish(totals[..., :cells]), _mean(errors))

    error_mean = SummedScore(rows=_error_rows(y, p), finish=_mean)
    both = SummedScore(rows=np.concatenate([matrix.rows, error_mean.rows], axis=1), finish=combined)
    return Scored(
        scores={"combined": mer2023_combined(classes.scores["waf"], error), "mse": error, **classes.scores},
        summed={"combined": both, "mse": error_mean, **classes.summed},
        items=classes.items,
        kept=[
            {**kept, "target_value": plain(u), "prediction_value": plain(v)}
            for kept, u, v in zip(classes.kept or [{}] * len(y), y.tolist(), p.tolist(), strict=True)
        ],
        abstained=classes.abstained,
        scored={**classes.scored, "values": details["values"]},
        undefined={"mse": "no clip has a value", "combined": "no clip has a value"},
        details={**classes.details, "value": details},
        engine=classes.engine,
    )
