"""Batches prepared ahead in threads, in order, and moved to the device.

Threads, because decoding and resizing release the interpreter's lock and a batch then needs no copy between processes.
What a batch holds depends on its epoch and clips alone, so the number of threads cannot change it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar

import torch

Task = TypeVar("Task")
Made = TypeVar("Made")


def prefetched(make: Callable[[Task], Made], tasks: Iterable[Task], *, workers: int) -> Generator[tuple[Task, Made]]:
    """Each task with what `make` makes of it, in the order of the tasks.

    At most `workers` + 1 results lie ready at a time. An error of `make` is raised where its result was due.

    Args:
        make: Called from several threads if there are several workers.
        tasks: What is to be made.
        workers: Threads that work ahead; 0 makes each result when it is asked for.
    """
    if workers == 0:
        yield from ((task, make(task)) for task in tasks)
        return
    waiting: deque[tuple[Task, Future[Made]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="emotrace-loader") as pool:
        try:
            for task in tasks:
                waiting.append((task, pool.submit(make, task)))
                if len(waiting) > workers:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


def moved(batch: Any, device: torch.device) -> Any:
    """The same batch with its tensors on `device`; the rest as it is."""
    return with_tensors(batch, lambda tensor: tensor.to(device, non_blocking=True))


def with_tensors(batch: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """A nest of dataclasses, mappings, lists and tuples with each tensor changed; parts without one are not copied."""
    if isinstance(batch, torch.Tensor):
        return change(batch)
    if is_dataclass(batch) and not isinstance(batch, type):
        values = {field.name: getattr(batch, field.name) for field in fields(batch) if field.init}
        changed = {name: new for name, value in values.items() if (new := with_tensors(value, change)) is not value}
        return replace(batch, **changed) if changed else batch
    if isinstance(batch, Mapping):
        items = {key: with_tensors(value, change) for key, value in batch.items()}
        return items if any(items[key] is not value for key, value in batch.items()) else batch
    if isinstance(batch, list | tuple):
        parts = [with_tensors(value, change) for value in batch]
        if all(new is old for new, old in zip(parts, batch, strict=True)):
            return batch
        return type(batch)(*parts) if hasattr(batch, "_fields") else type(batch)(parts)
    return batch
