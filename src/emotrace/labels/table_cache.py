"""Wheel tables that were read once, kept as JSON: the next start need not take sheets and pickles apart again.

A kept table is found by a hash of the bytes of the files that it was read from, so changed files are read anew. It is
believed only if its content still has the hash that was written beside it; otherwise the files are read. No pickle.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

from emotrace.errors import UnwritableOutput
from emotrace.files import make_folder, write_atomically
from emotrace.labels.official_tables import FILES, WheelTables, folder_of

_FORMAT = 1


def load_kept(folder: Path | str, *, cache: Path, version: str | None = None) -> WheelTables:
    """What `WheelTables.load` gives, from the cache where it has been read before.

    A cache that cannot be written is none.

    Raises:
        TablesNotFound, UnreadableTable, UnsafePickle: See `WheelTables.load`.
    """
    place = folder_of(Path(folder), version)
    kept = cache / f"{_fingerprint(place)}.json"
    tables = _read(kept)
    if tables is None:
        tables = WheelTables.load(place)
        with contextlib.suppress(UnwritableOutput):
            make_folder(cache)
            write_atomically(kept, _written(tables))
    return tables


def _fingerprint(folder: Path) -> str:
    parts = [f"{_FORMAT}\n"]
    for name in FILES:
        path = folder / name
        parts.append(f"{name}\t{hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else '-'}\n")
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def _written(tables: WheelTables) -> str:
    maps = {"forms": tables.forms, "synonyms": tables.synonyms, "wheels": tables.wheels}
    return json.dumps({"sha256": tables.sha256, **maps}, ensure_ascii=False)


def _read(path: Path) -> WheelTables | None:
    """The kept tables; None where there are none, or where they are damaged."""
    try:
        kept: Any = json.loads(path.read_bytes())
        tables = WheelTables(
            forms={form: tuple(words) for form, words in kept["forms"].items()},
            synonyms={word: tuple(words) for word, words in kept["synonyms"].items()},
            wheels=kept["wheels"],
        )
        return tables if tables.sha256 == kept["sha256"] else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
