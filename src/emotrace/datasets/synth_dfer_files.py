"""The packed files of SynthDFER, each read whole and once, and checked before anything is believed. No pickles."""

from __future__ import annotations

import gzip
import json
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float32, Int8, Int64, UInt8

from emotrace.datasets.tables import read_rows
from emotrace.errors import CorpusNotFound, DamagedCorpus

Quality = Literal["oracle", "noisy"]
SentenceKind = Literal["affect", "identity", "clothing", "scene", "camera", "light", "talk"]
FINE_GRID = 28
"""Rows and columns of the truth per frame: cells of 4 px."""
_META_SHAPES: dict[str, tuple[str | int, ...]] = {
    "id": ("clip",),
    "class_names": ("class",),
    "au_names": ("au",),
    "label": ("clip",),
    "identity": ("clip",),
    "apex": ("clip",),
    "onset": ("clip",),
    "offset": ("clip",),
    "static": ("clip",),
    "talking": ("clip",),
    "au": ("clip", "frame", "au"),
    "au_class": ("clip", "au"),
    "pose": ("clip", "frame", 3),
    "relevance": ("clip", 14, 14),
    "expr_motion": ("clip", 14, 14),
    "other_motion": ("clip", 14, 14),
}
_FRAME_SHAPES: dict[str, tuple[str | int, ...]] = {"blob": ("byte",), "offset": ("edge",), "id": ("clip",)}
_TRUTH_SHAPES: dict[str, tuple[str | int, ...]] = {
    "id": ("clip",),
    "flow_step": (),
    "relevant_bits": ("clip", "relevant byte"),
    "au_relevant_bits": ("clip", "au byte"),
    "expression_flow_q": ("clip", "frame", FINE_GRID, FINE_GRID, 2),
    "total_flow_q": ("clip", "frame", FINE_GRID, FINE_GRID, 2),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class TimedSentence:
    """One sentence about a clip, with the frames that it speaks of."""

    text: str
    start_frame: int
    end_frame: int
    """The last frame, included."""
    kind: SentenceKind
    """`affect` for what the expression does; head movements and blinks are `scene`."""
    action_unit: str | None


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class PairedTruth:
    """What moves in each frame of one clip, on cells of 4 px, and why."""

    relevant: Bool[np.ndarray, "frame 28 28"]
    """Where the expression displaces a cell by half a pixel, or changes its brightness by 4/255."""
    au_relevant: Bool[np.ndarray, "frame au 28 28"]
    """Where one action unit alone displaces a cell by half a pixel."""
    expression_flow: Float32[np.ndarray, "frame 28 28 2"]
    """Pixels per frame by the expression: x to the right, y down; 0 in the first frame."""
    total_flow: Float32[np.ndarray, "frame 28 28 2"]
    """Pixels per frame by everything."""


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Strips:
    """Every clip of a split as it is stored: one picture with its frames stacked downwards."""

    blob: UInt8[np.ndarray, " byte"]
    edges: Int64[np.ndarray, " edge"]
    where: Path

    def frames(self, place: int, length: int) -> UInt8[np.ndarray, "frame height width"]:
        """The frames of one clip, decoded.

        Raises:
            DamagedCorpus: No picture, or not of `length` square frames.
        """
        import cv2

        data = self.blob[self.edges[place] : self.edges[place + 1]]
        strip = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE) if len(data) else None
        if strip is None:
            raise DamagedCorpus(f"the frames of clip {place} cannot be decoded", where=self.where)
        if strip.shape[0] != length * strip.shape[1]:
            raise DamagedCorpus(
                f"the strip of clip {place} is {strip.shape[1]} x {strip.shape[0]} px, not {length} square frames",
                where=self.where,
            )
        return strip.reshape(length, strip.shape[1], strip.shape[1])


@dataclass(frozen=True, kw_only=True, eq=False, slots=True)
class Truth:
    """The truth per frame of every clip, packed; unpacked a clip at a time, since all of it takes some 800 MB."""

    flow_step: float
    relevant_bits: UInt8[np.ndarray, "clip relevant_byte"]
    au_relevant_bits: UInt8[np.ndarray, "clip au_byte"]
    expression_flow_q: Int8[np.ndarray, "clip frame 28 28 2"]
    total_flow_q: Int8[np.ndarray, "clip frame 28 28 2"]

    def of(self, place: int, *, action_units: int) -> PairedTruth:
        """One clip's truth."""
        frames = self.total_flow_q.shape[1]
        return PairedTruth(
            relevant=_unpacked(self.relevant_bits[place], (frames, FINE_GRID, FINE_GRID)),
            au_relevant=_unpacked(self.au_relevant_bits[place], (frames, action_units, FINE_GRID, FINE_GRID)),
            expression_flow=self.expression_flow_q[place].astype(np.float32) * np.float32(self.flow_step),
            total_flow=self.total_flow_q[place].astype(np.float32) * np.float32(self.flow_step),
        )


