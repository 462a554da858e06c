from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from emotrace.errors import ServerFailed
from emotrace.evidence.providers.once import Once


def test_a_value_is_found_once_by_whoever_comes_first() -> None:
    found, begun, go_on, calls = Once[int](), threading.Event(), threading.Event(), []

    def find() -> int:
        calls.append(1)
        begun.set()
        assert go_on.wait(10.0)
        return 7

    with ThreadPoolExecutor(4) as pool:
        told = [pool.submit(found.get, find)]
        assert begun.wait(10.0)
        told += [pool.submit(found.get, find) for _ in range(3)]
        go_on.set()
        assert [each.result(10.0) for each in told] == [7] * 4
    assert len(calls) == 1
    assert found.get(lambda: 8) == 7


def test_a_failure_is_told_to_those_who_wait_and_the_next_one_tries_anew() -> None:
    found, begun, go_on, calls = Once[int](), threading.Event(), threading.Event(), []

    def fail() -> int:
        calls.append(1)
        begun.set()
        assert go_on.wait(10.0)
        raise ServerFailed("nobody there")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(found.get, fail)
        assert begun.wait(10.0)
        waiting = pool.submit(found.get, fail)
        time.sleep(0.3)  # by then it waits
        go_on.set()
        for each in (first, waiting):
            with pytest.raises(ServerFailed, match="nobody there"):
                each.result(10.0)
    assert len(calls) == 1
    assert found.get(lambda: 8) == 8
