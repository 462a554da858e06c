"""Faces through time: frames -> `TrackedFace`s as they come, and at the end the persons they belong to.

A detector is slow and a face moves little, so the whole picture is searched only now and then: at the start, after a
cut, when the scene changes, and otherwise every `search_seconds`. In between, optical flow (Lucas & Kanade 1981)
carries each face on, the alignment settles it, and the detector looks again at the face's surroundings alone.

One stretch of following is a *tracklet* (`track_id`, streamed). At the end tracklets that look alike are joined into
persons, P1, P2, ... in order of first appearance. What a person looked like is kept while the clip is read and
forgotten with the tracker: a number holds within one clip only. Tracklets that the detector did not confirm are
dropped as false faces.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.media.align import Pose, align
from emotrace.media.faces import Detection, FaceDetector, Picture, suppress_overlaps
from emotrace.media.motion import (
    CUT_DIFFERENCE,
    FACE_PIXELS,
    Grey,
    Thumbnail,
    carried,
    is_alike,
    is_cut,
    thumbnail_of,
)
from emotrace.media.people import Look, join_tracklets
from emotrace.span import Span

CROP_PIXELS: Final = 112
MAX_FACES: Final = 32
"""No more faces are followed at once, and no more persons are told apart: the largest, the longest seen."""

_SMALL: Final = 320
_CONFIRMED_HITS: Final = 3
_NEAR: Final = 0.2
_LEAST_INSIDE: Final = 0.85
_LOOK_PIXELS: Final = 72
_LOOK_AROUND: Final = 1.6
_STILL_SCORE: Final = 0.6
_LEAST_SCORE: Final = 0.3
_SURE_TWICE: Final = 1.6
_PATIENCE: Final = 6


@runtime_checkable
class TimedFrame(Protocol):
    """What the tracker needs of a frame; `emotrace.media.video.Frame` has it."""

    @property
    def image(self) -> Picture:
        """Upright RGB picture."""
        ...

    @property
    def time_seconds(self) -> float:
        """Time from the start of the file."""
        ...


@dataclass(frozen=True, kw_only=True)
class TrackedFace:
    """One face in one frame. The crop lives as long as the caller holds it."""

    track_id: int
    """Number of the tracklet; `FaceTrack.track_ids` says whose it was."""
    time_seconds: float
    pose: Pose
    """Where the face is, in pixels of the frame."""
    detected: bool
    """Whether the detector saw it in this frame; otherwise it was carried on by flow."""
    crop: UInt8[np.ndarray, "112 112"]
    """The face square, aligned and upright, grey."""

    @property
    def box(self) -> Detection:
        """The upright square around the face, in pixels of the frame."""
        return _box(self.pose, 1.0 if self.detected else 0.0)


@dataclass(frozen=True, kw_only=True)
class FaceTrack:
    """One person's face through the clip."""

    person_id: str
    """P1, P2, ... in order of first appearance. Says nothing about who it is."""
    track_ids: tuple[int, ...]
    """The tracklets that were joined, in order of time."""
    presence: tuple[Span, ...]
    """When the face was on screen; one span per tracklet."""
    squares: Float32[np.ndarray, "frame 4"]
    """Per sampled frame: time in seconds, middle x, middle y and side in pixels."""


@dataclass(frozen=True, kw_only=True)
class Following:
    """One stretch of following as it stands while a stream goes on."""

    track_id: int
    presence: Span
    """From the first frame that is kept to the last in which the face was there."""
    squares: Float32[np.ndarray, "frame 4"]
    """As in `FaceTrack`."""
    look: Look


@dataclass(kw_only=True)
class _Tracklet:
    """One stretch of following, as it grows."""

    track_id: int
    pose: Pose
    seen: Detection
    """What the detector last saw."""
    hits: int = 0
    misses: int = 0
    since_look: int = 0
    scores: float = 0.0
    last_hit_seconds: float = 0.0
    squares: list[tuple[float, float, float, float]] = field(default_factory=list)
    face: UInt8[np.ndarray, "28 28"] | None = None
    look: Look = field(default_factory=Look)

    @property
    def confirmed(self) -> bool:
        return self.hits >= _CONFIRMED_HITS or (self.hits == _CONFIRMED_HITS - 1 and self.scores >= _SURE_TWICE)

    def hit(self, seen: Detection, time_seconds: float) -> None:
        self.hits, self.misses, self.since_look, self.seen = self.hits + 1, 0, 0, seen
        self.scores += seen.score
        self.last_hit_seconds = time_seconds


