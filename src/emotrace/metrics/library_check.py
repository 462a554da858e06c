"""scikit-learn is the authority for every number that it has a function for: ours are held against it.

Where it is installed its number is computed too, and `MetricMismatch` is raised where the two differ.
"""

from __future__ import annotations

import importlib.util
from typing import Any, Literal

from emotrace.errors import MetricMismatch, MissingExtra

Engine = Literal["auto", "base", "scikit-learn"]
TOLERANCE = 1e-12
"""Largest difference between our number and the library's that is taken for rounding."""


def sklearn_is_used(engine: Engine) -> bool:
    """Whether scikit-learn checks the numbers: never for `base`, else where it is installed."""
    installed = engine != "base" and importlib.util.find_spec("sklearn") is not None
    if engine == "scikit-learn" and not installed:
        raise MissingExtra("scoring with scikit-learn", extra="eval")
    return installed


def engine_name(engine: Engine) -> str:
    """`scikit-learn VERSION` where it checks the numbers, else `emotrace`."""
    import importlib.metadata

    return f"scikit-learn {importlib.metadata.version('scikit-learn')}" if sklearn_is_used(engine) else "emotrace"


def raise_on_mismatch(ours: dict[str, float], theirs: dict[str, Any], *, engine: str) -> None:
    """Raises `MetricMismatch` where two engines differ by more than `TOLERANCE`, relative to values above 1."""
    for name, own in ours.items():
        other = float(theirs[name])
        if abs(own - other) > TOLERANCE * max(1.0, abs(other)):
            raise MetricMismatch(
                f"{name} is {own!r} by emotrace and {other!r} by {engine}",
                hint="Please report this with the confusion matrix; `--engine base` prints our number alone",
            )
