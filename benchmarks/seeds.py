"""Seeds as a benchmark's command names them."""

from __future__ import annotations


def parse_seeds(text: str) -> list[int]:
    """The seeds of "5-9" or "5,7"."""
    if "-" in text:
        first, last = text.split("-")
        return list(range(int(first), int(last) + 1))
    return [int(part) for part in text.split(",")]
