from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from emotrace.errors import TablesNotFound
from emotrace.labels import table_cache
from emotrace.labels.official_tables import WheelTables
from emotrace.labels.table_cache import load_kept


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    wheel = {"level1": {"glad": "joy", "joy": "joy"}, "level2": {"glad": "glad", "joy": "glad"}}
    np.savez(
        folder / "wheel_mapping.npz",
        format_mapping=np.array({"glad": ["glad"], "gladly": ["glad"]}, dtype=object),
        raw_mapping=np.array({"glad": ["glad"]}, dtype=object),
        wheel_map_whole=np.array({f"wheel{k}": wheel for k in range(1, 6)}, dtype=object),
    )
    return folder


def test_the_second_time_the_files_are_not_taken_apart(
    tables: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = load_kept(tables, cache=tmp_path / "cache")
    assert first == WheelTables.load(tables)
    (kept,) = (tmp_path / "cache").iterdir()
    assert json.loads(kept.read_text(encoding="utf-8"))["sha256"] == first.sha256
    monkeypatch.setattr(table_cache.WheelTables, "load", None)
    again = load_kept(tables, cache=tmp_path / "cache")
    assert (again, again.clusters) == (first, first.clusters)


@pytest.mark.parametrize("damage", [b"", b"{}", b"[1]", b"null", b"\xff"])
def test_a_damaged_or_altered_cache_is_not_believed(damage: bytes, tables: Path, tmp_path: Path) -> None:
    first = load_kept(tables, cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    whole = kept.read_bytes()
    for content in (damage, whole.replace(b'"joy"', b'"fun"', 1)):
        kept.write_bytes(content)
        assert load_kept(tables, cache=tmp_path / "cache") == first
        assert kept.read_bytes() == whole


def test_changed_tables_are_read_anew(tables: Path, tmp_path: Path) -> None:
    load_kept(tables, cache=tmp_path / "cache")
    (tables / "format.csv").write_text('name,format\nglad,"glad,gladly"\n')
    load_kept(tables, cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_none(tables: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    assert load_kept(tables, cache=tmp_path / "cache").forms["gladly"] == ("glad",)


def test_tables_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(TablesNotFound):
        load_kept(tmp_path, cache=tmp_path / "cache")


def test_the_official_tables_keep_their_names(official_folder: Path, tmp_path: Path) -> None:
    for version in ("v1", "v2", "v1", "v2"):
        assert load_kept(official_folder, version=version, cache=tmp_path).name == version
