"""Processes that work: what kills one costs no other's work, and their pace is shared."""

from __future__ import annotations

import textwrap
import threading
import time
from pathlib import Path

import pytest

from emotrace.batch.rate import FileGate
from emotrace.batch.workers import LocalWorkers, Lost


@pytest.fixture
def shaky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module whose work ends its own process: at `once` the first time, at `always` and at `exit` each time."""
    (tmp_path / "shaky_work.py").write_text(
        textwrap.dedent("""
            import os, signal
            from pathlib import Path

            def work(task):
                if task == "exit":
                    raise SystemExit(7)
                if task == "always" or (task == "once" and not Path("begun").exists()):
                    Path("begun").touch()
                    os.kill(os.getpid(), signal.SIGKILL)
                return task.upper(), os.environ["OMP_NUM_THREADS"]
        """)
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    return "shaky_work"


def test_a_killed_worker_costs_its_own_file_alone(shaky: str) -> None:
    work = __import__(shaky).work
    with LocalWorkers(work, 2) as crew:
        done = dict(crew.run(["once", "always", *"abcdef", "exit"]))
        assert len(crew.pids) <= 2
    assert {task: done[task] for task in ("once", *"abcdef")} == {
        task: (task.upper(), "1") for task in ("once", *"abcdef")
    }
    assert done["always"] == Lost(reason="its worker was killed (SIGKILL)")
    assert done["exit"] == Lost(reason="its worker ended with code 7")


def test_all_threads_and_processes_share_one_pace(tmp_path: Path) -> None:
    FileGate(path=tmp_path / ".rate", per_minute=1).wait()  # a run before, whose booked moment must not count
    FileGate(path=tmp_path / ".rate", per_minute=1200).open()
    passed: list[float] = []

    def ask() -> None:
        gate = FileGate(path=tmp_path / ".rate", per_minute=1200)
        for _ in range(3):
            gate.wait()
            passed.append(time.monotonic())

    start = time.monotonic()
    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed) == 9
    for number, moment in enumerate(sorted(passed)):
        assert moment - start >= number * 0.05 - 0.001
