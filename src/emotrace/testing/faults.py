"""Faults to plant in miniature corpora, one at a time, and the check of `verify` that should find each.

planted = plant(layout, folder, "missing_clip")
report = verify(planted.corpus, expect=clean, older=planted.older, splits=planted.splits)
planted.found_by in {finding.check for finding in report.faults}
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.datasets.corpus import Corpus
from emotrace.datasets.example import frame_paths
from emotrace.datasets.leaks import OlderTest
from emotrace.testing.layouts import Layout, Row
from emotrace.testing.miniature import seed_of, write, write_clip

MEDIA_FAULTS = ("missing_clip", "empty_clip", "unreadable_clip", "short_clip")
FRAME_FAULTS = ("missing_clip", "unreadable_frame", "short_clip", "frame_gap", "text_order")
FOUND_BY: Mapping[str, str] = {
    "duplicate_ids": "duplicate_ids",
    "unknown_label": "labels",
    "dropped_row": "counts",
    "swapped_labels": "hashes",
    "broken_list": "lists",
    "broken_name": "lists",
    "hostile_pickle": "lists",
    "not_gbk": "lists",
    "zero_based": "label_order",
    "permuted_classes": "label_order",
    "contradicted_label": "label_order",
    "list_of_another_order": "list_order",
    "value_off_scale": "values",
    "shared_id": "shared_ids",
    "group_in_two_splits": "groups",
    "mojibake": "text",
    "older_test_by_name": "older_tests",
    "older_test_by_bytes": "older_tests",
    "missing_clip": "missing",
    "empty_clip": "missing",
    "unreadable_clip": "unreadable",
    "unreadable_frame": "unreadable",
    "lfs_pointer": "unreadable",
    "short_clip": "short",
    "frame_gap": "frame_gaps",
    "wrong_frame_count": "frames",
    "text_order": "text_order",
    "same_clip": "same_clips",
}
"""Fault -> the check of `verify` that finds it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Planted:
    """A miniature with one fault in it, and what `verify` needs to see it."""

    corpus: Corpus
    fault: str
    found_by: str
    older: OlderTest | None = None
    splits: Mapping[str, str] | None = None
    circulating: Path | None = None


def faults_of(layout: Layout) -> tuple[str, ...]:
    """Every fault that can be planted in a layout: those of its lists, then those of its media."""
    return (*layout.faults, *(FRAME_FAULTS if layout.media == "frames" else MEDIA_FAULTS))


def plant(layout: Layout, root: Path, fault: str, *, like: Path | None = None) -> Planted:
    """Writes a miniature corpus with one fault; `like` as for `write`.

    Raises:
        KeyError: No such fault.
    """
    found_by = FOUND_BY[fault]
    rows = _ROW_FAULTS[fault](layout.rows()) if fault in _ROW_FAULTS else layout.rows()
    if not layout.lists(rows):
        found_by = "counts" if fault == "missing_clip" else found_by  # no list says what should be there
        rows = [_renamed(row, old) for row, old in zip(rows, _pad(layout.rows(), rows), strict=True)]
    corpus = write(layout, root, rows, like=like)
    extra: dict[str, Any] = {}
    if fault in _FILE_FAULTS:
        _unlink_clips(root, layout, rows)
        _FILE_FAULTS[fault](root, layout, rows)
    elif fault == "group_in_two_splits" and layout.corpus not in ("mosi", "mosei", "generic"):
        groups = [row.group for row in rows]
        extra["splits"] = {
            row.name: "test" if place % 2 else "train" for place, row in enumerate(rows) if row.group == groups[0]
        }
    elif fault == "list_of_another_order":
        extra["circulating"] = _misordered_list(corpus, root)
    elif fault == "older_test_by_name":
        extra["older"] = OlderTest(names=frozenset((rows[0].name,)))
    elif fault == "older_test_by_bytes":
        twin = root.parent / f"{root.name}-older" / "test1" / "renamed_00000007.mp4"
        twin.parent.mkdir(parents=True, exist_ok=True)
        twin.write_bytes((root / layout.place(rows[0])).read_bytes())
        extra["older"] = OlderTest(names=frozenset(("renamed_00000007",)), media=(twin,))
    return Planted(corpus=corpus, fault=fault, found_by=found_by, **extra)


def _unlink_clips(root: Path, layout: Layout, rows: Sequence[Row]) -> None:
    """Gives the clips that a fault may change, the first and its counterpart, files of their own."""
    for row in (rows[0], next((row for row in rows if row.split != rows[0].split), rows[0])):
        path = root / layout.place(row)
        if path.is_symlink():
            path.unlink()
            write_clip(path, seed=seed_of(row, layout), frames=layout.frames)


