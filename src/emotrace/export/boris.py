"""Events for BORIS (Behavioral Observation Research Interactive Software, https://www.boris.unito.it).

Two files: the table that BORIS writes as "tabular events", and a project that BORIS opens, or whose observation it
imports. A behaviour is a perceived emotion, a subject a person.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from emotrace.export.eaf import NO_DATE
from emotrace.export.stretches import judged_segments
from emotrace.export.tables import Row, delimited
from emotrace.export.wording import one_line
from emotrace.results import Analysis, Person, Segment
from emotrace.span import Span, union

NO_LABEL = "no label"
"""The behaviour that stands for an abstention."""
COLUMNS = (
    "Observation id", "Observation date", "Description", "Observation duration", "Observation type", "Source",
    "Time offset (s)", "Media duration (s)", "FPS", "Subject", "Behavior", "Behavioral category", "Behavior type",
    "Time", "Media file name", "Image index", "Image file path", "Comment", "Code", "Modifier",
)  # fmt: skip
"""BORIS 8's tabular events; the last two are there because its import from a spreadsheet asks for them."""
_NA = "NA"


@dataclass(frozen=True, kw_only=True)
class Bout:
    """A stretch of time for which a person has a label. Those that touch are one: BORIS cannot tell them apart."""

    person: str
    code: str
    category: str
    start_ms: int
    end_ms: int
    comment: str

    @property
    def is_point(self) -> bool:
        """Whether it is an instant, as in a photograph."""
        return self.start_ms == self.end_ms


@dataclass(frozen=True, kw_only=True)
class Event:
    """What BORIS records: a behaviour that starts, stops or, if it has no length, happens."""

    time_ms: int
    status: str
    """START, STOP or POINT."""
    bout: Bout


def bouts(analysis: Analysis) -> tuple[Bout, ...]:
    """The bouts of every person and label, and of their abstentions. A best guess is none."""
    return tuple(bout for person in analysis.persons for bout in _bouts_of(person))


def events(analysis: Analysis) -> tuple[Event, ...]:
    """The same as events in order of time. BORIS pairs them by counting: every second one of a behaviour is a stop."""
    found = []
    for bout in bouts(analysis):
        if bout.is_point:
            found.append(Event(time_ms=bout.start_ms, status="POINT", bout=bout))
        else:
            found.append(Event(time_ms=bout.start_ms, status="START", bout=bout))
            found.append(Event(time_ms=bout.end_ms, status="STOP", bout=bout))
    return tuple(sorted(found, key=lambda event: event.time_ms))


def to_boris(analysis: Analysis) -> str:
    """A result as BORIS's tabular events: tab-separated, a row per start, stop or point, columns as in `COLUMNS`.

    BORIS (9) reads this table only once it is saved as .xlsx or .ods (*Observations > Import observations*, into
    an open observation); `to_boris_project` needs no such step.
    """
    name, seconds = one_line(analysis.source.name), analysis.source.duration_seconds
    shared: Row = {
        "Observation id": name,
        "Observation duration": seconds,
        "Observation type": "Media file(s)",
        "Source": f"player #1:{name}",
        "Time offset (s)": 0.0,
        "Media duration (s)": seconds,
        "FPS": _NA,
        "Media file name": name,
        "Image index": _NA,
        "Image file path": _NA,
    }
    rows = ({**shared, **_of_event(event)} for event in events(analysis))
    return delimited(COLUMNS, rows, delimiter="\t", line_end="\n")


def to_boris_project(analysis: Analysis) -> str:
    """A result as a BORIS project (format 7.0, JSON) with one observation, its subjects and its ethogram.

    The media file is named without a folder: BORIS finds it beside the project. The number of frames a second is
    unknown to a result and written as 0, as BORIS does where it knows none.
    """
    name = one_line(analysis.source.name)
    happened = events(analysis)
    project = {
        "time_format": "s",
        "project_date": NO_DATE[:19],
        "project_name": name,
        "project_description": f"Perceived emotions, estimated by emotrace {analysis.provenance.emotrace}",
        "project_format_version": "7.0",
        "subjects_conf": {
            str(number): {"key": "", "name": one_line(person.id), "description": ""}
            for number, person in enumerate(analysis.persons)
        },
        "behaviors_conf": {str(number): behavior for number, behavior in enumerate(_ethogram(happened))},
        "observations": {name: _observation(name, analysis, happened)},
        "behavioral_categories": sorted({event.bout.category for event in happened} - {""}),
        "behavioral_categories_config": {},
        "independent_variables": {},
        "coding_map": {},
        "behaviors_coding_map": [],
        "converters": {},
    }
    return json.dumps(project, ensure_ascii=False, indent=1) + "\n"


