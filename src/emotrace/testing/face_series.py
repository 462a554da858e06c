"""A made-up face over time, for tests of what is said about faces: at rest, then changed where a test wants it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np

from emotrace.evidence.face_signals import FaceSeries
from emotrace.heads.face import UNITS
from emotrace.span import Span


def resting(rows: int = 30, start_seconds: float = 0.0) -> FaceSeries:
    """A face at rest, well seen, with a little measurement noise."""
    noise = np.random.default_rng(1)
    values: dict[str, Any] = {
        f.name: (0.004 * noise.standard_normal(rows)).astype(np.float32) for f in fields(FaceSeries)
    }
    values |= {
        "times_seconds": start_seconds + np.arange(rows) / 5.0,
        "x": np.full(rows, 200.0, np.float32),
        "y": np.full(rows, 150.0, np.float32),
        "side": np.full(rows, 120.0, np.float32),
        "detected": np.ones(rows, np.bool_),
        "stretch": np.zeros(rows, np.int32),
        "fit": np.full(rows, 0.98, np.float32),
        "smile": np.full(rows, 0.1, np.float32),
        "smiling_eyes": np.full(rows, 0.2, np.float32),
        "sharpness": np.full(rows, 0.2, np.float32),
        "brightness": np.full(rows, 0.45, np.float32),
        "units": np.full((rows, len(UNITS)), 0.05, np.float32),
        "pose_degrees": np.zeros((rows, 3), np.float32),
        "quality": np.ones(rows, np.float32),
    }
    return FaceSeries(**values)


def changed(series: FaceSeries, first: int, last: int, **values: float) -> FaceSeries:
    """The series with other values in the columns named, from one row to another."""
    columns = {name: getattr(series, name).copy() for name in values}
    for name, value in values.items():
        columns[name][first : last + 1] = value
    return replace(series, **columns)


def moved(series: FaceSeries, first: int, last: int, **rises: float) -> FaceSeries:
    """The series with action units raised by so much, from one row to another."""
    units = series.units.copy()
    for unit, rise in rises.items():
        units[first : last + 1, UNITS.index(unit)] += rise
    return replace(series, units=units)


def whole(series: FaceSeries) -> Span:
    """From its first to its last frame."""
    return Span(float(series.times_seconds[0]), float(series.times_seconds[-1]))
