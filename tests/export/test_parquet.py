"""Parquet holds csv's rows with their types, every text as it was."""

from __future__ import annotations

import io

import pyarrow
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from emotrace.export import to_arrow, to_parquet
from emotrace.export.csv import COLUMNS, tidy_rows
from emotrace.results import Analysis
from emotrace.testing.analysis import synthetic_analysis


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_pyarrow_reads_any_result_back_as_it_was(data: st.DataObject, analyses: st.SearchStrategy[Analysis]) -> None:
    analysis = data.draw(analyses)
    read = parquet.read_table(io.BytesIO(to_parquet(analysis))).to_pylist()
    held = list(tidy_rows(analysis))
    assert len(read) == len(held)
    for found, row in zip(read, held, strict=True):
        plain = {name: list(value) if isinstance(value, tuple) else value for name, value in row.items()}
        assert found == {column: plain.get(column) for column in COLUMNS}


def test_columns_have_real_types_and_say_what_they_hold() -> None:
    results = [synthetic_analysis(name="1.mp4"), synthetic_analysis(name="2.mp4", persons=0)]
    file = parquet.ParquetFile(io.BytesIO(to_parquet(iter(results))))
    assert file.num_row_groups == 2
    schema = file.schema_arrow
    assert schema.names == list(COLUMNS)
    assert schema.field("start_seconds").type == pyarrow.float64()
    assert schema.field("rank").type == pyarrow.int32()
    assert schema.field("evidence").type == pyarrow.list_(pyarrow.string())
    assert schema.field("label").metadata[b"description"].decode() == COLUMNS["label"]
    assert to_arrow(results).num_rows == file.metadata.num_rows
