"""Face detectors: picture -> `Detection`s, behind one method.

`OpenCVDetector` needs nothing but OpenCV's own cascades. `YuNetDetector` needs one weights file (`emotrace pull
yunet`), is faster and finds more turned, tilted and partly hidden faces. Both answer with the same kind of square, so
that whatever comes after does not care who found the face.

Sources: Viola & Jones 2001, Lienhart & Maydt 2002 (cascades); Wu, Peng & Yu 2023 (YuNet).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

import cv2
import numpy as np
from jaxtyping import Float64, UInt8

from emotrace.errors import UsageError
from emotrace.models import is_here, resolve, verify

Picture = UInt8[np.ndarray, "height width 3"]
Grey = UInt8[np.ndarray, "height width"]

EYE_DISTANCE: Final = 0.32
"""Distance between the pupils as a share of a detection's side [ours]: the chin stays inside the square."""
EYE_LINE: Final = 0.36
"""Height of the eye line as a share of a detection's side, from its top [ours]."""

# How each detector's box sits on the face, in eye distances: (side of the box, eyes above the box's middle).
# Medians over the 80 neutral portraits of the Face Research Lab London Set, whose pupils are marked by hand.
_FRONTAL_FIT: Final = (2.53, 0.27)
_PROFILE_FIT: Final = (2.53, 0.27)
_YUNET_FIT: Final = (2.22, 0.35)


