"""What many threads want to know and one of them finds out, such as whether a server takes pictures."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Once(Generic[Value]):
    """A value that is found when it is first asked for.

    Whoever asks meanwhile waits, and is told the same, be it the failure: eight threads in front of a dead server wait
    for one of them, not for each other in turn. After a failure the next one tries anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: Future[Value] | None = None

    def get(self, find: Callable[[], Value]) -> Value:
        """The value, found now if nobody did before; raises what finding it raised."""
        with self._lock:
            found, is_ours = self._found, self._found is None
            if found is None:
                found = self._found = Future()
        if is_ours:
            try:
                found.set_result(find())
            except BaseException as error:
                self._found = None
                found.set_exception(error)  # for those who wait
                raise
        return found.result()
