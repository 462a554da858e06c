"""The label tables that a protocol scores on."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from emotrace.files import cache_folder
from emotrace.labels.label_table import LabelTable, OwnTable
from emotrace.labels.official_tables import tables_folder
from emotrace.labels.table_cache import load_kept
from emotrace.metrics.protocols import Protocol


def tables_of(
    protocol: Protocol, folder: Path | str | None = None, *, version: Literal["v1", "v2"] | None = None
) -> LabelTable | None:
    """The tables that a protocol needs; None where it needs none.

    Args:
        protocol: Who needs them.
        folder: Of the user's copy of the official tables; None for the one that the environment names.
        version: Another version than the protocol's own.

    Raises:
        TablesNotFound: It needs the official tables, and no folder of them was named.
    """
    if protocol.tables is None:
        return None
    if protocol.tables == "own":
        return OwnTable.shipped()
    return load_kept(tables_folder(folder), version=version or protocol.tables, cache=cache_folder() / "wheel_tables")
