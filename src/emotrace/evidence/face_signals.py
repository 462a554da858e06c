"""What moves in a face, measured frame by frame: tracked faces -> `FaceSeries`, compact columns of numbers.

Every crop is compared with one earlier crop of the same stretch of following, by dense optical flow (Kroeger et al.
2016). The motion of the head as a whole, an affine map fitted where expressions hardly reach, is taken out first; what
remains in the regions of brows, cheeks, lips and chin is the face's own motion. Its zero is the median of the stretch:
the person's own rest, not an ideal face. [ours], regions after the Facial Action Coding System (Ekman, Friesen & Hager
2002).

Lengths are in *eye distances* (between the pupils), so they do not depend on how large the face is in the picture.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from typing import Final

import cv2
import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, UInt8

from emotrace.evidence.face_reading import ROW, CropReader
from emotrace.evidence.smile import smile_and_eyes
from emotrace.heads.face import UNITS
from emotrace.media.faces import EYE_DISTANCE
from emotrace.media.tracking import CROP_PIXELS, FaceTrack, TrackedFace
from emotrace.span import Span

LEAST_FRAMES_FOR_REST: Final = 5
"""[ours] A stretch with fewer frames has no rest to compare with: its motion columns are NaN."""
LEAST_QUALITY: Final = 0.3
"""[ours] Crops of a lower quality are not read."""
REST_PERCENTILE: Final = 33.0
_LEAST_FIT: Final = 0.55
_PATIENCE_FRAMES: Final = 5

Crop = UInt8[np.ndarray, "112 112"]
Region = tuple[float, float, float, float]
"""Left, top, right, bottom as shares of the crop."""

BROWS: Final[tuple[Region, ...]] = ((0.22, 0.20, 0.45, 0.32), (0.55, 0.20, 0.78, 0.32))
INNER_BROWS: Final[tuple[Region, ...]] = ((0.36, 0.22, 0.46, 0.33), (0.54, 0.22, 0.64, 0.33))
EYES: Final[tuple[Region, ...]] = ((0.25, 0.32, 0.43, 0.42), (0.57, 0.32, 0.75, 0.42))
CHEEKS: Final[tuple[Region, ...]] = ((0.20, 0.43, 0.38, 0.54), (0.62, 0.43, 0.80, 0.54))
LIP_CORNERS: Final[tuple[Region, ...]] = ((0.31, 0.64, 0.41, 0.75), (0.59, 0.64, 0.69, 0.75))
MOUTH: Final[tuple[Region, ...]] = ((0.34, 0.62, 0.66, 0.86),)
INNER_MOUTH: Final[tuple[Region, ...]] = ((0.42, 0.66, 0.58, 0.86),)
CHIN: Final[tuple[Region, ...]] = ((0.40, 0.80, 0.60, 0.96),)
STEADY: Final[tuple[Region, ...]] = ((0.40, 0.34, 0.60, 0.60), (0.18, 0.34, 0.40, 0.52), (0.60, 0.34, 0.82, 0.52))
"""Nose and eye sockets: where the head's own motion is read."""


