"""The answer file of a challenge with hidden labels: `name,discrete` or `name,discrete,valence` [field: MERTools]."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from emotrace.errors import NamesDoNotMatch, first_five
from emotrace.files import write_atomically


def write_submission(
    path: Path,
    names: Sequence[str],
    labels: Sequence[str],
    logits: Float32[np.ndarray, "clip label"],
    *,
    valence: Float32[np.ndarray, " clip"] | None = None,
    wanted: Sequence[str] | None = None,
) -> Path:
    """Writes one row per clip.

    Args:
        path: The csv file.
        names: The clips, in the order of the rows of `logits`.
        labels: The labels, in the order of its columns.
        logits: What was answered.
        valence: A third column, where the track asks for it.
        wanted: The challenge's name list, where there is one: the file then has exactly these, in this order.

    Raises:
        NamesDoNotMatch: A wanted clip has no answer, or an answered one is not wanted.
        UnwritableOutput: It cannot be written.
    """
    row_of = {name: row for row, name in enumerate(names)}
    order = list(names if wanted is None else wanted)
    if set(order) != row_of.keys() or len(order) != len(row_of):
        raise NamesDoNotMatch(f"differ in {first_five(sorted(set(order) ^ row_of.keys()))}", where=path)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "discrete"] if valence is None else ["name", "discrete", "valence"])
    for name in order:
        row = row_of[name]
        said = [name, labels[int(logits[row].argmax())]]
        writer.writerow(said if valence is None else [*said, f"{valence[row]:.6f}"])
    return write_atomically(path, text.getvalue())
