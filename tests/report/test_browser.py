"""What a real browser makes of the page: it plays, seeks, fits, and runs nothing foreign."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emotrace.report import render, write
from emotrace.results import Analysis
from emotrace.samples import sample_clip
from emotrace.testing.analysis import every_abstention, hostile_analysis, synthetic_analysis

if TYPE_CHECKING:
    from conftest import Browser

SECONDS = 10.16
VIDEO = "document.querySelector('#media')"


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    sha256 = hashlib.sha256(sample_clip().read_bytes()).hexdigest()
    return synthetic_analysis(seconds=SECONDS, persons=2, sha256=sha256, name="talk.mp4")


@pytest.fixture(scope="module")
def page(analysis: Analysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(analysis, tmp_path_factory.mktemp("page") / "report.html", media=sample_clip())


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.open(page)
    browser.wait(f"{VIDEO}.readyState >= 1")
    return browser


def time_of(browser: Browser) -> float:
    browser.wait(f"!{VIDEO}.seeking")
    return float(browser.evaluate(f"{VIDEO}.currentTime"))


def test_a_chip_seeks_the_video_and_marks_its_moment(opened: Browser, analysis: Analysis) -> None:
    observation = analysis.persons[0].overall.sheet.observations[3]
    opened.click(f'[data-of="p0w{observation.id}"] .chip')
    assert time_of(opened) == pytest.approx(observation.span.start_seconds, abs=0.05)
    lit = opened.evaluate("[...document.querySelectorAll('.lit')].map(e => e.dataset.key)")
    assert set(lit) == {f"p0w{observation.id}"}
    assert opened.evaluate("document.querySelector('#range').hidden") is False
    title = opened.evaluate("document.querySelector('.chip.lit').title")
    assert observation.text in title


def test_a_chip_among_the_rivals_goes_to_the_same_moment(opened: Browser, analysis: Analysis) -> None:
    overall = analysis.persons[0].overall
    id = overall.verdict.verifications[0].supporting[-1]
    opened.click(f'#p0w .marks .chip[data-key="p0w{id}"]')
    assert time_of(opened) == pytest.approx(overall.sheet[id].span.start_seconds, abs=0.05)


def test_a_bar_of_the_timeline_seeks_and_a_verdict_opens_its_segment(opened: Browser, analysis: Analysis) -> None:
    observation = analysis.persons[1].segments[2].sheet.observations[0]
    opened.click(f'.o[data-key="p1s2{observation.id}"]')
    assert time_of(opened) == pytest.approx(observation.span.start_seconds, abs=0.05)
    opened.click('.block[data-segment="p0s1"]')
    assert opened.evaluate("document.querySelector('#p0s1').open") is True
    assert time_of(opened) == pytest.approx(analysis.persons[0].segments[1].span.start_seconds, abs=0.05)
    assert opened.evaluate("document.querySelector('#p0s1').classList.contains('current')") is True


def test_the_timeline_works_from_the_keyboard(opened: Browser, analysis: Analysis) -> None:
    opened.evaluate("document.querySelector('#tracks').focus()")
    opened.press("ArrowRight")
    assert time_of(opened) == pytest.approx(0.2, abs=0.01)
    opened.press("PageDown")
    assert time_of(opened) == pytest.approx(analysis.persons[0].segments[1].span.start_seconds, abs=0.01)
    opened.press("Home")
    assert time_of(opened) == 0.0
    opened.wait("document.querySelector('#tracks').getAttribute('aria-valuetext').startsWith('0.0 s · P1: ')")


def test_the_face_outline_follows_the_samples(opened: Browser, analysis: Analysis) -> None:
    boxes = analysis.persons[0].boxes
    opened.evaluate(f"{VIDEO}.currentTime = 2.1")
    expected = 50 * (boxes[10].x + boxes[11].x)
    opened.wait(f"Math.abs(parseFloat(document.querySelector('.box').style.left) - {expected}) < 0.2")
    label = opened.evaluate("document.querySelector('.box span').textContent")
    assert label == "P1 · " + ", ".join(label.word for label in analysis.persons[0].segments[0].verdict.labels)


def test_it_plays_and_the_playhead_moves(opened: Browser) -> None:
    opened.evaluate(f"{VIDEO}.muted = true, {VIDEO}.play()")
    opened.wait("parseFloat(document.querySelector('#playhead').style.left) > 3")
    assert opened.errors == []


def test_the_data_can_be_saved(opened: Browser, analysis: Analysis) -> None:
    opened.evaluate(
        "URL.createObjectURL = blob => (window.blob = blob, 'blob:x'), "
        "HTMLAnchorElement.prototype.click = function () { window.saved = this.download }"
    )
    opened.click("#save")
    assert opened.evaluate("window.saved") == "talk.emotrace.json"
    assert Analysis.from_json(opened.evaluate("window.blob.text()")) == analysis


def test_linked_media_plays_from_its_place(browser: Browser, analysis: Analysis, tmp_path: Path) -> None:
    clip = tmp_path / "media" / "a clip #1 %20 'é'.mp4"
    clip.parent.mkdir()
    clip.write_bytes(sample_clip().read_bytes())
    page = write(analysis, tmp_path / "report.html", media=clip, embed_under_mb=0)
    assert len(page.read_bytes()) < 300_000
    browser.open(page)
    browser.wait(f"{VIDEO}.readyState >= 1")
    clip.unlink()
    browser.open(page)
    browser.wait("!document.querySelector('#media-error').hidden")


def test_without_media_the_times_still_work(browser: Browser, tmp_path: Path) -> None:
    page = write(synthetic_analysis(), tmp_path / "report.html", media=None)
    browser.open(page)
    browser.click("#p0w .evidence li")
    assert browser.evaluate("parseFloat(document.querySelector('#playhead').style.left)") > 0


def test_hostile_text_runs_nothing_and_asks_for_nothing(browser: Browser, tmp_path: Path) -> None:
    page = write(hostile_analysis(), tmp_path / "report.html", media=None)
    browser.open(page)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate("window.hostile") is None
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [page.as_uri()]


def test_a_foreign_script_is_stopped_by_the_policy(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    html = render(synthetic_analysis(), media=None)
    page.write_text(html.replace("</header>", "<script>window.hostile = 1</script></header>"), encoding="utf-8")
    browser.open(page)
    assert browser.evaluate("window.hostile") is None
    browser.wait("document.querySelector('#theme').hidden === false")
    assert any("Content Security Policy" in error for error in browser.errors)


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("make", [every_abstention, hostile_analysis])
def test_it_fits_its_width_with_everything_open(
    browser: Browser, tmp_path: Path, width: int, make: Callable[[], Analysis]
) -> None:
    page = write(make(), tmp_path / "report.html", media=None)
    browser.open(page, width=width, height=800)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.errors == []


def test_light_and_dark_follow_the_system_the_address_and_the_button(browser: Browser, page: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.open(page, dark=True)
    dark = browser.evaluate(ground)
    browser.open(page, dark=False)
    light = browser.evaluate(ground)
    assert dark != light
    for expected in (light, dark):
        browser.click("#theme")
        assert browser.evaluate(ground) == expected
    assert json.loads(browser.evaluate("JSON.stringify(document.documentElement.dataset)")) == {"theme": "dark"}
