"""The queue, and the workers that take from it. All of it lives in the event loop, which never waits for a file."""

from __future__ import annotations

import asyncio
import logging
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emotrace.errors import RequestRefused, WorkerLost
from emotrace.server.answers import Problem, Progress, Summary, problem_of
from emotrace.server.settings import Limits
from emotrace.server.store import Store
from emotrace.server.workers import Worker

_PROBE_SECONDS: Final = 30.0
_LOG: Final = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is to be analysed."""

    id: str
    folder: Path
    name: str
    transcript: Path | None
    options: dict[str, Any]
    """Arguments of `emotrace.analyze`."""

    def request(self, what: str) -> dict[str, Any]:
        """The task as a worker reads it."""
        transcript = None if self.transcript is None else str(self.transcript)
        place = {"folder": str(self.folder), "transcript": transcript}
        return {"do": what, **place, "name": self.name, "options": self.options}


class Jobs:
    """Places in the queue, and who works. Use as an async context manager."""

    def __init__(self, store: Store, *, workers: int, limits: Limits) -> None:
        self._store, self._limits = store, limits
        self._coming: set[str] = set()
        self._waiting: dict[str, Task] = {}
        self._running: dict[str, Worker] = {}
        self._progress: dict[str, Progress] = {}
        self._given_up: set[str] = set()
        self._ready = asyncio.Semaphore(0)
        self._pace_seconds = 10.0  # of one analysis, learned as they end
        self._prober, self._workers = Worker(), [Worker() for _ in range(workers)]
        self._loops: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Jobs:
        self._loops = [asyncio.create_task(self._work(worker)) for worker in self._workers]
        self._loops.append(asyncio.create_task(self._prober.warm("probe")))
        return self

    async def __aexit__(self, *_: object) -> None:
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)
        for worker in (self._prober, *self._workers):
            await worker.kill()

    @property
    def waiting(self) -> int:
        """Files that wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Files that are being analysed."""
        return len(self._running)

    @property
    def pids(self) -> list[int]:
        """The processes that analyse."""
        return [worker.pid for worker in self._workers if worker.pid is not None]

    @property
    def live(self) -> set[str]:
        """Ids of all that is coming, waits or runs."""
        return {*self._coming, *self._waiting, *self._running}

    @contextmanager
    def place(self) -> Iterator[str]:
        """Keeps a place for a file that is coming; gives the id that it will have.

        Raises:
            RequestRefused: 429, too many are coming or waiting.
        """
        if len(self._coming) >= self._limits.uploads:
            raise RequestRefused(
                "too many files are being uploaded", status=429, code="too_many_uploads", retry_after_seconds=2
            )
        if len(self._coming) + len(self._waiting) >= self._limits.queue:
            wait = self._pace_seconds / len(self._workers)
            raise RequestRefused(
                f"{len(self._waiting)} files wait already",
                status=429,
                code="queue_full",
                retry_after_seconds=min(max(round(wait), 1), 600),
            )
        id = secrets.token_hex(16)
        self._coming.add(id)
        try:
            yield id
        finally:
            self._coming.discard(id)

    async def probe(self, task: Task) -> str:
        """The type of a task's media, once it is known that it can be opened.

        Raises:
            RequestRefused: It cannot; with the code and message of the error.
        """
        try:
            answer = await self._prober.do(task.request("probe"), seconds=_PROBE_SECONDS)
        except (TimeoutError, WorkerLost):
            raise RequestRefused(
                "opening it took too long, or ended the process that tried",
                status=422,
                code="unreadable_media",
                hint="Convert the file to MP4",
            ) from None
        return str(answer["media_type"])

    def add(self, task: Task) -> None:
        """Puts a task at the end of the queue."""
        self._waiting[task.id] = task
        self._ready.release()

    async def give_up(self, id: str) -> None:
        """Takes a task out of the queue, or kills the worker that is at it."""
        self._waiting.pop(id, None)
        if (worker := self._running.get(id)) is not None:
            self._given_up.add(id)
            await worker.kill()

    def progress_of(self, id: str) -> Progress | None:
        """How far a task is; None for one that is finished, or another server's."""
        if id in self._waiting:
            return Progress(state="queued", position=list(self._waiting).index(id))
        return self._progress.get(id)

    async def _work(self, worker: Worker) -> None:
        await worker.warm("analyze")
        while True:
            await self._ready.acquire()
            if not self._waiting:
                continue  # what the signal was for has been deleted
            id = next(iter(self._waiting))
            task = self._waiting.pop(id)
            self._running[id], self._progress[id] = worker, Progress(state="running", stage="starting", share=0.0)
            try:
                await self._analyze(task, worker)
            except RequestRefused as error:  # of the store: what was not written is found when the server tidies up
                _LOG.error("analysis %s: %s", id, error)
            finally:
                del self._running[id], self._progress[id]
                self._given_up.discard(id)

    async def _analyze(self, task: Task, worker: Worker) -> None:
        if not await asyncio.to_thread(self._store.start, task.id):
            return
        start = time.monotonic()
        summary, problem = await self._outcome(task, worker)
        if task.id in self._given_up:
            return
        self._pace_seconds += 0.2 * (time.monotonic() - start - self._pace_seconds)
        if not await asyncio.to_thread(self._store.finish, task.id, summary=summary, error=problem):
            await asyncio.to_thread(shutil.rmtree, task.folder, ignore_errors=True)  # another server deleted it

    async def _outcome(self, task: Task, worker: Worker) -> tuple[Summary | None, Problem | None]:
        def tell(stage: str, share: float) -> None:
            self._progress[task.id] = Progress(state="running", stage=stage, share=share)

        try:
            answer = await worker.do(task.request("analyze"), seconds=self._limits.analysis_seconds, tell=tell)
        except TimeoutError:
            limit = f"it took longer than the limit of {self._limits.analysis_seconds:g} s"
            return None, Problem(code="took_too_long", message=limit, hint="Send a shorter or smaller file")
        except (WorkerLost, RequestRefused) as error:
            return None, problem_of(error)
        return Summary(**answer), None
