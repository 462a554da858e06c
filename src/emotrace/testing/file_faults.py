"""Faults of the files: what a broken download, a full disk or a careless script leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.datasets.example import frame_paths
from emotrace.testing.layout import Layout, Row
from emotrace.testing.miniature import write_clip


def _first_list(root: Path, layout: Layout, rows: Sequence[Row]) -> Path:
    name = next(name for name in layout.lists(rows) if "no_caption" not in name or not layout.options.get("captions"))
    return root / name


def _break_list(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    path = _first_list(root, layout, rows)
    first, _, rest = path.read_bytes().partition(b"\n")
    broken = b"[1 - 2] what" if layout.corpus == "iemocap" else first[: len(first) // 2] if b"," in first else first[:9]
    path.write_bytes(broken + b"\n" + rest)


def _not_gbk(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    path = _first_list(root, layout, rows)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\xff\n", 1))


class _Hostile:
    """What asks to be run when it is unpickled; here, harmlessly."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must never be printed",))


def _hostile_pickle(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    np.savez(root / "label-6way.npz", train_corpus=np.array(_Hostile(), dtype=object))


def _break_name(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    path = root / layout.place(rows[0])
    path.rename(path.with_name(f"Kopie{path.suffix}"))


def _remove(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    path = root / layout.place(rows[0])
    if path.is_dir():
        for frame in frame_paths(path):
            frame.unlink()
    else:
        path.unlink()


def _empty(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    (root / layout.place(rows[0])).write_bytes(b"")


def _garble(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    path = root / layout.place(rows[0])
    target = frame_paths(path)[0] if path.is_dir() else path
    target.write_bytes(b"this was a clip once" * 40)


def _pointer(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    text = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"
    (root / layout.place(rows[0])).write_bytes(text)


def _shorten(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    path = root / layout.place(rows[0])
    if path.is_dir():
        for frame in frame_paths(path)[1:]:
            frame.unlink()
    else:
        write_clip(path, seed="short", frames=2)


def _gap(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    frame_paths(root / layout.place(rows[0]))[5].unlink()


def _last_frame_gone(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    frame_paths(root / layout.place(rows[0]))[-1].unlink()


def _unpad(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    for number, path in enumerate(frame_paths(root / layout.place(rows[0])), start=1):
        path.rename(path.with_name(f"frame{number}.jpg"))


def _copy_across(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    source = root / layout.place(rows[0])
    target = root / layout.place(next(row for row in rows if row.split != rows[0].split))
    if source.is_dir():
        for frame in frame_paths(source):
            (target / frame.name).write_bytes(frame.read_bytes())
    else:
        target.write_bytes(source.read_bytes())


def write_features(root: Path, rows: Sequence[Row], *, name: str = "voice-UTT", width: int = 4) -> Path:
    """Made-up features of every clip in MERTools' layout; returns their folder."""
    folder = root / "features" / name
    folder.mkdir(parents=True)
    for number, row in enumerate(rows):
        np.save(folder / f"{row.name}.npy", np.arange(width, dtype=np.float32) + number)
    return folder


def _other_width(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    folder = write_features(root, rows)
    np.save(folder / f"{rows[1].name}.npy", np.zeros(5, np.float32))


def _not_a_number(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    folder = write_features(root, rows)
    np.save(folder / f"{rows[1].name}.npy", np.array([0.0, np.nan, 0.0, 0.0], np.float32))


FILE_FAULTS: Mapping[str, Callable[[Path, Layout, Sequence[Row]], None]] = {
    "broken_list": _break_list,
    "not_gbk": _not_gbk,
    "hostile_pickle": _hostile_pickle,
    "broken_name": _break_name,
    "missing_clip": _remove,
    "empty_clip": _empty,
    "unreadable_clip": _garble,
    "unreadable_frame": _garble,
    "lfs_pointer": _pointer,
    "short_clip": _shorten,
    "frame_gap": _gap,
    "wrong_frame_count": _last_frame_gone,
    "text_order": _unpad,
    "same_clip": _copy_across,
    "feature_width": _other_width,
    "feature_nan": _not_a_number,
}
"""Fault -> what does it to the corpus below a root."""
