"""What does the server cost over the function that it calls, and does its memory stay flat?

    python benchmarks/serve.py [--clips 12] [--rounds 2] [--requests 500] [--json out.json] [--markdown out.md]

The same clips are analysed three ways on two workers, in turn, round after round: by `emotrace.analyze` in a pool of
two processes; by the same followed by the report that the server makes of each; and by `emotrace serve`, to which a
client uploads them all at once, coming back where it is told to. Processes are warm before the clock starts. Wall
time is what a user waits; processor time is of all processes that work, and does not mind what else the machine does.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from emotrace.batch.workers import ONE_THREAD
from emotrace.samples import sample_clip

WORKERS = 2
TICKS = os.sysconf("SC_CLK_TCK")


def prepare() -> None:
    """Loads what every analysis needs, in a process of the pool."""
    import cv2

    import emotrace.pipeline
    import emotrace.report.page  # noqa: F401

    cv2.setNumThreads(1)


def analyse(path: str, with_report: bool) -> tuple[float, float]:
    """Analyses a clip; gives the times of beginning and end."""
    from emotrace.pipeline import analyze
    from emotrace.report.page import render

    start = time.monotonic()
    analysis = analyze(path, transcript=sample_clip().with_suffix(".srt"), max_duration_seconds=600.0)
    text = analysis.to_json()
    if with_report:
        text += render(analysis, media=path, embed_under_mb=0.0)
    Path(f"{path}.out").write_text(text)
    return start, time.monotonic()


def distinct_clips(folder: Path, count: int) -> list[Path]:
    """Copies of the sample that differ in a box which players skip."""
    content = sample_clip().read_bytes()
    paths = [folder / f"{number}.mp4" for number in range(count)]
    for number, path in enumerate(paths):
        path.write_bytes(content + b"\0\0\0\x0cfree" + number.to_bytes(4, "big"))
    return paths


def cpu_seconds(pids: set[int]) -> float:
    """Processor time that the processes have taken so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / TICKS


def family(pid: int) -> set[int]:
    """A process and those that it started."""
    found = {pid}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if int((path / "stat").read_text().rpartition(")")[2].split()[1]) == pid:
                found.add(int(path.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def settle(pids: set[int]) -> None:
    """Waits until the processes have nothing to do, such as loading libraries."""
    before = -1.0
    while (now := cpu_seconds(pids)) - before > 0.05:
        before = now
        time.sleep(1.0)


def resident_mb(pid: int) -> float:
    """Memory that a process holds."""
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def summary(latencies: list[float], wall: float, cpu: float) -> dict[str, float]:
    """What is kept of a round."""
    ordered = sorted(latencies)
    return {
        "wall_seconds": wall,
        "cpu_seconds_per_clip": cpu / len(ordered),
        "clips_per_minute": 60 * len(ordered) / wall,
        "p50_seconds": statistics.median(ordered),
        "p95_seconds": ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))],
    }


def pooled(pool: ProcessPoolExecutor, clips: list[Path], *, with_report: bool) -> dict[str, float]:
    """A round of the plain function."""
    pids = set(pool._processes)
    before, start = cpu_seconds(pids), time.monotonic()
    times = [pool.submit(analyse, str(clip), with_report) for clip in clips]
    ends = [time_.result()[1] for time_ in times]
    return summary([end - start for end in ends], max(ends) - start, cpu_seconds(pids) - before)


def call(url: str, method: str = "GET", body: bytes | None = None, kind: str = "") -> Any:
    """The answer of the server, once it does not tell us to come back."""
    while True:
        try:
            headers = {"Content-Type": kind} if kind else {}
            with urlopen(Request(url, data=body, method=method, headers=headers), timeout=120) as answer:
                content = answer.read()
                return json.loads(content) if content else None
        except HTTPError as error:
            with error:
                if error.code != 429:
                    raise
            time.sleep(0.05)


def form(clip: Path) -> bytes:
    """A clip and its words as a form."""
    parts = [("transcript", "talk.srt", sample_clip().with_suffix(".srt").read_bytes()), ("file", clip.name, b"")]
    parts[1] = ("file", clip.name, clip.read_bytes())
    head = '--x\r\nContent-Disposition: form-data; name="{}"; filename="{}"\r\n\r\n'
    return b"".join(head.format(name, file).encode() + data + b"\r\n" for name, file, data in parts) + b"--x--\r\n"


def upload(url: str, clip: Path) -> float:
    """Sends a clip and follows its events to their end; gives the time of the end."""
    status = call(f"{url}/v1/analyses", "POST", form(clip), "multipart/form-data; boundary=x")
    with urlopen(f"{url}{status['links']['events']}", timeout=600) as events:
        last = events.read().decode().strip().splitlines()[-1]
    assert json.loads(last.removeprefix("data: ")) == {"state": "done"}, last
    end = time.monotonic()
    call(f"{url}{status['links']['self']}", "DELETE")
    return end


def served(url: str, pid: int, clips: list[Path]) -> dict[str, float]:
    """A round of the server."""
    pids = family(pid)
    before, start = cpu_seconds(pids), time.monotonic()
    with ThreadPoolExecutor(len(clips)) as pool:
        ends = [*pool.map(lambda clip: upload(url, clip), clips)]
    return summary([end - start for end in ends], max(ends) - start, cpu_seconds(pids) - before)