@dataclass(frozen=True, kw_only=True)
class FaceSeries:
    """What was measured of one person's face, one row per sampled frame with the face in it, in order of time.

    A motion that could not be measured is NaN: the face was too different from its reference, or seen too briefly.
    """

    times_seconds: Float64[np.ndarray, " time"]
    x: Float32[np.ndarray, " time"]
    """Middle of the face square, pixels of the frame; so `y`."""
    y: Float32[np.ndarray, " time"]
    side: Float32[np.ndarray, " time"]
    """Side of the face square, pixels: how large the face is."""
    roll_degrees: Float32[np.ndarray, " time"]
    """Head tilt in the picture plane, positive clockwise."""
    detected: Bool[np.ndarray, " time"]
    """Whether the detector saw the face in this very frame."""
    stretch: Int32[np.ndarray, " time"]
    """Rows of one number share one reference picture and one rest."""
    fit: Float32[np.ndarray, " time"]
    """Correlation of this crop with its reference after the flow, -1..1: how far the motion columns can be trusted."""
    smile: Float32[np.ndarray, " time"]
    """Probability, 0..1, that the mouth is that of a smile: see docs/cards/smile.md. Needs no rest."""
    smiling_eyes: Float32[np.ndarray, " time"]
    """The same from eyes and upper cheeks alone."""
    lip_corner_rise: Float32[np.ndarray, " time"]
    """Lip corners above their rest, eye distances; so the next two."""
    cheek_rise: Float32[np.ndarray, " time"]
    brow_rise: Float32[np.ndarray, " time"]
    inner_brow_rise: Float32[np.ndarray, " time"]
    """Inner ends of the brows above their rest, eye distances."""
    brow_gather: Float32[np.ndarray, " time"]
    """How much nearer to each other the inner brows are than at rest, eye distances."""
    chin_drop: Float32[np.ndarray, " time"]
    """Chin below its rest, eye distances: the jaw."""
    mouth_dark: Float32[np.ndarray, " time"]
    """Dark area between the lips beyond its rest, as a share of the inner mouth region, -1..1."""
    mouth_motion: Float32[np.ndarray, " time"]
    """Change of the mouth region since the frame before beyond that of the cheeks and nose, in units of the face's
    contrast.
    """
    eye_motion: Float32[np.ndarray, " time"]
    """The same for the region of the eyes: blinks and glances."""
    sharpness: Float32[np.ndarray, " time"]
    """Fine detail against contrast, 0..1; below about 0.15 the crop is blurred."""
    brightness: Float32[np.ndarray, " time"]
    """Mean grey of the face, 0..1."""
    units: Float32[np.ndarray, "time unit"]
    """Action units as the face head reads them, 0..1, in the order of `heads.face.UNITS`: the resting face's share
    included. See docs/cards/face.md."""
    pose_degrees: Float32[np.ndarray, "time 3"]
    """Pitch (positive down), yaw (positive to the viewer's right), roll (positive clockwise) of the head."""
    eye_opening: Float32[np.ndarray, " time"]
    """Distance between the lids over the width of the eye."""
    mouth_opening: Float32[np.ndarray, " time"]
    """Distance between the inner lips over the width of the mouth."""
    quality: Float32[np.ndarray, " time"]
    """How far the crop is a face that can be read, 0..1."""

    def __len__(self) -> int:
        return len(self.times_seconds)

    @cached_property
    def resting_units(self) -> Float32[np.ndarray, " unit"] | None:
        """The person's own resting share of each unit: the lower third of all good crops; None where these are few."""
        good = self.quality >= LEAST_QUALITY
        if np.count_nonzero(good) < LEAST_FRAMES_FOR_REST:
            return None
        return np.asarray(np.percentile(self.units[good], REST_PERCENTILE, axis=0), np.float32)

    def slice(self, span: Span) -> FaceSeries:
        """The rows whose time lies in the span."""
        kept = (self.times_seconds >= span.start_seconds) & (self.times_seconds <= span.end_seconds)
        return replace(self, **{f.name: getattr(self, f.name)[kept] for f in fields(self)})


_READ: Final = ("units", "pose_degrees", "eye_opening", "mouth_opening", "quality")
"""Columns of the face head."""
_COLUMNS: Final = tuple(f.name for f in fields(FaceSeries) if f.name not in _READ)
_FROM_REST: Final = (
    "lip_corner_rise", "cheek_rise", "brow_rise", "inner_brow_rise", "brow_gather", "chin_drop", "mouth_dark",
)  # fmt: skip


