"""What the observers do with columns of numbers over time: smooth them, find stretches, fade between two values."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float32, Float64

from emotrace.evidence.face_signals import FaceSeries
from emotrace.span import Span

Column = Float32[np.ndarray, " time"] | Float64[np.ndarray, " time"]


def ramp(value: float, low: float, high: float) -> float:
    """0 up to `low`, 1 from `high` on, a straight line between.

    >>> ramp(0.5, 0.0, 2.0), ramp(3.0, 0.0, 2.0)
    (0.25, 1.0)
    """
    return float(min(1.0, max(0.0, (value - low) / (high - low))))


def smooth(values: Column) -> Float64[np.ndarray, " time"]:
    """Median of three: a single frame cannot make an event, nor the first or last one."""
    if len(values) < 3:
        return values.astype(np.float64)
    padded = np.pad(values.astype(np.float64), 1, mode="reflect")
    return np.asarray(np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0), np.float64)


def runs(active: Bool[np.ndarray, " time"]) -> list[tuple[int, int]]:
    """First and last row of each stretch of True.

    >>> runs(np.array([False, True, True, False, True]))
    [(1, 2), (4, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[0], active.astype(np.int8), [0]])))
    return [(int(a), int(b) - 1) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def span_of(series: FaceSeries, first: int, last: int) -> Span:
    """From one row to another."""
    return Span(float(series.times_seconds[first]), float(series.times_seconds[last]))