# Faults of the rows: what somebody who edited the owner's lists would leave behind.


def _twice(rows: list[Row]) -> list[Row]:
    return [*rows[:1], *rows]


def _unknown(rows: list[Row]) -> list[Row]:
    label = rows[0].label
    return [replace(rows[0], label="99" if label.isdigit() else "Q" if len(label) == 1 else "QQQ"), *rows[1:]]


def _dropped(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row.name != rows[0].name or row.split != rows[0].split]


def _swapped(rows: list[Row]) -> list[Row]:
    """Two clips of one split exchange what is said about them: no count changes."""
    other = next(
        place
        for place, row in enumerate(rows)
        if row.split == rows[0].split and (row.label, row.value) != (rows[0].label, rows[0].value)
    )
    said = replace(rows[0], label=rows[other].label, value=rows[other].value, witness=rows[other].witness)
    also = replace(rows[other], label=rows[0].label, value=rows[0].value, witness=rows[0].witness)
    return [said, *rows[1:other], also, *rows[other + 1 :]]


def _permuted(rows: list[Row]) -> list[Row]:
    """Two classes exchange their names throughout."""
    labels = list(dict.fromkeys(row.label for row in rows))
    renamed = {labels[0]: labels[1], labels[1]: labels[0]}
    return [replace(row, label=renamed.get(row.label, row.label)) for row in rows]


def _zero_based(rows: list[Row]) -> list[Row]:
    return [replace(row, label=str(int(row.label) - 1)) for row in rows]


def _contradicted(rows: list[Row]) -> list[Row]:
    witness = next(row.witness for row in rows if row.witness != rows[0].witness)
    return [replace(rows[0], witness=witness), *rows[1:]]


def _off_scale(rows: list[Row]) -> list[Row]:
    return [
        replace(rows[0], value=7.5, witness="Positive" if rows[0].witness == "Positive" else rows[0].witness),
        *rows[1:],
    ]


def _shared(rows: list[Row]) -> list[Row]:
    fold = rows[0].split.rpartition("/")[0]
    other = next(row.split for row in rows if row.split != rows[0].split and row.split.rpartition("/")[0] == fold)
    return [*rows, replace(rows[0], split=other)]


def _shared_group(rows: list[Row]) -> list[Row]:
    other = next((row.group for row in rows if row.split != rows[0].split), rows[0].group)
    return [replace(rows[0], group=other), *rows[1:]]


def _mojibake(rows: list[Row]) -> list[Row]:
    return [replace(rows[0], text="It\u00e2\u20ac\u2122s here"), *rows[1:]]


_ROW_FAULTS: Mapping[str, Callable[[list[Row]], list[Row]]] = {
    "duplicate_ids": _twice,
    "unknown_label": _unknown,
    "dropped_row": _dropped,
    "swapped_labels": _swapped,
    "permuted_classes": _permuted,
    "zero_based": _zero_based,
    "contradicted_label": _contradicted,
    "value_off_scale": _off_scale,
    "shared_id": _shared,
    "group_in_two_splits": _shared_group,
    "mojibake": _mojibake,
}


def _pad(old: list[Row], new: list[Row]) -> list[Row]:
    """The clean row that each row was made from."""
    known = {row.name: row for row in old}
    return [known[row.name] for row in new]


def _renamed(row: Row, old: Row) -> Row:
    """In corpora whose names hold everything, another label is another name."""
    if row.label == old.label:
        return row
    for before, after in ((f"_{old.label}_", f"_{row.label}_"), (f"01-{old.label}-01", f"01-{row.label}-01")):
        if before in row.name:
            return replace(row, name=row.name.replace(before, after, 1))
    return replace(row, name=f"{row.name[:5]}{row.label}{row.name[6:]}")


# Faults of the files: what a broken download, a full disk or a careless script leaves behind.


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


_FILE_FAULTS: Mapping[str, Callable[[Path, Layout, Sequence[Row]], None]] = {
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
}


def _misordered_list(corpus: Corpus, root: Path) -> Path:
    """A list whose order is nobody's: the owner's backwards."""
    labels = corpus.scheme.labels
    lines = []
    for record in corpus.records():
        turned = len(labels) - 1 - labels.index(corpus.scheme.read(record.label or "")[0])
        lines.append(f"/elsewhere/{record.id} {len(frame_paths(record.media))} {turned}\n")
    path = root / "circulating.txt"
    path.write_text("".join(lines), encoding="utf-8")
    return path