class FaceMeter:
    """Measures tracked faces as they come.

    It keeps numbers, about 300 bytes per face and frame, and two crops per face that is on screen.
    """

    def __init__(self) -> None:
        self._reader = CropReader()
        self._rows: dict[int, array[float]] = {}
        self._watched: dict[int, _Watched] = {}
        self._stretches = 0

    def feed(self, faces: Sequence[TrackedFace]) -> None:
        """Takes the faces of the next frame."""
        on_screen: dict[int, _Watched] = {}
        for face in faces:
            watched = self._watched.get(face.track_id)
            if watched is None or watched.misfits >= _PATIENCE_FRAMES:
                watched = _Watched(face.crop, self._stretches, previous=None if watched is None else watched.previous)
                self._stretches += 1
            on_screen[face.track_id] = watched
            self._reader.feed(face.track_id, face.crop)
            row = {**_place(face), **watched.measure(face.crop)}
            self._rows.setdefault(face.track_id, array("d")).extend(float(row[name]) for name in _COLUMNS)
        self._watched = on_screen

    def forget(self, before_seconds: float) -> None:
        """Drops the rows of earlier frames, so that a stream without end needs no more memory than its recent past."""
        for track_id, rows in list(self._rows.items()):
            table = np.frombuffer(rows, np.float64).reshape(-1, len(_COLUMNS))
            earlier = int(np.count_nonzero(table[:, _COLUMNS.index("times_seconds")] < before_seconds))
            self._reader.forget(track_id, earlier)
            kept = array("d", table[earlier:].tobytes())
            if kept or track_id in self._watched:
                self._rows[track_id] = kept
            else:
                del self._rows[track_id]

    def __len__(self) -> int:
        """How many rows are kept, of all faces together."""
        return sum(map(len, self._rows.values())) // len(_COLUMNS)

    def series(self, track: FaceTrack) -> FaceSeries:
        """The columns of one person, motions counted from the person's rest.

        Rows outside the track's presence, where the tracker was wrong to go on, are left out.
        """
        tables = []
        for track_id, present in zip(track.track_ids, track.presence, strict=True):
            table = np.array(self._rows.get(track_id, array("d")), np.float64).reshape(-1, len(_COLUMNS))
            table = np.concatenate([table, self._reader.rows(track_id)], axis=1)
            times = table[:, 0]
            tables.append(table[(times >= present.start_seconds) & (times <= present.end_seconds)])
        table = np.concatenate(tables) if tables else np.zeros((0, len(_COLUMNS) + ROW))
        table = table[np.argsort(table[:, 0], kind="stable")]
        columns = dict(zip(_COLUMNS, table[:, : len(_COLUMNS)].T, strict=True))
        for rows in _rows_by_stretch(columns["stretch"]):
            for name in _FROM_REST:
                columns[name][rows] = _from_rest(columns[name][rows])
        kinds = {"times_seconds": np.float64, "detected": np.bool_, "stretch": np.int32}
        measured = {name: column.astype(kinds.get(name, np.float32)) for name, column in columns.items()}
        return FaceSeries(**measured, **_read(table[:, len(_COLUMNS) :], columns["roll_degrees"]))


def _read(
    rows: Float64[np.ndarray, "time column"], roll_degrees: Float64[np.ndarray, " time"]
) -> dict[str, np.ndarray]:
    """The face head's columns; the head's roll is that of the crop's square and what is left within it."""
    units, pose, (eyes, mouth, quality) = rows[:, : len(UNITS)], rows[:, len(UNITS) : len(UNITS) + 3], rows[:, -3:].T
    pose = pose + np.stack([np.zeros_like(roll_degrees), np.zeros_like(roll_degrees), roll_degrees], axis=1)
    return {
        name: values.astype(np.float32) for name, values in zip(_READ, (units, pose, eyes, mouth, quality), strict=True)
    }


def _rows_by_stretch(stretch: Float64[np.ndarray, " time"]) -> list[Int32[np.ndarray, " rows"]]:
    return [np.flatnonzero(stretch == number).astype(np.int32) for number in np.unique(stretch)]


def _from_rest(values: Float64[np.ndarray, " rows"]) -> Float64[np.ndarray, " rows"]:
    known = values[np.isfinite(values)]
    return values - np.median(known) if len(known) >= LEAST_FRAMES_FOR_REST else np.full_like(values, np.nan)