def _box(pose: Pose, score: float) -> Detection:
    corner_x, corner_y = pose.x - 0.5 * pose.side, pose.y - 0.5 * pose.side
    return Detection(x=corner_x, y=corner_y, width=pose.side, height=pose.side, score=score)


class FaceTracker:
    """Follows the faces of one clip.

    Args:
        detector: Finds faces in a picture.
        search_seconds: Longest time between two searches of the whole picture while faces are followed.
        look_every: A followed face is shown to the detector, alone, every so many frames.
        still: Whether the clip is a photograph: there is no second look, so its halves are searched, too.
    """

    def __init__(
        self, detector: FaceDetector, *, search_seconds: float = 3.0, look_every: int = 3, still: bool = False
    ) -> None:
        self.detector = detector
        self.search_seconds = search_seconds
        self.look_every = look_every
        self.still = still
        self._active: list[_Tracklet] = []
        self._ended: list[_Tracklet] = []
        self._frames = 0
        self._next_id = 0
        self._previous: Grey | None = None
        self._searched_at = -math.inf
        self._scene: Thumbnail | None = None
        self._searched_scene: Thumbnail | None = None

    def update(self, frame: TimedFrame) -> tuple[TrackedFace, ...]:
        """The faces of the next frame, in order of their tracklets' numbers. Frames must come in order of time."""
        grey = np.asarray(cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY), np.uint8)
        shrink = max(1.0, max(grey.shape) / _SMALL)
        size = (max(1, round(grey.shape[1] / shrink)), max(1, round(grey.shape[0] / shrink)))
        coloured = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        small = np.asarray(cv2.cvtColor(coloured, cv2.COLOR_RGB2GRAY), np.uint8)
        before, self._scene = self._scene, thumbnail_of(np.asarray(coloured, np.uint8))
        if before is None or is_cut(before, self._scene):
            self._end(list(self._active))
            self._searched_scene = None
        else:
            self._carry_on(small, grey, shrink)
        now = frame.time_seconds
        if self._search_is_due(now):
            self._search(frame.image, grey, now)
        else:
            self._look_at_followed(frame.image, grey, now)
        self._previous = small
        self._frames += 1
        return tuple(self._emit(tracklet, frame, grey) for tracklet in self._active)

    def finish(self) -> tuple[FaceTrack, ...]:
        """The persons of the clip, in order of first appearance, false faces left out."""
        self._end(list(self._active))
        kept = [tracklet for tracklet in self._ended if self._is_real(tracklet)]
        persons = join_tracklets([(tracklet.look, _presence(tracklet)) for tracklet in kept])
        groups = [[kept[i] for i in person] for person in persons]
        longest = sorted(groups, key=lambda group: (-sum(len(t.squares) for t in group), group[0].track_id))
        groups = sorted(longest[:MAX_FACES], key=lambda group: (group[0].squares[0][:2], group[0].track_id))
        return tuple(_face_track(f"P{number}", group) for number, group in enumerate(groups, start=1))

    def so_far(self) -> tuple[Following, ...]:
        """What `finish` would join into persons if the stream ended here, in order of number; the tracker goes on."""
        active = [(tracklet, _held(tracklet)) for tracklet in self._active if tracklet.confirmed]
        ended = [(tracklet, tracklet.squares) for tracklet in self._ended]
        return tuple(
            Following(
                track_id=tracklet.track_id,
                presence=Span(squares[0][0], squares[-1][0]),
                squares=np.array(squares, np.float32),
                look=tracklet.look,
            )
            for tracklet, squares in sorted((*ended, *active), key=lambda pair: pair[0].track_id)
            if squares and self._is_real(tracklet)
        )

    def forget(self, before_seconds: float) -> None:
        """Drops where faces were earlier, and stretches of following that ended earlier, looks included."""
        for tracklet in (*self._ended, *self._active):
            tracklet.squares = [row for row in tracklet.squares if row[0] >= before_seconds]
        self._ended = [tracklet for tracklet in self._ended if tracklet.squares]

    def _search_is_due(self, now: float) -> bool:
        """At once after a cut; soon when the scene changed, sooner still with nobody in it; else after a while."""
        if self._scene is None or self._searched_scene is None:
            return True
        waited = (now - self._searched_at) / self.search_seconds
        changed = float(np.abs(self._scene - self._searched_scene).mean()) / CUT_DIFFERENCE
        if self._active:
            return waited >= 1.0 or (waited >= 1.0 / 3.0 and changed > 1.0)
        return waited >= 1.0 / 3.0 or (waited >= 1.0 / 6.0 and changed > 0.5)

    def _search(self, image: Picture, grey: Grey, now: float) -> None:
        """Looks at the whole picture: known faces are confirmed, others begin a tracklet."""
        self._searched_at, self._searched_scene = now, self._scene
        detections = list(self.detector.detect(image))
        if self.still:
            detections = _with_tiles(detections, image, self.detector)
        pairs = sorted(
            (
                (-detection.overlap(_box(tracklet.pose, 0.0)), i, j)
                for i, tracklet in enumerate(self._active)
                for j, detection in enumerate(detections)
            ),
        )
        seen: set[int] = set()
        taken: set[int] = set()
        for overlap, i, j in pairs:
            if -overlap < 0.25 or i in seen or j in taken:
                continue
            seen.add(i)
            taken.add(j)
            self._confirm(self._active[i], detections[j], grey, now)
        for i, tracklet in enumerate(self._active):
            if i not in seen:
                self._look(tracklet, image, grey, now)
        self._drop_lost()
        for j, detection in enumerate(detections):
            if j not in taken and len(self._active) < MAX_FACES:
                self._begin(detection, grey, now)

    def _look_at_followed(self, image: Picture, grey: Grey, now: float) -> None:
        for tracklet in self._active:
            tracklet.since_look += 1
            if not tracklet.confirmed or tracklet.misses or tracklet.since_look >= self.look_every:
                self._look(tracklet, image, grey, now)
        self._drop_lost()

    def _begin(self, detection: Detection, grey: Grey, now: float) -> None:
        rough = Pose.of(detection)
        tracklet = _Tracklet(track_id=self._next_id, seen=detection, pose=_settled(grey, rough, rough) or rough)
        tracklet.hit(detection, now)
        self._next_id += 1
        self._active.append(tracklet)

    def _confirm(
        self,
        tracklet: _Tracklet,
        detection: Detection,
        grey: Grey,
        now: float,
    ) -> None:
        tracklet.hit(detection, now)
        rough = Pose.of(detection)
        if not _is_near(tracklet.pose, rough):
            tracklet.pose = _settled(grey, rough, rough) or rough

    def _look(self, tracklet: _Tracklet, image: Picture, grey: Grey, now: float) -> None:
        """Shows the detector the face's surroundings, turned upright; a miss makes the next look come sooner."""
        tracklet.since_look = 0
        around = tracklet.pose.step(0.0, 0.0, math.log(_LOOK_AROUND), 0.0)
        found = self.detector.detect(around.crop(image, _LOOK_PIXELS))
        half, side = 0.5 * (_LOOK_PIXELS - 1), _LOOK_PIXELS / _LOOK_AROUND
        middle = _box(Pose(x=half, y=half, side=side), 0.0)
        best = max(found, key=lambda d: d.overlap(middle), default=None)
        if best is None or best.overlap(middle) < 0.25:
            tracklet.misses += 1
            return
        x, y = best.center
        step = ((x - half) / side, (y - half) / side, math.log(best.width / side), 0.0)
        rough = tracklet.pose.step(*step)
        tracklet.hit(_box(rough, best.score), now)
        if not _is_near(tracklet.pose, rough):
            tracklet.pose = _settled(grey, rough, rough) or rough

    def _carry_on(self, small: UInt8[np.ndarray, "less_high less_wide"], grey: Grey, shrink: float) -> None:
        """Moves each face with the picture, then settles it by alignment."""
        if self._previous is None:
            return
        for tracklet in self._active:
            moved = carried(self._previous, small, tracklet.pose, shrink)
            if moved is None:
                tracklet.misses += 1
                continue
            settled = _settled(grey, moved, Pose.of(tracklet.seen))
            tracklet.pose = settled or moved
            tracklet.since_look += settled is None
            if not is_alike(tracklet.face, tracklet.pose.crop(grey, FACE_PIXELS)):
                tracklet.misses += _PATIENCE + 1

    def _drop_lost(self) -> None:
        lost = []
        for tracklet in self._active:
            patience = _PATIENCE if tracklet.confirmed else 1
            if tracklet.misses > patience or tracklet.pose.side < 8.0:
                lost.append(tracklet)
        self._end(lost + _doubles([t for t in self._active if t not in lost]))

    def _end(self, tracklets: list[_Tracklet]) -> None:
        gone = {tracklet.track_id for tracklet in tracklets}
        self._active = [tracklet for tracklet in self._active if tracklet.track_id not in gone]
        for tracklet in tracklets:
            tracklet.squares = _held(tracklet)
            if tracklet.squares and (tracklet.confirmed or self._frames <= _CONFIRMED_HITS):
                self._ended.append(tracklet)

    def _is_real(self, tracklet: _Tracklet) -> bool:
        """Temporal consistency: seen often enough, or, where there is hardly any time, surely enough."""
        mean_score = tracklet.scores / max(1, tracklet.hits)
        if self._frames < _CONFIRMED_HITS:
            return mean_score >= _STILL_SCORE
        return tracklet.confirmed and mean_score >= _LEAST_SCORE

    def _emit(self, tracklet: _Tracklet, frame: TimedFrame, grey: Grey) -> TrackedFace:
        pose, now = tracklet.pose, frame.time_seconds
        detected = tracklet.last_hit_seconds == now
        tracklet.face = pose.crop(grey, FACE_PIXELS)
        crop = pose.crop(grey, CROP_PIXELS)
        tracklet.squares.append((now, pose.x, pose.y, pose.side))
        if detected:
            tracklet.look.add(frame.image, pose, crop)
        return TrackedFace(track_id=tracklet.track_id, time_seconds=now, pose=pose, detected=detected, crop=crop)