@contextmanager
def server(folder: Path) -> Iterator[tuple[str, int]]:
    """A server of its own process; gives its address and its process."""
    command = [sys.executable, "-m", "emotrace", "serve", "--port", "0", "--data", str(folder)]
    command += ["--workers", str(WORKERS), "--uploads", "64", "--queue", "64"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        log = ThreadPoolExecutor(1)
        log.submit(process.stderr.read)
        try:
            yield url, process.pid
        finally:
            process.terminate()


def memory(url: str, pid: int, tiny: Path, requests: int) -> dict[str, Any]:
    """The server process's memory while it answers: every tenth request uploads a tiny file, the others look."""
    looks = ["/v1/analyses", "/healthz", "/v1/about", "/", "/page/page.js"]
    held: dict[int, float] = {}
    for number in range(requests + 1):
        if number % max(requests // 10, 1) == 0:
            held[number] = round(resident_mb(pid), 1)
        if number % 10 == 0:
            upload(url, tiny)
        else:
            with urlopen(f"{url}{looks[number % len(looks)]}", timeout=60) as answer:
                answer.read()
    return {"requests": requests, "resident_mb": held}


def tiny_clip(folder: Path) -> Path:
    """A quarter of a second of colour bars."""
    from emotrace.testing.synthetic import Bars, write_clip

    bars = Bars(width=64, height=48, frame_times_seconds=(0.0, 0.04, 0.08, 0.12, 0.16, 0.2))
    return write_clip(folder / "tiny.mp4", pictures=[bars], sounds=[])


def measure(clips_count: int, rounds: int, requests: int) -> dict[str, Any]:
    """All rounds, and the medians of each way."""
    os.environ.update(ONE_THREAD)
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        clips = distinct_clips(folder, clips_count)
        with (
            ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"), initializer=prepare) as pool,
            server(folder / "server") as (url, pid),
        ):
            pooled(pool, clips[:WORKERS], with_report=True)
            served(url, pid, clips[:WORKERS])
            settle(family(pid))
            ways: dict[str, Callable[[], dict[str, float]]] = {
                "analyze": lambda: pooled(pool, clips, with_report=False),
                "analyze and report": lambda: pooled(pool, clips, with_report=True),
                "server": lambda: served(url, pid, clips),
            }
            for _ in range(rounds):
                for way, run in ways.items():
                    found.setdefault(way, []).append(run())
            kept = memory(url, pid, tiny_clip(folder), requests)
    medians = {
        way: {name: round(statistics.median(each[name] for each in all_), 3) for name in all_[0]}
        for way, all_ in found.items()
    }
    over = {
        f"{name} over {way}": round(medians["server"][name] / medians[way][name] - 1, 3)
        for way in ("analyze", "analyze and report")
        for name in ("wall_seconds", "cpu_seconds_per_clip")
    }
    return {
        "command": f"python benchmarks/serve.py --clips {clips_count} --rounds {rounds} --requests {requests}",
        "machine": f"2 shared cores of an AMD EPYC server, Python {platform.python_version()}",
        "clip": "the sample: 10.5 s, 480 x 360",
        "ways": medians,
        "overhead": over,
        "memory": kept,
    }


def markdown(result: dict[str, Any]) -> str:
    """The result as a page."""
    lines = [
        "# What the server costs",
        "",
        f"`{result['command']}` on {result['machine']},",
        f"which others used at the same time. Medians of the rounds; each clip is a copy of {result['clip']}.",
        "All clips arrive at once, so latencies contain the wait for a worker.",
        "",
        "| way, on 2 workers | clips per minute | p50 | p95 | processor time per clip |",
        "|---|---:|---:|---:|---:|",
    ]
    for way, row in result["ways"].items():
        lines.append(
            f"| {way} | {row['clips_per_minute']:.1f} | {row['p50_seconds']:.1f} s | {row['p95_seconds']:.1f} s "
            f"| {row['cpu_seconds_per_clip']:.2f} s |"
        )
    held = result["memory"]["resident_mb"]
    first, last = [*held.values()][1], [*held.values()][-1]
    over = result["overhead"]
    lines += [
        "",
        "Overhead of the server, which hands in the report too: "
        f"{over['wall_seconds over analyze and report']:+.1%} wall time and "
        f"{over['cpu_seconds_per_clip over analyze and report']:+.1%} processor time over the same work in a pool, "
        f"{over['wall_seconds over analyze']:+.1%} and {over['cpu_seconds_per_clip over analyze']:+.1%} over `analyze` "
        "alone.",
        "",
        f"Memory of the server's process over {result['memory']['requests']} requests, a tenth of them uploads: "
        f"{first} MB after {[*held][1]}, {last} MB after {[*held][-1]}.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measures, prints, and writes what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--requests", type=int, default=500)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    result = measure(options.clips, options.rounds, options.requests)
    print(markdown(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.markdown:
        options.markdown.write_text(markdown(result))


if __name__ == "__main__":
    main()