def _place(face: TrackedFace) -> dict[str, float]:
    return {
        "times_seconds": face.time_seconds,
        "x": face.pose.x,
        "y": face.pose.y,
        "side": face.pose.side,
        "roll_degrees": float(np.degrees(face.pose.roll)),
        "detected": float(face.detected),
    }


class _Reference:
    """The crop that a stretch is compared with. Flow is believed where there is an edge to see it move."""

    def __init__(self, crop: Crop) -> None:
        self.even = _even_light(crop)
        self.picture = _as_picture(self.even)
        self.edges_across = np.abs(np.asarray(cv2.Sobel(self.even, cv2.CV_32F, 0, 1), np.float32)) + np.float32(1e-3)
        self.edges_down = np.abs(np.asarray(cv2.Sobel(self.even, cv2.CV_32F, 1, 0), np.float32)) + np.float32(1e-3)


class _Watched:
    """One stretch of following: its reference crop and the crop before."""

    def __init__(self, reference: Crop, stretch: int, *, previous: Float32[np.ndarray, "112 112"] | None) -> None:
        self.reference = _Reference(reference)
        self.stretch = stretch
        self.previous = previous
        self.misfits = 0

    def measure(self, crop: Crop) -> dict[str, float]:
        """All columns but those of place."""
        even = _even_light(crop)
        smile, smiling_eyes = smile_and_eyes(crop)
        row = {"stretch": float(self.stretch), "smile": smile, "smiling_eyes": smiling_eyes}
        row |= _face_motion(self.reference, even)
        row |= _change_since(self.previous, even)
        row |= {"mouth_dark": _darkness(crop), "sharpness": _sharpness(crop), "brightness": float(crop.mean()) / 255.0}
        self.misfits = self.misfits + 1 if row["fit"] < _LEAST_FIT else 0
        self.previous = even
        return row


def _even_light(crop: Crop) -> Float32[np.ndarray, "112 112"]:
    """The crop with a slowly varying light taken out and its contrast set to 1."""
    values = crop.astype(np.float32)
    values -= cv2.blur(values, (75, 75), borderType=cv2.BORDER_REFLECT)
    return values / np.float32(max(4.0, float(values.std())))


@cache
def _dense_flow() -> cv2.DISOpticalFlow:
    # Full resolution matters, a raised brow moves by a few pixels: r = 0.61 with rendered AU1+2, against 0.48 at half.
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    flow.setFinestScale(0)
    flow.setVariationalRefinementIterations(2)
    return flow


def _as_picture(even: Float32[np.ndarray, "112 112"]) -> Crop:
    return np.clip(128.0 + 45.0 * even, 0.0, 255.0).astype(np.uint8)


_MOTIONS: Final = ("lip_corner_rise", "cheek_rise", "brow_rise", "inner_brow_rise", "brow_gather", "chin_drop")


def _face_motion(reference: _Reference, even: Float32[np.ndarray, "112 112"]) -> dict[str, float]:
    """The columns that compare with the reference; NaN where the two pictures do not fit each other."""
    still = np.zeros((CROP_PIXELS, CROP_PIXELS, 2), np.float32)
    flow = np.asarray(_dense_flow().calc(reference.picture, _as_picture(even), still), np.float32)
    grid_x, grid_y = _grid()
    warped = cv2.remap(even, grid_x + flow[..., 0], grid_y + flow[..., 1], cv2.INTER_LINEAR)
    fit = _correlation(reference.even, np.asarray(warped, np.float32))
    if fit < _LEAST_FIT:
        return {"fit": fit, **dict.fromkeys(_MOTIONS, float("nan"))}
    own = _without_head_motion(flow) / np.float32(EYE_DISTANCE * CROP_PIXELS)
    across, down = own[..., 0], own[..., 1]
    left, right = ((region,) for region in INNER_BROWS)
    values = (
        -_mean(down, LIP_CORNERS, reference.edges_across),
        -_mean(down, CHEEKS, reference.edges_across),
        -_mean(down, BROWS, reference.edges_across),
        -_mean(down, INNER_BROWS, reference.edges_across),
        _mean(across, left, reference.edges_down) - _mean(across, right, reference.edges_down),
        _mean(down, CHIN, reference.edges_across),
    )
    return {"fit": fit, **dict(zip(_MOTIONS, values, strict=True))}


