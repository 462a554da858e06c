"""The bounded place between the thread that reads a stream and the one that looks at it.

Reading never waits for looking: a stream that is not read in time breaks off, or grows old in buffers that nobody
sees. Where looking is too slow, the oldest pictures go, and are counted.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from threading import Condition

from emotrace.live.reading import Moment
from emotrace.media.video import Frame

MOST_PICTURES = 3
"""[ours] More would not be seen, but delay what is: each waits for all before it."""
MOST_SOUND_BLOCKS = 100
"""Of a tenth of a second and more."""
STALL_SECONDS = 1.0
"""[ours] A live stream that brings nothing for so long is taken to have gone on without bringing anything."""


class Waiting:
    """Moments between two threads.

    Args:
        notices_stalls: Whether time goes on where nothing comes, as it does before a camera.
    """

    def __init__(self, *, notices_stalls: bool = False) -> None:
        self.dropped_pictures = 0
        """How many pictures nobody looked at in time."""
        self.dropped_blocks = 0
        """The same for blocks of sound."""
        self._notices_stalls = notices_stalls
        self._moments: deque[Moment] = deque()
        self._closed = False
        self._error: BaseException | None = None
        self._changed = Condition()

    def __len__(self) -> int:
        """How many moments wait."""
        return len(self._moments)

    def put(self, moment: Moment) -> None:
        """Takes a moment in, at once; where there is no room, the oldest of its kind goes."""
        with self._changed:
            if moment.item is None and self._moments and self._moments[-1].item is None:
                self._moments.pop()
            elif isinstance(moment.item, Frame) and self._count(moment.item) >= MOST_PICTURES:
                self._drop_oldest(pictures=True)
            elif moment.item is not None and self._count(moment.item) >= MOST_SOUND_BLOCKS:
                self._drop_oldest(pictures=False)
            self._moments.append(moment)
            self._changed.notify()

    def close(self, error: BaseException | None = None) -> None:
        """Nothing more comes; `error` is raised where the moments are taken, after the last."""
        with self._changed:
            self._closed, self._error = True, error
            self._changed.notify()

    def __iter__(self) -> Iterator[Moment]:
        """The moments as they come, until `close`."""
        last: Moment | None = None
        while True:
            with self._changed:
                if not self._moments and not self._closed:
                    self._changed.wait(0.2)
                moment = self._moments.popleft() if self._moments else None
                if moment is None and self._closed:
                    break
            if moment is None:
                moment = self._stalled(last) if self._notices_stalls and last is not None else None
            if moment is not None:
                last = moment
                yield moment
        if self._error is not None:
            raise self._error

    def _count(self, like: object) -> int:
        return sum(isinstance(moment.item, type(like)) for moment in self._moments)

    def _drop_oldest(self, *, pictures: bool) -> None:
        for index, moment in enumerate(self._moments):
            if moment.item is not None and isinstance(moment.item, Frame) == pictures:
                del self._moments[index]
                break
        if pictures:
            self.dropped_pictures += 1
        else:
            self.dropped_blocks += 1

    def _stalled(self, last: Moment) -> Moment | None:
        """The stream's time, a second ago, by the clock on the wall; None while it is not stalled."""
        due = time.monotonic() - STALL_SECONDS
        ahead = due - last.due_seconds
        return Moment(reached_seconds=last.reached_seconds + ahead, due_seconds=due) if ahead > 0.0 else None
