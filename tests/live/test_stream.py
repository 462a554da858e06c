from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import UsageError
from emotrace.live.reading import Reading
from emotrace.live.source import Source
from emotrace.live.stream import Sorter
from emotrace.media.audio import AudioReader, Waveform
from emotrace.media.video import Frame, FrameReader
from emotrace.span import Span
from emotrace.testing.synthetic import Bars, Tone, write_clip


def moments(path: Path, *, rate_hz: float = 5.0) -> Reading:
    return Reading(source=Source.of(str(path)), rate_hz=rate_hz, real_time=False)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "ts"])
def test_pictures_and_sound_are_those_of_the_readers(tmp_path: Path, ending: str) -> None:
    times = tuple(number / 25 for number in range(60) if number % 7 != 3)
    sounds = [Tone(duration_seconds=2.2, start_seconds=0.3)]
    path = write_clip(tmp_path / f"clip.{ending}", pictures=[Bars(frame_times_seconds=times)], sounds=sounds)
    items = [moment.item for moment in moments(path) if moment.item is not None]
    pictures = [item for item in items if isinstance(item, Frame)]
    expected = list(FrameReader(path))
    assert [frame.time_seconds for frame in pictures] == [frame.time_seconds for frame in expected]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(pictures, expected, strict=True))
    blocks = [item for item in items if isinstance(item, Waveform)]
    whole = list(AudioReader(path))
    assert blocks[0].span.start_seconds == whole[0].span.start_seconds
    np.testing.assert_array_equal(
        np.concatenate([block.samples for block in blocks]), np.concatenate([block.samples for block in whole])
    )
    assert all(len(block.samples) >= 1600 for block in blocks[:-1])


def test_everything_comes_in_order_of_time(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4")  # all pictures lie before all sound in it
    reached = -1.0
    for moment in moments(path):
        assert moment.reached_seconds >= reached
        reached = moment.reached_seconds
        if isinstance(moment.item, Frame):
            assert moment.item.time_seconds == pytest.approx(reached)
        elif moment.item is not None:
            assert moment.item.span.start_seconds == pytest.approx(reached)
    assert reached == pytest.approx(2.0, abs=0.05)


def test_a_photograph_is_for_analyze(tmp_path: Path) -> None:
    path = write_clip(
        tmp_path / "photo.png",
        pictures=[Bars(frame_times_seconds=(0.0,), codec="png", pixel_format="rgb24")],
        sounds=[],
    )
    with pytest.raises(UsageError, match="photograph"):
        list(moments(path))


@given(
    st.lists(st.tuples(st.sampled_from("va"), st.floats(0.0, 3.0)), max_size=60),
    st.sampled_from([0.2, 1.5, 100.0]),
)
def test_a_sorter_gives_all_out_and_nothing_before_its_time(steps: list[tuple[str, float]], skew: float) -> None:
    sorter, at = Sorter(["v", "a"], 0.0, skew), {"v": 0.0, "a": 0.0}
    given_out: list[tuple[float, Waveform]] = []
    told, put = 0.0, 0

    def take(pairs: object) -> None:
        nonlocal told
        for reached, item in pairs:  # type: ignore[attr-defined]
            assert reached >= told
            told = reached
            if item is not None:
                given_out.append((reached, item))

    for kind, step in steps:
        start = at[kind]
        at[kind] += step
        sorter.add(start, Waveform(samples=np.zeros(1, np.float32), span=Span(start, at[kind])))
        put += 1
        sorter.reach(kind, at[kind])
        take(sorter.ready())
        assert told >= max(at.values()) - skew - 1e-9
    take(sorter.rest())
    late = [item for reached, item in given_out if item.span.start_seconds < reached]
    if skew == 100.0 and max(at.values()) < 100.0:
        assert not late
    assert len(given_out) == put
