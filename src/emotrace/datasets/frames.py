"""Chosen frames of a corpus's clips, whether a clip is a folder of pictures or a video file.

    source = CachedFrames(ExampleFrames(corpus.examples(split="train")), budget_bytes=2**30)
    source.frame_count("00012"), source.read("00012", [0, 5, 9])

Only what is asked for is decoded: single pictures of a folder; a video up to the last frame that is wanted. What comes
out are pictures and numbers: whoever reads frames learns neither the path nor the name of a clip.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64, UInt8

from emotrace.datasets.example import Example, frame_paths
from emotrace.errors import DuplicateName, EmptyMedia, MediaError, MissingClip, UnreadableMedia, UsageError
from emotrace.span import Span

Picture = np.ndarray
"""uint8, or floats in 0..1; [height width] for grey or [height width 3] for RGB."""
_EVERY_FRAME_HZ = 1e6
"""A rate beyond any video's, at which no frame is left out."""
_SAME_TIME_SECONDS = 1e-6


@runtime_checkable
class FrameSource(Protocol):
    """Where the frames of clips come from. A clip is named by a key, which no model ever sees."""

    def frame_count(self, key: str) -> int:
        """Frames of a clip."""
        ...

    def read(self, key: str, indices: Sequence[int]) -> Sequence[Picture | None]:
        """Chosen frames of a clip, upright, all grey or all RGB; None for one that cannot be read."""
        ...

    def times_seconds(self, key: str, indices: Sequence[int]) -> Sequence[float]:
        """When chosen frames came on screen; nan where the source has no times."""
        ...


class ExampleFrames:
    """The frames of examples; a key is an example's id.

    Args:
        examples: The clips. One that comes twice, as in several folds, is one clip.

    Raises:
        DuplicateName: Two clips with one id.
    """

    def __init__(self, examples: Iterable[Example]) -> None:
        self._clips: dict[str, tuple[Path, Span | None]] = {}
        self._counts: dict[str, int] = {}
        self._timelines: dict[str, Float64[np.ndarray, " frame"]] = {}
        self._folders: set[str] = set()
        for example in examples:
            clip = (example.media, example.span)
            if self._clips.setdefault(example.id, clip) != clip:
                raise DuplicateName(
                    f"two clips are called {example.id}",
                    where=example.media,
                    hint="Ids are unique within a split alone: make one source for each",
                )
            if example.kind == "audio":
                raise EmptyMedia("a sound file has no frames", where=example.media)
            if example.kind == "frames":
                self._folders.add(example.id)
                if example.span is not None:
                    raise UsageError(
                        "a folder of frames has no times, so no span of it can be read", where=example.media
                    )

    def frame_count(self, key: str) -> int:
        """Frames of a clip: pictures in its folder, or pictures that the file holds within the example's span.

        The files of a folder are counted, the packets of a video; neither is decoded. Counted once for each clip.

        Raises:
            MissingClip: No example has this id, or its folder is absent.
            MediaError: The video cannot be opened.
        """
        path, _ = self._clip(key)
        if key not in self._folders:
            return len(self._timeline(key))
        if key not in self._counts:
            self._counts[key] = len(_pictures_in(path))
        return self._counts[key]

    def read(self, key: str, indices: Sequence[int]) -> list[Picture | None]:
        """Chosen frames of a clip as upright RGB; None for one that is absent, cut short or no picture.

        Raises:
            MissingClip: No example has this id, or its folder is absent.
            UnreadableMedia: None of the frames can be read.
            MediaError: The video cannot be opened.
        """
        path, _ = self._clip(key)
        if key in self._folders:
            paths = _pictures_in(path)
            pictures = [_read_picture(paths[index]) if index < len(paths) else None for index in indices]
        else:
            pictures = _read_video(path, self._times(key, indices))
        if indices and all(picture is None for picture in pictures):
            raise UnreadableMedia(
                f"none of {len(indices)} frames can be read", where=path, hint="Check the copy with `emotrace verify`"
            )
        return pictures

    def times_seconds(self, key: str, indices: Sequence[int]) -> list[float]:
        """When chosen frames of a video came on screen, by its own timestamps; nan for a folder.

        Raises:
            MissingClip, MediaError: As for `frame_count`.
        """
        self._clip(key)
        return [math.nan] * len(indices) if key in self._folders else self._times(key, indices)

    def _clip(self, key: str) -> tuple[Path, Span | None]:
        if key not in self._clips:
            raise MissingClip(f"no clip is called {key}")
        return self._clips[key]

    def _timeline(self, key: str) -> Float64[np.ndarray, " frame"]:
        if key not in self._timelines:
            self._timelines[key] = _frame_times(*self._clip(key))
        return self._timelines[key]

    def _times(self, key: str, indices: Sequence[int]) -> list[float]:
        timeline = self._timeline(key)
        return [float(timeline[index]) if index < len(timeline) else math.nan for index in indices]


