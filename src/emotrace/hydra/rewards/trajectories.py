"""The legal completions of a batch against their sheets, as arrays: the terms are sums over rows, one row per check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from emotrace.hydra.rewards.likeness import Likeness
from emotrace.hydra.rewards.reading import Reading
from emotrace.hydra.rewards.sheets import ABSENT, Alike, Grounded, SheetIndex

PerCompletion = Float64[np.ndarray, " completion"]


class Checks(NamedTuple):
    """The checks that count, completion by completion: each of an observation that exists, and is checked once."""

    of: Int64[np.ndarray, " check"]
    """The completion."""
    place: Int64[np.ndarray, " check"]
    """Of the observation on the sheet."""
    weight: Float64[np.ndarray, " check"]
    """s_o, in `UNITS`."""
    truth: Float64[np.ndarray, " check"]
    """How much of the quote is in the observation: 0, 0.5 or 1."""
    supports: Bool[np.ndarray, "check hypothesis"]
    contradicts: Bool[np.ndarray, "check hypothesis"]
    judged: Int64[np.ndarray, " check"]
    """How many hypotheses the line judges."""
    likeness: Float64[np.ndarray, "check place"]
    """How much the quote covers each observation of the sheet: 0, 0.5 or 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectories:
    """All that the four process terms see. It holds no gold label."""

    k: int
    readings: list[Reading]
    sheets: list[SheetIndex]
    """The sheet of each completion."""
    weights: Float64[np.ndarray, "completion place"]
    """s_o of each observation of the completion's sheet, in `UNITS`; 0 behind the last one."""
    observations: Int64[np.ndarray, " completion"]
    """How many the sheet has."""
    checks: Checks

    def __len__(self) -> int:
        return len(self.readings)

    def total(self, values: Any) -> PerCompletion:
        """The sum over each completion's checks of one number per check."""
        return summed(self.checks.of, values, len(self))

    def marks(self, judged: Bool[np.ndarray, "check hypothesis"]) -> Float64[np.ndarray, "completion hypothesis"]:
        """The weight of what was marked so for each hypothesis, in `UNITS`."""
        columns = [self.total(self.checks.weight * judged[:, number]) for number in range(self.k)]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self), 0))


def ground(readings: list[Reading], sheets: list[SheetIndex], k: int, likeness: Likeness) -> Trajectories:
    """The completions against their sheets."""
    of, row = ragged([sheet.rows(reading.checks) for reading, sheet in zip(readings, sheets, strict=True)])
    distinct = {sheet: number for number, sheet in enumerate(dict.fromkeys(sheets))}
    likeness.prepare(distinct)
    which = np.array([distinct[sheet] for sheet in sheets], np.int64)
    widest = max(map(len, distinct), default=0)
    weights = np.zeros((len(distinct), widest))
    for sheet, number in distinct.items():
        weights[number, : len(sheet)] = sheet.weights
    first = np.cumsum([0, *(len(sheet.grounded) for sheet in distinct)])[which]
    exists = row != ABSENT
    of, row = of[exists], (row + first[of])[exists]
    return Trajectories(
        k=k,
        readings=readings,
        sheets=sheets,
        weights=weights[which],
        observations=np.array([len(sheet) for sheet in sheets], np.int64),
        checks=_checks(of, row, [check for sheet in distinct for check in sheet.grounded], k, widest),
    )


def _checks(of: Any, row: Any, grounded: list[Grounded], k: int, widest: int) -> Checks:
    """One row per check that counts.

    One that is checked twice counts as not checked at all [ours]: otherwise the first of two checks would have to win,
    and the order of lines would matter.
    """
    places = np.array([check.place for check in grounded], np.int64)
    seen = of * widest + places[row]
    once = np.bincount(seen)[seen] == 1
    of, row = of[once], row[once]
    lines = [check.line for check in grounded]
    return Checks(
        of=of,
        place=places[row],
        weight=np.array([check.weight for check in grounded], np.float64)[row],
        truth=np.array([check.truth for check in grounded], np.float64)[row],
        supports=_columns([line.supports for line in lines], k)[row],
        contradicts=_columns([line.contradicts for line in lines], k)[row],
        judged=_columns([line.judged for line in lines], k).sum(axis=1)[row],
        likeness=_dense([check.likeness for check in grounded], widest)[row],
    )


def _columns(masks: list[int], k: int) -> Bool[np.ndarray, "check hypothesis"]:
    """Masks in which bit n is hypothesis n."""
    columns: Bool[np.ndarray, "check hypothesis"] = (np.array(masks, np.int64)[:, None] >> np.arange(1, k + 1)) % 2 > 0
    return columns


def _dense(likeness: list[Alike], widest: int) -> Float64[np.ndarray, "check place"]:
    found = np.zeros((len(likeness), widest))
    for row, alike in enumerate(likeness):
        for place, level in alike:
            found[row, place] = level
    return found


def summed(of: Int64[np.ndarray, " item"], values: Any, groups: int) -> Float64[np.ndarray, " group"]:
    """The sum of one number per item over the items of each group; 0 for a group without any."""
    return np.bincount(of, values, minlength=groups).astype(np.float64)


def ragged(rows: Sequence[Sequence[int]]) -> tuple[Int64[np.ndarray, " item"], Int64[np.ndarray, " item"]]:
    """Rows of unequal length one after another: the row of each item, and the items."""
    lengths = [len(row) for row in rows]
    items = np.fromiter(chain.from_iterable(rows), np.int64, sum(lengths))
    return np.repeat(np.arange(len(rows)), lengths), items
