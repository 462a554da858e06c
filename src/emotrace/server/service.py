"""What the routes call: to take an upload in, to look at an analysis, to delete one; and what tidies up."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from starlette.requests import Request

from emotrace.batch.locks import locked
from emotrace.errors import RequestRefused, UsageError
from emotrace.files import make_folder
from emotrace.purpose import check_purpose
from emotrace.server.answers import Links, Problem, Progress, Status
from emotrace.server.jobs import Jobs, Task
from emotrace.server.security import Keys
from emotrace.server.settings import Settings
from emotrace.server.store import Entry, Store
from emotrace.server.uploads import Options, Upload, receive

_STOPPED: Final = Problem(
    code="server_stopped", message="the server ended before it was analysed", hint="Send the file again"
)
_GRACE_SECONDS: Final = 60.0
_LOG: Final = logging.getLogger("uvicorn.error")


@dataclass(frozen=True, kw_only=True)
class Service:
    """One running server."""

    settings: Settings
    keys: Keys
    store: Store
    jobs: Jobs

    async def take(self, request: Request, owner: str) -> Entry:
        """Takes an upload in and puts it into the queue.

        Raises:
            RequestRefused: No room, a body that cannot be, or a file that cannot be opened.
            EmotraceError: An option that cannot be.
        """
        limits = self.settings.limits
        with self.jobs.place() as id:
            coming = self._incoming / id
            upload = await receive(request, coming, most_bytes=limits.upload_bytes, stall_seconds=limits.stall_seconds)
            try:
                return await self._accept(id, upload, owner)
            except BaseException:
                await asyncio.to_thread(shutil.rmtree, coming, ignore_errors=True)
                raise

    async def _accept(self, id: str, upload: Upload, owner: str) -> Entry:
        options = self._arguments(upload)
        media_type = await self.jobs.probe(_task(id, upload.folder, upload, options))
        entry = Entry(
            id=id,
            owner=owner,
            server=self.settings.name,
            name=upload.name,
            bytes=upload.bytes,
            media_type=media_type,
            created=time.time(),
        )
        await asyncio.to_thread(self.store.add, entry)
        await asyncio.to_thread(upload.folder.rename, self.folder(id))
        self.jobs.add(_task(id, self.folder(id), upload, options))
        return entry

    def _arguments(self, upload: Upload) -> dict[str, Any]:
        options = Options.read(upload.fields).model_dump()
        options["purpose"] = check_purpose(options["purpose"] or self.settings.purpose)
        if options["text"] is not None and upload.transcript is not None:
            raise UsageError("text and a transcript file were both given", hint="Give one of them")
        return {**options, "max_duration_seconds": self.settings.limits.duration_seconds}

    def entry(self, id: str, owner: str) -> Entry:
        """An analysis of this owner.

        Raises:
            RequestRefused: 404, there is none.
        """
        known = self.store.get(id, owner) if len(id) == 32 and id.isalnum() else None
        if known is None:
            raise RequestRefused("there is no such analysis", status=404, code="not_found")
        return known

    def file(self, entry: Entry, name: str) -> Path:
        """A file of an analysis.

        Raises:
            RequestRefused: 404, it has been deleted meanwhile.
        """
        path = self.folder(entry.id) / name
        if not path.is_file():
            raise RequestRefused("there is no such analysis", status=404, code="not_found")
        return path

    def finished_file(self, entry: Entry, name: str) -> Path:
        """A file that is there once an analysis is done.

        Raises:
            RequestRefused: 409, it is not done.
        """
        if entry.state != "done":
            reason = "it failed" if entry.is_finished else "it is not finished"
            raise RequestRefused(f"there is no result: {reason}", status=409, code="not_done")
        return self.file(entry, name)

    async def delete(self, entry: Entry) -> None:
        """Ends what is done with an analysis, and deletes all of it: the files first."""
        await self.jobs.give_up(entry.id)
        await asyncio.to_thread(shutil.rmtree, self.folder(entry.id), ignore_errors=True)
        await asyncio.to_thread(self.store.delete, entry.id, entry.owner)

    def status(self, entry: Entry) -> Status:
        """An analysis as clients see it."""
        here = f"/v1/analyses/{entry.id}"
        parts = ("events", "result", "report", "export", "media")
        live = None if entry.is_finished else self.jobs.progress_of(entry.id)
        return Status(
            id=entry.id,
            name=entry.name,
            bytes=entry.bytes,
            state=entry.state if live is None else live.state,
            created=_utc(entry.created),
            finished=None if entry.finished is None else _utc(entry.finished),
            expires=None if entry.finished is None else _utc(entry.finished + self._keep_seconds),
            progress=live or Progress(state=entry.state),
            summary=entry.summary,
            error=entry.error,
            links=Links(self=here, **{part: f"{here}/{part}" for part in parts}),
        )

    def folder(self, id: str) -> Path:
        """Where the files of an analysis lie."""
        return self.settings.data / "analyses" / id

    @property
    def _incoming(self) -> Path:
        return self.settings.data / "incoming" / self.settings.name

    @property
    def _keep_seconds(self) -> float:
        return self.settings.limits.keep_hours * 3600.0

    async def tidy(self) -> None:
        """Deletes what has been kept long enough, and fails what nobody works on any more."""
        long_ago = time.time() - _GRACE_SECONDS
        name, live = self.settings.name, self.jobs.live
        for silent in await asyncio.to_thread(self.store.beat, name):
            await asyncio.to_thread(self.store.fail_unfinished, silent, _STOPPED, created_before=long_ago)
        await asyncio.to_thread(self.store.fail_unfinished, name, _STOPPED, created_before=long_ago, but=live)
        for id, owner in await asyncio.to_thread(self.store.expired, time.time() - self._keep_seconds):
            await asyncio.to_thread(shutil.rmtree, self.folder(id), ignore_errors=True)
            await asyncio.to_thread(self.store.delete, id, owner)

    async def tidy_for_ever(self) -> None:
        """Tidies up every half minute, or more often where little is kept for long."""
        while True:
            try:
                await self.tidy()
            except RequestRefused as error:  # the database was away; it may be there next time
                _LOG.error("tidying up: %s", error)
            await asyncio.sleep(min(max(self._keep_seconds / 10, 0.5), 30.0))


@contextmanager
def opened(settings: Settings) -> Iterator[Store]:
    """The database and the folder of a server, for it alone: what its last run left is failed, half files removed.

    Raises:
        UsageError: The database cannot be used, or another server of this name has the folder.
        UnwritableOutput: The folder cannot be made.
    """
    make_folder(settings.data)
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(settings.data / f".{settings.name}.lock", wait=False))
        except BlockingIOError:
            raise UsageError(
                f"a server named {settings.name} works in this folder already",
                where=settings.data,
                hint="Give this one another --data, or another --name",
            ) from None
        store = stack.enter_context(closing(Store(settings.database_url)))
        store.fail_unfinished(settings.name, _STOPPED, created_before=time.time())
        shutil.rmtree(settings.data / "incoming" / settings.name, ignore_errors=True)
        make_folder(settings.data / "incoming" / settings.name)
        make_folder(settings.data / "analyses")
        yield store


@asynccontextmanager
async def running(settings: Settings, store: Store) -> AsyncIterator[Service]:
    """The service, from before its first request until after its last."""
    async with Jobs(store, workers=settings.workers, limits=settings.limits) as jobs:
        service = Service(settings=settings, keys=Keys(settings.keys), store=store, jobs=jobs)
        tidying = asyncio.create_task(service.tidy_for_ever())
        try:
            yield service
        finally:
            tidying.cancel()
            await asyncio.gather(tidying, return_exceptions=True)
    await asyncio.to_thread(store.fail_unfinished, settings.name, _STOPPED, created_before=time.time())


def _task(id: str, folder: Path, upload: Upload, options: dict[str, Any]) -> Task:
    transcript = None if upload.transcript is None else folder / upload.transcript
    return Task(id=id, folder=folder, name=upload.name, transcript=transcript, options=options)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(round(seconds, 3), UTC)
