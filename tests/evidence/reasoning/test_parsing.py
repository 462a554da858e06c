"""What a reply's text becomes: sections, or the reason why not; nothing is guessed."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.evidence.reasoning.parsing import read_answer, read_json
from emotrace.evidence.reasoning.trace import MAX_TEXT_CHARACTERS, Section, Status
from emotrace.testing.trace_answers import section

LABELS = ("happy", "sad")


def read(text: str, call: str = "visual") -> Section:
    return read_answer(text, call, source="scripted/x#1", labels=LABELS)[call]  # type: ignore[arg-type,index]


def told(**changes: object) -> Section:
    answer = section("visual")
    answer["observations"][0].update(changes)
    return read(json.dumps(answer))


def test_a_plain_answer() -> None:
    found = read(json.dumps(section("visual")))
    assert found.status is Status.OK
    assert found.observations[0].id == "V1"
    assert found.scores == {"happy": 0.7, "sad": 0.2}
    assert found.issues == ()


@pytest.mark.parametrize(
    "wrap",
    [
        "```json\n{}\n```",
        "<answer>{}</answer>",
        "Here you are:\n{}\nI hope this helps.",
        "\ufeff  {}",
        "<think>so { it is }</think><answer>{}</answer>",
    ],
)
def test_wrapping_is_taken_off(wrap: str) -> None:
    assert read(wrap.replace("{}", json.dumps(section("visual")))) == read(json.dumps(section("visual")))


def test_trailing_commas_are_mended() -> None:
    assert read_json('{"text": "a", "observations": [],}') == {"text": "a", "observations": []}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "happy",
        "[1, 2]",
        '{"text": 3, "observations": []}',
        '{"observations": []}',
        '{"text": "a", "observations": 3}',
        '{"text": "a", "observations": [], "scores": {"happy": "high"}}',
        '{"text": "a", "observations": [], "scores": {"happy": NaN}}',
        '{"text": "a", "observations": [], "scores": {"happy": true}}',
        '{"text": "cut of',
        "[" * 100_000,
    ],
)
def test_what_cannot_be_read_is_malformed(text: str) -> None:
    assert read(text).status is Status.MALFORMED


@pytest.mark.parametrize(
    "text", ["I'm sorry, I can't help with that.", "I cannot identify people.", "抱歉，我无法分析。"]
)
def test_a_refusal_is_told_from_a_broken_answer(text: str) -> None:
    assert read(text).status is Status.REFUSED


@pytest.mark.parametrize(
    ("changes", "issue"),
    [
        ({"id": "A1"}, "foreign_modality"),
        ({"start_seconds": -3}, "bad_span"),
        ({"start_seconds": 2.0, "end_seconds": 1.0}, "bad_span"),
        ({"end_seconds": "late"}, "bad_span"),
        ({"strength": 1.5}, "bad_number"),
        ({"confidence": math.inf}, "malformed"),
        ({"text": "she is happy"}, "names_emotion"),
        ({"text": 3}, "bad_id"),
    ],
)
def test_a_broken_observation_is_left_out_and_named(changes: dict[str, object], issue: str) -> None:
    found = told(**changes)
    assert found.observations == ()
    assert issue in (*found.issues, found.status.value)


def test_an_illegal_id_and_a_double_are_named() -> None:
    assert told(id="first").issues == ("bad_id",)
    answer = section("visual")
    answer["observations"] *= 2
    assert "bad_id" in read(json.dumps(answer)).issues


def test_long_texts_are_cut_and_more_than_six_left_out() -> None:
    answer = section("visual", text="word " * 400)
    answer["observations"] = [
        {**answer["observations"][0], "id": f"V{k}", "text": f"lips part {k}"} for k in range(1, 9)
    ]
    found = read(json.dumps(answer))
    assert len(found.text) == MAX_TEXT_CHARACTERS
    assert len(found.observations) == 6
    assert set(found.issues) == {"text_cut", "too_many"}
    assert len(told(text="the lips part a little and close again " * 9).observations[0].text) <= 120


def test_one_call_gives_four_sections_and_a_missing_one_is_malformed() -> None:
    answer = {part: section(part) for part in ("visual", "vocal", "verbal")}
    found = read_answer(json.dumps(answer), "one", source="s", labels=LABELS)
    assert [section.status for section in found.values()] == [Status.OK] * 3 + [Status.MALFORMED]


def test_labels_are_read_in_any_case_and_others_kept_as_they_came() -> None:
    found = read(json.dumps(section("visual", label="HAPPY", scores={"Happy": 0.5, "calm": 0.5})))
    assert found.label == "happy"
    assert found.scores == {"happy": 0.5, "calm": 0.5}


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert read(text).status in (Status.MALFORMED, Status.REFUSED)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "observations", "scores", "id", "label", "contribution"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)


@given(_JSON)
def test_no_json_breaks_the_reader(value: object) -> None:
    found = read(json.dumps(value))
    assert Section.model_validate(found.model_dump(mode="json")) == found
