from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.errors import UnreadableResult
from emotrace.results import Analysis, json_schema
from emotrace.testing.analysis import every_abstention, hostile_analysis, synthetic_analysis


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_json_round_trip(seed: int) -> None:
    analysis = synthetic_analysis(seed=seed)
    assert Analysis.from_json(analysis.to_json()) == analysis
    assert Analysis.from_json(analysis.to_json()).to_json() == analysis.to_json()


@pytest.mark.parametrize("make", [synthetic_analysis, every_abstention, hostile_analysis])
def test_every_result_follows_the_schema(make: object) -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(make().to_json()), schema)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda r: r.update(schema_version="0.1"), "schema_version"),
        (lambda r: r.update(gold="happy"), "gold"),
        (lambda r: r["persons"][0]["overall"]["sheet"].update(label="happy"), "sheet.label"),
        (lambda r: r["verdict"].update(confidence=2.0), "verdict.confidence"),
        (lambda r: r.pop("source"), "source"),
    ],
)
def test_what_is_not_a_result_is_refused_with_its_place(change: object, place: str) -> None:
    record = json.loads(synthetic_analysis().to_json())
    change(record)  # type: ignore[operator]
    with pytest.raises(UnreadableResult, match=place):
        Analysis.from_json(json.dumps(record), where="x.json")


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(UnreadableResult, match="No such file"):
        Analysis.read(tmp_path / "none.json")
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UnreadableResult, match="not an emotrace result"):
        Analysis.read(tmp_path / "binary.json")
