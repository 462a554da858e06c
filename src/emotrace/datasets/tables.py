"""Reading the lists that corpora come with: bounded, in the owner's encoding, with errors that name the line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from emotrace.errors import CorpusNotFound, UnreadableTable
from emotrace.span import Span

MAX_LIST_BYTES = 256 * 2**20
"""No list of a corpus is near this size; a larger file is not a list."""


def read_text(path: Path, *, encodings: Sequence[str] = ("utf-8-sig",)) -> str:
    """The text of a list, in the first of `encodings` that fits every byte.

    Raises:
        CorpusNotFound: The file is absent.
        UnreadableTable: Too large, or in none of the encodings.
    """
    if not path.is_file():
        raise CorpusNotFound(
            "this list of the corpus is not there", where=path, hint="Check that the archive was unpacked as a whole"
        )
    if path.stat().st_size > MAX_LIST_BYTES:
        raise UnreadableTable(f"larger than {MAX_LIST_BYTES // 2**20} MiB, so it is no list", where=path)
    data = path.read_bytes()
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableTable(f"not text in {' or '.join(encodings)}", where=path, hint="Fetch the owner's file again")


def read_rows(path: Path, *needed: str, encodings: Sequence[str] = ("utf-8-sig",)) -> Iterator[dict[str, str]]:
    """The rows of a CSV file with a header, as dicts of stripped text; columns that are absent are absent.

    Raises:
        CorpusNotFound: The file is absent.
        UnreadableTable: A needed column is absent, or a row has another number of fields than the header.
    """
    # not `splitlines`: MELD's text holds U+0085, which Python takes for the end of a line
    reader = csv.reader(io.StringIO(read_text(path, encodings=encodings), newline=""))
    try:
        yield from _rows(reader, path, needed)
    except csv.Error as error:
        raise UnreadableTable(f"line {reader.line_num} is not CSV ({error})", where=path) from None


def _rows(reader: Any, path: Path, needed: Sequence[str]) -> Iterator[dict[str, str]]:
    header = [column.strip() for column in next(reader, [])]
    absent = [column for column in needed if column not in header]
    if absent:
        raise UnreadableTable(
            f"the header lacks {', '.join(absent)}; it has {', '.join(header) or 'nothing'}", where=path
        )
    for row in reader:
        if not row:
            continue
        if len(row) != len(header):
            raise UnreadableTable(f"line {reader.line_num} has {len(row)} fields, the header {len(header)}", where=path)
        # not a bare `strip`: U+0085, which stands for an ellipsis in MELD, would count as blank
        yield {column: cell.strip(" \t\r\n") for column, cell in zip(header, row, strict=True)}


def read_lines(path: Path, *, encodings: Sequence[str] = ("utf-8-sig",)) -> Iterator[str]:
    """The lines of a list that are not blank, without their ends.

    Raises:
        CorpusNotFound: The file is absent.
        UnreadableTable: Too large, or in none of the encodings.
    """
    for line in read_text(path, encodings=encodings).replace("\r\n", "\n").split("\n"):
        if line.strip():
            yield line


def first_that_exists(*paths: Path) -> Path:
    """The first of several places where an owner's file may lie; the first of all where none exists."""
    return next((path for path in paths if path.exists()), paths[0])


def number(cell: str | None, *, where: Path, missing: Sequence[float] = ()) -> float | None:
    """The number in a cell; None for an empty cell and for a number that stands for "not rated".

    Raises:
        UnreadableTable: Not a number.
    """
    if cell is None or not cell.strip() or cell.strip().casefold() == "nan":
        return None
    try:
        value = float(cell)
    except ValueError:
        raise UnreadableTable(f"{cell!r} is not a number", where=where) from None
    return None if value in missing else value


def span_of(start: str | None, end: str | None, *, where: Path) -> Span | None:
    """The span between two cells in seconds; None where one of them is empty.

    Raises:
        UnreadableTable: Not numbers, negative, or the end before the start.
    """
    first, last = number(start, where=where), number(end, where=where)
    if first is None or last is None:
        return None
    try:
        return Span(first, last)
    except ValueError as error:
        raise UnreadableTable(str(error), where=where) from None


def mend_c1(text: str) -> str:
    r"""Windows-1252 punctuation that was stored as C1 control characters, as in MELD, turned back into punctuation.

    >>> mend_c1("you\x92re")
    'you’re'
    """
    return "".join(_CP1252.get(character, character) for character in text)


_CP1252 = {chr(code): bytes([code]).decode("cp1252", errors="ignore") or chr(code) for code in range(0x80, 0xA0)}
