"""One connection to a stream: its packets, decoded into sampled pictures and short blocks of sound in order of time.

Pictures and sound lie in one file side by side, but not in step. `Sorter` holds what came early until the other has
caught up, or is too far behind to be waited for; so that whoever looks gets everything up to a time before that time
is announced.
"""

from __future__ import annotations

import heapq
import itertools
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
from jaxtyping import Float32

from emotrace.errors import EmptyMedia, UsageError
from emotrace.evidence.observation import MissingReason, Modality
from emotrace.live.source import Source
from emotrace.media._container import (
    audio_stream,
    ends_early,
    header_end_seconds,
    is_still,
    origin_seconds,
    video_stream,
)
from emotrace.media.audio import SAMPLE_RATE_HZ, TimeLine, Waveform
from emotrace.media.video import Frame, Sampler, check_size
from emotrace.span import Span

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.packet import Packet

BLOCK_SAMPLES = SAMPLE_RATE_HZ // 10
_FILE_SKEW_SECONDS = 1.5
"""Pictures and sound of a file may lie a second apart in it; there is nothing to lose by reading ahead."""
_LIVE_SKEW_SECONDS = 0.5
_MOST_APART_SECONDS = 10.0
"""How far a live stream's clock may be from the wall's, servers that send some past first included."""
_MICROSECOND = Fraction(1, 1_000_000)

Item = Frame | Waveform


class Connection:
    """An opened stream.

    Args:
        source: What was opened; for messages.
        container: What is read.
        rate_hz: Most pictures per second.
        start_seconds: The time that its first moment gets.
        use_video: Whether to decode the picture.
        use_audio: Whether to decode the sound.

    Raises:
        EmptyMedia: There is neither picture nor sound to read.
        UnreadableMedia: A picture beyond 8192 px.
        UsageError: A photograph.
    """

    def __init__(
        self,
        source: Source,
        container: InputContainer,
        *,
        rate_hz: float,
        start_seconds: float = 0.0,
        use_video: bool = True,
        use_audio: bool = True,
    ) -> None:
        if is_still(container):
            raise UsageError("this is a photograph", where=source.name, hint="Use: emotrace analyze")
        self.source, self._container, self._rate_hz = source, container, rate_hz
        picture, sound = video_stream(container), audio_stream(container)
        self.missing: dict[Modality, MissingReason] = {}
        """What the stream lacks."""
        if picture is None or not use_video:
            self.missing["visual"] = "not_recorded" if picture is None else "switched_off"
        if sound is None or not use_audio:
            self.missing["vocal"] = "not_recorded" if sound is None else "switched_off"
        self.video, self.audio = picture if use_video else None, sound if use_audio else None
        if self.video is not None:
            check_size(self.video.width, self.video.height, Path(source.name))
        elif self.audio is None:
            raise EmptyMedia(
                "there is neither picture nor sound to read", where=source.name, hint="Name another stream"
            )
        self._start = Fraction(start_seconds)
        self.is_recording = source.kind == "file" or header_end_seconds(container) is not None
        """Whether it ends where it was recorded to end, so that it is to be played, rather than taken as it comes."""
        self.damaged_packets = 0
        self._end_seconds = {"v": 0.0, "a": 0.0}

    def items(self) -> Iterator[tuple[float, Item | None]]:
        """(how far the stream has come, what that brought): pictures and sound by time, and ticks without either."""
        live = self.source.kind != "file"
        packets = self._packets()
        first = next(packets, None)
        if first is None:
            return
        origin = self._origin(first) - self._start
        skew = _LIVE_SKEW_SECONDS if live else _FILE_SKEW_SECONDS
        sorter = Sorter(
            [kind for kind, stream in (("v", self.video), ("a", self.audio)) if stream], float(self._start), skew
        )
        sampler = None if self.video is None else Sampler(self.video, self._rate_hz, origin=origin)
        sound = None if self.audio is None else _Blocks(TimeLine(origin))
        # Some cameras send pictures without times: these have come when they come.
        untimed = self._container.format.name == "mpjpeg"
        began = time.monotonic() - float(self._start)

        for packet in itertools.chain([first], packets):
            for frame in self._decoded(packet):
                if untimed:
                    frame.time_base = _MICROSECOND
                    frame.pts = round((time.monotonic() - began + float(origin)) / _MICROSECOND)
                if not self.is_recording:
                    self._check_clock(frame, origin, time.monotonic() - began)
                if isinstance(frame, av.VideoFrame) and sampler is not None:
                    if (picture := sampler.take(frame)) is not None:
                        sorter.add(picture.time_seconds, picture)
                    sorter.reach("v", float(sampler.reached))
                    yield from sorter.ready()
                elif isinstance(frame, av.AudioFrame) and sound is not None:
                    for block in sound.take(frame):  # an hour of silence, where a file's clock jumps
                        sorter.add(block.span.start_seconds, block)
                        sorter.reach("a", sound.reached_seconds)
                        yield from sorter.ready()
        if sampler is not None:
            if (picture := sampler.last()) is not None:
                sorter.add(picture.time_seconds, picture)
            sorter.reach("v", float(sampler.reached))
        if sound is not None:
            for block in sound.last():
                sorter.add(block.span.start_seconds, block)
            sorter.reach("a", sound.reached_seconds)
        yield from sorter.rest()
        self._end_seconds = {
            "v": 0.0 if sampler is None else float(sampler.reached - self._start),
            "a": 0.0 if sound is None else sound.reached_seconds - float(self._start),
        }

    @property
    def ended_early(self) -> bool:
        """Whether less came than was promised. Ask once `items` is through."""
        ends = self._end_seconds
        short = [
            ends_early(self._container, stream, ends[kind])
            for kind, stream in (("v", self.video), ("a", self.audio))
            if stream is not None
        ]
        return any(short)

    @property
    def promised_seconds(self) -> float | None:
        """How long the header says that it is."""
        return header_end_seconds(self._container)

    def _packets(self) -> Iterator[Packet[Any]]:
        streams = [stream for stream in (self.video, self.audio) if stream is not None]
        if self.video is not None:
            self.video.thread_type = "SLICE"  # threads by frame hold back as many pictures as there are threads
        return self._container.demux(*streams)

    def _decoded(self, packet: Packet[Any]) -> list[Any]:
        try:
            return packet.decode()
        except av.FFmpegError:
            self.damaged_packets += 1
            return []

    def _origin(self, first: Packet[Any]) -> Fraction:
        """When the stream starts on its own clock; a live one may say so only with its first packet."""
        if any(stream is not None and stream.start_time is not None for stream in (self.video, self.audio)):
            return origin_seconds(self._container)
        return Fraction(0) if first.pts is None or first.time_base is None else first.pts * first.time_base

    def _check_clock(self, frame: av.VideoFrame | av.AudioFrame, origin: Fraction, elapsed_seconds: float) -> None:
        """A live stream whose clock leaves the wall's was set anew, or is hopelessly late: it is opened again."""
        if frame.pts is None or frame.time_base is None:
            return
        ahead = float(frame.pts * frame.time_base - origin) - elapsed_seconds
        if abs(ahead) > _MOST_APART_SECONDS:
            raise self.source.lost(f"its clock is {abs(ahead):.0f} s {'ahead' if ahead > 0 else 'behind'}")


