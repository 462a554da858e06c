"""The tidy table as Apache Parquet, with real types; needs the extra `parquet`."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from emotrace.export.csv import COLUMNS, tidy_rows
from emotrace.export.tables import Analyses, each

if TYPE_CHECKING:
    import pyarrow as arrow  # type: ignore[import-untyped]

_NUMBERS = {"start_seconds", "end_seconds", "confidence", "conflict"}
_COUNTS = {"segment", "rank"}
_LISTS = {"evidence", "missing"}


def to_parquet(analyses: Analyses) -> bytes:
    """Results as one Parquet file: the rows and columns of `csv.COLUMNS`, flat, a row group per result.

    Numbers are float64 and int32, `evidence` and `missing` lists of strings, all other columns strings; what is empty
    in CSV is null here. Nothing is put in front of a text: no spreadsheet runs it.

    Raises:
        ModuleNotFoundError: pyarrow is not installed (extra `parquet`).
    """
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    file = io.BytesIO()
    with parquet.ParquetWriter(file, schema(), compression="zstd") as writer:
        for analysis in each(analyses):
            writer.write_table(to_arrow(analysis))
    return file.getvalue()


def to_arrow(analyses: Analyses) -> arrow.Table:
    """Results as an Arrow table of that schema.

    Raises:
        ModuleNotFoundError: pyarrow is not installed (extra `parquet`).
    """
    import pyarrow as arrow

    rows = (row for analysis in each(analyses) for row in tidy_rows(analysis))
    return arrow.Table.from_pylist([{column: row.get(column) for column in COLUMNS} for row in rows], schema=schema())


def schema() -> arrow.Schema:
    """The columns with their types; each field's metadata says what it holds.

    Raises:
        ModuleNotFoundError: pyarrow is not installed (extra `parquet`).
    """
    import pyarrow as arrow

    def type_of(column: str) -> arrow.DataType:
        if column in _NUMBERS:
            return arrow.float64()
        if column in _COUNTS:
            return arrow.int32()
        return arrow.list_(arrow.string()) if column in _LISTS else arrow.string()

    return arrow.schema([arrow.field(name, type_of(name), metadata={"description": COLUMNS[name]}) for name in COLUMNS])