def _observation(name: str, analysis: Analysis, happened: tuple[Event, ...]) -> dict[str, Any]:
    source = analysis.source
    return {
        "file": {str(player): [name] if player == 1 else [] for player in range(1, 9)},
        "type": "MEDIA",
        "date": NO_DATE[:19],
        "description": f"SHA-256 {source.sha256}",
        "time offset": 0.0,
        "events": [
            [each.time_ms / 1000, each.bout.person, each.bout.code, "", each.bout.comment, _NA] for each in happened
        ],
        "observation time interval": [0, 0],
        "independent_variables": {},
        "visualize_spectrogram": False,
        "visualize_waveform": False,
        "close_behaviors_between_videos": False,
        "media_info": {
            "length": {name: source.duration_seconds},
            "fps": {name: 0},
            "hasVideo": {name: source.video is not None},
            "hasAudio": {name: source.audio is not None},
            "offset": {str(player): 0.0 for player in range(1, 9)},
        },
    }


def _ethogram(happened: tuple[Event, ...]) -> Iterator[dict[str, Any]]:
    for code in sorted({event.bout.code for event in happened}):
        of_code = [event.bout for event in happened if event.bout.code == code]
        yield {
            "type": "Point event" if all(bout.is_point for bout in of_code) else "State event",
            "key": "",
            "code": code,
            "description": "the reasons stand in the comments" if code == NO_LABEL else "perceived emotion",
            "color": "",
            "category": of_code[0].category,
            "modifiers": {},
            "excluded": "",
            "coding map": "",
        }


def _of_event(event: Event) -> Row:
    return {
        "Subject": event.bout.person,
        "Behavior": event.bout.code,
        "Behavioral category": event.bout.category,
        "Behavior type": event.status,
        "Time": event.time_ms / 1000,
        "Comment": event.bout.comment,
        "Code": event.bout.code,
    }


def _bouts_of(person: Person) -> Iterator[Bout]:
    segments = judged_segments(person)
    only_instants = all(segment.span.duration_seconds == 0.0 for segment in segments)
    shortest_seconds = 0.0 if only_instants else 0.001
    for code, category, of_code in _by_code(segments):
        times = [_lasting(segment.span, shortest_seconds) for segment in of_code]
        for span in union(times):
            inside = [segment for segment, time in zip(of_code, times, strict=True) if time in span]
            yield Bout(
                person=one_line(person.id),
                code=code,
                category=category,
                start_ms=round(span.start_seconds * 1000),
                end_ms=round(span.end_seconds * 1000),
                comment=_comment(code, inside),
            )


def _lasting(span: Span, shortest_seconds: float) -> Span:
    """The span in whole milliseconds, made as long as a start and a stop need to lie apart."""
    span = span.rounded()
    return span | Span(span.start_seconds, span.start_seconds + shortest_seconds).rounded()


def _by_code(segments: tuple[Segment, ...]) -> Iterator[tuple[str, str, list[Segment]]]:
    """Behaviour, its category, and the segments that have it, in order of their first."""
    found: dict[str, tuple[str, list[Segment]]] = {}
    for segment in segments:
        for label in segment.verdict.labels:
            found.setdefault(label.word, (label.cluster or "", []))[1].append(segment)
        if segment.verdict.abstain is not None:
            found.setdefault(NO_LABEL, ("", []))[1].append(segment)
    for code, (category, of_code) in found.items():
        yield code, category, of_code


def _comment(code: str, segments: list[Segment]) -> str:
    if code == NO_LABEL:
        reasons = dict.fromkeys(segment.verdict.abstain or "" for segment in segments)
        return f"abstains: {', '.join(reasons)}"
    said = [label.confidence for segment in segments for label in segment.verdict.labels if label.word == code]
    lowest, highest = f"{min(said):.2f}", f"{max(said):.2f}"
    return f"confidence {lowest}" if lowest == highest else f"confidence {lowest} to {highest}"
