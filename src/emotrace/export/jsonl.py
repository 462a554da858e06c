"""JSON Lines: one line per person and segment, with the verdict and its evidence, for scripts and databases."""

from __future__ import annotations

import json
from typing import Any

from emotrace.export.stretches import Stretch, stretches
from emotrace.export.tables import Analyses, each
from emotrace.results import Analysis


def to_jsonl(analyses: Analyses) -> str:
    """Results as JSON Lines (UTF-8, one object a line, ended by a line feed).

    Keys: file, sha256, person, segment (1, 2, ... in time order; 0 is the whole clip), kind, start_seconds,
    end_seconds, text, labels, abstain, confidence, confidence_basis, conflict, distribution, missing, observations,
    reasoner, schema_version. `confidence` is null where it abstains, and what it would have guessed is left out. When
    there is nobody, no line is written.
    """
    return "".join(_line(analysis, stretch) for analysis in each(analyses) for stretch in stretches(analysis))


def _line(analysis: Analysis, stretch: Stretch) -> str:
    segment, verdict = stretch.segment, stretch.segment.verdict
    sheet = segment.sheet.to_dict()
    record: dict[str, Any] = {
        "file": analysis.source.name,
        "sha256": analysis.source.sha256,
        "person": stretch.person.id,
        "segment": stretch.number,
        "kind": segment.kind,
        "start_seconds": segment.span.start_seconds,
        "end_seconds": segment.span.end_seconds,
        "text": segment.text,
        "labels": [label.model_dump(mode="json") for label in verdict.labels],
        "abstain": verdict.abstain,
        "confidence": verdict.confidence if verdict.abstain is None else None,
        "confidence_basis": verdict.confidence_basis,
        "conflict": verdict.conflict,
        "distribution": verdict.distribution,
        "missing": sheet["missing"],
        "observations": sheet["observations"],
        "reasoner": verdict.reasoner,
        "schema_version": analysis.schema_version,
    }
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"
