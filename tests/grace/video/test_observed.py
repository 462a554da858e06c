"""What goes onto a sheet: links that add no weight, one reading that does, and no emotion word in either."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from emotrace.evidence.observation import EvidenceSheet, Finding
from emotrace.grace.heat import region_name
from emotrace.grace.language.bank import known_classes
from emotrace.grace.language.lexicon import affect_lexicon
from emotrace.grace.video.expression import Expression, SeenFrame
from emotrace.grace.video.observed import FaceReading, as_finding, mean_shares, same_events
from emotrace.hydra.protocol import run
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.labels.vocabulary import emotion_words_in
from emotrace.span import Span
from emotrace.systems import joined
from emotrace.testing.expressions import made_up_expression, made_up_word

CLIP = Span(0.0, 10.0)


def reading_of(*expressions: Expression, trust: float = 0.5) -> FaceReading:
    return FaceReading(expressions=expressions, trust=trust)


def links(findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.scores is None]


def opinion(findings: list[Finding]) -> Finding:
    (found,) = [finding for finding in findings if finding.scores is not None]
    return found


def brows(**changes: Any) -> Finding:
    known = {"modality": "visual", "span": Span(1.0, 2.0), "text": "brows move together and down", "source": "visual@1"}
    return Finding(**{**known, "strength": 0.4, "confidence": 0.8, "cue": "au04", **changes})


def sheet_of(*findings: Finding) -> EvidenceSheet:
    return EvidenceSheet.of(findings, clip_id="c", span=CLIP, person="P1", missing={"vocal": "not_recorded"})


def test_a_link_says_the_phrase_its_place_its_time_and_its_share() -> None:
    (link,) = links(reading_of(made_up_expression()).findings(CLIP))
    assert link.text == "lip corners pulled up strongly (matched at the left mouth corner)"
    assert (link.modality, link.strength, link.source) == ("visual", 0.6, "grace/0123456789ab")
    assert link.span == Span(0.0, 1.875)


def test_no_phrase_at_no_place_makes_an_observation_that_names_an_emotion() -> None:
    units = [f"{unit.region} {unit.action}" for unit in affect_lexicon().units.values()]
    bank = [each.phrase.text for looks in known_classes().values() for each in looks.phrases]
    places = {region_name(row, column, (14, 14)) for row in range(14) for column in range(14)}
    assert len(units) > 20
    for text in {*units, *bank}:
        for place in places:
            word = made_up_word(Span(0.0, 1.0), text=text, matched_region=place)
            assert not emotion_words_in(as_finding(word, "grace/0123456789ab").text)
    assert not emotion_words_in(opinion(reading_of(made_up_expression()).findings(CLIP)).text)


def test_a_long_phrase_is_cut_and_keeps_its_place() -> None:
    finding = as_finding(made_up_word(Span(0.0, 1.0), text="brows move " * 30), "grace/0")
    assert len(finding.text) <= 120
    assert finding.text.endswith("(matched at the left mouth corner)")


def test_one_movement_that_several_windows_link_is_one_event() -> None:
    first, second, later = (made_up_expression(start) for start in (0.0, 1.0, 5.0))
    better = replace(second, words=(replace(second.words[0], lift=9.0, matched_region="lips"),))
    assert same_events([first, better, later]) == [[(1, 0), (0, 0)], [(2, 0)]]
    found = links(reading_of(first, better, later).findings(CLIP))
    assert [link.span.start_seconds for link in found] == [1.0, 5.0]
    assert "matched at the lips" in found[0].text


def test_a_stretch_gets_the_links_that_meet_it() -> None:
    reading = reading_of(made_up_expression(0.0), made_up_expression(1.0), made_up_expression(5.0))
    assert [link.span.start_seconds for link in links(reading.findings(Span(0.0, 0.5)))] == [0.0]
    assert links(reading.findings(Span(3.5, 4.0))) == []


def test_words_that_are_typical_of_a_label_are_no_observations() -> None:
    typical = made_up_expression(words=(), typical_of="happy", typical_words=(made_up_word(Span(0.0, 1.0)),))
    assert links(reading_of(typical).findings(CLIP)) == []


def test_the_reading_is_the_mean_over_the_pictures_inside() -> None:
    sure = made_up_expression(0.0, distribution={"happy": 1.0, "sad": 0.0})
    doubtful = made_up_expression(1.0, distribution={"happy": 0.5, "sad": 0.5})
    reading = reading_of(sure, doubtful, trust=0.7)
    early, shared, late = (opinion(reading.findings(span)) for span in (Span(0, 0.9), Span(1, 1.9), Span(2, 9)))
    assert early.scores == {"happy": 1.0, "sad": 0.0}
    assert shared.scores == {"happy": 0.75, "sad": 0.25}
    assert late.scores == {"happy": 0.5, "sad": 0.5}
    assert (early.scheme, early.confidence, early.span) == ("dfew", 0.7, Span(0.0, 0.875))
    assert mean_shares([sure, doubtful]) == pytest.approx({"happy": 0.75, "sad": 0.25})


def test_where_the_face_was_not_seen_there_is_no_reading() -> None:
    assert reading_of(made_up_expression(0.0)).findings(Span(4.0, 5.0)) == []


def test_a_photograph_has_a_reading() -> None:
    frame = SeenFrame(time_seconds=0.0, x=0.1, y=0.1, width=0.2, height=0.2, roll_degrees=0.0)
    photo = made_up_expression(frames=1)
    photo = replace(photo, frames=(frame,), words=())
    assert opinion(reading_of(photo).findings(Span(0.0, 0.0))).span == Span(0.0, 0.0)


def test_links_change_no_probability_and_no_label() -> None:
    """The words of a link were weighed when they were observed."""
    plain = sheet_of(brows(), brows(text="lip corners rise", cue="au12_alone", span=Span(4.0, 5.0)))
    more = joined(plain, links(reading_of(made_up_expression(0.0), made_up_expression(5.0)).findings(CLIP)))
    assert len(more.observations) == 4
    before, after = (run(sheet, EmbeddedReasoner()) for sheet in (plain, more))
    assert after.distribution == before.distribution
    assert [label.word for label in after.labels] == [label.word for label in before.labels]


def test_the_reading_is_weighed_and_a_label_that_stands_on_nothing_else_says_so() -> None:
    sad = made_up_expression(words=(), distribution={"happy": 0.02, "sad": 0.98})
    plain = sheet_of(brows(), brows(text="speech is quiet", cue=None, span=Span(4.0, 5.0)))
    read = joined(plain, reading_of(sad, trust=1.0).findings(CLIP))
    before, after = (run(sheet, EmbeddedReasoner(), abstain=False) for sheet in (plain, read))
    assert before.distribution is not None
    assert after.distribution is not None
    assert after.distribution["sadness"] > before.distribution["sadness"]
    alone = joined(sheet_of(brows(text="the head is turned away", cue=None)), reading_of(sad, trust=1.0).findings(CLIP))
    verdict = run(alone, EmbeddedReasoner(), abstain=False)
    assert [(label.cluster, label.grounded_by) for label in verdict.labels] == [("sadness", "reading")]


def test_joining_keeps_the_sheet_s_rules() -> None:
    sheet = sheet_of(brows())
    assert joined(sheet, []) == sheet
    unseen = EvidenceSheet.of([], clip_id="c", span=CLIP, missing={"visual": "not_found"})
    assert joined(unseen, reading_of(made_up_expression()).findings(CLIP)).observations == ()
