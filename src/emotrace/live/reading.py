"""When the items of a stream come: a recording at real speed, a camera's as they arrive, and again after a break."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from threading import Event

from emotrace.errors import EmptyMedia, MediaError, StreamLost, UnreadableMedia
from emotrace.evidence.observation import MissingReason, Modality
from emotrace.live.source import Source
from emotrace.live.stream import Connection, Item


@dataclass(frozen=True, kw_only=True)
class Moment:
    """How far the stream has come, and what came with it."""

    reached_seconds: float
    """Everything earlier is there, or will not come."""
    due_seconds: float
    """When, by `time.monotonic`, this moment was there to be seen."""
    item: Item | None = None


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often, and after how long, a network stream that broke off is opened again."""

    tries: int = 5
    first_seconds: float = 1.0
    """The wait before the first try; each further one is twice as long, at most half a minute."""

    def waits(self) -> Iterator[float]:
        """The waits, in order."""
        for number in range(self.tries):
            yield min(30.0, self.first_seconds * 2.0**number)


@dataclass(kw_only=True)
class Reading:
    """Reads a source from its beginning to its end.

    Args:
        source: What to read.
        rate_hz: Most pictures per second.
        real_time: Whether a recording is played at real speed. False gives it as fast as it can be decoded.
        use_video: Whether to decode the picture.
        use_audio: Whether to decode the sound.
        patience: How a network stream that broke off is opened again.
        tell: Gets a line when that happens.
    """

    source: Source
    rate_hz: float
    real_time: bool = True
    use_video: bool = True
    use_audio: bool = True
    patience: Patience = field(default_factory=Patience)
    tell: Callable[[str], None] = lambda line: None
    stop: Event = field(default_factory=Event)
    """Ends the reading early."""
    reconnected: int = 0
    missing: dict[Modality, MissingReason] = field(default_factory=dict)
    """What the stream lacks; known from the first moment on."""
    _now: Moment | None = None

    def __iter__(self) -> Iterator[Moment]:
        """The moments, in order of time.

        Raises:
            MediaError: The source cannot be opened; or it broke off, and could not be opened again.
        """
        waits = self.patience.waits()
        error = yield from self._connection(0.0)
        while error is not None:
            if self._now is None or self.source.kind != "network" or (wait := next(waits, None)) is None:
                raise error
            self.tell(f"{error.where}: {error.what}; trying again in {wait:g} s")
            if self.stop.wait(wait):
                return
            before, elapsed = self._now, time.monotonic() - self._now.due_seconds
            error = yield from self._connection(before.reached_seconds + elapsed)
            if self._now is not before:
                self.reconnected += 1
                waits = self.patience.waits()

    def _connection(self, start_seconds: float) -> Generator[Moment, None, MediaError | None]:
        """One connection from its beginning to its end; returns what broke it off."""
        zero: float | None = None
        try:
            with self.source.open() as container:
                connection = Connection(
                    self.source,
                    container,
                    rate_hz=self.rate_hz,
                    start_seconds=start_seconds,
                    use_video=self.use_video,
                    use_audio=self.use_audio,
                )
                self.missing = connection.missing
                for reached, item in connection.items():
                    due = time.monotonic()
                    if self.real_time and connection.is_recording:
                        zero = due - reached if zero is None else zero
                        if self.stop.wait(max(0.0, zero + reached - due)):
                            return None
                        due = zero + reached
                    if self.stop.is_set():
                        return None
                    self._now = Moment(reached_seconds=reached, due_seconds=due, item=item)
                    yield self._now
                return self._broken_off(connection)
        except StreamLost as error:
            return error

    def _broken_off(self, connection: Connection) -> MediaError | None:
        """The error for a stream that ended before it should have; None where it just ended."""
        if self._now is None:
            return EmptyMedia("nothing in it could be decoded", where=self.source.name, hint="Name another stream")
        if self.source.kind != "file":
            ended = connection.is_recording and not connection.ended_early
            return None if ended else self.source.lost("it ended")
        if not connection.ended_early:
            return None
        return UnreadableMedia(
            f"it is damaged or cut short: {self._now.reached_seconds:.1f} s could be read, "
            f"the header claims {connection.promised_seconds or 0.0:.1f} s",
            where=self.source.name,
            hint="What was printed holds for what could be read; copy or record it again",
        )
