"""`Analysis` to the files people use: one format per file, each a function from a result to text."""

from collections.abc import Callable

from emotrace.export.csv import to_csv
from emotrace.export.jsonl import to_jsonl
from emotrace.results import Analysis

EXPORTS: dict[str, Callable[[Analysis], str]] = {
    "csv": to_csv,
    "jsonl": to_jsonl,
}
"""Name of the format, which is also its file ending -> the function that writes it."""

__all__ = ["EXPORTS", "to_csv", "to_jsonl"]
