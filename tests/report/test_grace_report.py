"""The panel of maps and words: what it says, what it draws and where, and that it hides what it must."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from emotrace.grace.config import DISCLAIMER
from emotrace.grace.video.expression import RATE_HZ, Expression, HeatMap
from emotrace.media.video import FrameReader
from emotrace.report import render, write
from emotrace.report.heat import panels, strongest
from emotrace.report.stills import LONGEST_SIDE
from emotrace.results import Analysis
from emotrace.samples import sample_clip
from emotrace.span import Span
from emotrace.testing.analysis import HOSTILE, synthetic_analysis
from emotrace.testing.expressions import made_up_expression, made_up_word, with_expressions, without_words

if TYPE_CHECKING:
    from conftest import Browser

VIDEO = "document.querySelector('#media')"


def windows(seconds: int = 8, **changes: Any) -> list[Expression]:
    return [made_up_expression(float(start), **changes) for start in range(seconds - 1)]


def result(expressions: list[Expression], *, seconds: float = 10.16, persons: int = 1) -> Analysis:
    sha256 = hashlib.sha256(sample_clip().read_bytes()).hexdigest()
    plain = synthetic_analysis(seconds=seconds, persons=persons, sha256=sha256, name="talk.mp4")
    return with_expressions(plain, expressions)


def text_of(page: str) -> str:
    body = re.sub(r"<(script|style).*?</\1>", " ", page, flags=re.DOTALL)
    return re.sub(r" ([.,:])", r"\1", " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split()))


def stills_of(page: str) -> dict[str, np.ndarray]:
    found = re.search(r'id="stills"[^>]*>(.*?)</script>', page, flags=re.DOTALL)
    assert found is not None
    pictures = {}
    for key, uri in json.loads(found[1]).items():
        content = np.frombuffer(base64.b64decode(uri.partition("base64,")[2]), np.uint8)
        pictures[key] = cv2.imdecode(content, cv2.IMREAD_COLOR)
    return pictures


# ---- what it says


def test_without_grace_the_page_has_none_of_it() -> None:
    page = render(synthetic_analysis(), media=None)
    assert 'class="heat"' not in page
    assert ".aligned" not in page
    assert page.count("<script") == 2


def test_it_says_what_the_map_is_and_what_it_is_not() -> None:
    text = text_of(render(result(windows()), media=None))
    assert "where the text and the picture matched" in text
    assert "not the cause of any verdict" in text
    assert DISCLAIMER in text
    assert "grace/0123456789ab" in text


def test_the_table_has_each_event_once_with_all_its_numbers() -> None:
    text = text_of(render(result(windows(4)), media=None))
    assert text.count("lip corners pulled up strongly") == 1
    assert "left mouth corner 60 % 3.0× 0.0–3.9 s 0.0–1.9 s strongest of 3 windows" in text


def test_without_words_the_map_is_called_movement() -> None:
    page = render(result([without_words(each) for each in windows()]), media=None)
    assert "no words about this face, so the map shows movement alone" in text_of(page)
    assert re.search(r'value="motion" checked', page)
    assert re.search(r'value="words" disabled', page)


def test_where_some_windows_have_no_words_it_says_so() -> None:
    mixed = windows()
    mixed[2:4] = [without_words(each) for each in mixed[2:4]]
    assert "In 2 of the windows the evidence has no words about the face" in text_of(render(result(mixed), media=None))


def test_where_nothing_moved_there_is_no_map() -> None:
    still = [
        replace(without_words(each), heat_source="none", heat=HeatMap.of(np.zeros((16, 7, 7)))) for each in windows()
    ]
    assert "and nothing moved: there is no map" in text_of(render(result(still), media=None))


def test_typical_words_stand_under_their_label_as_nobody_s_observation() -> None:
    word = made_up_word(Span(0.0, 1.0), text="cheeks raised", observed_span=None, read_from=None, cue=None)
    page = render(result(windows(words=(), typical_of="happy", typical_words=(word,))), media=None)
    text = text_of(page)
    assert text.index("Typical of happy") < text.index("cheeks raised")
    assert "Nobody observed these here" in text
    evidence = text[text.index("Evidence") : text.index("Where and when")]
    assert "cheeks raised" not in evidence


def test_every_script_is_allowed_by_its_hash() -> None:
    page = render(result(windows()), media=None)
    scripts = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(scripts) == 2
    for script in scripts:
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in html.unescape(page)


def test_the_scale_is_one_for_all_and_no_single_patch_sets_it() -> None:
    calm = made_up_expression(1.0)
    spike = calm.heat.values.copy()
    spike[0, 0, 0] = 50.0
    assert strongest(result([calm])) == strongest(result([calm, replace(calm, heat=HeatMap.of(spike)), calm]))


def test_long_clips_get_no_more_pictures() -> None:
    panel = panels(result(windows(120), seconds=130.0))[0]
    assert len(panel.moments) <= 48
    assert panel.moments[0] < 5.0
    assert panel.moments[-1] > 110.0
    peaks = [row.word.peak_seconds for row in panel.rows]
    assert all(min(abs(peak - moment) for moment in panel.moments) < 0.1 for peak in peaks)


# ---- what it shows


def test_pictures_are_those_of_their_moments() -> None:
    page = render(result(windows()), media=sample_clip())
    pictures = stills_of(page)
    frames = list(FrameReader(sample_clip(), rate_hz=RATE_HZ))
    assert len(pictures) > 10
    for key, picture in pictures.items():
        shown = [frame.image for frame in frames if 1000 * frame.time_seconds <= int(key) + 1][-1]
        assert max(picture.shape[:2]) <= LONGEST_SIDE
        size = picture.shape[1::-1]
        small = cv2.resize(shown, size, interpolation=cv2.INTER_AREA)[..., ::-1]
        assert np.abs(small.astype(int) - picture).mean() < 6.0
    assert len(page) < 5_000_000


def test_redacted_pictures_hide_the_face() -> None:
    analysis = result(windows())
    open_, hidden = (stills_of(render(analysis, media=sample_clip(), redact=redact)) for redact in (False, True))
    assert open_.keys() == hidden.keys()
    box = analysis.persons[0].expressions[0].frames[0]
    for key, picture in hidden.items():
        height, width, _ = picture.shape
        inside = np.s_[
            int(box.y * height) : int((box.y + box.height) * height),
            int(box.x * width) : int((box.x + box.width) * width),
        ]
        fine = [cv2.Laplacian(each[inside], cv2.CV_32F).std() for each in (open_[key], picture)]
        assert fine[1] < 0.5 * fine[0]


def test_another_file_gives_no_pictures(tmp_path: Path) -> None:
    other = tmp_path / "other.mp4"
    other.write_bytes(sample_clip().read_bytes() + b"\0")
    assert stills_of(render(result(windows()), media=other)) == {}
    assert stills_of(render(result(windows()), media=None)) == {}


# ---- in a browser


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    quiet = made_up_word(Span(5.0, 6.0), text="brows lowered", matched_region="left brow", peak_seconds=5.5, row=1)
    expressions = windows()
    expressions[5] = replace(expressions[5], words=(quiet,))
    return write(result(expressions), tmp_path_factory.mktemp("page") / "report.html", media=sample_clip())


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.open(page)
    browser.wait(f"{VIDEO}.readyState >= 1")
    browser.wait(DRAWN)
    return browser


DRAWN = "[...document.querySelectorAll('.moment canvas')].every(c => c.dataset.drawn)"
"""Pictures arrive a moment after the page."""


def coloured(browser: Browser, index: int) -> np.ndarray:
    """One moment's canvas as red, green, blue."""
    found = browser.evaluate(
        f"(c => [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]])"
        f"(document.querySelectorAll('.moment canvas')[{index}])"
    )
    return np.array(found[2], np.uint8).reshape(found[1], found[0], 4)[..., :3]


