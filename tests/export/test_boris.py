"""Events pair up the way BORIS pairs them, in its table and in its project."""

from __future__ import annotations

import csv
import io
import json
from collections import defaultdict
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace.export import to_boris, to_boris_project
from emotrace.export.boris import COLUMNS, NO_LABEL, bouts
from emotrace.results import Analysis
from emotrace.span import Span
from emotrace.testing.analysis import every_abstention, synthetic_analysis

ASKED_FOR_BY_THE_IMPORT = {"TIME", "SUBJECT", "CODE", "MODIFIER", "COMMENT"}
"""Columns, in any case and order, of a spreadsheet that BORIS 9 imports into an observation."""


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter="\t", strict=True))


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_states_start_and_stop_in_turn_and_both_files_tell_the_same(
    data: st.DataObject, analyses: st.SearchStrategy[Analysis]
) -> None:
    analysis = data.draw(analyses)
    rows = read(to_boris(analysis))
    times = [float(row["Time"]) for row in rows]
    assert times == sorted(times)
    turns: dict[tuple[str, str], list[tuple[str, float]]] = defaultdict(list)
    for row in rows:
        turns[row["Subject"], row["Behavior"]].append((row["Behavior type"], float(row["Time"])))
    for events in turns.values():
        statuses = [status for status, _ in events]
        assert statuses in (["START", "STOP"] * (len(events) // 2), ["POINT"] * len(events))
        assert len({time for _, time in events}) == len(events)  # BORIS cannot order what happens at once
    (observation,) = json.loads(to_boris_project(analysis))["observations"].values()
    told = [(float(row["Time"]), row["Subject"], row["Behavior"]) for row in rows]
    assert [(time, subject, code) for time, subject, code, *_ in observation["events"]] == told


def test_a_label_is_a_bout_of_its_segments() -> None:
    analysis = synthetic_analysis()
    rows = read(to_boris(analysis))
    assert list(rows[0]) == list(COLUMNS)
    assert {column.upper() for column in COLUMNS} >= ASKED_FOR_BY_THE_IMPORT
    assert {row["Subject"] for row in rows} == {"P1"}
    segment = analysis.persons[0].segments[0]
    label = segment.verdict.labels[0]
    found = next(row for row in rows if row["Behavior"] == label.word)
    assert float(found["Time"]) == segment.span.start_seconds
    assert found["Behavioral category"] == label.cluster
    assert f"{label.confidence:.2f}" in found["Comment"]
    assert (found["Media file name"], found["Code"]) == ("talk.mp4", label.word)


def test_touching_segments_without_a_label_are_one_bout_with_the_reasons() -> None:
    (abstained,) = (bout for bout in bouts(every_abstention()) if bout.code == NO_LABEL)
    assert (abstained.start_ms, abstained.end_ms) == (0, 20_000)
    assert abstained.comment.startswith("abstains: no_person, no_evidence")


def test_an_instant_and_what_follows_it_at_once_are_one_bout() -> None:
    analysis = synthetic_analysis(segments=2)
    (person,) = analysis.persons
    first = person.segments[0]
    spans = (Span(0.0, 0.0), Span(0.001, 0.002))
    placed = tuple(first.model_copy(update={"span": span}) for span in spans)
    moved = analysis.model_copy(update={"persons": (person.model_copy(update={"segments": placed}),)})
    assert {(bout.start_ms, bout.end_ms) for bout in bouts(moved)} == {(0, 2)}


def test_a_photograph_gives_points() -> None:
    rows = read(to_boris(synthetic_analysis(seconds=0.0, segments=1)))
    assert {(row["Behavior type"], float(row["Time"])) for row in rows} == {("POINT", 0.0)}
    project = json.loads(to_boris_project(synthetic_analysis(seconds=0.0, segments=1)))
    assert {each["type"] for each in project["behaviors_conf"].values()} == {"Point event"}


def test_the_project_defines_what_its_events_use() -> None:
    project: dict[str, Any] = json.loads(to_boris_project(synthetic_analysis(persons=2, name="talk.mp4")))
    observation = project["observations"]["talk.mp4"]
    assert {each[1] for each in observation["events"]} <= {s["name"] for s in project["subjects_conf"].values()}
    assert {each[2] for each in observation["events"]} == {b["code"] for b in project["behaviors_conf"].values()}
    assert {b["category"] for b in project["behaviors_conf"].values()} - {""} == set(project["behavioral_categories"])
    assert all(len(each) == 6 for each in observation["events"])
    assert observation["file"]["1"] == ["talk.mp4"]
    assert observation["media_info"]["length"] == {"talk.mp4": 9.6}


def test_nobody_is_an_observation_without_events() -> None:
    assert read(to_boris(synthetic_analysis(persons=0))) == []
    (observation,) = json.loads(to_boris_project(synthetic_analysis(persons=0)))["observations"].values()
    assert observation["events"] == []