def _with_tiles(found: list[Detection], image: Picture, detector: FaceDetector) -> list[Detection]:
    """What the picture's two halves show besides, each looked at by itself: small faces of a still picture."""
    height, width = image.shape[:2]
    wide = width >= height
    span = round(0.6 * max(height, width))
    for start in (0, max(height, width) - span):
        tile = image[:, start : start + span] if wide else image[start : start + span]
        left, top = (float(start), 0.0) if wide else (0.0, float(start))
        whole = [d.moved(scale=1.0, x=left, y=top) for d in detector.detect(np.ascontiguousarray(tile))]
        found = found + [d for d in whole if _is_clear_of_cut(d, start, span, wide, max(height, width))]
    return list(suppress_overlaps(found))


def _is_clear_of_cut(detection: Detection, start: int, span: int, wide: bool, longest: int) -> bool:
    """Whether a face of a tile lies away from the edges that the tiling made, where half a face may look like one."""
    low = detection.x if wide else detection.y
    high = low + detection.width
    return (start == 0 or low >= start) and (start + span >= longest or high <= start + span)


def _is_near(pose: Pose, other: Pose) -> bool:
    """Whether two poses differ by no more than detectors and alignment do on one face."""
    apart = math.hypot(pose.x - other.x, pose.y - other.y) / other.side
    return apart < _NEAR and abs(math.log(pose.side / other.side)) < _NEAR


