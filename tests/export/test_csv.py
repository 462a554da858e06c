"""The table reads back as what the result holds, in any CSV reader, and runs nothing in a spreadsheet."""

from __future__ import annotations

import csv
import io

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace.export import to_csv
from emotrace.export.csv import COLUMNS, tidy_rows
from emotrace.results import Analysis
from emotrace.testing.analysis import HOSTILE, every_abstention, hostile_analysis, synthetic_analysis


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def test_one_row_per_person_segment_and_label() -> None:
    analysis = synthetic_analysis(persons=2, segments=3, unseen_voice=True)
    rows = read(to_csv(analysis))
    expected = [
        (person.id, str(number), label.word)
        for person in analysis.persons
        for number, segment in enumerate((person.overall, *person.segments))
        for label in segment.verdict.labels
    ]
    assert [(row["person"], row["segment"], row["label"]) for row in rows] == expected
    assert list(rows[0]) == list(COLUMNS)


def test_numbers_and_evidence_come_back() -> None:
    analysis = synthetic_analysis()
    row = read(to_csv(analysis))[0]
    overall = analysis.persons[0].overall
    label = overall.verdict.labels[0]
    assert float(row["confidence"]) == label.confidence
    assert (float(row["start_seconds"]), float(row["end_seconds"])) == (0.0, 9.6)
    assert tuple(row["evidence"].split()) == label.observation_ids
    assert float(row["conflict"]) == overall.verdict.conflict
    assert (row["rank"], row["cluster"], row["grounded_by"]) == ("1", label.cluster, "observations")


def test_an_abstention_is_a_row_without_a_label_and_the_guess_is_not_told() -> None:
    analysis = every_abstention()
    rows = [row for row in read(to_csv(analysis)) if row["abstain"]]
    segments = analysis.persons[0].segments
    assert [row["abstain"] for row in rows] == [s.verdict.abstain for s in segments if s.verdict.abstain]
    assert all(row["label"] == row["confidence"] == row["rank"] == row["cluster"] == "" for row in rows)


def test_hostile_text_survives_and_is_no_formula() -> None:
    rows = read(to_csv(hostile_analysis()))
    assert {row["text"].removeprefix("'") for row in rows} == {"", *HOSTILE}
    for row in rows:
        for column, cell in row.items():
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")), column


@pytest.mark.parametrize("start", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1"])
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(start: str) -> None:
    rows = read(to_csv(synthetic_analysis(texts=[start])))
    assert rows[-1]["text"] == "'" + start


def test_nobody_is_one_row_with_the_reason() -> None:
    rows = read(to_csv(synthetic_analysis(persons=0)))
    assert [(row["person"], row["abstain"], row["label"]) for row in rows] == [("", "no_person", "")]


def test_lines_end_as_the_standard_says() -> None:
    text = to_csv(synthetic_analysis())
    assert text.endswith("\r\n")
    assert text.count("\r\n") == text.count("\n")


def test_missing_modalities_are_named() -> None:
    rows = read(to_csv(synthetic_analysis(missing={"vocal": "not_recorded", "verbal": "switched_off"})))
    assert {row["missing"] for row in rows} == {"vocal=not_recorded verbal=switched_off"}


def test_every_column_is_documented() -> None:
    assert all(COLUMNS.values())


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_pandas_reads_any_result_back(data: st.DataObject, analyses: st.SearchStrategy[Analysis]) -> None:
    analysis = data.draw(analyses)
    table = pandas.read_csv(io.BytesIO(to_csv(analysis).encode()), keep_default_na=False, dtype=str)
    held = list(tidy_rows(analysis))
    assert list(table.columns) == list(COLUMNS)
    assert len(table) == len(held)
    for read_row, row in zip(table.to_dict("records"), held, strict=True):
        text = str(row.get("text") or "").replace("\0", "")
        assert str(read_row["text"]).removeprefix("'") == text.removeprefix("'")
        for column in ("start_seconds", "end_seconds", "confidence"):
            assert (float(read_row[column]) if read_row[column] else None) == row.get(column)


def test_many_results_are_one_table_under_one_header() -> None:
    results = [synthetic_analysis(name=f"{n}.mp4", persons=n) for n in range(3)]
    rows = read(to_csv(iter(results)))
    assert [row["file"] for row in rows] == [name for r in results for name in [r.source.name] * len(read(to_csv(r)))]