class Sorter:
    """Gives items out in order of time.

    Args:
        kinds: The streams that are waited for.
        start_seconds: Where they begin.
        skew_seconds: How far one may be behind the other before it is waited for no longer.
    """

    def __init__(self, kinds: list[str], start_seconds: float, skew_seconds: float) -> None:
        self._reached = dict.fromkeys(kinds, start_seconds)
        self._skew_seconds = skew_seconds
        self._held: list[tuple[float, int, Item]] = []
        self._count = 0
        self._told = start_seconds

    def add(self, at_seconds: float, item: Item) -> None:
        """Takes an item in."""
        heapq.heappush(self._held, (at_seconds, self._count, item))
        self._count += 1

    def reach(self, kind: str, seconds: float) -> None:
        """A stream has brought all its items that are earlier than this."""
        self._reached[kind] = max(self._reached[kind], seconds)

    def ready(self) -> Iterator[tuple[float, Item | None]]:
        """The items whose time has come, then how far it has come."""
        yield from self._until(max(min(self._reached.values()), max(self._reached.values()) - self._skew_seconds))

    def rest(self) -> Iterator[tuple[float, Item | None]]:
        """All that is left."""
        yield from self._until(max(self._reached.values()), all_of_it=True)

    def _until(self, limit: float, *, all_of_it: bool = False) -> Iterator[tuple[float, Item | None]]:
        while self._held and (all_of_it or self._held[0][0] < limit):
            at_seconds, _, item = heapq.heappop(self._held)
            self._told = max(self._told, at_seconds)
            yield self._told, item
        if limit > self._told:
            self._told = limit
            yield limit, None


class _Blocks:
    """Decoded sound -> blocks of a tenth of a second and more."""

    def __init__(self, line: TimeLine) -> None:
        self._line = line
        self._waiting: list[Float32[np.ndarray, " time"]] = []
        self._given = 0

    @property
    def reached_seconds(self) -> float:
        """Where the next block starts."""
        return self._line.start_seconds + self._given / SAMPLE_RATE_HZ

    def take(self, frame: av.AudioFrame) -> Iterator[Waveform]:
        """The blocks that the next frame completes."""
        for piece in self._line.take(frame):
            self._waiting.append(piece)
            if sum(map(len, self._waiting)) >= BLOCK_SAMPLES:
                yield self._block()

    def last(self) -> Iterator[Waveform]:
        """What is left. Call once, after the last frame."""
        self._waiting += self._line.flush()
        if any(map(len, self._waiting)):
            yield self._block()

    def _block(self) -> Waveform:
        samples = np.clip(np.concatenate(self._waiting), -1.0, 1.0)
        start, self._waiting = self.reached_seconds, []
        self._given += len(samples)
        return Waveform(samples=samples, span=Span(start, self.reached_seconds))
