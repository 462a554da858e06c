"""The panel of face, voice and words together: what it says, and that nothing in it can run."""

from __future__ import annotations

import html
import re

from emotrace.priors.config import DISCLAIMER
from emotrace.report import render
from emotrace.report.fusion import panel
from emotrace.results import Analysis
from emotrace.samples import sample_clip
from emotrace.testing.analysis import HOSTILE, synthetic_analysis


def text_of(page: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


def test_the_page_says_what_moved_the_reading_and_how_far_it_was_trusted(fused_talk: Analysis) -> None:
    page = text_of(render(fused_talk, media=sample_clip()))
    shown = panel(fused_talk.persons[0].overall)
    assert shown is not None
    assert page.count("Face, voice and words together") == 4
    assert DISCLAIMER in page
    assert "no scores to check: counts half" in page
    for row in shown.rows:
        assert f"{row.name} {row.effects[0]:+.2f}" in page
    assert f"left over {shown.remainder.effects[0]:+.2f}" in page
    assert "feels" not in page


def test_the_likeliest_labels_come_first_and_bars_share_a_scale(fused_talk: Analysis) -> None:
    shown = panel(fused_talk.persons[0].overall)
    assert shown is not None
    shares = [shown.shares[label] for label in shown.labels]
    assert shares == sorted(shown.shares.values(), reverse=True)[:3]
    assert shown.most >= max(abs(effect) for row in shown.rows for effect in row.effects)


def test_what_an_observer_wrote_is_text_and_never_markup(fused_talk: Analysis) -> None:
    person = fused_talk.persons[0]
    fused = person.overall.fusion
    assert fused is not None
    hostile = fused.sections["visual"].model_copy(update={"text": HOSTILE[0], "reason": HOSTILE[0]})
    overall = person.overall.model_copy(
        update={"fusion": fused.model_copy(update={"sections": {**fused.sections, "visual": hostile}})}
    )
    page = render(
        fused_talk.model_copy(update={"persons": (person.model_copy(update={"overall": overall}),)}), media=None
    )
    assert HOSTILE[0] not in re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert HOSTILE[0] in html.unescape(re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL))


def test_a_page_without_fusion_has_no_panel_and_no_style_for_it() -> None:
    page = render(synthetic_analysis(), media=None)
    assert "Face, voice and words together" not in page
    assert ".fusion" not in page
