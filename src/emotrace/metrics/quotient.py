"""Division that says what 0/0 is."""

from __future__ import annotations

from typing import Any

import numpy as np


def quotient(numerator: Any, denominator: Any, *, empty: float = np.nan) -> Any:
    """Elementwise numerator / denominator, and `empty` where the denominator is 0."""
    out = np.full(np.broadcast_shapes(np.shape(numerator), np.shape(denominator)), empty)
    return np.divide(numerator, denominator, out=out, where=np.asarray(denominator) != 0)
