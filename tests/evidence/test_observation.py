from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import InvalidObservation
from emotrace.evidence.observation import MAX_OBSERVATIONS, EvidenceSheet, Finding, Observation, clean, is_clean
from emotrace.span import Span


def finding(**changes: Any) -> Finding:
    values: dict[str, Any] = {
        "modality": "visual",
        "span": Span(1, 2),
        "text": "lip corners rise",
        "strength": 0.5,
        "confidence": 0.8,
        "source": "visual@1",
    }
    return Finding(**{**values, **changes})


shares = st.floats(min_value=0.0, max_value=1.0)
times = st.floats(min_value=0.0, max_value=10.0)
findings = st.builds(
    lambda modality, ends, strength, confidence, cue: finding(
        modality=modality, span=Span(min(ends), max(ends)), strength=strength, confidence=confidence, cue=cue
    ),
    st.sampled_from(["visual", "vocal", "verbal", "joint"]),
    st.tuples(times, times),
    shares,
    shares,
    st.sampled_from([None, "au04", "loud"]),
)


@given(st.text())
def test_cleaning_leaves_nothing_that_the_grammar_uses(text: str) -> None:
    cleaned = clean(text)
    assert is_clean(cleaned)
    assert clean(cleaned) == cleaned
    assert not set(cleaned) & set('<>[]|"\n\r')


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strength": 1.2}, r"strength must lie in 0..1, got 1.2"),
        ({"confidence": float("nan")}, r"confidence must lie in 0..1"),
        ({"text": "a <ans>"}, "clean characters"),
        ({"text": "x" * 121}, "3 to 120"),
        ({"source": ""}, "who observed"),
        ({"text": "looks happy and relaxed"}, "must not name emotions"),
        ({"scores": {"joy": 1.0}}, "label scheme"),
        ({"scores": {"joy": 0.7}, "scheme": "mer6"}, "distribution"),
        ({"scores": {}, "scheme": "mer6"}, "distribution"),
    ],
)
def test_what_an_observation_may_not_be(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidObservation, match=message):
        finding(**changes)


def test_emotion_words_may_be_quoted_and_readings_may_name_them() -> None:
    assert finding(modality="verbal", text="says 'I'm so happy for you'").text
    assert finding(text="face network reads happy", scores={"happy": 0.8, "sad": 0.2}, scheme="mer6").scores


def test_a_faint_but_certain_cue_counts_half() -> None:
    assert finding(strength=0.0, confidence=1.0).weight() == 0.5
    assert finding(strength=1.0, confidence=0.5).weight(reliability=0.5) == 0.25


def test_an_id_must_fit_its_modality() -> None:
    with pytest.raises(InvalidObservation, match="visual number"):
        Observation(id="A1", modality="visual", span=Span(0, 1), text="abc", strength=0.0, confidence=0.0, source="x")


@given(st.lists(findings, max_size=60), st.randoms())
def test_a_sheet_does_not_depend_on_the_order_of_findings(items: list[Finding], random: Any) -> None:
    sheet = EvidenceSheet.of(items, clip_id="c", span=Span(2, 8))
    random.shuffle(items)
    assert EvidenceSheet.of(items, clip_id="c", span=Span(2, 8)).sheet_id == sheet.sheet_id
    assert len(sheet.observations) <= MAX_OBSERVATIONS
    assert all(observation.span in sheet.span for observation in sheet.observations)


@given(st.lists(findings, max_size=30))
def test_a_sheet_survives_json(items: list[Finding]) -> None:
    sheet = EvidenceSheet.of(items, clip_id="c", span=Span(0, 10), reliability={"visual": 0.5})
    again = EvidenceSheet.from_dict(json.loads(json.dumps(sheet.to_dict())))
    assert again == sheet
    assert again.sheet_id == sheet.sheet_id


def test_rare_cues_are_not_crowded_out_by_a_frequent_one() -> None:
    many = [finding(cue="au04", span=Span(i, i + 1), confidence=0.9) for i in range(40)]
    sheet = EvidenceSheet.of([*many, finding(cue="au26", confidence=0.2)], clip_id="c", span=Span(0, 100))
    assert [o.cue for o in sheet.observations].count("au04") == 3
    assert "au26" in {o.cue for o in sheet.observations}


def test_findings_outside_the_span_or_in_a_missing_modality_stay_off_the_sheet() -> None:
    items = [finding(span=Span(5, 6)), finding(modality="vocal", text="voice gets louder")]
    sheet = EvidenceSheet.of(items, clip_id="c", span=Span(0, 4), missing={"vocal": "not_recorded"})
    assert sheet.observations == ()


def test_no_field_can_hold_a_gold_label() -> None:
    record = EvidenceSheet.of([finding()], clip_id="c", span=Span(0, 4)).to_dict()
    with pytest.raises(InvalidObservation, match="unknown keys \\['label'\\]"):
        EvidenceSheet.from_dict({**record, "label": "happy"})
    record["observations"][0]["gold"] = "happy"
    with pytest.raises(InvalidObservation, match="unknown keys \\['gold'\\]"):
        EvidenceSheet.from_dict(record)


def test_a_sheet_refuses_what_contradicts_itself() -> None:
    seen = EvidenceSheet.of([finding()], clip_id="c", span=Span(0, 4)).observations
    with pytest.raises(InvalidObservation, match="lies outside"):
        EvidenceSheet(clip_id="c", person=None, span=Span(3, 4), observations=seen)
    with pytest.raises(InvalidObservation, match="calls missing"):
        EvidenceSheet(clip_id="c", person=None, span=Span(0, 4), observations=seen, missing={"visual": "not_found"})
    with pytest.raises(InvalidObservation, match="numbered from 1"):
        EvidenceSheet(clip_id="c", person=None, span=Span(0, 4), observations=(*seen, *seen))
    with pytest.raises(InvalidObservation, match="reliability of visual"):
        EvidenceSheet(clip_id="c", person=None, span=Span(0, 4), reliability={"visual": 2.0})
