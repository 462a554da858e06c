"""The loader on invented tables in both formats, and on the official ones where the user has a copy."""

from __future__ import annotations

import csv
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from emotrace.errors import TablesNotFound, UnreadableTable
from emotrace.labels.official_tables import ENVIRONMENT_VARIABLE, LEVEL_1, WheelTables, tables_folder

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def write_sheet(path: Path, rows: list[list[str]]) -> None:
    cells = "".join(
        "<row>" + "".join(f'<c t="str"><v>{cell}</v></c>' if cell else "<c/>" for cell in row) + "</row>"
        for row in rows
    )
    with zipfile.ZipFile(path, "w") as archive:
        sheet = f'<sheets><sheet name="s" sheetId="1" r:id="r1"/></sheets>'  # noqa: F541
        archive.writestr("xl/workbook.xml", f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}">{sheet}</workbook>')
        relation = '<Relationship Id="r1" Type="x" Target="worksheets/sheet1.xml"/>'
        archive.writestr("xl/_rels/workbook.xml.rels", f'<Relationships xmlns="{PACKAGE}">{relation}</Relationships>')
        archive.writestr(
            "xl/worksheets/sheet1.xml", f'<worksheet xmlns="{MAIN}"><sheetData>{cells}</sheetData></worksheet>'
        )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Invented tables: a tie, a blank cell, a word in two places, a missing-value word."""
    with (tmp_path / "format.csv").open("w", encoding="utf-8", newline="") as stream:
        rows = [("name", "format"), ("glad", "glad,gladly,merry"), ("merry", "merry"), ("odd", "NA"), ("null", "x")]
        csv.writer(stream).writerows(rows)
    head = [name for run in range(1, 9) for name in (f"word_run{run}", f"synonym_run{run}")]
    first, second = ["Joy", "glad, Merry"] + [""] * 14, ["Fun", "merry"] + [""] * 12 + ["zest", "glad"]
    write_sheet(tmp_path / "synonym.xlsx", [head, first, second])
    tree = [["level1", "level2", "level3"], ["Up", "Fun", "joy"], ["", "", "zest"], ["", "Bliss", "fun"]]
    for k in range(1, 6):
        write_sheet(tmp_path / f"wheel{k}.xlsx", tree if k < 5 else [tree[0], ["Down", "Low", "zest"]])
    return tmp_path


def test_the_three_maps(folder: Path) -> None:
    tables = WheelTables.load(folder)
    assert tables.forms == {"glad": ("glad",), "gladly": ("glad",), "merry": ("glad", "merry"), "odd": ("odd",)}
    assert tables.synonyms == {
        "joy": ("joy",), "glad": ("joy", "zest"), "merry": ("fun", "joy"), "fun": ("fun",), "zest": ("zest",),
    }  # fmt: skip
    # "fun" is a middle word first and an outer word of "bliss" later: the later place stays.
    assert tables.wheels["W1-L2"] == {"up": "bliss", "fun": "bliss", "joy": "fun", "zest": "fun", "bliss": "bliss"}
    assert tables.wheels["W5-L1"] == {"down": "down", "low": "down", "zest": "down"}
    assert tables.name == f"custom:{tables.sha256[:8]}"


def test_the_path_of_a_label(folder: Path) -> None:
    tables = WheelTables.load(folder)
    path = tables.explain(" Merry ")
    assert (path.words, path.wheel_words, path.status) == (("glad", "merry"), ("fun", "joy", "zest"), "scored")
    assert path.chosen == {"W1": "fun", "W2": "fun", "W3": "fun", "W4": "fun", "W5": "zest"}
    assert path.clusters["case1"] == "glad"
    assert path.clusters["case2"] == "joy"
    assert path.clusters["W5-L2"] == "low"
    assert tables.explain("odd").status == "off_wheel"
    assert tables.explain("never").status == "unknown_form"


def as_npz(folder: Path, tables: WheelTables) -> None:
    wheels = {f"wheel{k}": {f"level{level}": tables.wheels[f"W{k}-L{level}"] for level in (1, 2)} for k in range(1, 6)}
    np.savez(
        folder / "wheel_mapping.npz",
        format_mapping={form: list(words) for form, words in tables.forms.items()},
        raw_mapping={word: list(words)[::-1] for word, words in tables.synonyms.items()},
        wheel_map_whole=wheels,
    )


def test_both_formats_give_the_same_tables_and_must_agree(folder: Path) -> None:
    tables = WheelTables.load(folder)
    as_npz(folder, tables)
    assert WheelTables.load(folder).sha256 == tables.sha256
    for name in ("synonym.xlsx", *(f"wheel{k}.xlsx" for k in range(1, 6))):
        (folder / name).unlink()
    assert WheelTables.load(folder).sha256 == tables.sha256
    with (folder / "format.csv").open("a", encoding="utf-8") as stream:
        stream.write("more,more\n")
    with pytest.raises(
        UnreadableTable, match=r"the forms of wheel_mapping\.npz are not those of the other files: more"
    ):
        WheelTables.load(folder)


def test_the_order_of_rows_does_not_change_the_hash_and_an_entry_does(folder: Path) -> None:
    before = WheelTables.load(folder).sha256
    lines = (folder / "format.csv").read_text(encoding="utf-8").splitlines()
    (folder / "format.csv").write_text("\n".join([lines[0], *lines[:0:-1]]), encoding="utf-8")
    assert WheelTables.load(folder).sha256 == before
    (folder / "format.csv").write_text("\n".join([*lines, "new,new"]), encoding="utf-8")
    assert WheelTables.load(folder).sha256 != before


def test_folders_without_tables_say_what_is_expected(folder: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.delenv(ENVIRONMENT_VARIABLE, raising=False)
    with pytest.raises(TablesNotFound, match=r"--tables DIR.*format\.csv.*emotrace-wheel") as caught:
        tables_folder(None)
    assert int(caught.value.exit_code) == 3
    monkeypatch.setenv(ENVIRONMENT_VARIABLE, str(folder))
    assert tables_folder(None) == folder
    (folder / "wheel3.xlsx").unlink()
    for place in (folder, tmp_path / "absent"):
        with pytest.raises(TablesNotFound):
            WheelTables.load(place)


def test_subfolders_are_chosen_by_version(folder: Path, tmp_path: Path) -> None:
    parent = tmp_path / "parent"
    shutil.copytree(folder, parent / "v1", ignore=shutil.ignore_patterns("parent"))
    assert WheelTables.load(parent).forms == WheelTables.load(parent, version="v1").forms
    with pytest.raises(TablesNotFound, match="tables v2"):
        WheelTables.load(parent, version="v2")


@pytest.mark.parametrize("text", ["name\nglad\n", "", "name,format\nglad,\xff"])
def test_a_broken_format_table(folder: Path, text: str) -> None:
    (folder / "format.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(UnreadableTable):
        WheelTables.load(folder)


def test_official_counts_and_names(official_folder: Path) -> None:
    for version, forms in (("v1", 7386), ("v2", 7356)):
        tables = WheelTables.load(official_folder, version=version)
        assert (tables.name, len(tables.forms), len(tables.synonyms)) == (version, forms, 1255)
        assert sum(len(words) > 1 for words in tables.synonyms.values()) == 431
        assert [len(set(tables.wheels[target].values())) for target in LEVEL_1] == [6, 7, 6, 6, 6]
        assert [len(tables.wheels[target]) for target in LEVEL_1] == [114, 126, 78, 102, 77]
        assert len({word for places in tables.wheels.values() for word in places}) == 253


def test_the_newer_forms_on_the_older_sheets_give_the_newer_npz(official_folder: Path, tmp_path: Path) -> None:
    for file in (official_folder / "v1").glob("*.xlsx"):
        shutil.copy(file, tmp_path)
    shutil.copy(official_folder / "v2" / "format.csv", tmp_path)
    assert WheelTables.load(tmp_path).name == "v2"
    with (tmp_path / "format.csv").open("a", encoding="utf-8") as stream:
        stream.write("newest,newest\n")
    assert WheelTables.load(tmp_path).name.startswith("custom:")
