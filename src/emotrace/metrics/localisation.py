"""How well a heat map finds the place and the time that a truth names.

Each score is one number per clip, nan where the truth is empty (there is nothing to find) or the map is, so that means
and bootstraps say what they leave out. Ties are shared: an even map scores chance exactly, never by luck.

    pointing            whether the greatest cell is relevant (pointing game; Zhang et al. 2018, arXiv 1608.00507)
    average precision   of the cells, ranked by heat
    iou                 of the truth and as many of the greatest cells as it has
    energy              heat inside the truth over the truth's share of the cells: 1 is chance
    apex error          frames between the frame with the most heat and the true apex
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from emotrace.errors import InvalidScores
from emotrace.metrics.resampling import SummedScore

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Float64, Int64


@dataclass(frozen=True, kw_only=True)
class Localisation:
    """Scores of clips, nan where they are not defined."""

    pointing: Float64[np.ndarray, " clip"]
    """0..1; in between only where cells tie for the greatest."""
    average_precision: Float64[np.ndarray, " clip"]
    iou: Float64[np.ndarray, " clip"]
    energy: Float64[np.ndarray, " clip"]
    """0 up to 1 / area share; 1 is chance."""

    @property
    def undefined(self) -> int:
        """Clips without a relevant cell or without heat."""
        return int(np.isnan(self.pointing).sum())

    def means(self) -> dict[str, float]:
        """The mean of every score over the clips that have it."""
        return {f.name: mean_of(getattr(self, f.name)).value for f in fields(self)}


def localise(heat: Float[np.ndarray, "clip ..."], truth: Bool[np.ndarray, "clip ..."]) -> Localisation:
    """Scores maps against the cells that are relevant.

    Args:
        heat: At least 0; any shape behind the first axis.
        truth: Which cells are relevant, of the same shape.

    Raises:
        InvalidScores: The shapes differ, or heat is negative or not a number.
    """
    if heat.shape != truth.shape:
        raise InvalidScores(f"maps of shape {heat.shape} and truths of shape {truth.shape} do not fit")
    flat, relevant = heat.reshape(len(heat), -1).astype(np.float64), truth.reshape(len(truth), -1)
    if not (flat >= 0.0).all():
        raise InvalidScores("heat must be at least 0 everywhere")
    defined = relevant.any(axis=1) & (flat.sum(axis=1) > 0.0)
    scores = np.full((4, len(flat)), np.nan)
    for clip in np.flatnonzero(defined):
        scores[:, clip] = _scores(flat[clip], relevant[clip])
    return Localisation(pointing=scores[0], average_precision=scores[1], iou=scores[2], energy=scores[3])


def _scores(heat: Float64[np.ndarray, " cell"], relevant: Bool[np.ndarray, " cell"]) -> tuple[float, ...]:
    """Of one clip. Cells of equal heat form one group, and each of a group counts as the group's mean."""
    values, group = np.unique(-heat, return_inverse=True)
    size = np.bincount(group, minlength=len(values)).astype(np.float64)
    hits = np.bincount(group, weights=relevant, minlength=len(values))
    area = hits.sum()
    pointing = hits[0] / size[0]
    taken = np.clip(area - (np.cumsum(size) - size), 0.0, size)  # of each group, to have as many cells as the truth
    found = float((taken * hits / size).sum())
    precision = np.cumsum(hits) / np.cumsum(size)
    energy = heat[relevant].sum() / heat.sum() * len(heat) / area
    return pointing, float((precision * hits).sum() / area), found / (2 * area - found), energy


def apex_errors(
    heat: Float[np.ndarray, "clip frame"], apex: Int64[np.ndarray, " clip"]
) -> Float64[np.ndarray, " clip"]:
    """Frames between the frame with the most heat and the apex; the mean over frames that tie.

    nan where the apex is negative (there is none) or there is no heat.
    """
    distance = np.abs(np.arange(heat.shape[1])[None, :] - apex[:, None]).astype(np.float64)
    is_peak = heat == heat.max(axis=1, keepdims=True)
    errors: Float64[np.ndarray, " clip"] = (distance * is_peak).sum(axis=1) / is_peak.sum(axis=1)
    errors[(apex < 0) | (heat.sum(axis=1) <= 0.0)] = np.nan
    return errors


def span_iou(found: Float[np.ndarray, "clip 2"], true: Float[np.ndarray, "clip 2"]) -> Float64[np.ndarray, " clip"]:
    """Intersection over union of spans, start and end; nan where a span is nan or the union is empty."""
    shared = np.minimum(found[:, 1], true[:, 1]) - np.maximum(found[:, 0], true[:, 0])
    shared = np.maximum(shared, 0.0)
    union = (found[:, 1] - found[:, 0]) + (true[:, 1] - true[:, 0]) - shared
    overlap = np.full(len(found), np.nan)
    np.divide(shared, union, out=overlap, where=union > 0.0)
    return overlap


def mean_of(scores: Float64[np.ndarray, " clip"]) -> SummedScore:
    """The mean of the clips that have a score, for `resampling`."""
    there = np.isfinite(scores)
    rows = np.stack([np.where(there, scores, 0.0), there.astype(np.float64)], axis=1)

    def finish(totals: Any) -> Any:
        totals = np.asarray(totals)
        return np.divide(
            totals[..., 0], totals[..., 1], out=np.full(totals.shape[:-1], np.nan), where=totals[..., 1] > 0.0
        )

    return SummedScore(rows=rows, finish=finish)
