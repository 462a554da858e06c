"""Feature files in MERTools' layout: read without pickles, checked to the number, missing files masked and counted.

    features/<set>-UTT | _UTT | -FRA | _FRA/<clip>.npy     (D,), (1, D) or (T, D)
    features/<set>.../<clip>/*.npy                         a folder per clip: files sorted by name and stacked
    features/<set>/...                                     a name without a level is taken as it is

An utterance is the mean of a clip's rows [field: MERTools]. A file that is not there is a missing modality. A row of
zeros for a clip in which nothing is said is one, too: that is how text features of silent clips are stored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from jaxtyping import Bool, Float32

from emotrace.datasets.tables import read_rows
from emotrace.errors import CorpusNotFound, InvalidFeatures, UnknownChoice, first_five
from emotrace.files import flat_name

Level = Literal["utt", "fra"]
SUFFIXES: Final[dict[Level, tuple[str, str]]] = {"utt": ("-UTT", "_UTT"), "fra": ("-FRA", "_FRA")}

TRANSCRIPT_COLUMNS: Final = ("chinese", "english", "sentence")

Rows = Float32[np.ndarray, "time dim"]


@dataclass(frozen=True, kw_only=True, eq=False)
class UtteranceFeatures:
    """One feature set over a list of clips, one row each."""

    set_name: str
    names: tuple[str, ...]
    rows: Float32[np.ndarray, "clip dim"]
    """Zeros where absent; `present` says where."""
    present: Bool[np.ndarray, " clip"]
    missing: tuple[str, ...]
    """Clips without a file."""
    silent: tuple[str, ...]
    """Clips with a row of zeros because nothing is said in them."""

    @property
    def counts(self) -> str:
        """One line for a report."""
        return (
            f"{self.set_name}: {int(self.present.sum())} of {len(self.names)} clips, {self.rows.shape[1]} wide, "
            f"{len(self.missing)} without a file, {len(self.silent)} silent"
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameFeatures:
    """One feature set over a list of clips, all rows of each."""

    set_name: str
    names: tuple[str, ...]
    rows: tuple[Float32[np.ndarray, "_ dim"], ...]
    """No row where absent."""
    present: Bool[np.ndarray, " clip"]
    missing: tuple[str, ...]

    @property
    def width(self) -> int:
        """Columns of every clip's rows."""
        return int(self.rows[0].shape[1])


