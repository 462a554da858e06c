"""A tidy table: one row per person, segment and label, for R, pandas and spreadsheets."""

from __future__ import annotations

from collections.abc import Iterator

from emotrace.export.stretches import stretches
from emotrace.export.tables import Analyses, Row, delimited, each
from emotrace.results import Analysis, Label, Segment

COLUMNS: dict[str, str] = {
    "file": "name of the analysed file",
    "sha256": "hash of its bytes",
    "person": "P1, P2, ... within this file, or `voice`; empty when there is nobody",
    "segment": "1, 2, ... within the person, in time order; 0 is the whole clip",
    "kind": "utterance, speech, window or whole",
    "start_seconds": "from the start of the file",
    "end_seconds": "from the start of the file",
    "rank": "1 for the first label of a verdict, 2 for the second; empty where it abstains",
    "label": "the perceived emotion; empty where it abstains",
    "cluster": "the affect that the label belongs to; empty if it is on no wheel",
    "confidence": "0..1, of this label; empty where it abstains",
    "confidence_basis": "what the confidence was calibrated on: none, simulated or fitted:<id>",
    "evidence": "ids of the observations that the label stands on, separated by spaces",
    "grounded_by": "observations, or reading when only a learned model's opinion supports the label",
    "abstain": "reason code where there is no label; empty otherwise",
    "conflict": "0..1, how far face, voice and words disagree; empty when they cannot be compared",
    "missing": "modalities that are absent, as visual=not_found, separated by spaces",
    "text": "what is said in the segment",
    "reasoner": "who reasoned, as name@version",
    "schema_version": "of the result that the row comes from",
}
"""The columns in order, and what each holds. New ones are added at the end."""


def to_csv(analyses: Analyses) -> str:
    """Results as one CSV table (RFC 4180: commas, CRLF, doubled quotes) with the columns of `COLUMNS`.

    An abstention is one row with an empty label and its code; what it would have guessed is left out. How a cell is
    written: `tables.delimited`.
    """
    return delimited(COLUMNS, (row for analysis in each(analyses) for row in tidy_rows(analysis)))


def tidy_rows(analysis: Analysis) -> Iterator[Row]:
    """The rows of one result, before they are written; a key that is not there is an empty cell."""
    file: Row = {
        "file": analysis.source.name,
        "sha256": analysis.source.sha256,
        "schema_version": analysis.schema_version,
    }
    if not analysis.persons:
        yield {**file, "abstain": analysis.verdict.abstain, "reasoner": analysis.verdict.reasoner}
    for stretch in stretches(analysis):
        segment = stretch.segment
        shared = {**file, "person": stretch.person.id, "segment": stretch.number, **_of_segment(segment)}
        if segment.verdict.abstain is not None:
            yield {**shared, "abstain": segment.verdict.abstain}
        for rank, label in enumerate(segment.verdict.labels, start=1):
            yield {**shared, "rank": rank, **_of_label(label)}


def _of_segment(segment: Segment) -> Row:
    return {
        "kind": segment.kind,
        "start_seconds": segment.span.start_seconds,
        "end_seconds": segment.span.end_seconds,
        "confidence_basis": segment.verdict.confidence_basis,
        "conflict": segment.verdict.conflict,
        "missing": tuple(f"{modality}={reason}" for modality, reason in segment.sheet.missing.items()),
        "text": segment.text,
        "reasoner": segment.verdict.reasoner,
    }


def _of_label(label: Label) -> Row:
    return {
        "label": label.word,
        "cluster": label.cluster,
        "confidence": label.confidence,
        "evidence": label.observation_ids,
        "grounded_by": label.grounded_by,
    }
