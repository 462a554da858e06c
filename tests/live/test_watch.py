from __future__ import annotations

import time
from pathlib import Path

import pytest

from emotrace.errors import MediaNotFound, StreamLost, UnreadableMedia, UsageError
from emotrace.evidence.segments import segment
from emotrace.evidence.sheets import sheet_of
from emotrace.evidence.voice_activity import speech_turns
from emotrace.evidence.witnesses import watch_and_hear, witnesses
from emotrace.hydra.protocol import run as reason
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.live.line import LiveVerdict
from emotrace.live.reading import Patience
from emotrace.live.stream import Item
from emotrace.live.waiting import MOST_PICTURES
from emotrace.live.watch import LiveWatch
from emotrace.media.clip import Clip
from emotrace.media.faces import detector
from emotrace.media.video import Frame
from emotrace.progress import Watch
from emotrace.samples import sample_clip
from emotrace.testing.synthetic import Bars, Tone, write_clip

from .conftest import serving

Talked = tuple[list[LiveVerdict], LiveWatch]


def without_latency(lines: list[LiveVerdict]) -> list[str]:
    return [line.model_copy(update={"latency_seconds": None}).to_json() for line in lines]


def test_windows_grow_to_their_length_then_move_on_and_the_rest_comes_last(talked: Talked) -> None:
    lines, live = talked
    spans = [(line.span.start_seconds, line.span.end_seconds) for line in lines if line.person == "P1"]
    assert spans[:5] == [(0.0, 2.0), (0.0, 4.0), (0.0, 6.0), (2.0, 8.0), (4.0, 10.0)]
    assert spans[5][1] == live.summary.seconds == pytest.approx(10.5, abs=0.1)
    assert (live.summary.windows, live.summary.dropped_frames) == (6, 0)
    assert live.summary.mean_latency_seconds is None
    assert all(line.latency_seconds is None for line in lines)


def test_a_line_holds_labels_that_cite_its_own_evidence_or_says_why_not(talked: Talked) -> None:
    lines, _ = talked
    assert any(line.labels for line in lines)
    for line in lines:
        assert bool(line.labels) == (line.abstain is None)
        known = {seen.id for seen in line.evidence}
        assert all(set(label.observation_ids) <= known for label in line.labels)
        assert all(seen.span in line.span for seen in line.evidence)


def test_the_same_file_gives_the_same_bytes(talked: Talked) -> None:
    again = LiveWatch(address=sample_clip(), real_time=False, for_seconds=3.0)
    first = [line.to_json() for line in talked[0] if line.span.end_seconds <= 2.0]
    lines = list(again)
    assert [line.to_json() for line in lines[: len(first)]] == first
    assert lines[-1].span.end_seconds == again.summary.seconds == 3.0


def test_a_window_says_about_what_analyze_says_of_that_stretch(talked: Talked) -> None:
    # Another rest (the past's, not the whole clip's) may move a borderline finding: most windows must agree.
    clip = Clip.open(sample_clip())
    faces, voice = watch_and_hear(
        clip.frames(), clip.audio(), detector("auto"), total_seconds=clip.span.end_seconds, watch=Watch()
    )
    assert voice is not None
    turns = speech_turns(voice.series)
    people = witnesses(faces, voice, turns, segment(clip.span, clip.transcript, turns), clip.transcript)
    lines = [line for line in talked[0] if line.person == "P1"]
    agreed = 0
    for line in lines:
        sheet = sheet_of(people[0], line.span, clip_id="live", absent={})
        verdict = reason(sheet, EmbeddedReasoner())
        cues = {o.text.partition(" from ")[0] for o in sheet.observations}
        shared = cues & {seen.text.partition(" from ")[0] for seen in line.evidence}
        assert len(shared) >= 0.5 * len(cues)
        agreed += [v.word for v in verdict.labels] == [v.word for v in line.labels] and verdict.abstain == line.abstain
    assert agreed >= 0.6 * len(lines)


def test_at_real_speed_lines_come_in_time_and_say_the_same(talked: Talked) -> None:
    live = LiveWatch(address=sample_clip(), for_seconds=4.0)
    began = time.monotonic()
    lines = list(live)
    assert 4.0 <= time.monotonic() - began < 9.0
    latencies = [line.latency_seconds for line in lines if line.latency_seconds is not None]
    assert len(latencies) == len(lines) >= 2
    assert min(latencies) < 1.0
    assert max(latencies) < 3.0
    if live.summary.dropped_frames == 0:
        assert without_latency(lines) == [x.to_json() for x in talked[0] if x.span.end_seconds <= 4.0]


