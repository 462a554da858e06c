"""The folder of a batch: who may write there, what its files are called, and that each is there whole or not at all.

results/    one result per content: HASH-STEM.emotrace.json, and its page HASH-STEM.emotrace.html
replies/    what a language model replied, so that nothing is asked twice
tables/     all results together, in the formats that were asked for
manifest.jsonl  summary.csv  errors.csv  settings.json
log.jsonl   what took how long; the only file with times in it
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from emotrace.batch.inputs import in_unicode
from emotrace.batch.locks import locked
from emotrace.batch.manifest import Manifest
from emotrace.errors import OutputError, UnwritableOutput
from emotrace.files import make_folder, sha256_of, write_atomically

_HASH_LETTERS: Final = 20
"""80 bits: among a million files two would meet with a chance of one in a million million."""
_STEM_BYTES: Final = 100
_UNSAFE: Final = re.compile(r"[^\w.-]+")


class Folder:
    """Use as a context manager: inside, nobody else writes there.

    Args:
        path: The folder; made if it is not there.

    Raises:
        UnwritableOutput: It cannot be made or written.
        OutputError: Another run is at work there.
        UnreadableTable: Its manifest is damaged.
    """

    manifest: Manifest

    def __init__(self, path: Path) -> None:
        self.path = path
        self.results = path / "results"
        self._held = ExitStack()

    def __enter__(self) -> Folder:
        make_folder(self.results)
        try:
            self._held.enter_context(locked(self.path / ".lock", wait=False))
            for folder in (self.path, self.results):
                for left in folder.glob(".*.part"):  # what a killed run was about to write
                    shutil.rmtree(left) if left.is_dir() else left.unlink()
        except BlockingIOError:
            self._held.close()
            raise OutputError(
                "another run is at work in this folder", where=self.path, hint="Wait for it, or use another folder"
            ) from None
        except OSError as error:
            self._held.close()
            reason = f"cannot be written ({error.strerror})"
            raise UnwritableOutput(reason, where=error.filename or self.path, hint="Choose another folder") from error
        try:
            self.manifest = Manifest(self.path / "manifest.jsonl")
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def has(self, name: str | None, sha256: str | None) -> bool:
        """Whether a file of `results/` is there, with the bytes that the manifest says."""
        if name is None:
            return False
        try:
            return sha256_of(self.results / name) == sha256
        except OSError:
            return False

    def remove_replaced(self, names: set[str]) -> None:
        """Removes all results and pages that this folder's runs have written, other than these."""
        for name in sorted(self.manifest.files - names):
            self._try(partial((self.results / name).unlink, missing_ok=True))

    def replace_tables(self, write: Callable[[Path], None]) -> None:
        """Puts what `write` writes into a new folder in the place of `tables/`."""
        fresh, tables = self.path / ".tables.part", self.path / "tables"
        self._try(fresh.mkdir)
        write(fresh)
        if tables.exists():
            self._try(lambda: shutil.rmtree(tables))
        self._try(lambda: fresh.rename(tables))

    def write(self, name: str, content: str | bytes) -> None:
        """Writes one of the folder's files, whole or not at all."""
        write_atomically(self.path / name, content)

    def log(self, record: dict[str, Any]) -> None:
        """Adds a line to `log.jsonl`; a few lost lines would not matter."""
        line = json.dumps(record) + "\n"
        self._try(lambda: self._append(line))

    def _append(self, line: str) -> None:
        with (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(line)

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except OSError as error:
            reason = f"cannot be written ({error.strerror})"
            hint = "Make room or give permission, and run the batch again"
            raise UnwritableOutput(reason, where=error.filename or self.path, hint=hint) from error


def name_of(key: str, path: Path) -> str:
    """What a result is called, without ending: unlike any other's, and safe on any disk.

    >>> name_of("0123456789abcdef0123456789abcdef", Path("../a b:c.mp4"))
    '0123456789abcdef0123-a_b_c'
    """
    stem = _UNSAFE.sub("_", in_unicode(path.stem)).encode()[:_STEM_BYTES].decode(errors="ignore").rstrip(".")
    return f"{key[:_HASH_LETTERS]}-{stem}"
