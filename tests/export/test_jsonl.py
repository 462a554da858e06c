"""Each line is one object that holds a stretch's verdict and its evidence."""

from __future__ import annotations

import json
from typing import Any

from emotrace.evidence.observation import EvidenceSheet
from emotrace.export import to_jsonl
from emotrace.results import Analysis
from emotrace.testing.analysis import HOSTILE, every_abstention, hostile_analysis, synthetic_analysis


def read(analysis: Analysis) -> list[dict[str, Any]]:
    text = to_jsonl(analysis)
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.split("\n")[:-1]]


def test_one_line_per_person_and_stretch_with_what_it_holds() -> None:
    analysis = synthetic_analysis(persons=2, segments=3)
    lines = read(analysis)
    stretches = [s for person in analysis.persons for s in (person.overall, *person.segments)]
    assert len(lines) == len(stretches) == 8
    for line, segment in zip(lines, stretches, strict=True):
        assert [label["word"] for label in line["labels"]] == [label.word for label in segment.verdict.labels]
        assert line["distribution"] == segment.verdict.distribution
        assert (line["start_seconds"], line["end_seconds"]) == (
            segment.span.start_seconds,
            segment.span.end_seconds,
        )
        sheet = segment.sheet.to_dict() | {"observations": line["observations"], "missing": line["missing"]}
        assert EvidenceSheet.from_dict(sheet) == segment.sheet


def test_an_abstention_has_its_code_and_neither_label_nor_confidence() -> None:
    lines = [line for line in read(every_abstention()) if line["abstain"]]
    assert len(lines) == 5
    assert all(line["labels"] == [] and line["confidence"] is None for line in lines)
    assert not any("best_guess" in line for line in lines)


def test_text_with_line_breaks_of_any_kind_stays_on_one_line() -> None:
    analysis = hostile_analysis()
    assert [line["text"] for line in read(analysis)[1:6]] == list(HOSTILE)


def test_nobody_gives_no_line() -> None:
    assert to_jsonl(synthetic_analysis(persons=0)) == ""
