"""How fast is transport, beside POT, geomloss and a plain PyTorch loop on the same matrices in the same run?

    python benchmarks/transport.py [--device cpu|cuda] [--threads 1] [--quick | --full] [--json FILE] [--out FOLDER]

Two questions, in float32. "iterations": 50 of them, stopping off. "error": a marginal error of 1e-3; a peer gets the
least number of iterations of a list with which its first two clips reach it, for free; ours stops by itself and pays
for that. Median of up to seven rounds; a round runs every method once, so that a busy machine troubles all alike. A
method has 0.7 seconds per case, slow ones get fewer rounds. Loops over clips are timed on two clips and multiplied.
Without --threads it measures one thread and all of them, each in a process of its own.

Peers: pip install POT geomloss. What is absent is left out, and named.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transport_peers import MARGINAL_ERROR, UNROLLED_ENTRIES, Case, Method, methods, versions
from transport_report import markdown, verdicts
from transport_timing import CLOCKS, Timer, roof_seconds

from emotrace.files import write_atomically
from emotrace.grace.sinkhorn.reference import transport_reference
from emotrace.grace.transport import transport

LOOP_CLIPS, FIXED_ITERATIONS = 2, 50
QUICK = [(2, 784, 32)]
USUAL = [(8, 784, 32), (8, 3136, 32), (1, 3136, 77), (8, 3136, 77), (32, 3136, 77)]
FULL = [(batch, rows, columns) for batch in (1, 8, 32) for rows in (784, 3136) for columns in (32, 77)]
EPSILONS = (0.1, 0.3, 1.0)
TRIED_ITERATIONS = (10, 20, 30, 40, 60, 80, 120, 160, 240)


def main() -> int:
    """Measures; exit code 1 where a target of one thread is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, action="append", help="may be given twice; default: 1 and all")
    grid = parser.add_mutually_exclusive_group()
    grid.add_argument("--quick", action="store_true", help="one small case")
    grid.add_argument("--full", action="store_true", help="every size and epsilon in both questions")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="cpu: for one thread on a busy machine")
    parser.add_argument("--json", type=Path, help="file for the record")
    parser.add_argument("--out", type=Path, help="folder for transport_speed.json and transport_speed.md")
    parser.add_argument("--worker", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker is not None:
        options.worker.write_text(json.dumps(measure(options)))
        return 0
    absent = sorted({m.package for m in methods(options.device) if m.package and not m.present})
    if absent:
        print(f"Absent peers, left out: {', '.join(absent)}. Install them with: pip install {' '.join(absent)}\n")
    started = time.perf_counter()
    every = sorted({1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1})
    runs = [in_process(threads, options) for threads in options.threads or every]
    grid_option = ["--quick"] if options.quick else ["--full"] if options.full else []
    record = {
        "command": " ".join(["python benchmarks/transport.py --device", options.device, *grid_option]),
        "clock": options.clock,
        "machine": {"processor": f"{platform.machine()}, {os.cpu_count()} cores", "python": platform.python_version()}
        | versions(),
        "absent": absent,
        "seconds": round(time.perf_counter() - started),
        "runs": runs,
        "verdicts": verdicts(runs),
    }
    text = markdown(record)
    print(text)
    files = [] if options.json is None else [(options.json, json.dumps(record, indent=1) + "\n")]
    if options.out is not None:
        files.append((options.out / "transport_speed.json", json.dumps(record, indent=1) + "\n"))
        files.append((options.out / "transport_speed.md", text))
    for path, content in files:
        write_atomically(path, content)
    return int(any(verdict["met"] is False for verdict in record["verdicts"]))


def in_process(threads: int, options: argparse.Namespace) -> dict[str, Any]:
    """One thread setting in a process of its own, as the libraries read theirs when they are loaded."""
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    grid = ["--quick"] if options.quick else ["--full"] if options.full else []
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "run.json"
        command = [
            sys.executable,
            __file__,
            "--device",
            options.device,
            "--clock",
            options.clock,
            *grid,
            "--worker",
            str(target),
        ]
        subprocess.run(command, check=True, env=os.environ | dict.fromkeys(names, str(threads)))
        return {"threads": threads, **json.loads(target.read_text())}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All cases, with the threads of this process."""
    present = [method for method in methods(options.device) if method.present]
    rows: list[dict[str, Any]] = []
    for size in QUICK if options.quick else FULL if options.full else USUAL:
        # The usual grid spares the largest batch, and all threads, the sweep of epsilon.
        sweep = options.full or (size[0] <= 8 and torch.get_num_threads() == 1)
        for epsilon in EPSILONS if sweep else (0.3,):
            case = Case.draw(*size, epsilon, options.device)
            about = {"batch": size[0], "rows": size[1], "columns": size[2], "epsilon": epsilon}
            if options.full or epsilon == 0.3:
                fixed: dict[str, int | None] = {method.name: FIXED_ITERATIONS for method in present}
                rows += [
                    about | {"question": "iterations"} | row
                    for row in compare(case, present, fixed, options.clock, train=True)
                ]
            enough = {method.name: least_iterations(case, method) for method in present}
            rows += [
                about | {"question": "error"} | row
                for row in compare(case, present, enough, options.clock, train=False)
            ]
            print(f"  measured {size} at epsilon {epsilon}", file=sys.stderr)
    return {"rows": rows, "rounding": rounding(options) if torch.get_num_threads() == 1 else {}}


def part(case: Case, method: Method) -> tuple[Case, float]:
    """What a method is timed on, and by how much its time is multiplied."""
    if method.kind != "loop" or len(case.cost) <= LOOP_CLIPS:
        return case, 1.0
    return case.first(LOOP_CLIPS), len(case.cost) / LOOP_CLIPS


def least_iterations(case: Case, method: Method) -> int | None:
    """Iterations that a peer needs for the marginal error; None for ours, which stops by itself."""
    if method.kind == "ours":
        return None
    few = case.first(LOOP_CLIPS)
    for count in TRIED_ITERATIONS:
        plan = method.solve(few, count)
        error = max(float((plan.sum(dim=d) - m).abs().sum(dim=1).max()) for d, m in ((2, few.a), (1, few.b)))
        if error <= MARGINAL_ERROR:
            return count
    return TRIED_ITERATIONS[-1]


def compare(
    case: Case, present: list[Method], iterations: dict[str, int | None], clock: str, *, train: bool
) -> list[dict[str, Any]]:
    """Rounds over the methods: forward, and forward with backward."""
    wide = {"epsilon": case.epsilon, "tolerance": 1e-9, "max_iterations": 5000}
    optimum = transport(case.cost.double(), case.a.double(), case.b.double(), **wide).plan
    timers: dict[tuple[str, str], Timer] = {}
    rows = []
    for method in present:
        sample, factor = part(case, method)
        count = iterations[method.name]
        method.solve(sample.first(1), 2)  # loads what it loads late
        timer = Timer(lambda m=method, s=sample, n=count: m.solve(s, n), factor, case.cost.device, clock)
        timers[method.name, "forward"] = timer
        truth = optimum[: len(sample.cost)]
        row = {"method": method.name, "kind": method.kind, "iterations": count}
        row["to_optimum"] = float((timer.result.double() - truth).abs().max() / truth.max())
        if method.kind == "ours" and count is not None:
            row["roof_s"] = roof_seconds(case.cost, count, method.name)
        unrolled = method.name == "plain PyTorch" and case.cost.numel() > UNROLLED_ENTRIES
        if train and method.train is not None and not unrolled:
            timers[method.name, "train"] = Timer(
                lambda m=method, s=sample, n=count: m.train(s, n), factor, case.cost.device, clock
            )
        rows.append(row)
    while True:
        ran = [timer.again() for timer in timers.values()]
        if not any(ran):
            break
    for row in rows:
        for pass_name in ("forward", "train"):
            timer = timers.get((row["method"], pass_name))
            if timer is not None:
                row |= {f"{pass_name}_s": timer.median, f"{pass_name}_runs": timer.seconds}
                row[f"{pass_name}_peak_mb"] = timer.peak_mb
    return rows


def rounding(options: argparse.Namespace) -> dict[str, float]:
    """Largest difference of a plan from the float64 reference after as many iterations, over its largest entry."""
    found: dict[str, float] = {}
    size = (1, 784, 32) if options.quick else (1, 3136, 77)
    same: dict[str, Any] = {"max_iterations": FIXED_ITERATIONS, "check_every": FIXED_ITERATIONS, "tolerance": 0.0}
    for epsilon in EPSILONS:
        case = Case.draw(*size, epsilon, options.device)
        arrays = (tensor[0].cpu().numpy() for tensor in (case.cost, case.a, case.b))
        plan = transport_reference(*arrays, epsilon=epsilon, **same).plan
        for method in methods(options.device):
            if method.kind == "ours":
                off = np.abs(method.solve(case, FIXED_ITERATIONS)[0].cpu().numpy() - plan).max() / plan.max()
                found[method.name] = max(found.get(method.name, 0.0), float(off))
    return found


if __name__ == "__main__":
    sys.exit(main())