def feature_sets(root: str | Path) -> dict[str, Path]:
    """The folders of features below `root` or `root/features` by their names, sorted; none where there is neither."""
    root = Path(root)
    place = root / "features" if (root / "features").is_dir() else root
    marks = tuple(mark for pair in SUFFIXES.values() for mark in pair)
    folders = sorted(path for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
    return {path.name: path for path in folders if place != root or path.name.endswith(marks)}


def feature_folder(root: str | Path, name: str, level: Level = "utt") -> Path:
    """The folder of a set, called with or without its level; `-FRA` serves for `utt` where there is no `-UTT`.

    Raises:
        UnknownChoice: No such set; the message lists those that there are.
    """
    sets = feature_sets(root)
    levels: tuple[Level, ...] = ("utt", "fra") if level == "utt" else ("fra",)
    wanted = [name + mark for each in levels for mark in SUFFIXES[each]]
    found = next((each for each in (name, *wanted) if each in sets), None)
    if found is None:
        raise UnknownChoice(
            f"there are no features called {name!r}", where=root, hint=f"There are: {', '.join(sets) or 'none'}"
        )
    return sets[found]


def clips_in(folder: str | Path) -> tuple[str, ...]:
    """The names of all clips that have features in a set's folder, sorted."""
    folder = Path(folder)
    files = {path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob("*.npy")}
    folders = {path.name for path in folder.iterdir() if path.is_dir() and any(path.glob("*.npy"))}
    return tuple(sorted(files | folders))


def silent_clips(transcripts: str | Path) -> frozenset[str]:
    """The clips of a transcript table (`name` beside `chinese`, `english` or `sentence`) in which nothing is said.

    Raises:
        CorpusNotFound, UnreadableTable: As `tables.read_rows`.
    """
    rows = read_rows(Path(transcripts), "name")
    return frozenset(row["name"] for row in rows if not any(row.get(column) for column in TRANSCRIPT_COLUMNS))


def read_utterances(
    folder: str | Path, names: Sequence[str], *, width: int | None = None, silent: Collection[str] = ()
) -> UtteranceFeatures:
    """The rows of clips by name.

    Args:
        folder: Of one set.
        names: The clips, in the order of the rows.
        width: Columns that every clip must have; the first clip's by default.
        silent: Clips in which nothing is said; a row of zeros of theirs is absent, any other row of theirs counts.

    Raises:
        CorpusNotFound: No such folder, or no clip of the list has a file in it.
        InvalidFeatures: The file's name and what is wrong: no array of numbers, another width, no row, nan or infinity.
    """
    found = {name: rows.mean(axis=0, dtype=np.float64) for name, rows in _read(folder, names, width)}
    size = len(next(iter(found.values())))
    rows, present = np.zeros((len(names), size), np.float32), np.zeros(len(names), bool)
    zero = {name for name, row in found.items() if name in set(silent) and not row.any()}
    for place, name in enumerate(names):
        if name in found and name not in zero:
            rows[place], present[place] = found[name], True
    return UtteranceFeatures(
        set_name=Path(folder).name,
        names=tuple(names),
        rows=rows,
        present=present,
        missing=tuple(name for name in names if name not in found),
        silent=tuple(name for name in names if name in zero),
    )


def read_frames(folder: str | Path, names: Sequence[str], *, width: int | None = None) -> FrameFeatures:
    """All rows of clips by name; arguments and errors as for `read_utterances`."""
    found = dict(_read(folder, names, width))
    none = np.zeros((0, next(iter(found.values())).shape[1]), np.float32)
    return FrameFeatures(
        set_name=Path(folder).name,
        names=tuple(names),
        rows=tuple(found.get(name, none) for name in names),
        present=np.array([name in found for name in names], bool),
        missing=tuple(name for name in names if name not in found),
    )


def read_clip(place: str | Path) -> Rows:
    """The rows of one clip: an `.npy` file, or a folder of them.

    Raises:
        InvalidFeatures: No array of numbers, no row, rows of different widths, nan or infinity.
    """
    place = Path(place)
    if not place.is_dir():
        return _read_file(place)
    files = sorted(place.glob("*.npy"))
    if not files:
        raise InvalidFeatures("the clip's folder holds no .npy file", where=place)
    parts = [_read_file(file) for file in files]
    widths = {part.shape[1] for part in parts}
    if len(widths) > 1:
        raise InvalidFeatures(f"files of different widths: {', '.join(map(str, sorted(widths)))}", where=place)
    return np.concatenate(parts)


def place_of(folder: Path, name: str) -> Path | None:
    """Where a clip's features lie: a file, or a folder; None where there is neither, or the name leaves the folder."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        return None
    places = (folder / f"{name}.npy", folder / f"{flat_name(name)}.npy", folder / name)
    return next((path for path in places if path.exists()), None)


def faults_of(folder: Path, names: Sequence[str], *, width: int | None = None) -> Iterator[str]:
    """One line per clip whose features cannot be used; the width is the first readable clip's unless given."""
    for name in names:
        if (place := place_of(folder, name)) is None:
            continue
        try:
            rows = read_clip(place)
        except InvalidFeatures as error:
            yield f"{folder.name}: {name}: {error.what}"
            continue
        width = rows.shape[1] if width is None else width
        if rows.shape[1] != width:
            yield f"{folder.name}: {name}: {rows.shape[1]} numbers wide where {width} are needed"


def source_hash(folder: Path, names: Sequence[str]) -> str:
    """SHA-256 over the names and the bytes of their files: what a packed copy was made from."""
    digest = hashlib.sha256()
    for name in names:
        place = place_of(folder, name)
        files = [] if place is None else sorted(place.glob("*.npy")) if place.is_dir() else [place]
        for file in files:
            digest.update(f"{name}\t{file.name}\t{hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _read(folder: str | Path, names: Sequence[str], width: int | None) -> Iterator[tuple[str, Rows]]:
    folder, count = Path(folder), 0
    if not folder.is_dir():
        raise CorpusNotFound("no folder of features is there", where=folder)
    for name in names:
        if (place := place_of(folder, name)) is None:
            continue
        rows = read_clip(place)
        width = rows.shape[1] if width is None else width
        if rows.shape[1] != width:
            raise InvalidFeatures(
                f"{rows.shape[1]} numbers wide where {width} are needed",
                where=place,
                hint="Was it made by another model?",
            )
        count += 1
        yield name, rows
    if not count:
        raise CorpusNotFound(
            f"no file of these clips is in it: {first_five(names)}", where=folder, hint="Do the names fit this edition?"
        )


def _read_file(path: Path) -> Rows:
    try:
        array = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InvalidFeatures(f"not an array of numbers ({error})", where=path) from None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        kind = array.dtype if isinstance(array, np.ndarray) else "an archive"
        raise InvalidFeatures(f"not an array of numbers but of {kind}", where=path)
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise InvalidFeatures(
            f"has shape {array.shape}; a clip is (D,), (1, D) or (T, D) with at least one row", where=path
        )
    with np.errstate(over="ignore"):
        rows = np.asarray(array, np.float32).reshape(-1, array.shape[-1])
    if not np.isfinite(rows).all():
        raise InvalidFeatures(f"{int((~np.isfinite(rows)).sum())} numbers are nan or infinite", where=path)
    return rows
