"""Pictures with their times: streamed, sampled at a rate, upright, in flat memory whatever the length of the file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.video.reformatter import VideoReformatter
from jaxtyping import Float64, UInt8

from emotrace.errors import EmptyMedia, MediaTooLong, UnreadableMedia, UsageError
from emotrace.media._container import (
    MAX_SIDE_PIXELS,
    Decoder,
    counts_packets,
    ends_early,
    header_end_seconds,
    is_still,
    open_container,
    origin_seconds,
    video_stream,
)
from emotrace.media._orientation import display_matrix, upright

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream


_MOST_HELD_BACK_SECONDS = 1
"""How long a decoder may keep pictures back to put them in order: 16 of them in H.264, a few in practice."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Frame:
    """One picture, upright, and when it came on screen."""

    image: UInt8[np.ndarray, "height width 3"]
    """RGB."""
    time_seconds: float
    """The picture's own timestamp, counted from the start of the file as the sound is."""
    index: int
    """0, 1, 2, ...: its number among the frames that were kept."""

    def __repr__(self) -> str:
        height, width, _ = self.image.shape
        return f"Frame({width}x{height} at {self.time_seconds:.3f} s, index={self.index})"


@dataclass(frozen=True, kw_only=True)
class VideoStats:
    """What was measured while the pictures were read."""

    width: int
    """Of the upright picture with square pixels, as every `Frame` has it."""
    height: int
    frames_analyzed: int
    sampling_rate_hz: float
    end_seconds: float
    """When the last decoded picture left the screen; 0 for a photograph."""
    duration_seconds_from_header: float | None
    """What the file claims. A file that was cut short claims more than it holds."""
    codec: str


class FrameReader:
    """Iterates over the pictures of a file, sampled at a rate. Each iteration reads the file anew.

    The grid is k / `rate_hz`, k = 0, 1, 2, ... A frame is kept when it is on screen at a grid time, and it is on screen
    from its own timestamp until that of the next frame. So a frame rate that varies is sampled as a viewer would see
    it, a picture that stays through several grid times comes once, and gaps repeat nothing. A file in which no frame
    meets the grid gives its last one. All frames have one size: a stream that changes size is scaled to its first.

    Of several video streams the default one is read, else the first; cover art is none. Damaged packets are left out.

    Args:
        path: A video, or a photograph, which gives one frame at 0 s.
        rate_hz: Most frames per second, greater than 0.
        max_duration_seconds: Where to stop with an error; None reads to the end.

    Raises (while iterating):
        MediaNotFound, EmptyMedia, UnreadableMedia: The file cannot be read, or holds no picture, or one beyond 8192 px.
        MediaTooLong: A picture lies beyond `max_duration_seconds`, whatever the header says.

    Raises:
        UsageError: `rate_hz` is not greater than 0.
    """

    def __init__(self, path: str | Path, *, rate_hz: float = 5.0, max_duration_seconds: float | None = None) -> None:
        if not (math.isfinite(rate_hz) and rate_hz > 0):
            raise UsageError(f"the sampling rate must be greater than 0, got {rate_hz}")
        self.path = Path(path)
        self.rate_hz = rate_hz
        self.max_duration_seconds = max_duration_seconds
        self.truncated = False
        """Whether the last iteration met damage, or ended well before the header said."""
        self._info: VideoStats | None = None

    @property
    def info(self) -> VideoStats:
        """What the last complete iteration measured; RuntimeError before one."""
        if self._info is None:
            raise RuntimeError("FrameReader.info is known once the frames have been read to the end")
        return self._info

    def __iter__(self) -> Iterator[Frame]:
        self._info, self.truncated = None, False
        with open_container(self.path) as container:
            stream = video_stream(container)
            if stream is None:
                raise EmptyMedia("there is no picture in this file", where=self.path, hint="Ask Clip.has_video first")
            check_size(stream.width, stream.height, self.path)
            yield from self._sampled(container, stream)

    def _sampled(self, container: InputContainer, stream: VideoStream) -> Iterator[Frame]:
        decoder = Decoder(container, stream, stream.decode)
        head = _read_head(self.path) if is_still(container) else b""
        sampler = Sampler(stream, self.rate_hz, origin=origin_seconds(container), head=head)
        for frame in decoder:
            if (kept := sampler.take(frame)) is not None:
                yield kept
            self._check_time(sampler.reached)
        if (kept := sampler.last()) is not None:
            yield kept
        if sampler.kept == 0:
            raise EmptyMedia("no picture in it could be decoded", where=self.path, hint="Copy or record it again")

        end_seconds = 0.0 if is_still(container) else float(sampler.reached)
        self.truncated = decoder.damaged_packets > 0 or ends_early(container, stream, end_seconds)
        self._info = VideoStats(
            width=sampler.render.width,
            height=sampler.render.height,
            frames_analyzed=sampler.kept,
            sampling_rate_hz=self.rate_hz,
            end_seconds=end_seconds,
            duration_seconds_from_header=None if is_still(container) else header_end_seconds(container, stream),
            codec=stream.codec.canonical_name,
        )

    def _check_time(self, time: Fraction) -> None:
        if self.max_duration_seconds is not None and time > self.max_duration_seconds:
            raise MediaTooLong(
                f"a picture at {float(time):.1f} s lies beyond the limit of {self.max_duration_seconds:g} s",
                where=self.path,
                hint="Cut the file, or raise the limit (--max-duration)",
            )


