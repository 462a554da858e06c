"""One pace for the questions of all workers: so many a minute together, evenly spaced."""

from __future__ import annotations

import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from emotrace.batch.locks import locked

_MOMENT = struct.Struct("<d")


@dataclass(frozen=True, kw_only=True)
class FileGate:
    """A gate for the processes of one machine: a file holds the moment from which the next question may be asked.

    Each process books the next free moment behind the file's lock, and sleeps without it. The clock is the system's
    monotonic one, which all processes share; `open` forgets moments of an earlier run, or of before a restart.
    """

    path: Path
    per_minute: float

    def open(self) -> None:
        """Lets the first question through at once."""
        self.path.unlink(missing_ok=True)

    def wait(self) -> None:
        """Books a moment and sleeps until then."""
        with locked(self.path, wait=True) as file:
            kept = os.read(file, _MOMENT.size)
            now = time.monotonic()
            at = max(now, _MOMENT.unpack(kept)[0]) if len(kept) == _MOMENT.size else now
            os.lseek(file, 0, os.SEEK_SET)
            os.write(file, _MOMENT.pack(at + 60.0 / self.per_minute))
        time.sleep(at - now)
