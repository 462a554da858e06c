"""What every delimited table shares: how a cell is written, and how one or many results are taken."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import TypeAlias

from emotrace.results import Analysis

Cell: TypeAlias = str | int | float | tuple[str, ...] | None
"""None is an empty cell; several strings are separated by spaces."""
Row: TypeAlias = Mapping[str, Cell]
Analyses: TypeAlias = Analysis | Iterable[Analysis]
"""One result, or many for one table. They are read one at a time, so a generator of results needs no memory for all."""

_FORMULA_STARTS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


def each(analyses: Analyses) -> Iterator[Analysis]:
    """The results one by one; a single one counts as one."""
    return iter((analyses,)) if isinstance(analyses, Analysis) else iter(analyses)


def delimited(
    columns: Collection[str], rows: Iterable[Row], *, delimiter: str = ",", line_end: str = "\r\n", empty: str = ""
) -> str:
    r"""A table as text, with quotes doubled where a cell holds the delimiter, a quote or a line break.

    A text cell that begins with `=`, `+`, `-`, `@` (or their full-width forms), a tab or a line break gets an
    apostrophe in front, so that no spreadsheet runs it as a formula; numbers are written as they are. The character
    NUL is left out, because readers take it for the end of a cell.

    >>> delimited(["a", "b"], [{"a": "=1+1", "b": -1.5}])
    "a,b\r\n'=1+1,-1.5\r\n"
    """
    table = io.StringIO()
    writer = csv.writer(table, delimiter=delimiter, lineterminator=line_end)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column), empty) for column in columns])
    return table.getvalue()


def _cell(value: Cell, empty: str) -> str | int | float:
    if isinstance(value, tuple):
        value = " ".join(value)
    if value is None or value == "":
        return empty
    if isinstance(value, str):
        value = value.replace("\0", "")
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return value
