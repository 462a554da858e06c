"""Ray's workers give the same bytes as ours, and lose nothing when one is killed. Ray runs in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ray", reason="needs the extra [ray]")

from emotrace.batch.job import Job
from emotrace.batch.run import annotate

from .conftest import SETTINGS, write_tone

ON_RAY = """
import json, os, signal, sys
from pathlib import Path
import ray
from emotrace.batch.job import Job
from emotrace.batch.on_ray import RayWorkers, cluster
from emotrace.batch.run import annotate

clips, out, begun, settings = sys.argv[1], sys.argv[2], Path(sys.argv[3]), json.loads(sys.argv[4])

def work(task):
    if task == "always" or (task == 3 and not begun.exists()):
        begun.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return 10 * task

with cluster("local", cores=2):
    batch = annotate([clips], out, Job(options=settings), workers=2, ray="local", calls_per_minute=6000)
    done = [(task, str(made)) for task, made in RayWorkers(work, count=2).run([1, 2, 3, 4, "always", 5])]
print(json.dumps({"analysed": batch.progress.analysed, "done": sorted(done, key=str)}))
"""


@pytest.fixture(scope="module")
def on_ray(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder with clips and what Ray made of them, and what became of tasks that kill their workers."""
    folder = tmp_path_factory.mktemp("ray")
    for number in range(4):
        write_tone(folder / "clips" / f"{number}.wav", 300 + 20 * number)
    arguments = [folder / "clips", folder / "ray", folder / "begun", json.dumps(SETTINGS)]
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", ON_RAY, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return folder, json.loads(run.stdout.splitlines()[-1])


def test_two_ray_workers_write_the_same_bytes_as_this_process(
    on_ray: tuple[Path, dict[str, Any]], here: Any, same: Callable[[Path, Path], None]
) -> None:
    folder, told = on_ray
    assert told["analysed"] == 4
    annotate([str(folder / "clips")], folder / "here", Job(options=dict(SETTINGS)))
    same(folder / "ray", folder / "here")


def test_a_killed_ray_worker_loses_nothing(on_ray: tuple[Path, dict[str, Any]]) -> None:
    folder, told = on_ray
    assert (folder / "begun").exists()
    done = {str(task): made for task, made in told["done"]}
    assert {task: done[task] for task in "12345"} == {"1": "10", "2": "20", "3": "30", "4": "40", "5": "50"}
    assert "its worker was lost (WorkerCrashedError)" in done["always"]
