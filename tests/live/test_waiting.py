from __future__ import annotations

import time
from itertools import islice

import numpy as np
import pytest

from emotrace.errors import StreamLost
from emotrace.live.reading import Moment
from emotrace.live.waiting import MOST_PICTURES, MOST_SOUND_BLOCKS, STALL_SECONDS, Waiting
from emotrace.media.audio import Waveform
from emotrace.media.video import Frame
from emotrace.span import Span


def tick(seconds: float, due: float = 0.0) -> Moment:
    return Moment(reached_seconds=seconds, due_seconds=due)


def picture(seconds: float) -> Moment:
    image = np.zeros((2, 2, 3), np.uint8)
    return Moment(reached_seconds=seconds, due_seconds=0.0, item=Frame(image=image, time_seconds=seconds, index=0))


def sound(seconds: float) -> Moment:
    block = Waveform(samples=np.zeros(1600, np.float32), span=Span(seconds, seconds + 0.1))
    return Moment(reached_seconds=seconds, due_seconds=0.0, item=block)


def test_the_oldest_pictures_go_and_are_counted_and_the_sound_stays() -> None:
    waiting = Waiting()
    for number in range(20):
        waiting.put(picture(float(number)))
        waiting.put(sound(float(number)))
    assert len(waiting) == MOST_PICTURES + 20
    assert waiting.dropped_pictures == 20 - MOST_PICTURES
    waiting.close()
    moments = list(waiting)
    assert [m.reached_seconds for m in moments if isinstance(m.item, Frame)] == [17.0, 18.0, 19.0]
    assert [m.reached_seconds for m in moments] == sorted(m.reached_seconds for m in moments)


def test_sound_is_bounded_too() -> None:
    waiting = Waiting()
    for number in range(MOST_SOUND_BLOCKS + 7):
        waiting.put(sound(number / 10))
    assert len(waiting) == MOST_SOUND_BLOCKS
    assert waiting.dropped_blocks == 7


def test_of_ticks_only_the_newest_waits() -> None:
    waiting = Waiting()
    for number in range(50):
        waiting.put(tick(float(number)))
    waiting.close()
    assert [moment.reached_seconds for moment in waiting] == [49.0]


def test_an_error_comes_after_all_that_came_before_it() -> None:
    waiting = Waiting()
    waiting.put(tick(1.0))
    waiting.close(StreamLost("gone"))
    moments = iter(waiting)
    assert next(moments).reached_seconds == 1.0
    with pytest.raises(StreamLost, match="gone"):
        next(moments)


def test_time_goes_on_before_a_camera_that_brings_nothing() -> None:
    waiting = Waiting(notices_stalls=True)
    came = time.monotonic() - 3.0
    waiting.put(tick(7.0, due=came))
    first, second, third = islice(waiting, 3)
    assert first.reached_seconds == 7.0
    assert 7.0 + 3.0 - STALL_SECONDS <= second.reached_seconds < third.reached_seconds
    for stalled in (second, third):  # the stream's clock keeps its distance from the wall's
        assert stalled.due_seconds - stalled.reached_seconds == pytest.approx(came - 7.0)
