"""Reads the first sheet of an Excel workbook as rows of text, with the standard library alone.

A workbook is a zip of XML files (ECMA-376). Texts lie in a shared list or inside the cell; blank cells may be left out.
Files that declare a DOCTYPE, unpack to more than 64 MB or spread over too many cells are refused.
"""

from __future__ import annotations

import io
import posixpath
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from emotrace.errors import UnreadableTable

MAX_UNPACKED_BYTES = 64 * 2**20
MAX_CELLS = 4_000_000
_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
_RELATION_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CELL_NAME = re.compile(r"([A-Z]{1,3})([0-9]{1,7})")


def read_xlsx(path: Path | str) -> list[list[str]]:
    """Rows of the first sheet, each as long as the longest one; a blank cell is the empty string.

    Numbers come as the text that the file holds; booleans as `TRUE` and `FALSE`.

    Raises:
        UnreadableTable: Not an xlsx workbook, damaged, with a DOCTYPE, or over a limit.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            if sum(member.file_size for member in archive.infolist()) > MAX_UNPACKED_BYTES:
                raise UnreadableTable(f"unpacks to more than {MAX_UNPACKED_BYTES} bytes", where=path)
            shared = _shared_texts(archive, path)
            sheet = _parse(archive, _first_sheet(archive, path), path)
            return _rows(sheet, shared, path)
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, zlib.error, EOFError) as error:
        raise UnreadableTable(f"not an xlsx workbook ({error})", where=path) from None
    except (ElementTree.ParseError, LookupError) as error:
        raise UnreadableTable(f"its XML is broken ({error})", where=path) from None
    except OSError as error:
        raise UnreadableTable(f"cannot be read ({error.strerror})", where=path) from None


class _NoDoctype(ElementTree.TreeBuilder):
    """A tree that refuses document types, where entities could be declared, in any encoding of the file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> None:
        raise UnreadableTable(f"its XML declares a document type ({name}), which no workbook needs", where=self._path)


def _parse(archive: zipfile.ZipFile, member: str, path: Path) -> Any:
    parser = ElementTree.XMLParser(target=_NoDoctype(path))
    parser.feed(archive.read(member))
    return parser.close()


def _first_sheet(archive: zipfile.ZipFile, path: Path) -> str:
    """Name of the member that holds the sheet which the workbook lists first."""
    sheet = _parse(archive, "xl/workbook.xml", path).find(f"{_MAIN}sheets/{_MAIN}sheet")
    relations = _parse(archive, "xl/_rels/workbook.xml.rels", path)
    if sheet is None:
        raise UnreadableTable("the workbook lists no sheet", where=path)
    for relation in relations.iter(_RELATION):
        if relation.get("Id") == sheet.get(_RELATION_ID):
            return posixpath.normpath(posixpath.join("/xl", relation.get("Target", ""))).lstrip("/")
    raise UnreadableTable("the workbook's first sheet is missing", where=path)


def _text(element: Any) -> str:
    """The text of a shared or inline string: its `t` parts, without the reading aids (`rPh`) of East Asian text."""
    parts = [element.find(f"{_MAIN}t"), *element.findall(f"{_MAIN}r/{_MAIN}t")]
    return "".join(part.text or "" for part in parts if part is not None)


def _shared_texts(archive: zipfile.ZipFile, path: Path) -> list[str]:
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    return [_text(item) for item in _parse(archive, "xl/sharedStrings.xml", path).findall(f"{_MAIN}si")]


def _rows(sheet: Any, shared: list[str], path: Path) -> list[list[str]]:
    cells: dict[tuple[int, int], str] = {}
    last_row = width = 0
    for row in sheet.findall(f"{_MAIN}sheetData/{_MAIN}row"):
        last_row = int(row.get("r", last_row + 1))
        column = 0
        for cell in row.findall(f"{_MAIN}c"):
            name = _CELL_NAME.fullmatch(cell.get("r", ""))
            column = _column_number(name[1]) if name else column + 1
            text = _cell_text(cell, shared, path)
            if text:
                cells[last_row, column] = text
                width = max(width, column)
    height = max((row for row, _ in cells), default=0)
    if height * width > MAX_CELLS:
        raise UnreadableTable(f"spreads over {height} rows and {width} columns", where=path)
    return [[cells.get((row, column), "") for column in range(1, width + 1)] for row in range(1, height + 1)]


def _column_number(letters: str) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + ord(letter) - ord("A") + 1
    return number


def _cell_text(cell: Any, shared: list[str], path: Path) -> str:
    kind, value = cell.get("t", "n"), cell.findtext(f"{_MAIN}v") or ""
    if kind == "inlineStr":
        inline = cell.find(f"{_MAIN}is")
        return "" if inline is None else _text(inline)
    if kind == "s":
        if not value.isdecimal() or int(value) >= len(shared):
            raise UnreadableTable(f"cell {cell.get('r')} names shared text {value!r}, which is missing", where=path)
        return shared[int(value)]
    if kind == "b":
        return "TRUE" if value == "1" else "FALSE"
    return value
