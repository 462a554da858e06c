"""Asking a server that may be busy: bounded tries, growing waits, and not more questions a minute than allowed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

from emotrace.errors import ServerFailed

Answer = TypeVar("Answer")


class TryAgain(Exception):
    """The server was busy, cut off, or too slow; the same question may be asked again.

    Args:
        reason: What happened.
        after_seconds: How long the server asked to wait; None where it did not say.
    """

    def __init__(self, reason: str, after_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.after_seconds = after_seconds


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often a question is asked again, and after how long: first, twice that, four times that, up to the longest.

    There is no jitter: concurrency is bounded here, and a run should be repeatable.
    """

    tries: int = 6
    first_seconds: float = 1.0
    longest_seconds: float = 60.0

    def wait_seconds(self, tried: int, asked_for: float | None) -> float:
        """The wait after `tried` tries; what the server asked for counts, within the longest."""
        growing = self.first_seconds * 2.0 ** (tried - 1)
        return min(self.longest_seconds, max(growing, asked_for or 0.0))


def patiently(ask: Callable[[], Answer], patience: Patience, *, where: str) -> Answer:
    """The answer, after as many tries as the patience has.

    Raises:
        ServerFailed: None of them brought one; has the last reason.
    """
    for tried in range(1, patience.tries + 1):
        try:
            return ask()
        except TryAgain as busy:
            if tried == patience.tries:
                reason = f"no answer after {tried} tries ({busy.reason})"
                raise ServerFailed(reason, where=where, hint="Run it again: what was answered is kept") from None
            time.sleep(patience.wait_seconds(tried, busy.after_seconds))
    raise ValueError(f"patience needs at least one try, got {patience.tries}")


@runtime_checkable
class Gate(Protocol):
    """Where everybody waits before a question is asked."""

    def wait(self) -> None:
        """Returns when the next question may be asked."""
        ...


class Pace:
    """Not more than so many questions a minute, from all threads together, evenly spaced.

    Args:
        per_minute: None for no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._gap = 0.0 if per_minute is None else 60.0 / per_minute
        self._next = 0.0
        self._lock = threading.Lock()

    def wait(self) -> None:
        """Returns when the next question may be asked."""
        if self._gap:
            with self._lock:
                now = time.monotonic()
                at = max(now, self._next)
                self._next = at + self._gap
            time.sleep(max(0.0, at - now))
