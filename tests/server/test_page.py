"""The page in a real browser: a clip goes in, the report comes out, an evidence chip seeks the video."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from emotrace.samples import sample_clip
from emotrace.server.settings import Limits

if TYPE_CHECKING:
    from conftest import Browser, Client, Start

KEY = "a-key-for-the-page-0123"
FRAME = "document.querySelector('#report').contentDocument"
IMAGES = Path(__file__).parents[2] / "docs" / "images"
NARROW = "document.documentElement.scrollWidth <= document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def site(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Client:
    with start(tmp_path_factory.mktemp("site")) as client:
        yield client


@pytest.fixture
def page(browser: Browser, site: Client) -> Browser:
    browser.open(f"{site.url}/")
    browser.wait("!document.querySelector('#work').hidden")
    return browser


def one(selector: str) -> str:
    return f"document.querySelector({selector!r})"


def report_is_there(page: Browser) -> None:
    there = f"{FRAME}?.readyState === 'complete' && {FRAME}.querySelector('.chip') !== null"
    page.wait(f"!{one('#shown')}.hidden && {there}", 60)


def test_a_clip_goes_in_and_a_chip_of_its_report_seeks_the_video(page: Browser, site: Client) -> None:
    page.attach("#transcript", sample_clip().with_suffix(".srt"))
    page.attach("#file", sample_clip())
    page.wait(f"!{one('#current')}.hidden")
    page.wait(f"{one('#stage')}.textContent.startsWith('Watching')", 60)
    assert page.evaluate(f"{one('#told')}.getAttribute('aria-live')") == "polite"
    report_is_there(page)
    assert page.evaluate(f"{one('#shown-name')}.textContent") == "talk.mp4"
    path = page.evaluate(f"{one('#report')}.getAttribute('src')").removesuffix("/report")
    status = site.get(path).json()
    page.wait(f"{one('#history')}.textContent.includes({', '.join(status['summary']['labels'])!r})")

    video = f"{FRAME}.querySelector('#media')"
    page.wait(f"{video}.readyState >= 1")
    assert page.evaluate(f"{video}.currentSrc") == f"{site.url}{path}/media"
    observations = status["result"]["persons"][0]["overall"]["sheet"]["observations"]
    last = max(observations, key=lambda each: each["span"]["start_seconds"])
    assert last["span"]["start_seconds"] > 1
    page.click(f"[data-of='p0w{last['id']}'] .chip", frame="#report")
    page.wait(f"!{video}.seeking && {video}.currentTime > 0")
    assert page.evaluate(f"{video}.currentTime") == pytest.approx(last["span"]["start_seconds"], abs=0.05)
    assert page.errors == []
    assert all(url.startswith((site.url, "data:", "about:")) for url in page.requests)


def test_the_sample_needs_no_mouse_and_is_deleted_by_keys_alone(page: Browser, site: Client) -> None:
    def tab_to(condition: str) -> None:
        for _ in range(40):
            if page.evaluate(f"(e => {condition})(document.activeElement)"):
                assert page.evaluate("document.activeElement.matches(':focus-visible')")
                return
            page.press("Tab")
        raise AssertionError(f"no key leads to {condition}")

    for each in site.get("/v1/analyses").json()["analyses"]:
        site("DELETE", each["links"]["self"])
    page.evaluate("window.before = true; location.reload()")
    page.wait(f"!window.before && document.readyState === 'complete' && !{one('#work')}.hidden")
    page.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    tab_to("e.id === 'file'")
    tab_to("e.id === 'sample'")
    page.press("Enter")
    report_is_there(page)
    assert page.evaluate("document.activeElement.id") == "shown-name"
    path = site.get("/v1/analyses").json()["analyses"][0]["links"]["self"]

    page.evaluate(f"{one('#history')}.querySelector('button').focus()")  # past the report, which has keys of its own
    tab_to("e.getAttribute('aria-label') === 'Delete talk.mp4'")
    page.press("Enter")
    page.wait(f"{one('#sure')}.open")
    page.press("Escape")
    page.wait(f"!{one('#sure')}.open")
    assert site.get(path).status_code == 200
    tab_to("e.getAttribute('aria-label') === 'Delete talk.mp4'")
    page.press("Enter")
    page.wait(f"{one('#sure')}.open")
    tab_to("e.value === 'delete'")
    page.press("Enter")
    page.wait(f"{one('#shown')}.hidden && !{one('#nothing')}.hidden")
    assert site.get(path).status_code == 404
    assert page.evaluate("document.activeElement.id") == "file"
    assert "deleted" in page.evaluate(f"{one('#told')}.textContent")
    assert page.errors == []


def test_what_is_refused_is_told_and_the_page_goes_on(page: Browser, tmp_path: Path) -> None:
    text = tmp_path / "notes.mp4"
    text.write_text("no film at all\n" * 100)
    page.attach("#file", text)
    page.wait(f"!{one('#trouble')}.hidden")
    assert "This is text, not a video" in page.evaluate(f"{one('#trouble')}.textContent")
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(400_000))
    page.wait(f"{one('#current')}.hidden")
    page.attach("#file", large)
    page.wait(f"{one('#trouble')}.textContent.includes('limit')")
    assert page.evaluate(f"{one('#file')}.disabled") is False


@pytest.mark.parametrize(("width", "dark"), [(390, False), (390, True), (320, False), (1280, True)])
def test_it_fits_without_scrolling_sideways(
    browser: Browser, server: Client, done: str, width: int, dark: bool
) -> None:
    browser.open(f"{server.url}/#{done.rpartition('/')[2]}", width=width, height=844, dark=dark)
    report_is_there(browser)
    browser.evaluate(f"{one('.options')}.open = true")
    assert browser.evaluate(NARROW)
    inner = f"{FRAME}.documentElement"
    assert browser.evaluate(f"{inner}.scrollWidth <= {inner}.clientWidth")
    paper = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(21, 24, 27)" if dark else "rgb(251, 250, 247)")


def test_a_key_unlocks_the_page(browser: Browser, start: Start, tmp_path: Path) -> None:
    with start(tmp_path, keys=(KEY,)) as client:
        browser.open(f"{client.url}/")
        browser.wait(f"!{one('#unlock')}.hidden")
        browser.evaluate(f"{one('#key')}.value = 'wrong', {one('#unlock')}.requestSubmit()")
        browser.wait(f"!{one('#key')}.validity.valid")
        browser.evaluate(f"{one('#key')}.value = {KEY!r}, {one('#key')}.dispatchEvent(new Event('input'))")
        browser.evaluate(f"{one('#unlock')}.requestSubmit()")
        browser.wait(f"!{one('#work')}.hidden && {one('#unlock')}.hidden")
        assert KEY not in browser.evaluate("document.cookie")


@pytest.mark.skipif("EMOTRACE_SCREENSHOTS" not in os.environ, reason="writes into docs/images when asked to")
def test_pictures_for_the_documentation(browser: Browser, start: Start, tmp_path: Path) -> None:
    with start(tmp_path, limits=Limits()) as client:
        words = ("talk.srt", sample_clip().with_suffix(".srt").read_bytes())
        done = client.accepted(sample_clip(), name="talk.mp4", transcript=words)
        client.finished(done)
        for name, place, width, height, dark in (
            ("server_page", "/", 1280, 900, False),
            ("server_report", f"/#{done.rpartition('/')[2]}", 1280, 1500, False),
            ("server_narrow", "/", 390, 844, True),
        ):
            browser.open(f"{client.url}{place}", width=width, height=height, dark=dark)
            browser.wait(f"!{one('#work')}.hidden && {one('#history')}.children.length > 0")
            if "#" in place:
                report_is_there(browser)
                browser.wait(f"{FRAME}.querySelector('#media').readyState >= 2")
            browser.screenshot(IMAGES / f"{name}.png", full=False)
