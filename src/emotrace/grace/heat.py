"""From a transport plan to what a person can look at: the heat map, and which words met which patches, when.

In a balanced plan the rows sum to the motion weights whatever the text says, so the row sum is no alignment. The map is
the affect-bearing part, Σ_j γ_j Π_ij [ours]. It shows where text and picture matched, not a cause.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from emotrace.grace.language.affect_text import AffectText, Phrase, TextSource
from emotrace.span import Span

MIN_LIFT = 2.0
"""A phrase whose best patch gets less than twice its chance share is not linked."""
MAX_LINKS = 8
_CELLS = 3
_REGIONS = (
    (0.22, ("forehead", "forehead", "forehead")),
    (0.36, ("right brow", "between the brows", "left brow")),
    (0.50, ("right eye", "bridge of the nose", "left eye")),
    (0.68, ("right cheek", "nose", "left cheek")),
    (0.86, ("right mouth corner", "lips", "left mouth corner")),
    (1.01, ("right jaw", "chin", "left jaw")),
)
"""Lower edge of each band of an aligned face crop, and its names; right is the person's own right."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One patch of one frame and its share of a phrase's mass."""

    frame: int
    row: int
    column: int
    share: float


@dataclass(frozen=True, kw_only=True)
class WordLink:
    """One phrase, and the patches that the plan gives it."""

    phrase: Phrase
    share: float
    """Of the affect-bearing mass of the clip."""
    lift: float
    """Greatest Π / (a ⊗ b) of the phrase: how many times chance its best patch is."""
    peak_seconds: float
    aligned_span: Span
    """The run of frames around the peak that hold at least half of its mass."""
    observed_span: Span | None
    """When the source of the text saw it."""
    cells: tuple[Cell, ...]
    """Its strongest patches, at most 3, the strongest first."""
    region_name: str
    source: TextSource


def affect_heat(
    plan: Float[Tensor, "batch token column"], affect: Float[Tensor, "batch column"]
) -> Float[Tensor, "batch token"]:
    """Σ_j γ_j Π_ij, summing to 1; all 0 for a clip without affect mass."""
    return normalised((plan @ affect.unsqueeze(2)).squeeze(2))


def normalised(mass: Float[Tensor, "batch token"]) -> Float[Tensor, "batch token"]:
    """Non-negative mass that sums to 1, or to 0 where there is none."""
    total = mass.sum(dim=1, keepdim=True)
    return mass / total.where(total > 0.0, 1.0)


def word_links(
    text: AffectText,
    plan: Float[np.ndarray, "token column"],
    row_marginal: Float[np.ndarray, " token"],
    *,
    grid: tuple[int, int, int],
    times_seconds: Float[np.ndarray, " frame"],
    frame_mask: Bool[np.ndarray, " frame"],
) -> tuple[WordLink, ...]:
    """The phrases whose best patch is at least twice its chance share, the most massive first, at most 8.

    Args:
        text: Whose phrases the plan's columns are.
        plan: Of one clip.
        row_marginal: a.
        grid: Frames, rows, columns of the tokens.
        times_seconds: Of the frames; where they are not known (nan), frame numbers stand in.
        frame_mask: Which frames are there.
    """
    times = np.where(np.isfinite(times_seconds), times_seconds, np.arange(len(times_seconds), dtype=float))
    total = float((plan @ text.affect[: plan.shape[1]]).sum())
    if total <= 0.0:
        return ()
    found = []
    for phrase in text.phrases:
        if not text.affect[phrase.columns].any():
            continue
        mass = plan[:, phrase.columns].sum(axis=1)
        chance = row_marginal * mass.sum()
        lift = float(np.max(np.divide(mass, chance, out=np.zeros_like(mass), where=chance > 0.0), initial=0.0))
        if lift >= MIN_LIFT:
            weighted = float((plan[:, phrase.columns] @ text.affect[phrase.columns]).sum())
            found.append(_link(phrase, mass, weighted / total, lift, grid, times, frame_mask, text.source))
    return tuple(sorted(found, key=lambda link: -link.share)[:MAX_LINKS])


def _link(
    phrase: Phrase,
    mass: Float[np.ndarray, " token"],
    share: float,
    lift: float,
    grid: tuple[int, int, int],
    times: Float[np.ndarray, " frame"],
    frame_mask: Bool[np.ndarray, " frame"],
    source: TextSource,
) -> WordLink:
    cube = mass.reshape(grid) / mass.sum()
    over_time = cube.sum(axis=(1, 2))
    peak = int(over_time.argmax())
    order = np.argsort(-cube, axis=None, kind="stable")[:_CELLS]
    places = np.stack(np.unravel_index(order, grid), axis=1)
    cells = tuple(Cell(frame=int(t), row=int(r), column=int(c), share=float(cube[t, r, c])) for t, r, c in places)
    first, last = _half_run(over_time, peak)
    return WordLink(
        phrase=phrase,
        share=share,
        lift=lift,
        peak_seconds=float(times[peak]),
        aligned_span=Span(float(times[first]), _end_of(last, times, frame_mask)),
        observed_span=phrase.span,
        cells=cells,
        region_name=region_name(cells[0].row, cells[0].column, grid[1:]),
        source=source,
    )


def _half_run(over_time: Float[np.ndarray, " frame"], peak: int) -> tuple[int, int]:
    """The shortest run around the peak, grown towards its heavier neighbour, that holds half of the mass."""
    first = last = peak
    padded = np.concatenate([[-1.0], over_time, [-1.0]])
    while over_time[first : last + 1].sum() < 0.5 and (first > 0 or last < len(over_time) - 1):
        if padded[first] > padded[last + 2]:
            first -= 1
        else:
            last += 1
    return first, last


def _end_of(last: int, times: Float[np.ndarray, " frame"], frame_mask: Bool[np.ndarray, " frame"]) -> float:
    """When the frame ends: at the next one, or one usual step later."""
    real = times[frame_mask]
    step = float(np.median(np.diff(real))) if len(real) > 1 else 0.0
    return float(times[last]) + step


def region_name(row: int, column: int, patches: tuple[int, int]) -> str:
    """The part of an aligned face crop that a patch lies on.

    >>> region_name(10, 7, (14, 14)), region_name(4, 2, (14, 14))
    ('lips', 'right brow')
    """
    down, across = (row + 0.5) / patches[0], (column + 0.5) / patches[1]
    names = next(names for edge, names in _REGIONS if down < edge)
    return names[0 if across < 0.4 else 1 if across <= 0.6 else 2]
