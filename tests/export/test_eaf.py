"""An ELAN document keeps the rules of EAF 3.0, and pympi reads from it what the result holds."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pympi import Eaf

from emotrace.export import to_eaf
from emotrace.export.channels import tiers
from emotrace.export.wording import one_line
from emotrace.results import Analysis
from emotrace.testing.analysis import every_abstention, hostile_analysis, synthetic_analysis

ORDER = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "CONSTRAINT"]
ATTRIBUTES = {
    "ANNOTATION_DOCUMENT": {"AUTHOR", "DATE", "FORMAT", "VERSION"},
    "HEADER": {"MEDIA_FILE", "TIME_UNITS"},
    "MEDIA_DESCRIPTOR": {"MEDIA_URL", "RELATIVE_MEDIA_URL", "MIME_TYPE"},
    "PROPERTY": {"NAME"},
    "TIME_SLOT": {"TIME_SLOT_ID", "TIME_VALUE"},
    "TIER": {"TIER_ID", "PARTICIPANT", "LINGUISTIC_TYPE_REF"},
    "ALIGNABLE_ANNOTATION": {"ANNOTATION_ID", "TIME_SLOT_REF1", "TIME_SLOT_REF2"},
    "LINGUISTIC_TYPE": {"LINGUISTIC_TYPE_ID", "TIME_ALIGNABLE", "GRAPHIC_REFERENCES"},
    "CONSTRAINT": {"STEREOTYPE", "DESCRIPTION"},
}
PARENTS = {
    "HEADER": "ANNOTATION_DOCUMENT", "MEDIA_DESCRIPTOR": "HEADER", "PROPERTY": "HEADER",
    "TIME_ORDER": "ANNOTATION_DOCUMENT", "TIME_SLOT": "TIME_ORDER", "TIER": "ANNOTATION_DOCUMENT",
    "ANNOTATION": "TIER", "ALIGNABLE_ANNOTATION": "ANNOTATION", "ANNOTATION_VALUE": "ALIGNABLE_ANNOTATION",
    "LINGUISTIC_TYPE": "ANNOTATION_DOCUMENT", "CONSTRAINT": "ANNOTATION_DOCUMENT",
}  # fmt: skip
DATE_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([+-]\d\d:\d\d|Z)?"
STEREOTYPES = {"Time_Subdivision", "Symbolic_Subdivision", "Symbolic_Association", "Included_In"}


def check_rules(text: str) -> ElementTree.Element:
    """The schema's rules for the elements that are used: order, attributes, types, ids, references; and ELAN's own."""
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "ANNOTATION_DOCUMENT"
    places = [ORDER.index(child.tag) for child in root]
    assert places == sorted(places)
    assert places.count(0) == places.count(1) == 1
    assert re.fullmatch(DATE_TIME, root.attrib["DATE"])
    for parent in root.iter():
        for child in parent:
            assert PARENTS[child.tag] == parent.tag
        plain = {name for name in parent.attrib if not name.startswith("{")}
        assert plain == ATTRIBUTES.get(parent.tag, set()), parent.tag
    slots = {slot.attrib["TIME_SLOT_ID"]: int(slot.attrib["TIME_VALUE"]) for slot in root.iter("TIME_SLOT")}
    assert list(slots.values()) == sorted(set(slots.values()))
    assert min(slots.values(), default=0) >= 0
    annotations = [each.attrib["ANNOTATION_ID"] for each in root.iter("ALIGNABLE_ANNOTATION")]
    ids = [*slots, *annotations]
    assert len(ids) == len(set(ids)) == sum(1 for _ in root.iter("TIME_SLOT")) + len(annotations)
    assert all(re.fullmatch(r"[A-Za-z_][\w.-]*", each, re.ASCII) for each in ids)
    types = [each.attrib["LINGUISTIC_TYPE_ID"] for each in root.iter("LINGUISTIC_TYPE")]
    assert len(types) == len(set(types))
    assert {each.attrib["STEREOTYPE"] for each in root.iter("CONSTRAINT")} == STEREOTYPES
    names = [tier.attrib["TIER_ID"] for tier in root.iter("TIER")]
    assert len(names) == len(set(names))
    for tier in root.iter("TIER"):
        assert tier.attrib["LINGUISTIC_TYPE_REF"] in types
        cursor = 0
        for annotation in tier.iter("ALIGNABLE_ANNOTATION"):
            start, end = (slots[annotation.attrib[f"TIME_SLOT_REF{number}"]] for number in (1, 2))
            assert cursor <= start < end
            cursor = end
            assert [child.tag for child in annotation] == ["ANNOTATION_VALUE"]
    return root


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_result_keeps_the_rules_and_its_texts(
    data: st.DataObject, analyses: st.SearchStrategy[Analysis], tmp_path_factory: pytest.TempPathFactory
) -> None:
    analysis = data.draw(analyses)
    text = to_eaf(analysis)
    root = check_rules(text)
    made = tiers(analysis)
    assert [tier.attrib["TIER_ID"] for tier in root.iter("TIER")] == [tier.name for tier in made]
    path = tmp_path_factory.getbasetemp() / "any.eaf"
    path.write_text(text, encoding="utf-8", newline="")
    document = Eaf(path)
    for tier in made:
        read = sorted(document.get_annotation_data_for_tier(tier.name))
        assert [(start, end) for start, end, *_ in read] == [(each.start_ms, each.end_ms) for each in tier.intervals]
        shown = [re.sub("[\ufffe\uffff]", "", each.text) for each in tier.intervals]
        assert [value for _, _, value, *_ in read] == shown


def test_every_utterance_comes_back_with_its_time(tmp_path: Path) -> None:
    analysis = hostile_analysis()
    path = tmp_path / "hostile.eaf"
    path.write_text(to_eaf(analysis), encoding="utf-8")
    document = Eaf(path)
    for person in analysis.persons:
        said = document.get_annotation_data_for_tier(f"transcript@{person.id}")
        for (start, end, text, *_), segment in zip(sorted(said), person.segments, strict=True):
            assert abs(start / 1000 - segment.span.start_seconds) <= 0.0005
            assert abs(end / 1000 - segment.span.end_seconds) <= 0.0005
            assert text == one_line(segment.text or "")


def test_an_abstention_tells_its_reason_and_no_guess() -> None:
    analysis = every_abstention()
    values = [value.text or "" for value in check_rules(to_eaf(analysis)).iter("ANNOTATION_VALUE")]
    for segment in analysis.persons[0].segments[:-1]:
        assert f"abstains: {segment.verdict.abstain}" in values


def test_what_overlaps_goes_to_a_tier_of_its_own() -> None:
    names = {tier.attrib["TIER_ID"] for tier in check_rules(to_eaf(synthetic_analysis(observations=20))).iter("TIER")}
    assert {"face@P1", "face@P1-2", "verdict@P1", "transcript@P1"} <= names
    assert "verdict@P1-2" not in names


@pytest.mark.parametrize(
    ("name", "url", "kind"),
    [
        ("talk.mp4", "./talk.mp4", "video/mp4"),
        ("Gespräch 1.MOV", "./Gespräch 1.MOV", "video/quicktime"),
        ("50% #1?.webm", "./50%25 %231%3F.webm", "unknown"),
        ("a\nb.wav", "./a b.wav", "audio/x-wav"),
    ],
)
def test_the_media_file_is_named_beside_the_document(name: str, url: str, kind: str) -> None:
    media = check_rules(to_eaf(synthetic_analysis(name=name))).find("HEADER/MEDIA_DESCRIPTOR")
    assert media is not None
    assert media.attrib == {"MEDIA_URL": url, "RELATIVE_MEDIA_URL": url, "MIME_TYPE": kind}


@pytest.mark.parametrize("seconds", [0.0, 9.6])
def test_nobody_is_one_tier_that_says_so(seconds: float) -> None:
    root = check_rules(to_eaf(synthetic_analysis(persons=0, seconds=seconds)))
    assert [value.text for value in root.iter("ANNOTATION_VALUE")] == ["abstains: no_person"]
