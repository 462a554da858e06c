"""One row per video: who is most in evidence, the verdict, and how the time is spread over labels and abstentions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from emotrace.export.stretches import judged_segments
from emotrace.export.tables import Analyses, Row, delimited, each
from emotrace.results import Analysis, Person, Segment
from emotrace.span import union

COLUMNS: dict[str, str] = {
    "file": "name of the analysed file",
    "sha256": "hash of its bytes",
    "duration_seconds": "length of the file; 0 for a photograph",
    "persons": "how many people are seen or heard",
    "main_person": "the person most in evidence, whom the following columns describe; empty when there is nobody",
    "labels": "labels of the verdict on the whole clip, separated by `; `; empty where it abstains",
    "confidence": "0..1, of the first label; empty where it abstains",
    "confidence_basis": "what the confidence was calibrated on: none, simulated or fitted:<id>",
    "abstain": "reason code where the whole clip has no label; empty otherwise",
    "segments": "how many stretches of the main person were judged",
    "share_abstained": "0..1, of the judged time without a label (of the judged stretches in a photograph)",
    "speech_seconds": "how long anybody speaks, by ear; empty without sound",
    "face_quality": "mean quality of the main person's face over the frames, 0..1; empty where none was measured",
    "missing": "modalities that the whole clip lacks, as visual=not_found, separated by spaces",
    "notes": "codes of the notes, separated by spaces",
    "reasoner": "who reasoned, as name@version",
    "emotrace": "version that made the result",
    "schema_version": "of the result",
}
"""The columns that are always there; one per label, `seconds_<label>`, follows."""


def to_summary(analyses: Analyses) -> str:
    """Results as one CSV table with a row per video.

    After the columns of `COLUMNS`, `seconds_<label>` says how long the main person has each label that any of the
    results holds; a moment with two labels counts for both. A best guess counts for none.
    """
    rows = [summary_row(analysis) for analysis in each(analyses)]
    of_labels = sorted({column for row in rows for column in row} - COLUMNS.keys())
    filled = ({**dict.fromkeys(of_labels, 0.0), **row} if row["main_person"] else row for row in rows)
    return delimited([*COLUMNS, *of_labels], filled)


def summary_row(analysis: Analysis) -> Row:
    """The row of one result, before it is written."""
    source, verdict = analysis.source, analysis.verdict
    row: dict[str, Any] = {
        "file": source.name,
        "sha256": source.sha256,
        "duration_seconds": source.duration_seconds,
        "persons": len(analysis.persons),
        "main_person": analysis.main_person,
        "labels": "; ".join(label.word for label in verdict.labels),
        "confidence": verdict.labels[0].confidence if verdict.labels else None,
        "confidence_basis": verdict.confidence_basis,
        "abstain": verdict.abstain,
        "speech_seconds": None if source.audio is None else source.audio.speech_seconds,
        "missing": tuple(f"{modality}={reason}" for modality, reason in analysis.missing.items()),
        "notes": tuple(note.code for note in analysis.notes),
        "reasoner": verdict.reasoner,
        "emotrace": analysis.provenance.emotrace,
        "schema_version": analysis.schema_version,
    }
    for person in analysis.persons:
        if person.id == analysis.main_person:
            row |= _of_person(person)
    return row


def _of_person(person: Person) -> dict[str, Any]:
    segments = judged_segments(person)
    by_label: dict[str, list[Segment]] = {}
    for segment in segments:
        for label in segment.verdict.labels:
            by_label.setdefault(label.word, []).append(segment)
    quality = person.frames.quality if person.frames else ()
    return {
        "segments": len(segments),
        "share_abstained": _share_abstained(segments),
        "face_quality": round(sum(quality) / len(quality), 3) if quality else None,
        **{f"seconds_{word}": _seconds(those) for word, those in by_label.items()},
    }


def _share_abstained(segments: tuple[Segment, ...]) -> float:
    without = [segment for segment in segments if segment.verdict.abstain is not None]
    judged = _seconds(segments)
    return round(_seconds(without) / judged if judged else len(without) / len(segments), 3)


def _seconds(segments: Iterable[Segment]) -> float:
    """How much time the segments cover; what several cover counts once."""
    return round(sum((span.duration_seconds for span in union(segment.span for segment in segments)), 0.0), 3)
