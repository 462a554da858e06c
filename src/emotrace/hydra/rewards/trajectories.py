"""The legal completions of a batch against their sheets, as arrays: the terms are sums over rows, one row per check."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from emotrace.hydra.rewards.arrays import padded, summed
from emotrace.hydra.rewards.likeness import Likeness
from emotrace.hydra.rewards.lines import IDS
from emotrace.hydra.rewards.reading import Readings
from emotrace.hydra.rewards.sheets import SheetIndex

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
    """How much the quote covers each observation of the sheet: 0, 0.5 or 1; nothing where it is not true."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Trajectories:
    """All that the four process terms see. It holds no gold label."""

    readings: Readings
    sheet: Int64[np.ndarray, " completion"]
    """Which sheet each completion has."""
    places: Int64[np.ndarray, "sheet id"]
    """Where the observation of an id (`lines.IDS`) stands on a sheet; `nowhere` for one that does not exist."""
    weights: Float64[np.ndarray, "completion place"]
    """s_o of each observation of the completion's sheet, in `UNITS`; 0 behind the last one."""
    observations: Int64[np.ndarray, " completion"]
    """How many the sheet has."""
    checks: Checks

    def __len__(self) -> int:
        return len(self.sheet)

    @property
    def k(self) -> int:
        """How many hypotheses each has."""
        return int(self.readings.rivals.shape[1])

    @property
    def nowhere(self) -> int:
        """The place behind the last one."""
        return int(self.weights.shape[1])

    def total(self, values: Any) -> PerCompletion:
        """The sum over each completion's checks of one number per check."""
        return summed(self.checks.of, values, len(self))

    @cached_property
    def supported(self) -> Float64[np.ndarray, "completion hypothesis"]:
        """The weight of what was marked `+` for each hypothesis, in `UNITS`."""
        return self._marked(self.checks.supports)

    @cached_property
    def contradicted(self) -> Float64[np.ndarray, "completion hypothesis"]:
        """The weight of what was marked `-` for each hypothesis, in `UNITS`."""
        return self._marked(self.checks.contradicts)

    def _marked(self, judged: Bool[np.ndarray, "check hypothesis"]) -> Float64[np.ndarray, "completion hypothesis"]:
        columns = [self.total(self.checks.weight * judged[:, number]) for number in range(self.k)]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self), 0))


def ground(
    readings: Readings, sheets: Sequence[SheetIndex], sheet: Int64[np.ndarray, " completion"], likeness: Likeness
) -> Trajectories:
    """The completions against their sheets.

    Args:
        readings: What the completions hold.
        sheets: All different ones.
        sheet: Which of them each completion has.
        likeness: Compares quotes with observations.
    """
    lengths = np.array(list(map(len, sheets)), np.int64)
    widest = int(lengths.max(initial=0))
    weights = padded([index.weights for index in sheets], widest, 0).astype(np.float64)
    places = np.full((len(sheets), len(IDS) + 1), widest, np.int64)
    ids = [IDS[id] for index in sheets for id in index.ids]
    places[np.repeat(np.arange(len(sheets)), lengths), ids] = [at for index in sheets for at in range(len(index))]
    return Trajectories(
        readings=readings,
        sheet=sheet,
        places=places,
        weights=weights[sheet],
        observations=lengths[sheet],
        checks=_checks(readings, sheets, sheet, places, weights, likeness),
    )


def _checks(
    readings: Readings,
    sheets: Sequence[SheetIndex],
    sheet: Int64[np.ndarray, " completion"],
    places: Int64[np.ndarray, "sheet id"],
    weights: Float64[np.ndarray, "sheet place"],
    likeness: Likeness,
) -> Checks:
    """One row per check that counts.

    One that is checked twice counts as not checked at all [ours]: otherwise the first of two checks would have to win,
    and the order of lines would matter.
    """
    lines, nowhere = readings.lines.checks, weights.shape[1]
    place = places[sheet[readings.of], lines.id[readings.checks]]
    seen = readings.of * (nowhere + 1) + place
    counts = (place < nowhere) & (np.bincount(seen)[seen] == 1)
    of, line, place = readings.of[counts], readings.checks[counts], place[counts]
    # A line that several completions of a sheet share is held against it once.
    _, first, row = np.unique(sheet[of] * len(lines.id) + line, return_index=True, return_inverse=True)
    quoted = (lines.quote[line[first]], sheet[of[first]], place[first])
    truth, alike = _quoted(lines.quotes, *quoted, sheets, nowhere, likeness)
    return Checks(
        of=of,
        place=place,
        weight=weights[sheet[of], place],
        truth=truth[row],
        supports=lines.supports[line],
        contradicts=lines.contradicts[line],
        judged=lines.judged[line],
        likeness=alike[row],
    )


def _quoted(
    quotes: list[str],
    quote: Int64[np.ndarray, " quoted"],
    sheet: Int64[np.ndarray, " quoted"],
    place: Int64[np.ndarray, " quoted"],
    sheets: Sequence[SheetIndex],
    places: int,
    likeness: Likeness,
) -> tuple[Float64[np.ndarray, " quoted"], Float64[np.ndarray, "quoted place"]]:
    """How true quotes are, and how much they cover each observation of their modality."""
    number = {text: number for number, text in enumerate(quotes)}
    texts = [[number.setdefault(text, len(number)) for text in index.texts] for index in sheets]
    observed, modality = padded(texts, places, 0), padded([index.modalities for index in sheets], places, -1)
    truth = (quote == observed[sheet, place]).astype(np.float64)
    for row in np.flatnonzero(truth == 0.0).tolist():
        truth[row] = sheets[sheet[row]].truth(quotes[quote[row]], int(place[row]))
    near = (modality[sheet] == modality[sheet, place][:, None]) & (truth > 0.0)[:, None]
    alike, (by, on) = np.zeros(near.shape), np.nonzero(near)
    alike[by, on] = likeness.levels(list(number), quote[by], observed[sheet[by], on])
    return truth, alike
