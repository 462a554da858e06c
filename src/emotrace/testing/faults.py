"""Faults to plant in miniature corpora, one at a time, and the check of `verify` that should find each.

planted = plant(layout, folder, "missing_clip")
planted.found_by in {finding.check for finding in planted.verify(clean).faults}
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emotrace.datasets.corpus import Corpus
from emotrace.datasets.example import frame_paths
from emotrace.datasets.findings import VerifyReport
from emotrace.datasets.leaks import OlderTest
from emotrace.datasets.verify import verify
from emotrace.testing.file_faults import FILE_FAULTS
from emotrace.testing.layout import Layout, Row
from emotrace.testing.miniature import seed_of, write, write_clip
from emotrace.testing.row_faults import ROW_FAULTS

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
    "path_outside": "outside",
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
    "feature_width": "features",
    "feature_nan": "features",
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

    def verify(self, clean: VerifyReport) -> VerifyReport:
        """What `verify` reports of the copy, compared with the report of the clean one."""
        return verify(self.corpus, expect=clean, older=self.older, splits=self.splits, circulating=self.circulating)


def faults_of(layout: Layout) -> tuple[str, ...]:
    """Every fault that can be planted in a layout: those of its lists, then those of its media."""
    return (*layout.faults, *(FRAME_FAULTS if layout.media == "frames" else MEDIA_FAULTS))


def plant(layout: Layout, root: Path, fault: str, *, like: Path | None = None) -> Planted:
    """Writes a miniature corpus with one fault; `like` as for `write`.

    Raises:
        KeyError: No such fault.
    """
    found_by = FOUND_BY[fault]
    rows = ROW_FAULTS[fault](layout.rows()) if fault in ROW_FAULTS else layout.rows()
    if not layout.lists(rows):
        found_by = "counts" if fault == "missing_clip" else found_by  # no list says what should be there
        rows = [_renamed(row, old) for row, old in zip(rows, _pad(layout.rows(), rows), strict=True)]
    corpus = write(layout, root, rows, like=like)
    extra: dict[str, Any] = {}
    if fault in FILE_FAULTS:
        _unlink_clips(root, layout, rows)
        FILE_FAULTS[fault](root, layout, rows)
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