def time_of(browser: Browser) -> float:
    browser.wait(f"!{VIDEO}.seeking")
    return float(browser.evaluate(f"{VIDEO}.currentTime"))


def test_the_map_lies_on_the_turned_square_in_the_picture(browser: Browser, tmp_path: Path) -> None:
    heat = np.zeros((16, 7, 7))
    heat[:, 1, 5] = 1.0
    expression = made_up_expression(heat=HeatMap.of(heat))
    turned = tuple(replace(frame, roll_degrees=30.0) for frame in expression.frames)
    path = write(result([replace(expression, frames=turned)]), tmp_path / "p.html", media=None)
    browser.open(path)
    browser.wait(DRAWN)
    canvas = coloured(browser, 0).astype(int)
    yellow = (canvas[..., 0] - canvas[..., 2] > 60) & (canvas[..., 1] > 120)
    y, x = (axis.mean() for axis in np.nonzero(yellow))
    width, height = 320, 180
    side = 0.2 * width
    right, down = (5.5 / 7 - 0.5) * side, (1.5 / 7 - 0.5) * side
    angle = math.radians(30.0)
    expected_x = (0.36 + 0.1) * width + math.cos(angle) * right - math.sin(angle) * down
    expected_y = (0.18 + 0.18) * height + math.sin(angle) * right + math.cos(angle) * down
    assert (x, y) == (pytest.approx(expected_x, abs=2.0), pytest.approx(expected_y, abs=2.0))


