from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from emotrace.errors import UnreadableTable
from emotrace.labels.xlsx import read_xlsx

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"


def workbook(path: Path, rows: str, *, shared: str | None = None, head: str = "", encoding: str = "utf-8") -> Path:
    """A workbook whose first sheet lies in sheet2.xml, behind a decoy in sheet1.xml."""
    sheets = '<sheet name="a" sheetId="9" r:id="rId7"/><sheet name="b" sheetId="1" r:id="rId1"/>'
    relation = '<Relationship Id="rId{}" Type="x" Target="{}"/>'
    parts = {
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets>{sheets}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PACKAGE}">'
        + relation.format(1, "worksheets/sheet1.xml")
        + relation.format(7, "/xl/worksheets/sheet2.xml")
        + "</Relationships>",
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{MAIN}"><sheetData/></worksheet>',
        "xl/worksheets/sheet2.xml": f'{head}<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>',
    }
    if shared is not None:
        parts["xl/sharedStrings.xml"] = f'<sst xmlns="{MAIN}">{shared}</sst>'
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text.encode(encoding) if "sheet2" in name else text)
    return path


def test_every_kind_of_cell(tmp_path: Path) -> None:
    rows = (
        '<row r="1"><c r="A1" t="s"><v>1</v></c>'
        '<c r="B1" t="inlineStr"><is><r><t>in</t></r><r><t>line</t></r></is></c></row>'
        '<row r="3"><c r="B3"><v>1.5</v></c><c r="C3" t="b"><v>1</v></c>'
        '<c r="D3" t="str"><v>f</v></c><c r="E3" s="1"/></row>'
        "<row><c><v>7</v></c><c><v>8</v></c></row>"
    )
    shared = "<si><t>zero</t></si><si><t>高</t><rPh><t>takai</t></rPh></si>"
    assert read_xlsx(workbook(tmp_path / "a.xlsx", rows, shared=shared)) == [
        ["高", "inline", "", ""],
        ["", "", "", ""],
        ["", "1.5", "TRUE", "f"],
        ["7", "8", "", ""],
    ]


def test_an_empty_sheet(tmp_path: Path) -> None:
    assert read_xlsx(workbook(tmp_path / "a.xlsx", "")) == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_document_types_are_refused_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    head = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE x [<!ENTITY a "{"b" * 100}">]>'
    with pytest.raises(UnreadableTable, match="document type"):
        read_xlsx(workbook(tmp_path / "a.xlsx", '<row><c t="str"><v>&a;</v></c></row>', head=head, encoding=encoding))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ('<row><c t="s"><v>5</v></c></row>', "shared text '5'"),
        ('<row r="1000000"><c r="XFD1000000"><v>1</v></c></row>', "spreads over"),
        ("<row><c>", "XML is broken"),
    ],
)
def test_broken_sheets_are_refused(tmp_path: Path, rows: str, message: str) -> None:
    with pytest.raises(UnreadableTable, match=message):
        read_xlsx(workbook(tmp_path / "a.xlsx", rows))


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b" " * (65 * 2**20))
    with pytest.raises(UnreadableTable, match="unpacks to more than"):
        read_xlsx(tmp_path / "a.xlsx")


def test_what_is_no_workbook(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"old xls")
    with zipfile.ZipFile(tmp_path / "b.xlsx", "w") as archive:
        archive.writestr("x", "y")
    for name in ("a.xlsx", "b.xlsx", "absent.xlsx"):
        with pytest.raises(UnreadableTable):
            read_xlsx(tmp_path / name)
