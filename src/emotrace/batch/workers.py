"""Worker processes of this machine: a task that kills its worker takes no other with it, and is tried once more.

Workers are started afresh (never forked, so that threads of the parent cannot hurt them) and end with their parent,
however that ends. They do not run the caller's script again, so a script needs no guard around its main part.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import connection, get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Final, Generic, Protocol, TypeVar

TRIES: Final = 2
"""How often a task is begun: a second time where its worker was killed, as by a system that ran out of memory."""
ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"), "1"
)
"""The environment of a worker: the workers share the cores, and sums over several threads may differ in a last bit."""

TaskT = TypeVar("TaskT")
DoneT = TypeVar("DoneT")
MadeT = TypeVar("MadeT", covariant=True)


@dataclass(frozen=True, kw_only=True)
class Lost:
    """What is known of a task that no worker survived."""

    reason: str


class Crew(Protocol[TaskT, MadeT]):
    """Whoever does tasks: `LocalWorkers`, or `RayWorkers` on a cluster."""

    def run(self, tasks: Iterable[TaskT]) -> Iterator[tuple[TaskT, MadeT | Lost]]:
        """Does the tasks, and gives each as it ends; takes the next only when somebody is free."""
        ...


class LocalWorkers(Generic[TaskT, DoneT]):
    """Processes that do tasks; each is started when there is a task for it. Use as a context manager.

    Args:
        work: What is done with a task; it travels to each worker once.
        count: Most workers.
    """

    def __init__(self, work: Callable[[TaskT], DoneT], count: int) -> None:
        self._work, self._count = work, count
        self._crew: list[_Worker] = []

    def __enter__(self) -> LocalWorkers[TaskT, DoneT]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._crew:
            worker.close()

    @property
    def pids(self) -> list[int]:
        """The processes."""
        return [worker.process.pid or 0 for worker in self._crew]

    def run(self, tasks: Iterable[TaskT]) -> Iterator[tuple[TaskT, DoneT | Lost]]:
        """Does the tasks, and gives each as it ends."""
        coming, again = iter(tasks), deque[_Begun[TaskT]]()
        busy: dict[Any, tuple[_Worker, _Begun[TaskT]]] = {}
        while True:
            while len(busy) < self._count and (begun := again.popleft() if again else _next(coming)) is not None:
                worker = next((each for each in self._crew if not each.busy), None) or self._hire()
                busy[worker.pipe] = (worker, begun)
                worker.send(begun.task)
            if not busy:
                return
            for ready in connection.wait(list(busy)):
                worker, begun = busy.pop(ready)
                try:
                    done: DoneT | Lost = worker.receive()
                except (EOFError, OSError):
                    self._crew.remove(worker)
                    reason = worker.end()
                    if begun.tries < TRIES:
                        again.append(_Begun(task=begun.task, tries=begun.tries + 1))
                        continue
                    done = Lost(reason=reason)
                yield begun.task, done

    def _hire(self) -> _Worker:
        self._crew.append(_Worker(self._work))
        return self._crew[-1]


@dataclass(frozen=True, kw_only=True)
class _Begun(Generic[TaskT]):
    task: TaskT
    tries: int = 1


def _next(coming: Iterator[TaskT]) -> _Begun[TaskT] | None:
    for task in coming:
        return _Begun(task=task)
    return None


class _Worker:
    """One process, and our end of the pipe to it."""

    def __init__(self, work: Callable[[Any], Any]) -> None:
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.busy = False
        self.process: SpawnProcess = context.Process(target=_serve, args=(work, theirs), daemon=True)
        with _for_a_worker():
            self.process.start()
        theirs.close()  # so that the pipe ends when the worker does

    def send(self, task: object) -> None:
        self.busy = True
        with suppress(BrokenPipeError):  # it has ended: reading from it will tell
            self.pipe.send(task)

    def receive(self) -> Any:
        received = self.pipe.recv()
        self.busy = False
        return received

    def close(self) -> None:
        if self.busy:  # nobody waits for what it does
            self.process.kill()
        else:
            self.send(None)
        self.process.join()
        self.pipe.close()

    def end(self) -> str:
        """How the process ended, of which its pipe has told that it does."""
        self.process.join(5.0)
        self.close()
        code = self.process.exitcode or 0
        if code >= 0:
            return f"its worker ended with code {code}"
        return f"its worker was killed ({signal.Signals(-code).name})"


@contextmanager
def _for_a_worker() -> Iterator[None]:
    """While a process is started: one thread of arithmetic for it, and nothing of our main script.

    Without the script a worker starts faster, and a script that calls us at its top level does not start over.
    """
    main = sys.modules["__main__"]
    hidden: dict[str, Any] = {name: main.__dict__[name] for name in ("__file__", "__spec__") if name in main.__dict__}
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    main.__dict__.pop("__file__", None)
    main.__spec__ = None
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        main.__dict__.update(hidden)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _serve(work: Callable[[Any], Any], pipe: Connection) -> None:
    """A worker's life: tasks until None comes or the parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the parent decides what it means
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        while (task := pipe.recv()) is not None:
            pipe.send(work(task))
    except (EOFError, ConnectionError):
        pass  # the parent is gone


def _end_with_parent() -> None:
    """Waits until the parent has ended, however it did, and ends this process: nobody would take its results."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
