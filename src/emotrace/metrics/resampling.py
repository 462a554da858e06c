"""How sure a score is, and whether two systems differ on the same clips.

Every score resampled here is a function of *totals over clips*: each clip adds one row of numbers, `finish` turns the
column sums into the score. A confusion matrix is such a total (one cell per clip), a set F is (precision, recall and
a count per target), an MSE is. So one resample is one weighted sum, thousands of them are one matrix product, and
bootstrap, paired bootstrap and permutation share it.

Differences are reported with intervals and p-values; the word "significant" is not used. Tests that draw nothing are in
`exact_tests.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotrace.errors import InvalidScores

if TYPE_CHECKING:
    from jaxtyping import Float64, Int64

LEVEL = 0.95
LARGE_CORPUS = 5_000
"""From this many clips on 1,000 resamples are drawn instead of 10,000."""
_BLOCK_NUMBERS = 4_000_000
"""Largest number of weights held at once, so that memory stays flat whatever the corpus."""


@dataclass(frozen=True, kw_only=True)
class SummedScore:
    """A score as a function of totals: `finish(rows.sum(axis=0))`."""

    rows: Float64[np.ndarray, "clip part"]
    finish: Callable[[Any], Any]
    """Totals `[... part]` -> score `[...]`, nan where it is undefined."""

    @property
    def value(self) -> float:
        """The score of all clips."""
        return float(self.finish(self.rows.sum(axis=0)))


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Percentile interval of a score over resampled clips."""

    low: float
    high: float
    estimate: float
    level: float
    rounds: int
    undefined_rounds: int
    """Resamples whose score was nan; they are left out of the percentiles."""
    seed: int
    clusters: int | None
    """How many clusters were drawn whole, or None when clips were drawn."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Score of A minus score of B on the same clips."""

    estimate: float
    interval: Interval
    p_bootstrap: float
    """2 min(P(D* <= 0), P(D* >= 0)) with 1 added above and below, at most 1."""
    p_permutation: float
    """(1 + hits) / (1 + rounds) over random swaps of A and B clip by clip: the p-value to report."""


def from_cells(
    cells: Int64[np.ndarray, " clip"], *, shape: tuple[int, int], score: Callable[[Any], Any]
) -> SummedScore:
    """A function of a confusion matrix as a summed score; `cells` are flat positions in a matrix of `shape`."""
    rows = np.zeros((len(cells), shape[0] * shape[1]))
    rows[np.arange(len(cells)), cells] = 1.0
    return SummedScore(rows=rows, finish=lambda totals: score(np.reshape(totals, (*np.shape(totals)[:-1], *shape))))


def default_rounds(clips: int) -> int:
    """10,000, or 1,000 for more than 5,000 clips."""
    return 1_000 if clips > LARGE_CORPUS else 10_000


def _group_rows(
    rows: Float64[np.ndarray, "clip part"], clusters: Sequence[object] | None
) -> tuple[Float64[np.ndarray, "unit part"], Float64[np.ndarray, " unit"], int]:
    """What is drawn: rows per draw, how many draws of each kind there are, and how many draws make one resample."""
    if clusters is None:
        # Clips with equal rows are interchangeable: counts per kind of row, so that a draw is a small multinomial.
        kinds, counts = np.unique(rows, axis=0, return_counts=True)
        return kinds, counts.astype(np.float64), len(rows)
    names = {cluster: number for number, cluster in enumerate(dict.fromkeys(clusters))}
    totals = np.zeros((len(names), rows.shape[1]))
    np.add.at(totals, [names[cluster] for cluster in clusters], rows)
    return totals, np.ones(len(names)), len(names)


