"""What does kill -9 cost a batch? Nothing that was finished: the end is compared byte by byte.

    python benchmarks/annotate_kill.py [--files 200] [--kills 10] [--json out.json] [--markdown out.md]

Small clips (colour bars and a tone, each another) are made, a few of them twice and a few damaged. One run goes through
undisturbed. Another is killed with SIGKILL at random moments (seeded: after a random number of results and of
milliseconds) and started again after each kill. Then both folders are compared, and the log is searched for files that
were finished twice.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from emotrace.results import Analysis
from emotrace.testing.synthetic import Bars, Tone, write_clip

TIMED = ("log.jsonl", ".lock", ".rate")


def make_clips(folder: Path, count: int) -> None:
    """`count` files: one in twenty is a copy of the one before, one in fifty is cut short."""
    folder.mkdir()
    for number in range(count):
        path = folder / f"{number:03}.mp4"
        if number % 20 == 19:
            shutil.copy(folder / f"{number - 1:03}.mp4", path)
            continue
        bars = Bars(frame_times_seconds=tuple(k / 5 for k in range(5)), width=64, height=48)
        write_clip(path, pictures=(bars,), sounds=(Tone(duration_seconds=1.0, pitch_hz=200.0 + number, channels=1),))
        if number % 50 == 25:
            path.write_bytes(path.read_bytes()[:2000])


def run_batch(clips: Path, out: Path, workers: int) -> subprocess.Popen[bytes]:
    """Starts a batch."""
    options = ["--out", str(out), "--workers", str(workers), "--to", "csv,jsonl", "--quiet"]
    return subprocess.Popen([sys.executable, "-m", "emotrace", "annotate", str(clips), *options])


def kills(clips: Path, out: Path, args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Starts and kills; one row per kill."""
    chance, results = random.Random(args.seed), out / "results"
    goals = sorted(chance.sample(range(args.files * 9 // 10), args.kills))
    for goal in goals:
        run = run_batch(clips, out, args.workers)
        while run.poll() is None and len(list(results.glob("*.json"))) < goal:
            time.sleep(0.001)
        time.sleep(chance.random() * 0.2)
        run.send_signal(signal.SIGKILL)
        run.wait()
        there = list(results.glob("*.json"))
        for path in there:
            Analysis.read(path)  # fails where a result is there in part
        left = [str(path.relative_to(out)) for path in out.rglob("*.part")]
        yield {"results_when_killed": len(there), "exit": run.returncode, "unfinished_temporary_files": len(left)}


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file without times."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name not in TIMED)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def main() -> None:
    """Runs, compares, prints and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=lambda given: Path(given).absolute())
    parser.add_argument("--markdown", type=lambda given: Path(given).absolute())
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        os.chdir(home)
        make_clips(Path("clips"), args.files)
        start = time.perf_counter()
        assert run_batch(Path("clips"), Path("whole"), args.workers).wait() == 0
        undisturbed = time.perf_counter() - start
        rows = list(kills(Path("clips"), Path("killed"), args))
        assert run_batch(Path("clips"), Path("killed"), args.workers).wait() == 0
        whole, killed = bytes_of(Path("whole")), bytes_of(Path("killed"))
        logged = Counter(json.loads(line)["id"] for line in Path("killed/log.jsonl").read_text().splitlines())
        found = {
            "files": args.files,
            "kills": rows,
            "results": len(list(Path("whole/results").glob("*.json"))),
            "files_compared": len(whole),
            "files_that_differ": sorted(n for n in {*whole, *killed} if whole.get(n) != killed.get(n)),
            "finished_twice": sorted(id for id, times in logged.items() if times > 1),
            "undisturbed_seconds": round(undisturbed, 1),
        }
    command = f"python benchmarks/annotate_kill.py --files {args.files} --kills {args.kills} --seed {args.seed}"
    machine = f"{os.cpu_count()} shared cores, Python {platform.python_version()}"
    text = table(found) + f"\nCommand: `{command}`. Machine: {machine}.\n"
    print(text)
    if args.markdown:
        args.markdown.write_text(text)
    if args.json:
        args.json.write_text(json.dumps({"command": command, "machine": machine, **found}, indent=1) + "\n")


def table(found: dict[str, Any]) -> str:
    """The outcome in markdown."""
    lines = ["| kill | results on disk, each whole | temporary files left | exit code |", "|---|---|---|---|"]
    for number, row in enumerate(found["kills"], start=1):
        lines.append(
            f"| {number} | {row['results_when_killed']} | {row['unfinished_temporary_files']} | {row['exit']} |"
        )
    lines += [
        "",
        f"{found['files']} inputs, {found['results']} results. After the last run {found['files_compared']} files were "
        f"compared with those of an undisturbed run: {len(found['files_that_differ'])} differ. "
        f"Files that were finished twice: {len(found['finished_twice'])}. "
        f"The undisturbed run took {found['undisturbed_seconds']} s.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
