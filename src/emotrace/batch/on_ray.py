"""Workers of a Ray cluster. Media, and with a language model the folder of the batch, must be visible from each node.

Few tasks are in flight at a time, and results are fetched as they end: neither the cluster nor this process holds more
than that. A task whose worker or node died is tried once more by Ray.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic

from emotrace.batch.job import Job
from emotrace.batch.work import Outcome, Task, analyst_of
from emotrace.batch.workers import ONE_THREAD, TRIES, DoneT, Lost, TaskT
from emotrace.errors import MissingExtra, ServerFailed

LOCAL: Final = "local"
"""The address of a cluster that is started for this run, on this machine."""


@contextmanager
def cluster(address: str = LOCAL, *, cores: int | None = None) -> Iterator[None]:
    """Joins a cluster, or starts one; leaves it as it was where this process was in one before.

    Args:
        address: `local`, `auto` for the one that runs on this machine, `HOST:PORT` or `ray://HOST:PORT`.
        cores: Of a local cluster; None for all.

    Raises:
        MissingExtra: Ray is not installed.
        ServerFailed: No cluster answers there.
    """
    try:
        import ray
    except ModuleNotFoundError as error:
        raise MissingExtra("annotate --ray", extra="ray") from error
    if ray.is_initialized():
        yield
        return
    try:
        ray.init(
            address=address,
            num_cpus=cores if address == LOCAL else None,
            include_dashboard=False if address == LOCAL else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": ONE_THREAD},
        )
    except (ConnectionError, ValueError, RuntimeError) as error:
        reason = f"no Ray cluster answers ({' '.join(str(error).split())[:200]})"
        raise ServerFailed(reason, where=address, hint="Start one with: ray start --head") from error
    try:
        yield
    finally:
        ray.shutdown()


class RayWorkers(Generic[TaskT, DoneT]):
    """Does tasks on the cluster that this process is in.

    Args:
        work: What is done with a task; it travels to each node once.
        count: Most tasks at a time; None for twice the cluster's cores.
    """

    def __init__(self, work: Callable[[TaskT], DoneT], *, count: int | None = None) -> None:
        import ray

        self._ray: Any = ray  # its own types say little
        self._at_once = count or 2 * max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        self._work = self._ray.put(work)
        self._do = self._ray.remote(num_cpus=1, max_retries=TRIES - 1)(_do)

    def run(self, tasks: Iterable[TaskT]) -> Iterator[tuple[TaskT, DoneT | Lost]]:
        """Does the tasks, and gives each as it ends."""
        flying: dict[Any, TaskT] = {}
        coming = iter(tasks)
        while True:
            while len(flying) < self._at_once and (task := next(coming, None)) is not None:
                flying[self._do.remote(self._work, task)] = task
            if not flying:
                return
            for ready in self._ray.wait(list(flying), num_returns=1)[0]:
                task = flying.pop(ready)
                try:
                    done: DoneT | Lost = self._ray.get(ready)
                except self._ray.exceptions.RayError as error:
                    done = Lost(reason=f"its worker was lost ({type(error).__name__})")
                yield task, done


def _do(work: Callable[[TaskT], DoneT], task: TaskT) -> DoneT:
    return work(task)


class ByJob:
    """Work for Ray's workers: each keeps its analyst from task to task."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, task: Task) -> Outcome:
        """Analyses the file."""
        return analyst_of(self._job)(task)


class RayGate:
    """One pace for all nodes: an actor gives out moments."""

    def __init__(self, per_minute: float) -> None:
        import ray

        self._pace: Any = ray.remote(num_cpus=0)(_Pace).remote(60.0 / per_minute)

    def wait(self) -> None:
        """Books a moment and sleeps until then."""
        import ray

        seconds: Any = ray.get(self._pace.book.remote())
        time.sleep(seconds)


class _Pace:
    def __init__(self, gap_seconds: float) -> None:
        self._gap_seconds, self._next = gap_seconds, 0.0

    def book(self) -> float:
        now = time.monotonic()
        at = max(now, self._next)
        self._next = at + self._gap_seconds
        return at - now
