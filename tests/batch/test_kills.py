"""kill -9 at any moment, and again: nothing is lost, nothing done twice, and the end is the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from emotrace.results import Analysis

from .conftest import write_tone

EMOTRACE = Path(sys.executable).parent / "emotrace"


def command(clips: Path, out: Path, workers: int, *options: str) -> list[str]:
    return list(map(str, [EMOTRACE, "annotate", clips, "--out", out, "--workers", workers, "--quiet", *options]))


def is_gone(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked for its exit code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc to find the workers")
def test_a_batch_that_is_killed_again_and_again_ends_the_same(
    tmp_path: Path, same: Callable[[Path, Path], None]
) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    for number in range(16):
        write_tone(clips / f"{number:02}.wav", 200 + 10 * number)
    (clips / "broken.wav").write_bytes(b"RIFF")
    subprocess.run(command(clips, tmp_path / "whole", 1, "--to", "csv"), check=True, timeout=300)
    results, seen = out / "results", dict[str, int]()
    for wanted, workers in ((1, 2), (6, 1), (11, 2)):
        with subprocess.Popen(command(clips, out, workers)) as run:
            while run.poll() is None and len(list(results.glob("*.json"))) < wanted:
                time.sleep(0.002)
            children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
            run.send_signal(signal.SIGKILL)
        assert run.returncode == -signal.SIGKILL
        until = time.monotonic() + 20
        while not all(is_gone(int(child)) for child in children):
            assert time.monotonic() < until, "workers outlive their batch"
            time.sleep(0.02)
        for path in results.glob("*.json"):
            Analysis.read(path)  # whole, or not there
            assert seen.setdefault(path.name, path.stat().st_mtime_ns) == path.stat().st_mtime_ns
    subprocess.run(command(clips, out, 2, "--to", "csv"), check=True, timeout=300)
    same(out, tmp_path / "whole")
    assert all((results / name).stat().st_mtime_ns == then for name, then in seen.items())
    done = Counter(json.loads(line)["id"] for line in (out / "log.jsonl").read_text().splitlines())
    assert max(done.values()) == 1


def test_ctrl_c_ends_it_cleanly_and_the_next_run_goes_on(tmp_path: Path) -> None:
    clips, out = tmp_path / "clips", tmp_path / "out"
    for number in range(12):
        write_tone(clips / f"{number:02}.wav", 200 + 10 * number, seconds=2.0)
    with subprocess.Popen(
        command(clips, out, 1), stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:  # a session of its own, so that the whole group gets the signal, as from a terminal
        while run.poll() is None and not list((out / "results").glob("*.json")):
            time.sleep(0.005)
        os.killpg(run.pid, signal.SIGINT)
        _, said = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    assert not list(out.rglob("*.part"))
    assert 0 < len(list((out / "results").glob("*.json"))) < 12