def _resampled_totals(
    rows: Float64[np.ndarray, "clip part"], clusters: Sequence[object] | None, rounds: int, seed: int
) -> Iterator[Float64[np.ndarray, "round part"]]:
    kinds, counts, draws = _group_rows(rows, clusters)
    generator = np.random.default_rng(seed)
    # Above this share of distinct rows drawing positions is cheaper than drawing multinomial counts.
    by_position = len(kinds) > draws // 8
    kind_of_draw = np.repeat(np.arange(len(kinds)), counts.astype(np.int64))
    block = max(1, _BLOCK_NUMBERS // max(len(kinds), draws if by_position else 1, 1))
    for start in range(0, rounds, block):
        size = min(block, rounds - start)
        if by_position:
            drawn = kind_of_draw[generator.integers(draws, size=(size, draws))]
            drawn += np.arange(size)[:, None] * len(kinds)
            weights = np.bincount(drawn.ravel(), minlength=size * len(kinds)).reshape(size, len(kinds))
        else:
            weights = generator.multinomial(draws, counts / draws, size=size)
        yield weights.astype(np.float64) @ kinds


def _check(scores: Sequence[SummedScore], clusters: Sequence[object] | None) -> int:
    clips = len(scores[0].rows)
    if any(len(score.rows) != clips for score in scores) or (clusters is not None and len(clusters) != clips):
        raise InvalidScores("scores and clusters must have one entry per clip, for the same clips")
    if clips == 0:
        raise InvalidScores("an interval needs at least one clip")
    return clips


def interval_of(
    values: Float64[np.ndarray, " round"], *, estimate: float, seed: int, clusters: int | None = None
) -> Interval:
    """The percentile interval of resampled scores."""
    defined = values[~np.isnan(values)]
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(defined, [tail, 1.0 - tail]) if defined.size else (np.nan, np.nan)
    return Interval(
        low=float(low),
        high=float(high),
        estimate=estimate,
        level=LEVEL,
        rounds=len(values),
        undefined_rounds=len(values) - len(defined),
        seed=seed,
        clusters=clusters,
    )


def draw_scores(
    score: SummedScore, *, rounds: int | None = None, seed: int = 0, clusters: Sequence[object] | None = None
) -> Float64[np.ndarray, " round"]:
    """The score of each resample, nan where it is undefined; see `bootstrap`."""
    clips = _check([score], clusters)
    rounds = default_rounds(clips) if rounds is None else rounds
    values = [score.finish(totals) for totals in _resampled_totals(score.rows, clusters, rounds, seed)]
    return np.concatenate(values).astype(np.float64)


def bootstrap(
    score: SummedScore, *, rounds: int | None = None, seed: int = 0, clusters: Sequence[object] | None = None
) -> Interval:
    """95 % percentile bootstrap over clips, or over whole clusters (speaker, dialogue, film).

    Accuracy 0.88 over 1,169 clips gives about +-1.9 points.

    Raises:
        InvalidScores: No clip, or a cluster list of another length.
    """
    return interval_of(
        draw_scores(score, rounds=rounds, seed=seed, clusters=clusters),
        estimate=score.value,
        seed=seed,
        clusters=None if clusters is None else len(set(clusters)),
    )


def paired_difference(
    a: SummedScore,
    b: SummedScore,
    *,
    rounds: int | None = None,
    seed: int = 0,
    clusters: Sequence[object] | None = None,
) -> Difference:
    """A minus B on the same clips: paired bootstrap interval and p, and the permutation p.

    Raises:
        InvalidScores: The two scores are not over the same clips.
    """
    clips = _check([a, b], clusters)
    rounds = default_rounds(clips) if rounds is None else rounds
    parts = a.rows.shape[1]
    both = np.concatenate([a.rows, b.rows], axis=1)
    values = np.concatenate(
        [
            a.finish(totals[:, :parts]) - b.finish(totals[:, parts:])
            for totals in _resampled_totals(both, clusters, rounds, seed)
        ]
    )
    estimate = a.value - b.value
    defined = values[~np.isnan(values)]
    tail = min((defined <= 0).sum(), (defined >= 0).sum())
    return Difference(
        estimate=estimate,
        interval=interval_of(
            values, estimate=estimate, seed=seed, clusters=None if clusters is None else len(set(clusters))
        ),
        p_bootstrap=min(1.0, 2.0 * (1.0 + float(tail)) / (1.0 + len(defined))),
        p_permutation=permutation_test(a, b, rounds=rounds, seed=seed, clusters=clusters),
    )


def permutation_test(
    a: SummedScore,
    b: SummedScore,
    *,
    rounds: int = 10_000,
    seed: int = 0,
    clusters: Sequence[object] | None = None,
) -> float:
    """Two-sided p of "A and B are exchangeable".

    The answers of A and B are swapped clip by clip (or cluster by cluster) at random.
    p = (1 + swaps whose |difference| is at least the observed one) / (1 + rounds); nan when a score is undefined.
    """
    _check([a, b], clusters)
    change = b.rows - a.rows if clusters is None else _group_rows(b.rows - a.rows, clusters)[0]
    change = change[np.any(change != 0, axis=1)]
    total_a, total_b = a.rows.sum(axis=0), b.rows.sum(axis=0)
    observed = abs(a.value - b.value)
    if math.isnan(observed):
        return float("nan")
    generator = np.random.default_rng(seed)
    hits = 0
    block = max(1, _BLOCK_NUMBERS // max(len(change), 1))
    for start in range(0, rounds, block):
        size = min(block, rounds - start)
        swapped = generator.integers(2, size=(size, len(change)), dtype=np.int8).astype(np.float64) @ change
        differences = np.abs(a.finish(total_a + swapped) - b.finish(total_b - swapped))
        # Sums of the same numbers in another order differ in the last bits: an equal difference is a hit.
        hits += int((differences >= observed - 1e-12).sum())
    return (1.0 + hits) / (1.0 + rounds)
