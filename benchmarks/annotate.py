"""What does a batch cost beside the plain function, how does it grow with workers, and how much memory does one take?

    python benchmarks/annotate.py MEDIA_FOLDER [--workers 1 2] [--json out.json] [--markdown out.md]

Every file of the folder is analysed by the plain function in one process (single-threaded arithmetic, as in a worker),
then by `emotrace annotate` with each number of workers, from its start to its end. Start-up is measured by a batch in
which everything is done already, and by the import that each worker pays. Memory is the highest resident set of any
worker, from the batch's log. Processor seconds, of all processes together with their imports, are what a busy machine
leaves comparable.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

PLAIN = """
import json, sys, time
import cv2
cv2.setNumThreads(1)
from emotrace.batch.inputs import expand
from emotrace.errors import EmotraceError
from emotrace.pipeline import analyze
start, media = time.perf_counter(), 0.0
for each in expand(sys.argv[1:]):
    try:
        media += analyze(each.path).source.duration_seconds
    except EmotraceError:
        pass
print(json.dumps({"seconds": time.perf_counter() - start, "media_seconds": media}))
"""

IMPORT = """
import time
start = time.process_time()
import {module}
print(time.process_time() - start)
"""


def run(*command: str) -> str:
    """What a fresh Python prints."""
    return subprocess.run([sys.executable, *command], env=ONE_THREAD, check=True, capture_output=True, text=True).stdout


def cpu_seconds() -> float:
    """Of all processes that have ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def batch(folder: str, out: Path, workers: int) -> float:
    """Seconds of a whole command."""
    start = time.perf_counter()
    run("-m", "emotrace", "annotate", folder, "--out", str(out), "--workers", str(workers), "--quiet")
    return time.perf_counter() - start


def main() -> None:
    """Measures, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    args = parser.parse_args()
    before = cpu_seconds()
    plain = json.loads(run("-c", PLAIN, args.folder))
    used = cpu_seconds() - before
    rows: list[dict[str, Any]] = [{"what": "plain function, one process", **plain, "cpu_seconds": used}]
    with tempfile.TemporaryDirectory() as folder:
        for workers in args.workers:
            out = Path(folder) / str(workers)
            before = cpu_seconds()
            seconds = batch(args.folder, out, workers)
            used = cpu_seconds() - before
            log = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
            rows.append(
                {
                    "what": f"annotate --workers {workers}",
                    "seconds": seconds,
                    "cpu_seconds": used,
                    "media_seconds": plain["media_seconds"],
                    "worker_peak_mb": max(each["worker_peak_mb"] or 0.0 for each in log),
                    "nothing_to_do_seconds": batch(args.folder, out, workers),
                }
            )
    imports = {
        name: float(run("-c", IMPORT.format(module=name))) for name in ("emotrace.batch.run", "emotrace.pipeline")
    }
    found = {
        "command": "python benchmarks/annotate.py MEDIA_FOLDER",
        "machine": f"{os.cpu_count()} shared cores, Python {platform.python_version()}",
        "import_cpu_seconds": {"parent": imports["emotrace.batch.run"], "worker": imports["emotrace.pipeline"]},
        "rows": rows,
    }
    text = table(found)
    print(text)
    if args.markdown:
        args.markdown.write_text(text)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n")


def table(found: dict[str, Any]) -> str:
    """The outcome in markdown."""
    lines = [
        "| | seconds | x real time | processor s | peak MB of a worker | all done already, s |",
        "|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        speed = row["media_seconds"] / row["seconds"]
        rest = [f"{row[name]:.{digits}f}" if name in row else "-" for name, digits in _REST]
        lines.append(f"| {row['what']} | {row['seconds']:.1f} | {speed:.1f} | {' | '.join(rest)} |")
    imports = found["import_cpu_seconds"]
    return "\n".join(
        [
            *lines,
            "",
            f"Imports take {imports['parent']:.2f} s of processor time in the parent and {imports['worker']:.2f} s in "
            "each worker.",
            "",
            f"Command: `{found['command']}`. Machine: {found['machine']}.",
            "",
        ]
    )


_REST = (("cpu_seconds", 1), ("worker_peak_mb", 0), ("nothing_to_do_seconds", 1))


if __name__ == "__main__":
    main()