class CachedFrames:
    """Another source's frames, kept in memory once they were decoded, up to a number of bytes.

    Nothing is thrown out: clips come round once an epoch, and what is oldest is then what is needed next. Frames beyond
    the budget are decoded each time. Worker processes each have a cache of their own.

    Args:
        source: Where the frames come from.
        budget_bytes: Bytes of pictures that are kept.
    """

    def __init__(self, source: FrameSource, *, budget_bytes: int = 2**30) -> None:
        self._source = source
        self._kept: dict[tuple[str, int], Picture | None] = {}
        self.budget_bytes = budget_bytes
        self.used_bytes = 0
        """Bytes of the pictures that are kept."""

    def frame_count(self, key: str) -> int:
        """Frames of a clip."""
        return self._source.frame_count(key)

    def read(self, key: str, indices: Sequence[int]) -> list[Picture | None]:
        """Chosen frames of a clip. They are shared: do not write to them."""
        fresh = [index for index in dict.fromkeys(indices) if (key, index) not in self._kept]
        found = dict(zip(fresh, self._source.read(key, fresh), strict=True)) if fresh else {}
        for index, picture in found.items():
            size = 0 if picture is None else picture.nbytes
            if self.used_bytes + size <= self.budget_bytes:
                self._kept[key, index] = picture
                self.used_bytes += size
        return [found[index] if index in found else self._kept[key, index] for index in indices]

    def times_seconds(self, key: str, indices: Sequence[int]) -> Sequence[float]:
        """When chosen frames came on screen."""
        return self._source.times_seconds(key, indices)


def _pictures_in(folder: Path) -> list[Path]:
    try:
        return frame_paths(folder)
    except OSError as error:
        raise MissingClip(f"no folder of frames is there ({error.strerror})", where=folder) from None


def _read_picture(path: Path) -> UInt8[np.ndarray, "height width 3"] | None:
    """A picture as its Exif data turn it; None where that cannot be."""
    import cv2

    try:
        data = np.fromfile(path, dtype=np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if len(data) else None
    except (OSError, cv2.error):
        return None
    return None if picture is None else cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)


def _frame_times(path: Path, span: Span | None) -> Float64[np.ndarray, " frame"]:
    """When each frame of a video comes on screen, within the span.

    A frame belongs to the span in which it starts. A span between two frames has the one that is then on screen.
    """
    times = _stamped_times(path)
    if times is None:  # such as AVI files, whose packets have no time: the decoder finds them in counting
        times = _decoded_times(path)
    if span is None or not len(times):
        return times
    first = np.searchsorted(times, span.start_seconds)
    end = np.searchsorted(times, span.end_seconds, side="right")
    return times[first:end] if first < end else times[max(0, first - 1) : max(1, first)]


def _stamped_times(path: Path) -> Float64[np.ndarray, " frame"] | None:
    """The times that the packets of a video carry, in order; None where one carries none. Nothing is decoded."""
    import av

    from emotrace.media._container import counts_packets, open_container, origin_seconds, video_stream

    with open_container(path) as container:
        stream = video_stream(container)
        if stream is None or stream.time_base is None:
            raise EmptyMedia("there is no picture in this file", where=path)
        origin, times = origin_seconds(container), set()
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except av.FFmpegError:  # cut off: what came before it counts
                break
            if packet is None:
                break
            if packet.size == 0 or packet.is_discard:
                continue
            stamp = packet.dts if counts_packets(container) else packet.pts
            if stamp is None:
                return None
            times.add(max(0.0, float(stamp * stream.time_base - origin)))
    return np.array(sorted(times))


def _decoded_times(path: Path) -> Float64[np.ndarray, " frame"]:
    from emotrace.media.video import FrameReader

    return np.array([frame.time_seconds for frame in FrameReader(path, rate_hz=_EVERY_FRAME_HZ)])


def _read_video(path: Path, times: Sequence[float]) -> list[Picture | None]:
    """The frames that come on screen at these times, in one pass that stops behind the last."""
    from emotrace.media.video import FrameReader

    wanted = sorted({time for time in times if not math.isnan(time)})
    found: dict[float, Picture] = {}
    try:
        for frame in FrameReader(path, rate_hz=_EVERY_FRAME_HZ) if wanted else ():
            while wanted and wanted[0] < frame.time_seconds - _SAME_TIME_SECONDS:
                wanted.pop(0)  # damaged: the decoder gave nothing at this time
            if wanted and wanted[0] <= frame.time_seconds + _SAME_TIME_SECONDS:
                found[wanted.pop(0)] = frame.image
            if not wanted:
                break
    except MediaError:
        if not found:
            raise
    return [found.get(time) for time in times]
