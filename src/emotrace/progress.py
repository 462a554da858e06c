"""Who watches a run: stage times for benchmarks, and how far it is for a progress bar. Silent unless somebody looks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Watch:
    """Collects the seconds that each named stage took; stages may be entered many times.

    Args:
        on_progress: Called with a stage's name and the share of it that is done, 0..1.
    """

    def __init__(self, on_progress: Callable[[str, float], None] | None = None) -> None:
        self.seconds: dict[str, float] = {}
        self._on_progress = on_progress

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Adds the time spent inside to the stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

    def progress(self, name: str, done: float, total: float) -> None:
        """Tells the watcher how far a stage is; a total of 0 means that nobody knows."""
        if self._on_progress is not None:
            self._on_progress(name, min(done / total, 1.0) if total > 0 else 0.0)