def check_size(width: int, height: int, path: Path) -> None:
    """Refuses a picture whose size is unknown or beyond the bound, before memory is taken for it.

    Raises:
        UnreadableMedia: Names the size and the bound.
    """
    if width <= 0 or height <= 0:
        raise UnreadableMedia(
            f"the picture's size cannot be read: it is damaged, or beyond {MAX_SIDE_PIXELS} x {MAX_SIDE_PIXELS} px",
            where=path,
            hint="Copy it again, or scale it down",
        )
    if max(width, height) > MAX_SIDE_PIXELS:
        raise UnreadableMedia(
            f"the picture has {width} x {height} px, the limit is {MAX_SIDE_PIXELS} px a side",
            where=path,
            hint="Scale it down",
        )


class Sampler:
    """Decoded frames -> the pictures that are on screen at the times of the grid k / `rate_hz`.

    Args:
        stream: Where the frames come from.
        rate_hz: Most pictures per second.
        origin: When the file starts on its own clock, in seconds.
        head: The first bytes of a photograph, where its Exif data are; else nothing.
    """

    def __init__(self, stream: VideoStream, rate_hz: float, *, origin: Fraction, head: bytes = b"") -> None:
        self.render = Renderer(stream, head=head)
        self.reached = Fraction(0)
        """When the newest frame came on screen, in seconds; after `last`, when it left it."""
        self.kept = 0
        """How many pictures were given so far."""
        self._clock = _Clock(stream, origin)
        self._rate = Fraction(rate_hz)
        self._shown: VideoFrame | None = None

    def take(self, frame: VideoFrame) -> Frame | None:
        """The picture that was on screen until this frame came, if the grid meets it."""
        time, before = self._clock.start_of(frame), self._shown
        if before is not None and time <= self.reached:
            return None  # going back in time: only a damaged file does
        picture = None
        if before is not None and _meets_grid(self.reached, time, self._rate):
            picture = self._picture(before)
        self._shown, self.reached = frame, time
        return picture

    def last(self) -> Frame | None:
        """The last picture, if the grid meets it or it is the only one. Call once, after the last frame."""
        if self._shown is None:
            return None
        end = self._clock.end_of(self._shown, self.reached)
        meets = self.kept == 0 or _meets_grid(self.reached, end, self._rate)
        picture = self._picture(self._shown) if meets else None
        self.reached = end
        return picture

    def _picture(self, frame: VideoFrame) -> Frame:
        self.kept += 1
        since = max(0.0, float(self.reached))
        return Frame(image=self.render(frame), time_seconds=since, index=self.kept - 1)


