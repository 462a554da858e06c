"""Where and when words met the face: per person a strip of moments, a curve over time, and the table of words.

Positions across are per cent of the clip, as on the timeline. The maps themselves stay in the page's data, where the
script finds them: they are drawn, not stored as pictures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Float

from emotrace.grace.video.expression import AlignedWord, Expression
from emotrace.grace.video.observed import LinkKind, mean_shares, same_events
from emotrace.report.timeline import across
from emotrace.results import Analysis, Person
from emotrace.span import Span

CURVE_PIXELS = 64
_MOST_MOMENTS = 48
"""Pictures of all strips together; each person gets 8 at least."""
_FEWEST_MOMENTS = 8
_LEAST_STEP_SECONDS = 0.5
_MOST_POINTS = 800
_MOST_ROWS = 40


@dataclass(frozen=True, kw_only=True)
class WordRow:
    """One event of the table: a phrase that met a part of the face."""

    word: AlignedWord
    """Its link of greatest lift."""
    observed: Span | None
    """When the words were observed, all windows together; None where nobody observed them."""
    windows: int
    """How many windows linked it."""
    members: str
    """`window.word` of every link of the event, in the page's data, separated by spaces; the greatest lift first."""


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Heat per moment, in multiples of an even spread over the window; a break where the face is away."""

    lines: tuple[str, ...]
    """Points of polylines: per cent across, 0..1 down."""
    most: float
    """What the top stands for."""
    even: float
    """Where 1 lies, 0..1 down."""


@dataclass(frozen=True, kw_only=True)
class HeatPanel:
    """What one person's panel shows."""

    person: int
    windows: int
    window_seconds: float
    source: str
    words_windows: int
    """How many windows have a map of words; the others show movement, or nothing."""
    still_windows: int
    """How many have no map at all."""
    moments: tuple[float, ...]
    """Times of the strip's pictures, in seconds."""
    curve: Curve
    rows: tuple[WordRow, ...]
    rows_left_out: int
    typical: tuple[tuple[str, tuple[WordRow, ...]], ...]
    """Label -> the words that are typical of it, where they were asked for."""
    shares: dict[str, float]
    """Mean distribution over all pictures."""


def panels(analysis: Analysis) -> dict[int, HeatPanel]:
    """Number of the person -> panel, for those whose face was read."""
    read = [number for number, person in enumerate(analysis.persons) if person.expressions]
    quota = max(_FEWEST_MOMENTS, _MOST_MOMENTS // max(len(read), 1))
    duration = analysis.source.duration_seconds
    return {number: _panel(number, analysis.persons[number], quota, duration) for number in read}


def strongest(analysis: Analysis) -> float:
    """The top of the colour scale that all strips share, in multiples of an even spread.

    One patch in a hundred lies above it, and has its colour: else a single patch would pale all others.
    """
    maps = [each.heat for person in analysis.persons for each in person.expressions if each.heat_source == "transport"]
    tops = [float(np.percentile(heat.values * heat.steps.size, 99.0)) for heat in maps]
    return max(2.0, float(np.round(np.median(tops)))) if tops else 2.0


def _panel(number: int, person: Person, quota: int, duration: float) -> HeatPanel:
    windows = person.expressions
    rows = _rows(windows, "words")
    labels = dict.fromkeys(each.typical_of for each in windows if each.typical_of is not None)
    shown = sorted(sorted(rows, key=lambda row: -row.word.share)[:_MOST_ROWS], key=lambda row: row.word.aligned_span)
    return HeatPanel(
        person=number,
        windows=len(windows),
        window_seconds=round(max(each.span.duration_seconds for each in windows), 1),
        source=windows[0].source,
        words_windows=sum(each.heat_source == "transport" for each in windows),
        still_windows=sum(each.heat_source == "none" for each in windows),
        moments=_moments(windows, [row.word.peak_seconds for row in shown], quota),
        curve=_curve(windows, duration),
        rows=tuple(shown),
        rows_left_out=len(rows) - len(shown),
        typical=tuple((label, tuple(_best_of_each(_rows(windows, "typical_words", label)))) for label in labels),
        shares=mean_shares(windows),
    )


def _rows(windows: Sequence[Expression], kind: LinkKind, label: str | None = None) -> list[WordRow]:
    rows = []
    for event in same_events(windows, kind):
        first = windows[event[0][0]]
        if label is not None and first.typical_of != label:
            continue
        words = [getattr(windows[window], kind)[place] for window, place in event]
        observed = [word.observed_span for word in words if word.observed_span is not None]
        rows.append(
            WordRow(
                word=words[0],
                observed=reduce(Span.__or__, observed) if observed else None,
                windows=len(event),
                members=" ".join(f"{window}.{place}" for window, place in event),
            )
        )
    return rows


def _best_of_each(rows: Iterable[WordRow]) -> list[WordRow]:
    """One row per phrase, the most massive: what is typical of a label is the same throughout the clip."""
    best: dict[str, WordRow] = {}
    for row in rows:
        if row.word.text not in best or best[row.word.text].word.share < row.word.share:
            best[row.word.text] = row
    return sorted(best.values(), key=lambda row: -row.word.share)


def _moments(windows: Sequence[Expression], peaks: Sequence[float], quota: int) -> tuple[float, ...]:
    """Times of pictures: those nearest to the words' peaks first, the rest spread evenly over the presence."""
    times = np.array(sorted({frame.time_seconds for each in windows for frame in each.frames}))
    step = max(_LEAST_STEP_SECONDS, len(times) / (8.0 * quota))
    even = np.arange(times[0], times[-1] + 1e-9, step)
    chosen: dict[float, None] = {}
    for time in [*peaks[: quota // 2], *even.tolist()]:
        if len(chosen) < quota:
            chosen[float(times[np.abs(times - time).argmin()])] = None
    return tuple(sorted(chosen))


def _curve(windows: Sequence[Expression], duration: float) -> Curve:
    times, heat = _over_time(windows)
    most = max(2.0, float(np.ceil(heat.max(initial=0.0))))
    breaks = np.flatnonzero(np.diff(times) > 1.0) + 1
    lines = [
        " ".join(
            f"{across(Span(time, time), duration)[0]:.2f},{1.0 - value / most:.3f}"
            for time, value in zip(part.tolist(), values.tolist(), strict=True)
        )
        for part, values in zip(np.split(times, breaks), np.split(heat, breaks), strict=True)
    ]
    return Curve(lines=tuple(lines), most=most, even=1.0 - 1.0 / most)


def _over_time(windows: Sequence[Expression]) -> tuple[Float[np.ndarray, " picture"], Float[np.ndarray, " picture"]]:
    """Pictures and their heat; one that two windows share takes the mean, and many are thinned to means of a few."""
    values: dict[float, list[float]] = {}
    for each in windows:
        for frame, share in zip(each.frames, each.heat.over_time.tolist(), strict=True):
            values.setdefault(frame.time_seconds, []).append(share * len(each.frames))
    times = np.array(sorted(values))
    heat = np.array([float(np.mean(values[time])) for time in times.tolist()])
    group = -(-len(times) // _MOST_POINTS)
    if group == 1:
        return times, heat
    edges = np.arange(0, len(times), group)
    counts = np.diff([*edges.tolist(), len(times)])
    return np.add.reduceat(times, edges) / counts, np.add.reduceat(heat, edges) / counts
