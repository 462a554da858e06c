"""The page is whole, says what the result says, and lets nothing in or out. In a browser: `test_browser.py`."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from html.parser import HTMLParser
from pathlib import Path

import pytest

from emotrace.errors import MediaNotFound, UnwritableOutput
from emotrace.report import render, write
from emotrace.results import ABSTAIN_REASONS, Analysis
from emotrace.testing.analysis import HOSTILE, every_abstention, hostile_analysis, synthetic_analysis

TEMPLATES = Path(__file__).parents[2] / "src" / "emotrace" / "report" / "templates"


class Outline(HTMLParser):
    """What a parser sees: elements with attributes, and the text of scripts and styles apart from the rest."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.raw: list[tuple[str, str]] = []
        self._inside = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.raw.append((self._inside, data))
        else:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def test_it_says_what_the_result_says() -> None:
    analysis = synthetic_analysis(persons=2, segments=2, missing={"verbal": "not_recorded"})
    text = Outline(render(analysis, media=None)).text
    for person in analysis.persons:
        for segment in (person.overall, *person.segments):
            for label in segment.verdict.labels:
                assert f"{label.word} {label.confidence:.2f}" in text
            for hypothesis in segment.verdict.hypotheses:
                assert ", ".join(hypothesis.labels) in text
                assert hypothesis.story in text
            for observation in segment.sheet.observations:
                assert f"{observation.id} {observation.text}" in text
            for sentence in segment.verdict.explanation:
                assert sentence in text
    assert "words absent: there is no transcript" in text
    assert "calibrated on simulated clips, not on people" in text
    assert analysis.provenance.models[0].sha256 in text
    assert "It does not say what anyone felt." in text


def test_the_distribution_comes_before_the_label() -> None:
    page = render(synthetic_analysis(segments=1), media=None)
    body = page[page.index('class="body"') :]
    assert body.index("before any label is chosen") < body.index('class="labels"')
    assert page.index('class="spread"') < page.index('class="perceived"')


def test_every_abstention_has_its_reason_and_its_guess_is_marked() -> None:
    analysis = every_abstention()
    text = Outline(render(analysis, media=None)).text
    for reason in ABSTAIN_REASONS.values():
        assert f"The system abstains: {reason}." in text
    guesses = [s.verdict.best_guess for s in analysis.persons[0].segments if s.verdict.best_guess]
    for guess in guesses:
        assert f"not a result Had it been made to answer: {', '.join(guess)}" in text


def test_hostile_text_stays_text() -> None:
    page = render(hostile_analysis(), media=None)
    outline = Outline(page)
    assert [tag for tag, _ in outline.elements].count("script") == 2
    assert not [tag for tag, _ in outline.elements if tag in ("img", "iframe", "object", "embed", "base", "form")]
    for _, attributes in outline.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
    for text in HOSTILE:
        assert " ".join(text.split()) in outline.text
    assert "49" not in re.findall(r"\b\d+\b", " ".join(t for t in outline.texts if "7 * 7" in t))


def test_the_embedded_data_are_the_result() -> None:
    analysis = hostile_analysis()
    page = render(analysis, media=None)
    data = next(text for tag, text in Outline(page).raw if tag == "script")
    assert Analysis.from_json(data) == analysis
    assert not set(data) & set("<>&\u2028\u2029")


def test_only_its_own_script_and_style_may_run() -> None:
    outline = Outline(render(hostile_analysis(), media=None))
    policy = next(a["content"] for tag, a in outline.elements if tag == "meta" and "http-equiv" in a)
    assert policy is not None
    (style,) = [text for tag, text in outline.raw if tag == "style"]
    script = [text for tag, text in outline.raw if tag == "script"][-1]
    for directive, text in (("style-src", style), ("script-src", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{directive} 'sha256-{digest}';" in policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "http" not in policy


def test_nothing_outside_the_page_is_asked_for() -> None:
    outline = Outline(render(synthetic_analysis(), media=None))
    for tag, attributes in outline.elements:
        for name in ("src", "href", "srcset", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, value)
    for asset in ("report.css", "report.js"):
        text = (TEMPLATES / asset).read_text(encoding="utf-8")
        assert not re.search(r"https?:|@import|url\((?!#)|fetch\(|XMLHttpRequest|innerHTML|eval\(", text)


def test_the_same_result_gives_the_same_bytes() -> None:
    analysis = synthetic_analysis(persons=2)
    assert render(analysis, media=None) == render(Analysis.from_json(analysis.to_json()), media=None)


def test_nobody_is_said_and_the_page_stands() -> None:
    outline = Outline(render(synthetic_analysis(persons=0), media=None))
    assert "No verdict: nobody is seen or heard" in outline.text


def test_ten_minutes_in_two_hundred_segments_stay_small_and_quick() -> None:
    analysis = synthetic_analysis(seconds=600.0, segments=200, observations=12)
    start = time.process_time()
    page = render(analysis, media=None)
    assert time.process_time() - start < 3.0  # 0.4 s on a quiet core
    assert len(page.encode()) < 5_000_000
    assert json.dumps(page).count("<details") == 201


@pytest.mark.parametrize("kind", ["labels", "chips"])
def test_ids_within_the_page_are_unique(kind: str) -> None:
    outline = Outline(render(synthetic_analysis(persons=3, segments=4), media=None))
    name = "id" if kind == "labels" else "data-of"
    ids = [attributes[name] for _, attributes in outline.elements if name in attributes]
    assert len(ids) == len(set(ids)) > 10


def test_every_chip_leads_to_an_observation() -> None:
    outline = Outline(render(synthetic_analysis(persons=2), media=None))
    rows = {attributes["data-of"] for _, attributes in outline.elements if "data-of" in attributes}
    keys = {attributes["data-key"] for _, attributes in outline.elements if "data-key" in attributes}
    assert keys == rows


def test_writing_is_whole_or_not_at_all(tmp_path: Path) -> None:
    target = write(synthetic_analysis(), tmp_path / "report.html", media=None)
    assert target.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(UnwritableOutput):
        write(synthetic_analysis(), tmp_path / "absent" / "report.html", media=None)
    with pytest.raises(MediaNotFound):
        write(synthetic_analysis(), tmp_path / "other.html", media=tmp_path / "absent.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_is_readable_by_the_measure_of_wcag_aa(theme: int) -> None:
    css = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    pairs = re.findall(r"--(\w+): light-dark\((#\w{6}), (#\w{6})\)", css)
    colours = {name: _luminance(values[theme]) for name, *values in pairs}
    for ink in ("ink", "soft", "accent", "visual", "vocal", "verbal", "joint", "for", "against"):
        for ground in ("paper", "raised", "sunk"):
            light, dark = sorted((colours[ink], colours[ground]), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5, (ink, ground)
