"""Our side of a worker process: started when it is needed, killed when it takes too long, replaced when it is lost."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal

from emotrace.batch.workers import ONE_THREAD
from emotrace.errors import RequestRefused, WorkerLost

_LONGEST_ANSWER: Final = 1 << 20
_START_SECONDS: Final = 120.0


class Worker:
    """One worker process at a time, and never two requests at once."""

    def __init__(self) -> None:
        self._process: Process | None = None
        self._free = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """The process that works now; None before the first and after the last."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def warm(self, what_for: Literal["probe", "analyze"]) -> None:
        """Starts a process ahead of the first request."""
        with suppress(WorkerLost, TimeoutError):  # the next request tries once more
            await self.do({"do": "warm", "for": what_for}, seconds=_START_SECONDS)

    async def do(
        self, request: dict[str, Any], *, seconds: float, tell: Callable[[str, float], None] | None = None
    ) -> dict[str, Any]:
        """What the worker answers.

        Args:
            request: See `emotrace.server.worker`.
            seconds: How long it may take.
            tell: Called with a stage and its share.

        Raises:
            WorkerLost: The process was killed, or crashed.
            TimeoutError: It took too long, and was killed.
            RequestRefused: What the worker itself refused, with the code and message of its error.
        """
        async with self._free:
            process = await self._started()
            assert process.stdin is not None
            try:
                async with asyncio.timeout(seconds):
                    with suppress(ConnectionError):  # it has ended: reading from it will tell
                        process.stdin.write(json.dumps(request).encode() + b"\n")
                        await process.stdin.drain()
                    return await _answer(process, tell)
            except BaseException as error:  # also where we were cancelled: a worker at a forgotten task is of no use
                if not isinstance(error, RequestRefused):
                    await self.kill()
                raise

    async def kill(self) -> None:
        """Ends the process at once, whatever it is doing."""
        if (process := self._process) is not None:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            await process.wait()
            process._transport.close()  # type: ignore[attr-defined]  # closes its pipes now, not when it is collected

    async def _started(self) -> Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "emotrace.server.worker"),
                stdin=PIPE,
                stdout=PIPE,
                env={**os.environ, **ONE_THREAD},
                limit=_LONGEST_ANSWER,
                start_new_session=True,
            )
        return self._process


async def _answer(process: Process, tell: Callable[[str, float], None] | None) -> dict[str, Any]:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        answer = json.loads(line)
        if "done" in answer:
            done: dict[str, Any] = answer["done"]
            return done
        if "error" in answer:
            problem = answer["error"]
            raise RequestRefused(
                problem["message"], status=answer["status"], code=problem["code"], hint=problem["hint"]
            )
        if tell is not None:
            tell(answer["stage"], answer["share"])
    raise WorkerLost(_end(await process.wait()), hint="The file may need more memory than there is, or be hostile")


def _end(code: int) -> str:
    if code < 0:
        return f"the process that read it was killed ({signal.Signals(-code).name})"
    return f"the process that read it ended (code {code})"
