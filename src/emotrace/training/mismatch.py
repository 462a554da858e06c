"""Whether two configurations are one, and in which words they are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotrace.errors import CheckpointMismatch, UsageError, first_five


def demand_plain(values: Mapping[str, Any], *, where: str) -> None:
    """Makes sure that a configuration can be kept as JSON.

    Raises:
        UsageError: It holds something else than text, numbers, booleans, None, and lists and mappings of them.
    """
    try:
        json.dumps(values, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"is not made of plain values ({error})", where=where) from None


def demand_same(here: Mapping[str, Any], there: Mapping[str, Any], *, where: Path) -> None:
    """Makes sure that two configurations are one, once tuples are lists as in JSON.

    Raises:
        CheckpointMismatch: They are not; the message has the first five values that differ, of both sides.
    """
    ours, theirs = _flat(json.loads(json.dumps(here))), _flat(json.loads(json.dumps(there)))
    absent = "not set"
    different = [
        f"{name} is {theirs.get(name, absent)} in the checkpoint and {ours.get(name, absent)} here"
        for name in dict.fromkeys([*theirs, *ours])
        if theirs.get(name, absent) != ours.get(name, absent)
    ]
    if different:
        raise CheckpointMismatch(first_five(different), where=where, hint="Use another folder, or the same settings")


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted names; the leaves as JSON text, so that 1 and '1' stay apart."""
    if isinstance(values, Mapping) and values:
        parts = [_flat(value, f"{name}.{key}" if name else key) for key, value in values.items()]
        return {key: value for part in parts for key, value in part.items()}
    return {name: json.dumps(values, ensure_ascii=False)}
