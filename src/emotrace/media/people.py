"""Which stretches of following show the same person, judged by looks alone, within one clip.

[ours] A `Look` is the mean of two plain descriptors: how the gradient histograms of the aligned face differ from the
average face's, and the colours of face, hair and clothes around it. Tracklets are joined only where both together say
so, and never where they are on screen together. When in doubt they stay apart: a person split in two is a lesser fault
than two persons made one. No model of identity is used, and nothing here outlives the clip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.media.align import FIT_PIXELS, Pose, gradient_histograms, mean_face
from emotrace.span import Span

MAX_FACE_DISTANCE: Final = 0.5
MAX_COLOUR_DISTANCE: Final = 0.12
MAX_SAMPLES: Final = 40
_GRID: Final = 8


class Look:
    """Running mean of what a face and its surroundings look like, over its first `MAX_SAMPLES` sightings."""

    def __init__(self) -> None:
        self.samples = 0
        self._face: Float32[np.ndarray, " feature"] | None = None
        self._colours: Float32[np.ndarray, " feature"] | None = None

    def add(self, image: UInt8[np.ndarray, "height width 3"], pose: Pose, crop: UInt8[np.ndarray, "112 112"]) -> None:
        """Takes one sighting in."""
        if self.samples >= MAX_SAMPLES:
            return
        small = np.asarray(cv2.resize(crop, (FIT_PIXELS, FIT_PIXELS), interpolation=cv2.INTER_AREA), np.uint8)
        face = (gradient_histograms(small) - mean_face())[:, 1:6].reshape(-1)
        colours = _colours_around(image, pose)
        self.samples += 1
        if self._face is None or self._colours is None:
            self._face, self._colours = face.copy(), colours
        else:
            self._face = self._face + (face - self._face) / np.float32(self.samples)
            self._colours = self._colours + (colours - self._colours) / np.float32(self.samples)

    def distances(self, other: Look) -> tuple[float, float]:
        """How far two looks are apart: cosine distance of faces, root mean square difference of colours (0..1)."""
        if self._face is None or other._face is None or self._colours is None or other._colours is None:
            return 1.0, 1.0
        a, b = self._face, other._face
        face = 1.0 - float(a @ b / np.sqrt(max(float(a @ a) * float(b @ b), 1e-12)))
        colours = float(np.sqrt(np.mean((self._colours - other._colours) ** 2)))
        return face, colours

    def merged(self, other: Look) -> Look:
        """The mean of both, weighted by their sightings."""
        both = Look()
        both.samples = self.samples + other.samples
        share = np.float32(other.samples / max(1, both.samples))
        if self._face is None or self._colours is None or other._face is None or other._colours is None:
            known = self if self._face is not None else other
            both._face, both._colours = known._face, known._colours
            return both
        both._face = self._face + share * (other._face - self._face)
        both._colours = self._colours + share * (other._colours - self._colours)
        return both


def _colours_around(image: UInt8[np.ndarray, "height width 3"], pose: Pose) -> Float32[np.ndarray, " feature"]:
    """Colours, 0..1, of a coarse grid over face, hair and shoulders, the light's strength taken out in part."""
    around = pose.step(0.0, 0.1, float(np.log(1.7)), -pose.roll)
    coarse = cv2.resize(around.crop(image, 4 * _GRID), (_GRID, _GRID), interpolation=cv2.INTER_AREA)
    colours = np.asarray(coarse, np.float32) / np.float32(255.0)
    return np.asarray(colours[:, 1:-1] - 0.5 * (colours.mean() - 0.5), np.float32).reshape(-1)


def most_alike(look: Look, span: Span, persons: Sequence[tuple[Look, Sequence[Span]]]) -> int | None:
    """Index of the most alike person who is not on screen meanwhile; None where nobody is alike enough."""
    best, best_distance = None, 1.0
    for number, (known, spans) in enumerate(persons):
        if any((shared := span & other) and shared.duration_seconds > 0.0 for other in spans):
            continue
        face, colours = look.distances(known)
        distance = math.hypot(face / MAX_FACE_DISTANCE, colours / MAX_COLOUR_DISTANCE)
        if distance < best_distance:
            best, best_distance = number, distance
    return best


def join_tracklets(tracklets: Sequence[tuple[Look, Span]]) -> list[list[int]]:
    """Groups tracklets into persons; indices, in order of first appearance.

    Each tracklet goes to the most alike person who is not on screen with it, if that one is alike enough, else it
    begins a person of its own.
    """
    order = sorted(range(len(tracklets)), key=lambda i: (tracklets[i][1], i))
    persons: list[list[int]] = []
    looks: list[Look] = []
    for i in order:
        look, span = tracklets[i]
        spans = ([tracklets[j][1] for j in person] for person in persons)
        best = most_alike(look, span, list(zip(looks, spans, strict=True)))
        if best is None:
            persons.append([i])
            looks.append(look)
        else:
            persons[best].append(i)
            looks[best] = looks[best].merged(look)
    return persons
