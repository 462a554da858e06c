"""The same scores over parts of the clips: each group of a column, each test fold, and the mean of the folds.

Every score is a function of totals over clips (see `resampling.py`), so a part is a choice of rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from emotrace.errors import InvalidScores
from emotrace.metrics.report import Folds, Group, Score, ScoreInterval
from emotrace.metrics.resampling import Interval, SummedScore, bootstrap
from emotrace.metrics.scored import plain

SMALLEST_GROUP = 30
"""Below this many clips a group shows its number alone [ours]."""


def as_written(interval: Interval) -> ScoreInterval:
    """An interval as a report holds it."""
    return ScoreInterval(
        low=plain(interval.low),
        high=plain(interval.high),
        rounds=interval.rounds,
        undefined_rounds=interval.undefined_rounds,
        clusters=interval.clusters,
    )


def score_groups(
    summed: Mapping[str, SummedScore],
    names: Sequence[str],
    *,
    rounds: int | None,
    seed: int,
    clusters: Sequence[str] | None = None,
) -> dict[str, Group]:
    """Scores and intervals of each group with at least 30 clips; `names` has the group of each clip."""
    groups = {}
    for name in sorted(set(names)):
        rows = [row for row, each in enumerate(names) if each == name]
        scores = {}
        for key, score in summed.items() if len(rows) >= SMALLEST_GROUP else ():
            part = SummedScore(rows=score.rows[rows], finish=score.finish)
            drawn = None
            if rounds != 0:
                kept = None if clusters is None else [clusters[row] for row in rows]
                drawn = as_written(bootstrap(part, rounds=rounds, seed=seed, clusters=kept))
            undefined = "no clip of the group is scored" if math.isnan(part.value) else ""
            scores[key] = Score(value=plain(part.value), interval=drawn, undefined=undefined)
        groups[name] = Group(clips=len(rows), scores=scores)
    return groups


def score_folds(summed: Mapping[str, SummedScore], names: Sequence[str], *, column: str) -> Folds:
    """Scores of each test fold, their mean and standard deviation; `names` has the fold of each clip.

    Raises:
        InvalidScores: Fewer than two folds.
    """
    folds = sorted(set(names))
    if len(folds) < 2:
        raise InvalidScores(f"has one fold, {folds[0]}: a mean over folds needs two", where=f"column {column}")
    values = {key: fold_values(score, names) for key, score in summed.items()}
    return Folds(
        column=column,
        clips={fold: list(names).count(fold) for fold in folds},
        scores={
            key: {fold: plain(value) for fold, value in zip(folds, each, strict=True)} for key, each in values.items()
        },
        mean={key: plain(float(np.mean(each))) for key, each in values.items()},
        deviation={key: plain(float(np.std(each, ddof=1))) for key, each in values.items()},
    )


def fold_values(score: SummedScore, names: Sequence[str]) -> list[float]:
    """One score on each fold, in the alphabetical order of the folds."""
    order = np.array(names)
    return [float(score.finish(score.rows[order == fold].sum(axis=0))) for fold in sorted(set(names))]
