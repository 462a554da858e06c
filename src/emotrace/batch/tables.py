"""All results of a batch together, in the formats of `emotrace export`.

Text formats that hold many results become one file: their rows follow each other under one header. Of every other
format there is one file per result in a folder, which for parquet is a data set that pyarrow, pandas, DuckDB and Spark
read as one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import BinaryIO, Final

from emotrace.errors import MissingExtra, UnknownChoice, UnwritableOutput, UsageError
from emotrace.export import FORMATS
from emotrace.results import Analysis

_NAME: Final = "annotations"


def check_formats(formats: Sequence[str]) -> None:
    """Finds out before a long run whether its results can be put together at the end.

    Raises:
        UnknownChoice: No such format.
        UsageError: A format that is tried out on single results first.
        MissingExtra: A format needs a package that is not installed.
    """
    for name in formats:
        if name not in FORMATS:
            raise UnknownChoice(f"unknown format {name!r}", where="--to", hint=f"Choose from: {', '.join(FORMATS)}")
        if FORMATS[name].experimental:
            hint = "Use `emotrace export --experimental` on single results"
            raise UsageError(f"{name} is experimental", where="--to", hint=hint)
    if "parquet" in formats and find_spec("pyarrow") is None:
        raise MissingExtra("--to parquet", extra="parquet")


def write_tables(folder: Path, formats: Sequence[str], results: Iterable[Path]) -> None:
    """Writes each format into `folder`, reading each result once; memory holds one result.

    Raises:
        UnreadableResult: A result cannot be read.
        UnwritableOutput: Something cannot be written.
    """
    joined = [name for name in formats if FORMATS[name].many_in_one and FORMATS[name].is_text]
    apart = [name for name in formats if name not in joined]
    try:
        with ExitStack() as open_files:
            files = {name: open_files.enter_context(_open(folder, name)) for name in joined}
            for name in apart:
                (folder / name).mkdir()
            for path in results:
                analysis = Analysis.read(path)
                for name, file in files.items():
                    _add(file, _written(name, analysis), header_lines=int(FORMATS[name].ending.endswith(".csv")))
                for name in apart:
                    stem = path.name.removesuffix(".emotrace.json")
                    (folder / name / f"{stem}{FORMATS[name].ending}").write_bytes(_written(name, analysis))
            for file in files.values():
                file.flush()
                os.fsync(file.fileno())
    except UnwritableOutput:
        raise
    except OSError as error:
        reason = f"cannot be written ({error.strerror})"
        raise UnwritableOutput(reason, where=error.filename or folder, hint="Make room, and run it again") from error


def _open(folder: Path, name: str) -> BinaryIO:
    return (folder / f"{_NAME}{FORMATS[name].ending}").open("w+b")


def _written(name: str, analysis: Analysis) -> bytes:
    written = FORMATS[name].write(analysis)
    return written.encode() if isinstance(written, str) else bytes(written)


def _add(file: BinaryIO, data: bytes, *, header_lines: int) -> None:
    """Adds rows; the header stays away where it is there already."""
    if file.tell():
        for _ in range(header_lines):
            data = data.partition(b"\n")[2]
    file.write(data)
