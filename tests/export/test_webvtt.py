"""Captions read back as they were, and nothing that is said can break out of its cue."""

from __future__ import annotations

import html

import webvtt
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emotrace.export import to_webvtt
from emotrace.export.stretches import judged_segments
from emotrace.export.wording import one_line, worded
from emotrace.results import Analysis
from emotrace.testing.analysis import every_abstention, synthetic_analysis


@given(data=st.data())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_result_reads_back_with_its_times_and_texts(
    data: st.DataObject, analyses: st.SearchStrategy[Analysis]
) -> None:
    analysis = data.draw(analyses)
    text = to_webvtt(analysis)
    captions = webvtt.from_string(text).captions
    cues = [(person, segment) for person in analysis.persons for segment in judged_segments(person)]
    assert text.count("-->") == len(captions) == len(cues)
    starts = [caption.start_time.in_milliseconds() for caption in captions]
    assert starts == sorted(starts)
    found = {caption.identifier: caption for caption in captions}
    for person in analysis.persons:
        for number, segment in enumerate(judged_segments(person), start=1):
            caption = found[f"{person.id}-{number}"]
            assert caption.start_time.in_milliseconds() == round(segment.span.start_seconds * 1000)
            assert 0 <= caption.end_time.in_milliseconds() - round(segment.span.end_seconds * 1000) <= 1
            assert caption.end_time.in_milliseconds() > caption.start_time.in_milliseconds()
            assert caption.voice == person.id
            shown = [html.unescape(line) for line in caption.text.split("\n")]
            said = one_line(segment.text or "")
            assert shown == [f"{person.id}: {worded(segment.verdict)}", *([said] if said else [])]


def test_markup_and_arrows_in_speech_are_escaped() -> None:
    text = to_webvtt(synthetic_analysis(texts=["a --> b & <b>c</b>\n\n00:00:01.000 --> 00:00:02.000\nfake"]))
    assert "a --&gt; b &amp; &lt;b&gt;c&lt;/b&gt; 00:00:01.000 --&gt; 00:00:02.000 fake" in text
    assert text.count("-->") == 3


def test_abstentions_say_so_and_why() -> None:
    assert "P1: abstains: low_margin</v>" in to_webvtt(every_abstention())


def test_nobody_is_a_file_with_a_note() -> None:
    text = to_webvtt(synthetic_analysis(persons=0, name="a --> b.mp4"))
    assert text == "WEBVTT\n\nNOTE file: a --&gt; b.mp4\n\nNOTE nobody: abstains: no_person\n"
    assert webvtt.from_string(text).captions == []
