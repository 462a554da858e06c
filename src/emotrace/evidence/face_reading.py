"""What the face head reads in the crops of tracked faces: collected some at a time, kept as compact rows.

A network is several times cheaper per crop in a batch; memory stays flat, since at most `BATCH` crops wait.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.heads.face import UNITS, FaceHead, FaceReading

BATCH: Final = 32
ROW: Final = len(UNITS) + 6
"""Units, then pitch, yaw and roll within the crop, eye and mouth opening, quality."""

Rows = Float32[np.ndarray, "row {ROW}"]


@cache
def face_head() -> FaceHead:
    """The shipped head, opened once."""
    return FaceHead()


class CropReader:
    """Reads crops as they come; the rows of a track are in the order in which its crops were fed.

    Args:
        head: The shipped face head by default.
    """

    def __init__(self, head: FaceHead | None = None) -> None:
        self._head = head or face_head()
        self._waiting: list[tuple[int, UInt8[np.ndarray, "112 112"]]] = []
        self._rows: dict[int, list[Float32[np.ndarray, " column"]]] = {}

    def feed(self, track_id: int, crop: UInt8[np.ndarray, "112 112"]) -> None:
        """Takes the next crop of a track."""
        self._waiting.append((track_id, crop))
        if len(self._waiting) == BATCH:
            self._read()

    def rows(self, track_id: int) -> Float32[np.ndarray, "row column"]:
        """One row of `ROW` numbers per crop of the track so far."""
        self._read()
        return np.array(self._rows.get(track_id, []), np.float32).reshape(-1, ROW)

    def forget(self, track_id: int, count: int) -> None:
        """Drops the first `count` rows of a track, and the track where none is left."""
        self._read()
        kept = self._rows.pop(track_id, [])[count:]
        if kept:
            self._rows[track_id] = kept

    def _read(self) -> None:
        if not self._waiting:
            return
        table = _table(self._head.read(np.stack([crop for _, crop in self._waiting])))
        for (track_id, _), row in zip(self._waiting, table, strict=True):
            self._rows.setdefault(track_id, []).append(row)
        self._waiting.clear()


def _table(read: FaceReading) -> Float32[np.ndarray, "crop column"]:
    columns = (read.units, read.pose_degrees, read.eye_opening[:, None], read.mouth_opening[:, None])
    return np.concatenate([*columns, read.quality[:, None]], axis=1)
