"""Hiding faces: where they may be at a moment, and a picture that cannot be turned back.

Samples are a fifth of a second apart or more, so between two of them the whole stretch that the face may have crossed
is hidden; before the first, after the last and in long gaps, the last known place is held for a while. The analysis
drops faces that it cannot follow; here they are looked for once more, and hidden too. [ours]
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import UInt8

from emotrace.media.faces import FaceDetector, OpenCVDetector
from emotrace.media.video import Frame, FrameReader
from emotrace.results import FaceBox, Person

_BRIDGE_SECONDS = 2.0
_HOLD_SECONDS = 1.0
_STRAY_RATE_HZ = 2.0
_MARGIN = 0.35
"""Share of the box's own size that is hidden beyond each side: detectors cut off chin, ears and hair."""
_CELLS_ACROSS = 5
_JPEG_QUALITY = 88

Area = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of the picture."""


@dataclass(frozen=True, kw_only=True)
class FaceCover:
    """Which parts of the picture are hidden at which time."""

    tracks: tuple[tuple[FaceBox, ...], ...]
    """One person each, in time order, never empty."""
    strays: tuple[FaceBox, ...]
    """Faces of nobody in particular, in time order."""

    @classmethod
    def of(cls, persons: Iterable[Person], path: Path) -> FaceCover:
        """The cover of everybody who was followed, and of whatever else in the file looks like a face."""
        tracks = (tuple(sorted(person.boxes, key=lambda box: box.time_seconds)) for person in persons)
        detector = OpenCVDetector()
        frames = FrameReader(path, rate_hz=_STRAY_RATE_HZ)
        strays = tuple(box for frame in frames for box in _detected(detector, frame))
        return cls(tracks=tuple(track for track in tracks if track), strays=strays)

    def __bool__(self) -> bool:
        return bool(self.tracks or self.strays)

    def areas(self, time_seconds: float) -> tuple[Area, ...]:
        """What to hide at a time, margins included."""
        around = [boxes for track in self.tracks if (boxes := _around(track, time_seconds))]
        first = bisect_right(self.strays, time_seconds - 1 / _STRAY_RATE_HZ, key=lambda box: box.time_seconds)
        last = bisect_right(self.strays, time_seconds + 1 / _STRAY_RATE_HZ, key=lambda box: box.time_seconds)
        return tuple(_hull(boxes) for boxes in (*around, *((stray,) for stray in self.strays[first:last])))

    def hide(self, picture: UInt8[np.ndarray, "height width 3"], time_seconds: float) -> None:
        """Pixelates the faces of one frame in place."""
        for area in self.areas(time_seconds):
            _pixelate(picture, area)


def photo_copy(path: Path, cover: FaceCover | None) -> bytes:
    """A photograph as JPEG: upright, without its metadata, and with every covered face pixelated.

    Raises:
        MediaError: The file cannot be read.
    """
    picture = next(iter(FrameReader(path))).image.copy()
    if cover is not None:
        cover.hide(picture, 0.0)
    _, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    )
    return encoded.tobytes()


def _detected(detector: FaceDetector, frame: Frame) -> Iterable[FaceBox]:
    height, width, _ = frame.image.shape
    for found in detector.detect(frame.image):
        yield FaceBox(
            time_seconds=frame.time_seconds,
            x=found.x / width,
            y=found.y / height,
            width=found.width / width,
            height=found.height / height,
        )


def _around(track: tuple[FaceBox, ...], time_seconds: float) -> tuple[FaceBox, ...]:
    """The samples between which the face is, or those whose place is held."""
    after = bisect_right(track, time_seconds, key=lambda box: box.time_seconds)
    before, later = track[max(after - 1, 0)], track[min(after, len(track) - 1)]
    if before is not later and later.time_seconds - before.time_seconds <= _BRIDGE_SECONDS:
        return (before, later)
    return tuple(box for box in (before, later) if abs(box.time_seconds - time_seconds) <= _HOLD_SECONDS)


def _hull(boxes: Iterable[FaceBox]) -> Area:
    sides = [
        (
            box.x - _MARGIN * box.width,
            box.y - _MARGIN * box.height,
            box.x + (1 + _MARGIN) * box.width,
            box.y + (1 + _MARGIN) * box.height,
        )
        for box in boxes
    ]
    left, top, right, bottom = zip(*sides, strict=True)
    return min(left), min(top), max(right), max(bottom)


def _pixelate(picture: UInt8[np.ndarray, "height width 3"], area: Area) -> None:
    height, width, _ = picture.shape
    left, right = (int(np.clip(round(side * width), 0, width)) for side in (area[0], area[2]))
    top, bottom = (int(np.clip(round(side * height), 0, height)) for side in (area[1], area[3]))
    if right <= left or bottom <= top:
        return
    region = picture[top:bottom, left:right]
    cells = cv2.resize(region, (_CELLS_ACROSS, _CELLS_ACROSS), interpolation=cv2.INTER_AREA)
    picture[top:bottom, left:right] = cv2.resize(cells, (right - left, bottom - top), interpolation=cv2.INTER_NEAREST)