@dataclass(frozen=True, kw_only=True)
class Detection:
    """A square around one face, in pixels of the picture it was found in.

    The eyes lie on a line `EYE_LINE` of the side below the top, `EYE_DISTANCE` of the side apart when seen from the
    front. The square may reach over the picture's edge.
    """

    x: float
    y: float
    width: float
    height: float
    score: float
    """0..1, comparable within one detector only: how surely this is a face."""

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the square: x, y in pixels."""
        return self.x + 0.5 * self.width, self.y + 0.5 * self.height

    def overlap(self, other: Detection) -> float:
        """Intersection over union of the two squares, 0..1."""
        wide = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        high = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        shared = max(0.0, wide) * max(0.0, high)
        return shared / (self.width * self.height + other.width * other.height - shared)

    def moved(self, *, scale: float, x: float, y: float) -> Detection:
        """The same square in a picture `scale` times as large, whose origin lies `x`, `y` pixels up and left."""
        return Detection(
            x=self.x * scale + x,
            y=self.y * scale + y,
            width=self.width * scale,
            height=self.height * scale,
            score=self.score,
        )


@runtime_checkable
class FaceDetector(Protocol):
    """Finds faces in one picture."""

    name: str
    """As on the command line; also that of its weights, if it has any."""

    def detect(self, image: Picture) -> tuple[Detection, ...]:
        """The faces of an upright RGB picture, surest first; no two overlap by more than `MAX_OVERLAP`."""
        ...


MAX_OVERLAP: Final = 0.35


def _square(eyes_x: float, eyes_y: float, eye_distance: float, score: float) -> Detection:
    """The square whose eye line has its middle at `eyes_x`, `eyes_y`."""
    side = eye_distance / EYE_DISTANCE
    return Detection(x=eyes_x - 0.5 * side, y=eyes_y - EYE_LINE * side, width=side, height=side, score=score)


def suppress_overlaps(detections: Iterable[Detection]) -> tuple[Detection, ...]:
    """Non-maximum suppression: surest first, without those that overlap a surer one, or lie inside it."""
    kept: list[Detection] = []
    for candidate in sorted(detections, key=lambda d: (-d.score, d.x, d.y, d.width)):
        if all(candidate.overlap(other) <= MAX_OVERLAP and not _is_inside(candidate, other) for other in kept):
            kept.append(candidate)
    return tuple(kept)


def _is_inside(small: Detection, large: Detection) -> bool:
    x, y = small.center
    return large.x <= x <= large.x + large.width and large.y <= y <= large.y + large.height


def _grey(image: Picture, longest: int) -> tuple[UInt8[np.ndarray, "less_high less_wide"], float]:
    """Equalised grey copy, at most `longest` pixels on its longer side, and original pixels per pixel of it."""
    shrink = max(1.0, max(image.shape[:2]) / longest)
    size = (max(1, round(image.shape[1] / shrink)), max(1, round(image.shape[0] / shrink)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if shrink > 1.0 else image
    return np.asarray(cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)), np.uint8), shrink


@cache
def _cascade(name: str) -> cv2.CascadeClassifier:
    return cv2.CascadeClassifier(str(Path(cv2.__file__).with_name("data") / f"haarcascade_{name}.xml"))


class OpenCVDetector:
    """The zero-download detector: OpenCV's frontal and profile cascades at reduced size.

    A candidate of one frontal cascade (`alt2`) is looked at again by another (`default`), and the number of windows on
    which the two agree is its score: on real clips most true faces had 14 and more, false ones at most 6. Profiles, and
    heads tilted by 25 degrees, are searched only where no sure frontal face was found, because each costs as much
    again.

    Args:
        longest: The picture is shrunk to this many pixels on its longer side first. The smallest face found is 22
            pixels wide after that.
    """

    name = "opencv"
    SURE = 0.6
    """Score from which a frontal face makes the search for other poses unnecessary."""

    def __init__(self, *, longest: int = 320) -> None:
        self.longest = longest

    def detect(self, image: Picture) -> tuple[Detection, ...]:
        """See `FaceDetector.detect`."""
        grey, shrink = _grey(image, self.longest)
        found = _frontal(grey)
        if not any(detection.score >= self.SURE for detection in found):
            found += _profile(grey)
        if not any(detection.score >= self.SURE for detection in found):
            found += [detection for degrees in (-25.0, 25.0) for detection in _tilted(grey, degrees)]
        return suppress_overlaps(detection.moved(scale=shrink, x=0.0, y=0.0) for detection in found)


_SMALLEST: Final = 22
_EDGE: Final = 0.1


def _frontal(grey: Grey) -> list[Detection]:
    """Frontal faces; the picture gets a mirrored rim, so that a close-up which touches its edge is found too."""
    rim = round(_EDGE * min(grey.shape))
    padded = cv2.copyMakeBorder(grey, rim, rim, rim, rim, cv2.BORDER_REFLECT_101)
    boxes, counts = _windows("frontalface_alt2", padded, smallest=_SMALLEST, largest=min(padded.shape), neighbours=2)
    found = []
    for (x, y, side), count in zip(boxes, counts, strict=True):
        agreeing = count + _second_opinion(padded, x, y, side)
        side_in_eyes, eyes_above = _FRONTAL_FIT
        eye_distance = side / side_in_eyes
        center_x, center_y = x + 0.5 * side - rim, y + 0.5 * side - rim
        score = 1.0 - float(np.exp(-agreeing / 12.0))
        found.append(_square(center_x, center_y - eyes_above * eye_distance, eye_distance, score))
    return found


def _second_opinion(grey: Grey, x: float, y: float, side: float) -> float:
    """How many windows of the other frontal cascade find a face of about this size at this place."""
    rim = round(0.25 * side)
    left, top = max(0, round(x) - rim), max(0, round(y) - rim)
    patch = grey[top : round(y + side) + rim, left : round(x + side) + rim]
    scale = 72.0 / max(patch.shape)
    size = (max(24, round(patch.shape[1] * scale)), max(24, round(patch.shape[0] * scale)))
    patch = np.asarray(cv2.resize(patch, size, interpolation=cv2.INTER_AREA), np.uint8)
    smallest, largest = round(0.7 * side * scale), round(1.35 * side * scale)
    _, counts = _windows("frontalface_default", patch, smallest=smallest, largest=largest, neighbours=1, scale_step=1.1)
    return float(max(counts, default=0.0))


_SIDELONG: Final = 1.5
"""Poses other than the frontal one are searched on a copy that is smaller by this: each search costs as much again."""


def _smaller(grey: Grey) -> UInt8[np.ndarray, "less_high less_wide"]:
    """A copy, smaller by `_SIDELONG`."""
    size = (max(24, round(grey.shape[1] / _SIDELONG)), max(24, round(grey.shape[0] / _SIDELONG)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.uint8)


def _profile(grey: Grey) -> list[Detection]:
    """Faces seen from either side, on a smaller copy."""
    small = _smaller(grey)
    side_in_eyes, eyes_above = _PROFILE_FIT
    found = []
    for mirrored in (False, True):
        view = np.asarray(cv2.flip(small, 1), np.uint8) if mirrored else small
        boxes, counts = _windows("profileface", view, smallest=_SMALLEST, largest=min(view.shape), neighbours=3)
        for (x, y, side), count in zip(boxes, counts, strict=True):
            center_x = x + 0.5 * side
            center_x = view.shape[1] - center_x if mirrored else center_x
            eye_distance = side / side_in_eyes
            square = _square(center_x, y + 0.5 * side - eyes_above * eye_distance, eye_distance, 0.0)
            score = 0.85 * (1.0 - float(np.exp(-count / 10.0)))
            found.append(Detection(x=square.x, y=square.y, width=square.width, height=square.height, score=score))
    return [detection.moved(scale=_SIDELONG, x=0.0, y=0.0) for detection in found]


def _tilted(grey: Grey, degrees: float) -> list[Detection]:
    """Frontal faces of a smaller copy turned by `degrees`, put back to where they are in the picture as it is."""
    small = _smaller(grey)
    height, width = small.shape
    turn = cv2.getRotationMatrix2D((0.5 * width, 0.5 * height), degrees, 1.0)
    turned = cv2.warpAffine(small, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    back = np.asarray(cv2.invertAffineTransform(turn), np.float64)
    found = []
    for detection in _frontal(np.asarray(turned, np.uint8)):
        x, y = back @ np.array([*detection.center, 1.0])
        side = detection.width
        found.append(
            Detection(
                x=float(x) - 0.5 * side, y=float(y) - 0.5 * side, width=side, height=side, score=0.9 * detection.score
            )
        )
    return [detection.moved(scale=_SIDELONG, x=0.0, y=0.0) for detection in found]


def _windows(
    cascade: str, grey: Grey, *, smallest: int, largest: int, neighbours: int, scale_step: float = 1.2
) -> tuple[list[tuple[float, float, float]], list[float]]:
    """The cascade's squares as (x, y, side), each with the number of windows that agreed on it."""
    if min(grey.shape) < smallest or largest < smallest:
        return [], []
    boxes, counts = _cascade(cascade).detectMultiScale2(
        grey, scale_step, neighbours, 0, (smallest, smallest), (largest, largest)
    )
    sides = [(float(x), float(y), float(side)) for x, y, side, _ in np.reshape(boxes, (-1, 4))]
    return sides, [float(count) for count in np.ravel(counts)]


