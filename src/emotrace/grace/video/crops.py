"""Faces as GRACE takes them: upright colour crops at 8 pictures a second, streamed, with the square each was cut from.

Tracking looked at the clip at its own rate; between two of its samples the square is interpolated. It is never carried
over a gap, and never from one stretch of following to the next, since a cut may lie between them [ours].
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, UInt8

from emotrace.evidence.sheets import Witness
from emotrace.grace.video.expression import RATE_HZ, SeenFrame
from emotrace.media.align import Pose
from emotrace.media.tracking import FaceTrack, TimedFrame

_BRIDGE_SECONDS = 1.0
"""Samples that are further apart have nothing between them but their own surroundings."""
_HOLD_SECONDS = 0.25
_ON_THE_GRID = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceCrop:
    """One face in one picture."""

    person: str
    stretch: int
    """Which stretch of following, counted from 0 within the person."""
    slot: int
    """Which place of the 8 Hz grid the picture takes: the first at which it was on screen."""
    frame: SeenFrame
    picture: UInt8[np.ndarray, "side side 3"]
    """RGB, upright, the eye line where `Pose` says."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FacePath:
    """Where one person's face is through the clip."""

    person: str
    stretches: tuple[Float64[np.ndarray, "_ 5"], ...]
    """Per stretch of following: time in seconds, middle x, middle y and side in pixels, roll in radians."""

    @classmethod
    def of(cls, witness: Witness) -> FacePath | None:
        """The path of somebody who is seen; None for a voice. Roll is taken from what was measured of the face."""
        track = witness.track
        if track is None:
            return None
        rows = np.column_stack([track.squares, np.zeros(len(track.squares))]).astype(np.float64)
        if witness.face is not None:
            face = witness.face
            rows = np.column_stack([face.times_seconds, face.x, face.y, face.side, np.radians(face.roll_degrees)])
        return cls(
            person=witness.id, stretches=tuple(_within(rows, track, number) for number in range(len(track.presence)))
        )

    def at(self, time_seconds: float) -> tuple[int, Pose] | None:
        """Number of the stretch and the square at a time; None where the face is not on screen."""
        for number, rows in enumerate(self.stretches):
            if len(rows) and rows[0, 0] - _ON_THE_GRID <= time_seconds <= rows[-1, 0] + _ON_THE_GRID:
                pose = _between(rows, time_seconds)
                return None if pose is None else (number, pose)
        return None


def face_crops(frames: Iterable[TimedFrame], paths: Iterable[FacePath], *, pixels: int) -> Iterator[FaceCrop]:
    """The crops of everybody, picture by picture; of each picture in the order of `paths`.

    Args:
        frames: In order of time, at `RATE_HZ` or less.
        paths: Where the faces are.
        pixels: Height and width of a crop.
    """
    paths = tuple(paths)
    for frame in frames:
        height, width, _ = frame.image.shape
        for path in paths:
            if (found := path.at(frame.time_seconds)) is not None:
                stretch, pose = found
                yield FaceCrop(
                    person=path.person,
                    stretch=stretch,
                    slot=math.ceil(frame.time_seconds * RATE_HZ - _ON_THE_GRID),
                    frame=_seen(frame.time_seconds, pose, width, height),
                    picture=pose.crop(frame.image, pixels),
                )


def _within(rows: Float64[np.ndarray, "sample 5"], track: FaceTrack, number: int) -> Float64[np.ndarray, "part 5"]:
    present = track.presence[number]
    inside = (rows[:, 0] >= present.start_seconds - _ON_THE_GRID) & (rows[:, 0] <= present.end_seconds + _ON_THE_GRID)
    return np.asarray(rows[inside], np.float64)


def _between(rows: Float64[np.ndarray, "sample 5"], time_seconds: float) -> Pose | None:
    after = bisect_right(rows[:, 0], time_seconds)
    before, later = rows[max(after - 1, 0)], rows[min(after, len(rows) - 1)]
    step = float(later[0] - before[0])
    share = 0.0 if step <= 0.0 else min(max((time_seconds - float(before[0])) / step, 0.0), 1.0)
    if step > _BRIDGE_SECONDS:
        if min(share, 1.0 - share) * step > _HOLD_SECONDS:
            return None
        share = round(share)
    _, x, y, side, roll = (before + share * (later - before)).tolist()
    return Pose(x=x, y=y, side=side, roll=roll)


def _seen(time_seconds: float, pose: Pose, width: int, height: int) -> SeenFrame:
    return SeenFrame(
        time_seconds=round(time_seconds, 3),
        x=round((pose.x - 0.5 * pose.side) / width, 4),
        y=round((pose.y - 0.5 * pose.side) / height, 4),
        width=round(pose.side / width, 4),
        height=round(pose.side / height, 4),
        roll_degrees=round(math.degrees(pose.roll), 1),
    )
