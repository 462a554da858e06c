"""SynthDFER: rendered faces whose action units, moving regions and irrelevant motion are known; read from packed files.

    frames_<split>.npz      one WebP strip per clip, its 16 grey frames stacked downwards; `blob`, `offset`, `id`
    meta_<split>.npz        per clip: label, identity, apex, onset, offset, action units, relevance on a 14 x 14 grid
    truth_paired.npz        per frame: what moves by the expression, by each action unit, and by how much
    clips.csv               scene, condition, length in seconds, five texts
    texts_<split>.jsonl.gz  sentences with their frames and what they speak of

`train` is long-tailed, `test` balanced; `paired` renders each of its scenes, with faces of `test`, six times. The set
measures our own method where the truth is known, and says nothing about real faces. Nothing is ever unpickled.

    split = SynthDfer("/data/synth_dfer").split("paired")
    split.frames(0), split.labels[0], split.relevance[0], split.truth(0).relevant
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

from emotrace.datasets.frames import Picture
from emotrace.datasets.synth_dfer_files import (
    PairedTruth,
    Quality,
    Strips,
    TimedSentence,
    Truth,
    read_frames,
    read_meta,
    read_sentences,
    read_table,
    read_truth,
)
from emotrace.errors import CorpusNotFound, DamagedCorpus, MissingClip, UnknownChoice
from emotrace.labels.label_scheme import LabelScheme
from emotrace.labels.schemes import CONCEPTS

Split = Literal["train", "val", "test", "paired"]
SPLITS: tuple[Split, ...] = ("train", "val", "test", "paired")
TEXTS = ("text_coarse", "text_fine", "text_fine_noisy", "text_distractor", "text_raw")
"""Columns of the table that describe a clip: what a viewer would say, the action units in words, those with mistakes,
what is irrelevant, and all of it in a random order."""
_LABELS = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
SCHEME = LabelScheme(
    name="synth-dfer",
    labels=_LABELS,
    concepts=tuple(CONCEPTS.get(label, label) for label in _LABELS),
    source="SynthDFER: class_names of its meta files",
)


class SynthDfer:
    """The set in a folder. Each split is read when it is first asked for, and then kept.

    It is a `FrameSource` over all splits: ids are unique in the whole set.

    Args:
        root: The folder that holds `meta_train.npz` and its neighbours.

    Raises:
        CorpusNotFound: The folder does not exist.
    """

    name = "synth_dfer"
    scheme = SCHEME

    def __init__(self, root: str | Path) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise CorpusNotFound(
                "no folder of synth_dfer is there", where=root, hint="Name the folder that holds its npz files"
            )
        self._splits: dict[str, SynthSplit] = {}

    def splits(self) -> tuple[Split, ...]:
        """The splits of which this copy has any file."""
        return tuple(name for name in SPLITS if any(self.root.glob(f"*_{name}.*")))

    def split(self, name: str) -> SynthSplit:
        """One split.

        Raises:
            UnknownChoice: There is no split of that name.
            CorpusNotFound: One of its files is absent.
            DamagedCorpus: A file is not what its name says, or two files do not tell of the same clips.
        """
        known = next((each for each in SPLITS if each == name), None)
        if known is None:
            raise UnknownChoice(f"synth_dfer has no split {name!r}", hint=f"Its splits: {', '.join(SPLITS)}")
        if name not in self._splits:
            self._splits[name] = SynthSplit(self.root, known, self._table)
        return self._splits[name]

    def frame_count(self, key: str) -> int:
        """Frames of a clip of any split."""
        return self._split_of(key).frame_count(key)

    def read(self, key: str, indices: Sequence[int]) -> list[Picture | None]:
        """Chosen grey frames of a clip of any split."""
        return self._split_of(key).read(key, indices)

    def times_seconds(self, key: str, indices: Sequence[int]) -> list[float]:
        """When chosen frames of a clip of any split were taken."""
        return self._split_of(key).times_seconds(key, indices)

    def _split_of(self, key: str) -> SynthSplit:
        if key not in self._table:
            raise MissingClip(f"no clip is called {key}", where=self.root / "clips.csv")
        return self.split(self._table[key]["split"])

    @cached_property
    def _table(self) -> dict[str, dict[str, str]]:
        return read_table(self.root / "clips.csv", needed=("seconds", *TEXTS))


class SynthSplit:
    """The clips of one split, in the order of its files. It is a `FrameSource`: a key is a clip's id.

    Made by `SynthDfer.split`, which names the errors.
    """

    def __init__(self, root: Path, name: Split, table: dict[str, dict[str, str]]) -> None:
        self._root = root
        self.name: Split = name
        meta = read_meta(root / f"meta_{name}.npz")
        self.classes: tuple[str, ...] = tuple(map(str, meta["class_names"]))
        """Class names in the order of the codes."""
        self.action_units: tuple[str, ...] = tuple(map(str, meta["au_names"]))
        unknown = [label for label in self.classes if SCHEME.read_one(label) is None]
        if unknown or len(set(self.classes)) != len(self.classes):
            raise DamagedCorpus(
                f"unknown or repeated class names: {', '.join(self.classes)}",
                where=root / f"meta_{name}.npz",
                hint=f"Known classes: {', '.join(SCHEME.labels)}",
            )
        self.ids: tuple[str, ...] = tuple(map(str, meta["id"]))
        self.codes: Int64[np.ndarray, " clip"] = meta["label"].astype(np.int64)
        """Places in `classes`."""
        if not np.isin(self.codes, np.arange(len(self.classes))).all():
            raise DamagedCorpus("label codes beyond the class names", where=root / f"meta_{name}.npz")
        self.labels: tuple[str, ...] = tuple(self.classes[code] for code in self.codes)
        self.identity: Int64[np.ndarray, " clip"] = meta["identity"].astype(np.int64)
        """The face; no face is in two of train, val and test."""
        self.apex: Int64[np.ndarray, " clip"] = meta["apex"].astype(np.int64)
        """Frame of the expression's peak; -1 where no action unit of the class is on."""
        self.onset: Int64[np.ndarray, " clip"] = meta["onset"].astype(np.int64)
        """Frame at which a quarter of the peak is reached; -1 as for `apex`."""
        self.offset: Int64[np.ndarray, " clip"] = meta["offset"].astype(np.int64)
        """Frame after which less than a quarter of the peak is left; -1 as for `apex`."""
        self.static: Bool[np.ndarray, " clip"] = meta["static"]
        """Whether the expression is on from the first frame to the last."""
        self.talking: Bool[np.ndarray, " clip"] = meta["talking"]
        self.relevance: Float32[np.ndarray, "clip 14 14"] = meta["relevance"].astype(np.float32)
        """Pixels by which the expression displaces each patch, against the same face without it; mean over time."""
        self.expression_motion: Float32[np.ndarray, "clip 14 14"] = meta["expr_motion"].astype(np.float32)
        """Pixels per frame by which the expression moves each patch."""
        self.other_motion: Float32[np.ndarray, "clip 14 14"] = meta["other_motion"].astype(np.float32)
        """Pixels per frame by which everything else does."""
        self.au: Float32[np.ndarray, "clip frame au"] = meta["au"].astype(np.float32)
        """Intensity of each action unit, 0 to about 1."""
        self.au_class: Bool[np.ndarray, "clip au"] = meta["au_class"]
        """Which action units belong to the expression; others that are on are stray."""
        self.pose_degrees: Float32[np.ndarray, "clip frame 3"] = meta["pose"].astype(np.float32)
        """Yaw (to the viewer's right), pitch (down), roll (clockwise)."""

        rows = _rows_of(self.ids, name, table, where=root / "clips.csv")
        disagree = [row["id"] for row, label in zip(rows, self.labels, strict=True) if row["label_name"] != label]
        if disagree:
            raise DamagedCorpus(f"clips.csv and the meta file label {disagree[0]} differently", where=root)
        self.scene: tuple[str, ...] = tuple(row["scene"] for row in rows)
        """Clips of one scene differ in their condition alone."""
        self.condition: tuple[str, ...] = tuple(row["condition"] for row in rows)
        """`clean`, `pose`, `talk`, `light`, `jitter`, `all` in `paired`; `mixed` elsewhere."""
        self.seconds: Float32[np.ndarray, " clip"] = np.array([float(row["seconds"]) for row in rows], dtype=np.float32)
        """From the first frame to the last."""
        self.texts: dict[str, tuple[str, ...]] = {column: tuple(row[column] for row in rows) for column in TEXTS}
        """Column of `TEXTS` -> the text of each clip. None holds an emotion word."""
        self._place = {clip: place for place, clip in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.ids)

    def __repr__(self) -> str:
        return f"SynthSplit({self.name}, {len(self)} clips of {self.length} frames)"

    @property
    def length(self) -> int:
        """Frames of every clip."""
        return int(self.au.shape[1])

    def frames(self, place: int) -> UInt8[np.ndarray, "frame height width"]:
        """The grey frames of the clip at `place`, a number in the order of `ids`.

        Raises:
            DamagedCorpus: Its strip cannot be decoded, or is not of so many square frames.
        """
        return self._strips.frames(place, self.length)

    def frames_of(self, places: Sequence[int]) -> UInt8[np.ndarray, "clip frame height width"]:
        """The grey frames of several clips."""
        return np.stack([self.frames(place) for place in places])

    def sentences(self, quality: Quality) -> tuple[tuple[TimedSentence, ...], ...]:
        """The timed sentences of each clip: `oracle` as it is, `noisy` with action units lost, wrong and shifted."""
        return self._sentences[quality]

    def truth(self, place: int) -> PairedTruth:
        """What moves in each frame of a clip, and why; of `paired` alone.

        Raises:
            UnknownChoice: Another split.
        """
        if self.name != "paired":
            raise UnknownChoice(f"the split {self.name} has no truth per frame", hint="`paired` has")
        return self._truth.of(place, action_units=len(self.action_units))

    def place(self, key: str) -> int:
        """Where a clip stands in `ids`.

        Raises:
            MissingClip: It is not of this split.
        """
        if key not in self._place:
            raise MissingClip(f"no clip {key!r} is in the split {self.name}", where=self._root)
        return self._place[key]

    def frame_count(self, key: str) -> int:
        """Frames of a clip: the same for all."""
        self.place(key)
        return self.length

    def read(self, key: str, indices: Sequence[int]) -> list[Picture | None]:
        """Chosen grey frames of a clip."""
        return list(self.frames(self.place(key))[list(indices)])

    def times_seconds(self, key: str, indices: Sequence[int]) -> list[float]:
        """When chosen frames of a clip were taken: they are evenly spaced over its seconds."""
        step = float(self.seconds[self.place(key)]) / max(1, self.length - 1)
        return [index * step for index in indices]

    @cached_property
    def _strips(self) -> Strips:
        return read_frames(self._root / f"frames_{self.name}.npz", self.ids)

    @cached_property
    def _sentences(self) -> dict[Quality, tuple[tuple[TimedSentence, ...], ...]]:
        return read_sentences(self._root / f"texts_{self.name}.jsonl.gz", self.ids)

    @cached_property
    def _truth(self) -> Truth:
        return read_truth(
            self._root / "truth_paired.npz", self.ids, frames=self.length, action_units=len(self.action_units)
        )


def _rows_of(ids: Sequence[str], split: str, table: dict[str, dict[str, str]], *, where: Path) -> list[dict[str, str]]:
    """The table's rows of a split, in the order of its ids."""
    listed = {name for name, row in table.items() if row["split"] == split}
    if listed != set(ids) or len(listed) != len(ids):
        odd = sorted(listed.symmetric_difference(ids))
        raise DamagedCorpus(
            f"it lists {len(listed)} clips of {split}, the meta file {len(ids)}; in one alone: {', '.join(odd[:5])}",
            where=where,
        )
    return [table[name] for name in ids]
