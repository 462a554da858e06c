"""A small H.264 and AAC copy of a clip, in memory: what every browser plays."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from fractions import Fraction
from heapq import merge
from itertools import chain
from pathlib import Path
from typing import TypeAlias

import av
import cv2
import numpy as np
from av.container import OutputContainer
from jaxtyping import UInt8

from emotrace.errors import UnreadableMedia
from emotrace.media.audio import SAMPLE_RATE_HZ, AudioReader, Waveform
from emotrace.media.video import Frame, FrameReader

_LONG_SIDE_PIXELS = 640
_FRAMES_PER_SECOND = 30
_CLOCK = Fraction(1, 1000)
_X264 = {"preset": "veryfast", "crf": "26", "threads": "2"}
"""A fixed number of threads: with it, x264 gives the same bytes on every machine."""
_MP4 = {"fflags": "+bitexact"}

Picture = UInt8[np.ndarray, "height width 3"]
Retouch = Callable[[Picture, float], None]
"""Changes an RGB picture in place, given its time in seconds."""
Timed: TypeAlias = "tuple[float, int, list[av.Packet[av.VideoStream | av.AudioStream]]]"
"""When, which stream, and its encoded packets."""


def transcode(
    path: Path, *, limit_bytes: int, picture: bool, sound: bool, retouch: Retouch | None = None
) -> bytes | None:
    """A clip as MP4: upright, the long side at most 640 pixels, at most 30 frames a second, sound in 16 kHz mono.

    Args:
        path: What to copy.
        limit_bytes: Where to give up, with None, before memory is spent on a copy that is too large.
        picture: Whether to copy the picture; the file must have one.
        sound: Whether to copy the sound; the file must have some.
        retouch: Changes each picture before it is encoded.

    Raises:
        MediaError: The file cannot be read (`UnreadableMedia`, `EmptyMedia`).
    """
    target = io.BytesIO()
    try:
        with av.open(target, "w", format="mp4", options=_MP4) as sink:
            streams = []
            if picture:
                streams.append(_pictures(sink, path, retouch))
            if sound:
                streams.append(_sounds(sink, path))
            for stream in streams:
                next(stream)  # the header is written with the first packet: all streams must be known by then
            for _, _, packets in merge(*streams, key=lambda timed: timed[:2]):
                sink.mux(packets)
                if target.tell() > limit_bytes:
                    return None
    except av.FFmpegError as error:
        raise UnreadableMedia(f"cannot be copied ({error.strerror})", where=path) from error
    return target.getvalue()


def _pictures(sink: OutputContainer, path: Path, retouch: Retouch | None) -> Iterator[Timed]:
    """First nothing, once the stream is laid on; then its packets."""
    frames = iter(FrameReader(path, rate_hz=float(_FRAMES_PER_SECOND)))
    first = next(frames)
    height, width, _ = first.image.shape
    scale = min(1.0, _LONG_SIDE_PIXELS / max(width, height))
    size = (_even(width * scale), _even(height * scale))
    stream = sink.add_stream("libx264", rate=_FRAMES_PER_SECOND, options=dict(_X264))
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    stream.codec_context.time_base = _CLOCK
    yield 0.0, 0, []
    last = -1
    for frame in chain((first,), frames):
        tick = max(round(frame.time_seconds / _CLOCK), last + 1)
        last = tick
        yield frame.time_seconds, 0, stream.encode(_encodable(frame, size, retouch, tick))
    yield last * float(_CLOCK), 0, stream.encode(None)


def _encodable(frame: Frame, size: tuple[int, int], retouch: Retouch | None, tick: int) -> av.VideoFrame:
    image = np.asarray(cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA), np.uint8).copy()
    if retouch is not None:
        retouch(image, frame.time_seconds)
    encodable = av.VideoFrame.from_ndarray(image, format="rgb24")
    encodable.pts, encodable.time_base = tick, _CLOCK
    return encodable


def _sounds(sink: OutputContainer, path: Path) -> Iterator[Timed]:
    """First nothing, once the stream is laid on; then its packets."""
    stream = sink.add_stream("aac", rate=SAMPLE_RATE_HZ, layout="mono", bit_rate=48_000)
    yield 0.0, 1, []
    end_seconds = 0.0
    for block in AudioReader(path, block_seconds=1.0):
        yield block.span.start_seconds, 1, stream.encode(_hearable(block))
        end_seconds = block.span.end_seconds
    yield end_seconds, 1, stream.encode(None)


def _hearable(block: Waveform) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(block.samples[np.newaxis], format="fltp", layout="mono")
    frame.sample_rate = block.sample_rate_hz
    frame.pts = round(block.span.start_seconds * block.sample_rate_hz)
    frame.time_base = Fraction(1, block.sample_rate_hz)
    return frame


def _even(pixels: float) -> int:
    return max(2, 2 * round(pixels / 2))