def test_a_word_shows_its_own_map_goes_to_its_peak_and_back(opened: Browser) -> None:
    index = opened.evaluate(
        "[...document.querySelectorAll('.moment')].findIndex(m => Math.abs(+m.dataset.time - 5.5) < 0.1)"
    )
    before = coloured(opened, index)
    legend = "document.querySelector('.scale-text').textContent"
    shared = opened.evaluate(legend)
    opened.click(".word[data-peak='5.5']")
    opened.wait("document.querySelectorAll('.word[aria-pressed=true]').length === 1")
    assert time_of(opened) == pytest.approx(5.5, abs=0.05)
    opened.wait(f"{legend}.includes('strongest patch')")
    opened.wait("[...document.querySelectorAll('.moment em')].some(e => e.textContent === 'not matched here')")
    after = coloured(opened, index)
    assert np.abs(after.astype(int) - before).max() > 30
    opened.click(".word[data-peak='5.5']")
    opened.wait(f"{legend} === {json.dumps(shared)}")
    opened.wait("[...document.querySelectorAll('.moment em')].every(e => e.textContent === '')")
    assert np.array_equal(coloured(opened, index), before)
    assert opened.errors == []


def test_it_works_from_the_keyboard(opened: Browser) -> None:
    opened.evaluate("document.querySelector('.moment').focus()")
    opened.press("ArrowRight")
    opened.press("ArrowRight")
    assert opened.evaluate("[...document.querySelectorAll('.moment')].indexOf(document.activeElement)") == 2
    assert opened.evaluate("document.querySelectorAll('.moment[tabindex=\"-1\"]').length") == opened.evaluate(
        "document.querySelectorAll('.moment').length - 1"
    )
    opened.evaluate("document.activeElement.click()")
    chosen = float(opened.evaluate("document.activeElement.dataset.time"))
    assert time_of(opened) == pytest.approx(chosen, abs=0.05)
    opened.evaluate("document.querySelector('.moment-of').focus()")
    opened.press("ArrowRight")
    assert time_of(opened) > chosen
    opened.evaluate("document.querySelector('.word').focus()")
    assert opened.evaluate("document.activeElement.tagName") == "BUTTON"


def test_movement_is_shown_on_request_and_the_map_can_be_taken_away(opened: Browser) -> None:
    words = coloured(opened, 2)
    opened.click(".views input[value=motion]")
    opened.wait("document.querySelector('.scale-text').textContent.includes('movement')")
    movement = coloured(opened, 2)
    opened.click(".views input[value=off]")
    opened.wait("document.querySelector('.scale').hidden")
    plain = coloured(opened, 2)
    assert np.abs(words.astype(int) - movement).max() > 30
    assert np.abs(plain.astype(int) - movement).max() > 30


def test_the_player_shows_the_map_of_its_moment(opened: Browser) -> None:
    opened.evaluate(f"{VIDEO}.currentTime = 2.0")
    pixels = "c.getContext('2d').getImageData(0, 0, c.width, c.height).data"
    painted = f"(c => c.width && {pixels}.some(v => v))(document.querySelector('#heat-map'))"
    opened.wait(painted)
    opened.evaluate("document.querySelector('#show-heat').click()")
    opened.wait("document.querySelector('#heat-map').hidden")


def test_the_curve_follows_the_clip(opened: Browser) -> None:
    opened.evaluate(f"{VIDEO}.currentTime = 4.0")
    opened.wait("Math.abs(+document.querySelector('.curve .here').getAttribute('x1') - 400 / 10.16) < 0.5")
    opened.wait("document.querySelectorAll('.moment.here').length === 1")


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_its_width_and_asks_for_nothing(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width=width, height=800)
    browser.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert browser.errors == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [page.as_uri()]


def test_hostile_words_run_nothing(browser: Browser, tmp_path: Path) -> None:
    words = tuple(made_up_word(Span(0.0, 1.0), text=text, read_from=text) for text in HOSTILE)
    path = write(result([made_up_expression(words=words)]), tmp_path / "p.html", media=None)
    browser.open(path)
    assert browser.evaluate("window.hostile") is None
    assert browser.evaluate("document.querySelectorAll('.word').length") == len(HOSTILE)
    assert browser.errors == []


def test_a_photograph_has_a_strip_of_one(browser: Browser, tmp_path: Path) -> None:
    path = write(result([made_up_expression(frames=1)], seconds=0.0), tmp_path / "p.html", media=None)
    browser.open(path)
    assert browser.evaluate("document.querySelectorAll('.moment').length") == 1
    assert browser.evaluate("document.querySelector('.curve')") is None
    assert browser.errors == []
