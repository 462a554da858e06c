"""One file per feature set, mapped into memory: names, rows, and the hash of the files it was made from.

A safetensors file with `rows` [row dim], `starts` [clip + 1] (clip i owns rows starts[i] to starts[i+1]; an absent clip
owns none) and the metadata `emotrace`: JSON with names, set, level and source hash. Opening five thousand small files
takes longer than an epoch; opening this one takes none.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from emotrace.datasets.mertools_features import (
    FrameFeatures,
    Level,
    Rows,
    UtteranceFeatures,
    read_frames,
    read_utterances,
    source_hash,
)
from emotrace.errors import DuplicateName, InvalidFeatures, MissingExtra, first_five
from emotrace.files import write_atomically

SCHEMA: Final = "emotrace.packed/1"


def pack(
    folder: str | Path, names: Sequence[str], out: str | Path, *, level: Level = "utt", silent: Collection[str] = ()
) -> UtteranceFeatures | FrameFeatures:
    """Packs one feature set.

    Args:
        folder: Of one set in MERTools' layout.
        names: The clips, in the order of the packed rows.
        out: The file; the same files and names give the same bytes.
        level: One row per clip, or all of them.
        silent: Clips in which nothing is said; see `read_utterances`.

    Returns:
        What was packed.

    Raises:
        MissingExtra: safetensors is not installed.
        DuplicateName: A name stands twice.
        CorpusNotFound, InvalidFeatures: As `read_utterances`.
        UnwritableOutput: The file cannot be written.
    """
    save = _safetensors("save")
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if list(names).count(name) > 1})
        raise DuplicateName(f"names that stand twice: {first_five(twice)}", where="names")
    packed: UtteranceFeatures | FrameFeatures
    packed = read_utterances(folder, names, silent=silent) if level == "utt" else read_frames(folder, names)
    if isinstance(packed, UtteranceFeatures):
        rows, lengths = packed.rows[packed.present], packed.present.astype(np.int64)
    else:
        rows, lengths = np.concatenate(packed.rows), np.array([len(each) for each in packed.rows], np.int64)
    about = {
        "schema": SCHEMA,
        "set": packed.set_name,
        "level": level,
        "names": list(names),
        "source_sha256": source_hash(Path(folder), names),
    }
    starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    metadata = {"emotrace": json.dumps(about, ensure_ascii=False, separators=(",", ":"))}
    write_atomically(out, save({"rows": rows, "starts": starts}, metadata=metadata))
    return packed


class PackedFeatures:
    """A packed feature set; rows are read from the mapped file when they are asked for.

    Args:
        path: What `pack` wrote.

    Raises:
        MissingExtra: safetensors is not installed.
        InvalidFeatures: Absent, cut short, or not such a file.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        opened = _safetensors("safe_open")
        try:
            self._file = opened(str(path), "np")
            about = json.loads((self._file.metadata() or {})["emotrace"])
            self._starts = self._file.get_tensor("starts")
            self._rows = self._file.get_slice("rows")
            size, self.width = self._rows.get_shape()
        except (OSError, KeyError, ValueError, _safetensors("SafetensorError")) as error:
            raise InvalidFeatures(
                f"not a packed feature set ({error})", where=path, hint="Write it with `emotrace pack`"
            ) from None
        self.names = tuple(about["names"])
        self.set_name, self.level = str(about["set"]), str(about["level"])
        self.source_sha256 = str(about["source_sha256"])
        if about["schema"] != SCHEMA or len(self._starts) != len(self.names) + 1 or self._starts[-1] != size:
            raise InvalidFeatures("not a packed feature set of this release", where=path)
        self._place = {name: place for place, name in enumerate(self.names)}

    def frames(self, names: Sequence[str]) -> FrameFeatures:
        """All rows of clips by name; clips that the file does not know are missing."""
        rows = tuple(self._of(name) for name in names)
        present = np.array([len(each) > 0 for each in rows], bool)
        return FrameFeatures(
            set_name=self.set_name,
            names=tuple(names),
            rows=rows,
            present=present,
            missing=tuple(name for name, there in zip(names, present, strict=True) if not there),
        )

    def utterances(self, names: Sequence[str]) -> UtteranceFeatures:
        """One row per clip, the mean where there are several; clips that the file does not know are missing."""
        frames = self.frames(names)
        rows = np.zeros((len(names), self.width), np.float32)
        for place, each in enumerate(frames.rows):
            if len(each):
                rows[place] = each.mean(axis=0, dtype=np.float64)
        return UtteranceFeatures(
            set_name=self.set_name,
            names=frames.names,
            rows=rows,
            present=frames.present,
            missing=frames.missing,
            silent=(),
        )

    def _of(self, name: str) -> Rows:
        place = self._place.get(name)
        first, end = (0, 0) if place is None else self._starts[place : place + 2].tolist()
        if first == end:  # the library refuses a slice without rows
            return np.zeros((0, self.width), np.float32)
        rows: Rows = self._rows[first:end]
        return rows


def _safetensors(name: str) -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ImportError:
        raise MissingExtra("packed features", extra="train") from None
    return safetensors.numpy.save if name == "save" else getattr(safetensors, name)
