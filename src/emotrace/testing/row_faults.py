"""Faults of the rows: what somebody who edited the owner's lists would leave behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from emotrace.testing.layout import Row


def _twice(rows: list[Row]) -> list[Row]:
    return [*rows[:1], *rows]


def _unknown(rows: list[Row]) -> list[Row]:
    label = rows[0].label
    return [replace(rows[0], label="99" if label.isdigit() else "Q" if len(label) == 1 else "QQQ"), *rows[1:]]


def _dropped(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.name != rows[0].name or row.split != rows[0].split]


def _swapped(rows: list[Row]) -> list[Row]:
    """Two clips of one split exchange what is said about them: no count changes."""
    other = next(
        place
        for place, row in enumerate(rows)
        if row.split == rows[0].split and (row.label, row.value) != (rows[0].label, rows[0].value)
    )
    said = replace(rows[0], label=rows[other].label, value=rows[other].value, witness=rows[other].witness)
    also = replace(rows[other], label=rows[0].label, value=rows[0].value, witness=rows[0].witness)
    return [said, *rows[1:other], also, *rows[other + 1 :]]


def _permuted(rows: list[Row]) -> list[Row]:
    """Two classes exchange their names throughout."""
    labels = list(dict.fromkeys(row.label for row in rows))
    renamed = {labels[0]: labels[1], labels[1]: labels[0]}
    return [replace(row, label=renamed.get(row.label, row.label)) for row in rows]


def _zero_based(rows: list[Row]) -> list[Row]:
    return [replace(row, label=str(int(row.label) - 1)) for row in rows]


def _contradicted(rows: list[Row]) -> list[Row]:
    witness = next(row.witness for row in rows if row.witness != rows[0].witness)
    return [replace(rows[0], witness=witness), *rows[1:]]


def _off_scale(rows: list[Row]) -> list[Row]:
    return [
        replace(rows[0], value=7.5, witness="Positive" if rows[0].witness == "Positive" else rows[0].witness),
        *rows[1:],
    ]


def _escaped(rows: list[Row]) -> list[Row]:
    return [replace(rows[0], name=f"../../outside/{rows[0].name}"), *rows[1:]]


def _shared(rows: list[Row]) -> list[Row]:
    fold = rows[0].split.rpartition("/")[0]
    other = next(row.split for row in rows if row.split != rows[0].split and row.split.rpartition("/")[0] == fold)
    return [*rows, replace(rows[0], split=other)]


def _shared_group(rows: list[Row]) -> list[Row]:
    other = next((row.group for row in rows if row.split != rows[0].split), rows[0].group)
    return [replace(rows[0], group=other), *rows[1:]]


def _mojibake(rows: list[Row]) -> list[Row]:
    return [replace(rows[0], text="It\u00e2\u20ac\u2122s here"), *rows[1:]]


ROW_FAULTS: Mapping[str, Callable[[list[Row]], list[Row]]] = {
    "duplicate_ids": _twice,
    "unknown_label": _unknown,
    "dropped_row": _dropped,
    "swapped_labels": _swapped,
    "permuted_classes": _permuted,
    "zero_based": _zero_based,
    "contradicted_label": _contradicted,
    "value_off_scale": _off_scale,
    "path_outside": _escaped,
    "shared_id": _shared,
    "group_in_two_splits": _shared_group,
    "mojibake": _mojibake,
}
"""Fault -> the rows with it."""