def read_meta(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a meta file.

    Raises:
        CorpusNotFound, DamagedCorpus: Absent; not such a file, or its arrays do not fit together.
    """
    return _read_npz(path, _META_SHAPES)


def read_frames(path: Path, ids: Sequence[str]) -> Strips:
    """The stored clips of a split, which must be those of `ids` in their order.

    Raises:
        CorpusNotFound, DamagedCorpus: As for `read_meta`, or other clips.
    """
    arrays = _read_npz(path, _FRAME_SHAPES)
    _check_ids(path, arrays["id"], ids)
    blob, edges = arrays["blob"], arrays["offset"].astype(np.int64)
    if blob.dtype != np.uint8 or len(edges) != len(ids) + 1 or edges[0] != 0 or edges[-1] != len(blob):
        raise DamagedCorpus(
            f"its {len(edges)} offsets do not cut {len(blob)} values of {blob.dtype} into {len(ids)} clips",
            where=path,
        )
    if (np.diff(edges) < 0).any():
        raise DamagedCorpus("its offsets go back", where=path)
    return Strips(blob=blob, edges=edges, where=path)


def read_truth(path: Path, ids: Sequence[str], *, frames: int, action_units: int) -> Truth:
    """The truth per frame, which must be of `ids` in their order.

    Raises:
        CorpusNotFound, DamagedCorpus: As for `read_frames`.
    """
    arrays = _read_npz(path, _TRUTH_SHAPES)
    _check_ids(path, arrays.pop("id"), ids)
    sizes = {
        "relevant_bits": -(-frames * FINE_GRID**2 // 8),
        "au_relevant_bits": -(-frames * action_units * FINE_GRID**2 // 8),
        "expression_flow_q": frames,
    }
    wrong = [name for name, size in sizes.items() if arrays[name].shape[1] != size]
    if wrong:
        raise DamagedCorpus(
            f"{', '.join(wrong)} are not of {frames} frames and {action_units} action units", where=path
        )
    return Truth(flow_step=float(arrays.pop("flow_step")), **arrays)


def read_sentences(path: Path, ids: Sequence[str]) -> dict[Quality, tuple[tuple[TimedSentence, ...], ...]]:
    """Quality -> the timed sentences of each clip, in the order of `ids`.

    Raises:
        CorpusNotFound, DamagedCorpus: Absent; not such lines, or a clip without.
    """
    if not path.is_file():
        raise _absent(path)
    found: dict[tuple[str, str], tuple[TimedSentence, ...]] = {}
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                found[row["quality"], row["clip_id"]] = tuple(_sentence(each) for each in row["sentences"])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise DamagedCorpus(f"not lines of timed sentences ({type(error).__name__}: {error})", where=path) from None
    lacking = [f"{clip} ({quality})" for quality in get_args(Quality) for clip in ids if (quality, clip) not in found]
    if lacking:
        raise DamagedCorpus(f"{len(lacking)} clips without sentences, the first {lacking[0]}", where=path)
    return {quality: tuple(found[quality, clip] for clip in ids) for quality in get_args(Quality)}


def read_table(path: Path, *, needed: Sequence[str]) -> dict[str, dict[str, str]]:
    """Id -> its row of `clips.csv`.

    Raises:
        CorpusNotFound: Absent.
        UnreadableTable: Not CSV, or without a needed column.
        DamagedCorpus: An id stands twice.
    """
    columns = ("id", "split", "scene", "condition", "label_name", *needed)
    rows = list(read_rows(path, *columns))
    table = {row["id"]: row for row in rows}
    if len(table) != len(rows):
        raise DamagedCorpus(f"{len(rows) - len(table)} ids stand twice", where=path)
    return table


def _read_npz(path: Path, shapes: Mapping[str, tuple[str | int, ...]]) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise _absent(path)
    try:
        with path.open("rb") as stream:
            file = np.load(stream, allow_pickle=False)
            names = getattr(file, "files", ())  # a lone array has none
            arrays = {name: file[name] for name in shapes if name in names}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile, zlib.error) as error:
        raise DamagedCorpus(f"not a plain npz file ({error})", where=path, hint="Fetch it again") from None
    absent = [name for name in shapes if name not in arrays]
    if absent:
        raise DamagedCorpus(f"it lacks {', '.join(absent)}", where=path)
    _check_shapes(path, arrays, shapes)
    return arrays


def _check_shapes(path: Path, arrays: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[str | int, ...]]) -> None:
    """Every array has its shape, and what one name stands for has one size in all of them."""
    sizes: dict[str, int] = {}
    for name, axes in shapes.items():
        shape = arrays[name].shape
        fits = len(shape) == len(axes) and all(
            size == (axis if isinstance(axis, int) else sizes.setdefault(axis, size))
            for size, axis in zip(shape, axes, strict=True)
        )
        if not fits:
            wanted = ", ".join(str(sizes.get(axis, axis) if isinstance(axis, str) else axis) for axis in axes)
            raise DamagedCorpus(f"{name} has the shape {shape}, not ({wanted})", where=path)


def _check_ids(path: Path, found: np.ndarray, ids: Sequence[str]) -> None:
    if tuple(map(str, found)) != tuple(ids):
        raise DamagedCorpus(
            f"its {len(found)} ids are not the {len(ids)} of the meta file in their order",
            where=path,
            hint="Files of two versions must not be mixed",
        )


def _sentence(row: Any) -> TimedSentence:
    if row["kind"] not in get_args(SentenceKind):
        raise ValueError(f"no kind of sentence is called {row['kind']!r}")
    return TimedSentence(
        text=str(row["text"]),
        start_frame=int(row["start_frame"]),
        end_frame=int(row["end_frame"]),
        kind=row["kind"],
        action_unit=row["action_unit"],
    )


def _unpacked(bits: UInt8[np.ndarray, " byte"], shape: tuple[int, ...]) -> Bool[np.ndarray, ...]:
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(bool)


def _absent(path: Path) -> CorpusNotFound:
    return CorpusNotFound("this file of synth_dfer is not there", where=path, hint="Unpack the set as a whole")
