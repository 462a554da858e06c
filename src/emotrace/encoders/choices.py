"""Options with a closed list of values, given by users as plain text."""

from __future__ import annotations

from collections.abc import Sequence

from emotrace.errors import UnknownChoice


def refuse_unknown(option: str, value: str, choices: Sequence[str]) -> None:
    """Raises `UnknownChoice`, which lists the choices, unless the value is one of them."""
    if value not in choices:
        raise UnknownChoice(f"{value!r} is not known", where=option, hint=f"Choose one of: {', '.join(choices)}")
