"""Turning stored pictures upright: the display matrix of a video, the Exif orientation of a photograph."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
from jaxtyping import Float64, UInt8

if TYPE_CHECKING:
    from av.buffer import Buffer
    from av.video.frame import VideoFrame

_EXIF_MATRICES = {
    2: ((-1, 0), (0, 1)),
    4: ((1, 0), (0, -1)),
    5: ((0, 1), (1, 0)),
    7: ((0, -1), (-1, 0)),
}
"""Mirrored Exif orientations (Exif 3.0, tag 274); FFmpeg's angle tells the others."""


def display_matrix(frame: VideoFrame, head: bytes = b"") -> Float64[np.ndarray, "2 2"]:
    """The turn that shows a frame upright: `(x', y') = (x, y) @ matrix`, y pointing down.

    Args:
        frame: The decoded frame.
        head: The first bytes of its file, where that is a photograph that may carry Exif data.
    """
    try:
        side_data = cast("Mapping[str, Buffer]", frame.side_data)
    except ValueError:
        # PyAV cannot list the side data of a picture with Exif data, but it still knows the angle.
        if (mirrored := _EXIF_MATRICES.get(_exif_orientation(head))) is not None:
            return np.array(mirrored, dtype=np.float64)
        angle = math.radians(frame.rotation)
        return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    if "DISPLAYMATRIX" not in side_data:
        return np.eye(2)
    stored = bytes(side_data["DISPLAYMATRIX"])
    return np.frombuffer(stored, dtype=np.int32).reshape(3, 3)[:2, :2].astype(np.float64)


def upright(
    image: UInt8[np.ndarray, "height width 3"], matrix: Float64[np.ndarray, "2 2"]
) -> UInt8[np.ndarray, "shown_height shown_width 3"]:
    """The picture as it is meant to be seen; a turn between two right angles goes to the nearer one."""
    (a, b), (c, d) = matrix
    if abs(a) + abs(d) >= abs(b) + abs(c):
        flip_x, flip_y = a < 0, d < 0
    else:
        image = image.transpose(1, 0, 2)
        flip_x, flip_y = c < 0, b < 0
    return np.ascontiguousarray(image[:: -1 if flip_y else 1, :: -1 if flip_x else 1])


def _exif_orientation(head: bytes) -> int:
    """The orientation tag of the first Exif block, 1 where there is none: a walk over the entries of a TIFF header."""
    start = head.find(b"Exif\0\0", 0, 1 << 16) + 6
    if start < 6 or head[start : start + 2] not in (b"II", b"MM"):
        return 1
    little_endian = head[start : start + 2] == b"II"

    def number(at: int, size: int) -> int:
        return int.from_bytes(head[start + at : start + at + size], "little" if little_endian else "big")

    directory = number(4, 4)
    for entry in range(min(number(directory, 2), 64)):
        at = directory + 2 + 12 * entry
        if number(at, 2) == 274:
            return number(at + 8, 2)
    return 1
