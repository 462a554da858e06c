"""Many questions to a server at once, and what comes of them in the order in which they were put.

With a server behind, nearly all time is waiting. The threads are daemons: whoever interrupts a run is not held up by a
reply that may take minutes. Anything that does not wait for a server is better done one by one, in the calling thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import Final, TypeVar

from emotrace.errors import UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.progress import Watch
from emotrace.results import Verdict

AT_ONCE: Final = 8
"""[field] Sheets about which a server is asked at once."""

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(work: Callable[[Item], Result], items: Iterable[Item], *, at_once: int) -> Generator[Result, None, None]:
    """What `work` makes of each item, in the order of the items; they are begun in that order too.

    The first that fails, in that order, is the error that is raised. Nothing is begun after a failure, or once the
    generator is closed; what is under way is waited for, as its replies are worth keeping. An interrupt waits for
    nothing.

    Args:
        work: Is called from several threads.
        items: What it is called with.
        at_once: Most items at work; 1 needs no thread at all.

    Raises:
        UsageError: Less than one at once.
    """
    if at_once < 1:
        raise UsageError(f"at least one question at a time is needed, got {at_once}", where="concurrency")
    if at_once == 1:
        yield from map(work, items)
        return
    tasks: list[tuple[Item, Future[Result]]] = [(item, Future()) for item in items]
    left, results = iter(tasks), deque(future for _, future in tasks)
    ended, lock = threading.Event(), threading.Lock()

    def serve() -> None:
        while True:
            with lock:  # all before the one that failed were begun: none of them is ever left without a result
                task = None if ended.is_set() else next(left, None)
            if task is None:
                return
            item, future = task
            try:
                future.set_result(work(item))
            except BaseException as error:  # noqa: BLE001 - raised where the results are read
                ended.set()
                future.set_exception(error)

    threads = [threading.Thread(target=serve, daemon=True) for _ in range(min(at_once, len(tasks)))]
    for thread in threads:
        thread.start()
    is_interrupted = False
    try:
        while results:
            yield results.popleft().result()
    except KeyboardInterrupt:
        is_interrupted = True
        raise
    finally:
        ended.set()
        for thread in () if is_interrupted else threads:
            thread.join()


def verdicts_of(
    sheets: Sequence[EvidenceSheet], judge: Callable[[EvidenceSheet], Verdict], *, at_once: int, watch: Watch
) -> list[Verdict]:
    """The verdicts on many sheets, in their order.

    Sheets with the same content are judged one after the other: the later ones find the replies to the first, whatever
    goes on beside.
    """
    alike: dict[str, list[int]] = {}
    for place, sheet in enumerate(sheets):
        alike.setdefault(sheet.sheet_id, []).append(place)
    verdicts: dict[int, Verdict] = {}
    with closing(in_order(lambda group: [judge(sheets[n]) for n in group], alike.values(), at_once=at_once)) as judged:
        watch.progress("reasoning", 0, len(sheets))
        for group, found in zip(alike.values(), judged, strict=True):
            verdicts.update(zip(group, found, strict=True))
            watch.progress("reasoning", len(verdicts), len(sheets))
    return [verdicts[place] for place in range(len(sheets))]
