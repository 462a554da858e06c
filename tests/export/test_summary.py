"""One row per video; the seconds of the labels and the share that abstained are those of the main person."""

from __future__ import annotations

import io

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace.export import to_summary
from emotrace.export.stretches import judged_segments
from emotrace.export.summary import COLUMNS
from emotrace.results import Analysis
from emotrace.span import Span
from emotrace.testing.analysis import every_abstention, synthetic_analysis


def read(text: str) -> pandas.DataFrame:
    return pandas.read_csv(io.BytesIO(text.encode()), keep_default_na=False)


def test_a_row_per_video_under_columns_of_all_labels() -> None:
    results = [synthetic_analysis(name=f"{seed}.mp4", seed=seed, persons=seed) for seed in range(4)]
    table = read(to_summary(results))
    assert list(table.file) == [result.source.name for result in results]
    assert list(table.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert list(table.columns[len(COLUMNS) :]) == sorted(table.columns[len(COLUMNS) :])
    first = results[1].persons[0]
    assert table.labels[1] == "; ".join(label.word for label in first.overall.verdict.labels)
    for segment in first.segments:
        for label in segment.verdict.labels:
            assert float(table[f"seconds_{label.word}"][1]) >= 3.2
    assert (table.main_person[0], table.abstain[0]) == ("", "no_person")
    assert all(table[column][0] == "" for column in table.columns[len(COLUMNS) :])


def test_the_share_that_abstained_is_of_time() -> None:
    analysis = every_abstention()
    assert read(to_summary(analysis)).share_abstained[0] == pytest.approx(5 / 6, abs=0.001)
    (person,) = analysis.persons
    longer = person.segments[-1].model_copy(update={"span": Span(20.0, 40.0)})
    moved = person.model_copy(update={"segments": (*person.segments[:-1], longer)})
    assert read(to_summary(analysis.model_copy(update={"persons": (moved,)}))).share_abstained[0] == 0.5


def test_time_that_two_segments_cover_counts_once() -> None:
    analysis = synthetic_analysis(segments=2)
    (person,) = analysis.persons
    same = person.segments[0].model_copy(update={"span": Span(2.0, 4.0)})
    twice = person.model_copy(update={"segments": (person.segments[0].model_copy(update={"span": Span(0, 3)}), same)})
    table = read(to_summary(analysis.model_copy(update={"persons": (twice,)})))
    word = same.verdict.labels[0].word
    assert table[f"seconds_{word}"][0] == 4.0


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_label_outlasts_the_judged_time(data: st.DataObject, analyses: st.SearchStrategy[Analysis]) -> None:
    analysis = data.draw(analyses)
    (row,) = read(to_summary(analysis)).to_dict("records")
    if not analysis.persons:
        return
    (main,) = (person for person in analysis.persons if person.id == analysis.main_person)
    segments = judged_segments(main)
    judged = max(each.span.end_seconds for each in segments) - min(each.span.start_seconds for each in segments)
    seconds = [float(value) for name, value in row.items() if name.startswith("seconds_")]
    assert all(0.0 <= each <= judged + 0.001 for each in seconds)
    assert 0.0 <= float(row["share_abstained"]) <= 1.0
    assert row["segments"] == len(segments)