def _meets_grid(start: Fraction, end: Fraction, rate: Fraction) -> bool:
    """Whether a multiple of 1 / rate lies in [start, end)."""
    return math.ceil(start * rate) < math.ceil(end * rate)


class _Clock:
    """When frames start and end, in exact seconds from the start of the file.

    AVI holds no times: its packets are counted in the order of coding, and where pictures were reordered their own
    timestamps go back and forth. There the count of the packet with which a picture came out is its time, less the
    count of the first picture; the last ones, which no packet brings out, follow at the distance seen before.
    """

    def __init__(self, stream: VideoStream, origin: Fraction) -> None:
        self._stream = stream
        self._origin = origin
        self._usual = 1 / (stream.average_rate or stream.guessed_rate or Fraction(25))
        self._start = self._next = Fraction(0)
        self._counts_packets = counts_packets(stream.container)
        self._delay: int | None = None

    def start_of(self, frame: VideoFrame) -> Fraction:
        stamp = self._counted(frame) if self._counts_packets else frame.pts
        start = self._next  # in raw streams one frame follows the other
        if stamp is not None and frame.time_base is not None:
            start = stamp * frame.time_base - self._origin
        step, self._start = start - self._start, start
        self._next = start + (step if self._counts_packets and step > 0 else self._usual)
        return start

    def _counted(self, frame: VideoFrame) -> int | None:
        if frame.dts is None:  # of the last ones, which no packet brought out
            return None if self._delay else frame.pts
        if self._delay is None:
            held_back = frame.dts - (self._stream.start_time or 0)
            soon = held_back * (self._stream.time_base or 0) <= _MOST_HELD_BACK_SECONDS
            # Without reordering, or where the first packets are lost, pictures do begin late.
            self._delay = held_back if self._stream.codec_context.has_b_frames and soon else 0
        return frame.dts - self._delay

    def end_of(self, frame: VideoFrame, start: Fraction) -> Fraction:
        if frame.duration and frame.time_base is not None:
            return start + frame.duration * frame.time_base
        return start + self._usual


class Renderer:
    """Decoded frame -> upright RGB picture with square pixels. Only frames that are kept come here."""

    def __init__(self, stream: VideoStream, *, head: bytes) -> None:
        self._reformatter = VideoReformatter()
        self._pixel_aspect = stream.sample_aspect_ratio or Fraction(1)
        self._head = head
        self._matrices: dict[int, Float64[np.ndarray, "2 2"]] = {}
        self._size: tuple[int, int] | None = None
        self.width = self.height = 0

    def __call__(self, frame: VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
        """The picture as it is seen; a stream that changes size is scaled to its first."""
        if self._size is None:
            self._size = self._square(frame.width, frame.height)
        width, height = self._size
        rgb = self._reformatter.reformat(frame, width=width, height=height, format="rgb24", threads=1)
        # Listing side data makes PyAV keep a frame until the next garbage collection: so not for every frame.
        if (angle := frame.rotation) not in self._matrices:
            self._matrices[angle] = display_matrix(frame, self._head)
        image = upright(rgb.to_ndarray(), self._matrices[angle])
        self.height, self.width, _ = image.shape
        return image

    def _square(self, width: int, height: int) -> tuple[int, int]:
        """The size with square pixels, never reduced. Claims beyond 1:2 are not believed: no camera makes them."""
        aspect = self._pixel_aspect
        if not Fraction(1, 2) <= aspect <= 2:
            return width, height
        wide, high = (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))
        return (wide, high) if max(wide, high) <= MAX_SIDE_PIXELS else (width, height)


def _read_head(path: Path) -> bytes:
    """Where a photograph keeps its Exif data."""
    with path.open("rb") as file:
        return file.read(1 << 16)
