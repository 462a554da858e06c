"""Progress as server-sent events: `progress` as often as it changes, then one of `done`, `failed` and `cancelled`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Final

from emotrace.server.answers import Progress
from emotrace.server.jobs import Jobs
from emotrace.server.store import Entry, Store

KEEP_ALIVE_SECONDS: Final = 15.0
_HERE_SECONDS, _ELSEWHERE_SECONDS = 0.1, 1.0
"""How often we look: at our own memory, and into the database for what another server analyses."""


async def events(entry: Entry, store: Store, jobs: Jobs) -> AsyncIterator[str]:
    """The events of one analysis until it is finished, or deleted."""
    last, told, number = None, time.monotonic(), 0
    while True:
        live = jobs.progress_of(entry.id)
        if live is None:
            found = await asyncio.to_thread(store.get, entry.id, entry.owner)
            now = Progress(state="cancelled") if found is None else Progress(state=found.state, error=found.error)
        else:
            now = live
        if now != last:
            number, last, told = number + 1, now, time.monotonic()
            ended = now.state not in ("queued", "running")
            yield _event(now.state if ended else "progress", number, now)
            if ended:
                return
        elif time.monotonic() - told > KEEP_ALIVE_SECONDS:
            told = time.monotonic()
            yield ": still here\n\n"
        await asyncio.sleep(_HERE_SECONDS if live is not None else _ELSEWHERE_SECONDS)


def _event(name: str, number: int, progress: Progress) -> str:
    return f"event: {name}\nid: {number}\ndata: {progress.model_dump_json(exclude_none=True)}\n\n"