def _settled(grey: Grey, rough: Pose, seen: Pose) -> Pose | None:
    """The aligned pose; None where the face leaves the picture or the alignment wanders off, as on faces turned away.

    It may not leave the place of `rough`, nor the size that the detector last saw.
    """
    if rough.share_inside(grey.shape[1], grey.shape[0]) < _LEAST_INSIDE:
        return None
    pose = align(grey, rough)
    return pose if _is_near(pose, Pose(x=rough.x, y=rough.y, side=seen.side)) else None


def _doubles(tracklets: list[_Tracklet]) -> list[_Tracklet]:
    """Tracklets that slid onto the face of another one: of each two, the one with fewer hits, then the younger."""
    doubles: list[_Tracklet] = []
    ranked = sorted(tracklets, key=lambda t: (-t.hits, t.track_id))
    for i, tracklet in enumerate(ranked):
        box = _box(tracklet.pose, 0.0)
        if any(box.overlap(_box(other.pose, 0.0)) > 0.5 for other in ranked[:i] if other not in doubles):
            doubles.append(tracklet)
    return doubles


def _held(tracklet: _Tracklet) -> list[tuple[float, float, float, float]]:
    """Its squares, up to the last sighting where the newest frames missed the face."""
    if not tracklet.misses:
        return tracklet.squares
    return [row for row in tracklet.squares if row[0] <= tracklet.last_hit_seconds]


def _presence(tracklet: _Tracklet) -> Span:
    return Span(tracklet.squares[0][0], tracklet.squares[-1][0])


def _face_track(person: str, tracklets: list[_Tracklet]) -> FaceTrack:
    tracklets = sorted(tracklets, key=lambda t: (t.squares[0][0], t.track_id))
    return FaceTrack(
        person_id=person,
        track_ids=tuple(tracklet.track_id for tracklet in tracklets),
        presence=tuple(_presence(tracklet) for tracklet in tracklets),
        squares=np.array([row for tracklet in tracklets for row in tracklet.squares], np.float32),
    )