def test_who_looks_too_slowly_drops_pictures_and_stays_near_the_present(
    bars: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = LiveWatch(address=bars, rate_hz=20.0, every_seconds=1.0, window_seconds=1.0)
    take, longest = live.onlooker.take, 0.12

    def slowly(item: Item) -> None:
        if isinstance(item, Frame):
            time.sleep(longest)
        take(item)

    monkeypatch.setattr(live.onlooker, "take", slowly)
    lines = list(live)
    summary = live.summary
    assert summary.dropped_frames >= 10
    assert summary.frames_seen + summary.dropped_frames == 40
    assert [line.dropped_frames for line in lines] == sorted(line.dropped_frames for line in lines)
    # Never more behind than what may wait takes to be looked at; the rest is for a busy machine.
    assert all((line.latency_seconds or 0.0) < (MOST_PICTURES + 1) * longest + 1.5 for line in lines)


def test_nobody_in_the_picture_is_said_in_every_window(bars: Path) -> None:
    lines = list(LiveWatch(address=bars, every_seconds=1.0, window_seconds=2.0, real_time=False))
    assert [line.span.end_seconds for line in lines] == [1.0, 2.0]
    assert {(line.person, line.abstain) for line in lines} == {(None, "no_person")}
    assert lines[0].missing == {"visual": "not_found", "vocal": "not_found", "verbal": "not_recorded"}


@pytest.mark.parametrize(("has", "lacks"), [("picture", "vocal"), ("sound", "visual")])
def test_a_stream_without_sound_or_without_picture(tmp_path: Path, has: str, lacks: str) -> None:
    pictures, sounds = ([Bars()], []) if has == "picture" else ([], [Tone()])
    path = write_clip(tmp_path / "clip.mkv", pictures=pictures, sounds=sounds)
    lines = list(LiveWatch(address=path, real_time=False))
    assert [line.span.end_seconds for line in lines] == [pytest.approx(2.0, abs=0.1)]
    assert lines[0].missing[lacks] == "not_recorded"  # type: ignore[index]


def test_what_is_switched_off_is_not_looked_at(bars: Path) -> None:
    live = LiveWatch(address=bars, real_time=False, use_video=False)
    assert [line.missing["visual"] for line in live] == ["switched_off"]
    assert live.summary.frames_seen == 0


def test_a_file_that_was_cut_short_is_judged_as_far_as_it_goes(bars: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mkv"
    data = bars.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    live, lines = LiveWatch(address=cut, real_time=False, every_seconds=1.0, window_seconds=1.0), []
    with pytest.raises(UnreadableMedia, match=r"cut short: \d\.\d s could be read, the header claims 2.0 s"):
        lines.extend(live)
    assert [line.window for line in lines] == list(range(live.summary.windows))
    assert 0.5 < lines[-1].span.end_seconds < 1.9


def test_a_network_stream_that_breaks_off_is_opened_again_and_time_goes_on(bars: Path) -> None:
    data, told = bars.read_bytes(), []
    with serving(data[: len(data) // 2], data, promised=len(data)) as url:
        live = LiveWatch(
            address=url,
            every_seconds=1.0,
            window_seconds=1.0,
            patience=Patience(tries=2, first_seconds=0.1),
            tell=told.append,
        )
        lines = list(live)
    assert live.summary.reconnected == 1
    ends = [line.span.end_seconds for line in lines]
    assert ends == sorted(ends)
    assert ends[-1] > 2.5  # a part of the first try, and the whole of the second
    assert len(told) == 1
    assert "trying again in 0.1 s" in told[0]
    assert "secret" not in told[0]
    assert "hidden" not in told[0]


def test_a_stream_that_stays_broken_is_given_up(bars: Path) -> None:
    data, told = bars.read_bytes(), []
    with serving(data[: len(data) // 2], b"", promised=len(data)) as url:
        live = LiveWatch(address=url, patience=Patience(tries=2, first_seconds=0.05), tell=told.append)
        with pytest.raises(StreamLost, match="cannot be read"):
            list(live)
    assert ["0.05 s" in told[0], "0.1 s" in told[1]] == [True, True]
    assert len(told) == 2
    assert live.summary.windows >= 1  # what came first was judged


@pytest.mark.parametrize("name", ["none.mp4", "no/folder/none.mp4", "."])
def test_a_file_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(MediaNotFound, match=r"no such file|a folder"):
        LiveWatch(address=tmp_path / name)


@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"every_seconds": 0.0}, "--every"),
        ({"window_seconds": 1.0}, "--window"),
        ({"history_seconds": 3.0}, "--history"),
        ({"rate_hz": 0.0}, "--rate"),
        ({"for_seconds": -1.0}, "--for"),
        ({"address": "http://host/x", "real_time": False}, "http://host/x"),
    ],
)
def test_numbers_that_cannot_be(options: dict[str, object], option: str) -> None:
    with pytest.raises(UsageError, match=option):
        LiveWatch(**{"address": sample_clip(), **options})  # type: ignore[arg-type]