@cache
def _grid() -> tuple[Float32[np.ndarray, "112 112"], Float32[np.ndarray, "112 112"]]:
    ys, xs = np.mgrid[0:CROP_PIXELS, 0:CROP_PIXELS].astype(np.float32)
    return xs, ys


@cache
def _mask(regions: tuple[Region, ...]) -> Bool[np.ndarray, "112 112"]:
    xs, ys = ((axis + 0.5) / CROP_PIXELS for axis in _grid())
    inside = np.zeros(xs.shape, np.bool_)
    for left, top, right, bottom in regions:
        inside |= (xs >= left) & (xs < right) & (ys >= top) & (ys < bottom)
    return inside


def _mean(
    values: Float32[np.ndarray, "112 112"],
    regions: tuple[Region, ...],
    weights: Float32[np.ndarray, "112 112"] | None = None,
) -> float:
    mask = _mask(regions)
    if weights is None:
        return float(values[mask].mean())
    return float((values[mask] * weights[mask]).sum() / weights[mask].sum())


@cache
def _head_basis() -> tuple[Float32[np.ndarray, "point 3"], Float32[np.ndarray, "112 112 3"]]:
    """Position terms (1, x, y) of an affine map: at the steady points, every third one, and everywhere."""
    xs, ys = _grid()
    terms = np.stack([np.ones_like(xs), xs / CROP_PIXELS - 0.5, ys / CROP_PIXELS - 0.5], axis=-1)
    return terms[_mask(STEADY)][::3], terms


def _without_head_motion(flow: Float32[np.ndarray, "112 112 2"]) -> Float32[np.ndarray, "112 112 2"]:
    """The flow less an affine map fitted to its steady points (three rounds of reweighted least squares)."""
    terms, everywhere = _head_basis()
    moved = flow[_mask(STEADY)][::3]
    weights = np.ones(len(moved), np.float32)
    for _ in range(3):
        weighted = terms * weights[:, None]
        head = np.linalg.solve(weighted.T @ terms + np.float32(1e-3) * np.eye(3, dtype=np.float32), weighted.T @ moved)
        error = np.hypot(*(moved - terms @ head).T)
        weights = 1.0 / (1.0 + (error / 0.7) ** 2)
    return np.asarray(flow - everywhere @ head, np.float32)


def _correlation(a: Float32[np.ndarray, "112 112"], b: Float32[np.ndarray, "112 112"]) -> float:
    inner = np.s_[12:-12, 12:-12]
    x, y = a[inner] - a[inner].mean(), b[inner] - b[inner].mean()
    return float((x * y).sum() / np.sqrt(float((x * x).sum()) * float((y * y).sum()) + 1e-9))


def _change_since(
    previous: Float32[np.ndarray, "112 112"] | None, even: Float32[np.ndarray, "112 112"]
) -> dict[str, float]:
    if previous is None:
        return {"mouth_motion": float("nan"), "eye_motion": float("nan")}
    change = np.abs(cv2.blur(even, (3, 3)) - cv2.blur(previous, (3, 3)))
    elsewhere = _mean(change, CHEEKS)
    return {
        "mouth_motion": max(0.0, _mean(change, MOUTH) - elsewhere),
        "eye_motion": max(0.0, _mean(change, EYES) - elsewhere),
    }


def _darkness(crop: Crop) -> float:
    """Share of the inner mouth region that is darker than half the cheeks."""
    skin = float(np.median(crop[_mask(CHEEKS)]))
    return float((crop[_mask(INNER_MOUTH)] < 0.5 * skin).mean())


def _sharpness(crop: Crop) -> float:
    detail = cv2.Laplacian(crop, cv2.CV_32F)
    return min(1.0, float(np.std(detail)) / (2.0 * max(4.0, float(np.std(crop)))))
