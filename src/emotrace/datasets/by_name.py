"""What CREMA-D, RAVDESS and EmoDB have in common: acted recordings whose file names say everything."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from emotrace.errors import CorpusNotFound


def recordings(root: Path, *suffixes: str) -> Iterator[Path]:
    """The files below a folder with one of the suffixes, sorted by path; hidden folders are left out.

    Raises:
        CorpusNotFound: There is none.
    """
    found = sorted(_walk(root, suffixes))
    if not found:
        raise CorpusNotFound(
            f"no {' or '.join(suffixes)} file lies below this folder",
            where=root,
            hint="Name the folder that the owner's archive unpacks to",
        )
    yield from found


def _walk(root: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if not name.startswith(".")]
        yield from (
            Path(folder, name)
            for name in names
            if Path(name).suffix.casefold() in suffixes and not name.startswith(".")
        )
