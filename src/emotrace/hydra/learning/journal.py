"""A file of JSON lines that grows with a run, and is taken back to where a resumed run goes on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emotrace.errors import UnwritableOutput
from emotrace.files import lines_of, write_atomically


class Journal:
    """JSON lines, each with the step that it belongs to.

    Args:
        path: The file.
        last_step: What a killed run wrote after this step is taken out, a torn last line too.

    Raises:
        UnwritableOutput: It cannot be written.
    """

    def __init__(self, path: Path, *, last_step: int = 0) -> None:
        self.path = path
        self.lines = [line for line in _read(path) if line["step"] <= last_step]
        write_atomically(path, "".join(map(_line, self.lines)))

    def append(self, record: dict[str, Any]) -> None:
        """Adds a line, and hands it to the disk."""
        self.lines.append(record)
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(record))
        except OSError as error:
            raise UnwritableOutput(f"cannot be written ({error.strerror or error})", where=self.path) from error


def _line(record: dict[str, Any]) -> str:
    return json.dumps(record, ensure_ascii=False, allow_nan=False) + "\n"


def _read(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal."""
    if not path.is_file():
        return []
    found = []
    for line in lines_of(path.read_text(encoding="utf-8", errors="replace")):
        try:
            found.append(json.loads(line))
        except ValueError:
            break  # torn by a kill: what follows belongs to steps that are done again
    return found