class YuNetDetector:
    """YuNet, a small convolutional detector (MIT licence), run by OpenCV.

    Args:
        path: The ONNX file; its SHA-256 must be the pinned one. None: the file that `emotrace pull yunet` fetched.
        longest: The picture is shrunk to this many pixels on its longer side first.
        threshold: Lowest score that counts as a face.

    Raises:
        ModelNotFound: The file is not there.
        ChecksumMismatch: It is another file.
    """

    name = "yunet"

    def __init__(self, path: str | Path | None = None, *, longest: int = 480, threshold: float = 0.7) -> None:
        file = resolve("yunet") if path is None else verify(path, name="yunet")
        self.longest = longest
        self._network = cv2.FaceDetectorYN.create(str(file), "", (320, 320), threshold, 0.3, 500)

    def detect(self, image: Picture) -> tuple[Detection, ...]:
        """See `FaceDetector.detect`."""
        shrink = max(1.0, max(image.shape[:2]) / self.longest)
        size = (max(1, round(image.shape[1] / shrink)), max(1, round(image.shape[0] / shrink)))
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if shrink > 1.0 else image
        self._network.setInputSize(size)
        _, rows = self._network.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        rows = np.zeros((0, 15)) if rows is None else np.asarray(rows, np.float64)
        return suppress_overlaps(_from_yunet(row).moved(scale=shrink, x=0.0, y=0.0) for row in rows)


def _from_yunet(row: Float64[np.ndarray, " 15"]) -> Detection:
    """The square of one YuNet row: box, five landmarks, score."""
    x, y, width, height = row[:4].tolist()
    side_in_eyes, eyes_above = _YUNET_FIT
    # The box's height is less bound to the pose than its width: a turned head is narrow but no shorter.
    eye_distance = max(width, 0.74 * height) / side_in_eyes
    return _square(
        x + 0.5 * width, y + 0.5 * height - eyes_above * eye_distance, eye_distance, min(1.0, float(row[14]))
    )


def detector(name: str = "auto", path: str | Path | None = None) -> FaceDetector:
    """The detector of that name.

    Args:
        name: `opencv`, `yunet`, or `auto`: yunet where its weights are given or were pulled, else opencv.
        path: Weights file, for a detector that has one; None for the file that `emotrace pull` fetched.

    Raises:
        UsageError: No such detector, or a weights file for one that takes none.
        ModelNotFound: The weights are not on this machine.
        ChecksumMismatch: The file is not the pinned one.
    """
    if name == "yunet" or (name == "auto" and (path is not None or is_here("yunet"))):
        return YuNetDetector(path)
    if name not in ("auto", "opencv"):
        raise UsageError(f"no face detector is called {name!r}", where="detector", hint="Choose auto, opencv or yunet")
    if path is not None:
        raise UsageError("the opencv detector takes no weights file", where=str(path), hint="Leave the file out")
    return OpenCVDetector()
