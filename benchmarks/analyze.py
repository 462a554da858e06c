"""How fast is the main job, where does the time go, and how much memory does it take?

    python benchmarks/analyze.py MEDIA_FOLDER [--json out.json] [--markdown out.md]

Every file of the folder (and of its subfolder `odd`) is analysed in a process of its own, at default settings, and so
is the peer: PyAV alone, which decodes every picture of the same file to RGB and every sample to 16 kHz mono, and throws
them away. Real-time factor = seconds of media per second of work, imports excluded; start-up is a column of its own.
Peak memory is the process's highest resident set.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUFFIXES = {".mp4", ".mov", ".mpg", ".wav", ".m4a", ".jpeg", ".jpg"}

EMOTRACE = """
import json, resource, sys, time
start = time.perf_counter()
import emotrace
from emotrace.errors import EmotraceError
from emotrace.progress import Watch
emotrace.analyze
ready = time.perf_counter()
watch = Watch()
try:
    analysis = emotrace.analyze(sys.argv[1], watch=watch)
except EmotraceError as error:
    print(json.dumps({"error": type(error).__name__}))
    raise SystemExit
done = time.perf_counter()
print(json.dumps({
    "media_seconds": analysis.source.duration_seconds,
    "start_seconds": ready - start,
    "seconds": done - ready,
    "stages": watch.seconds,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""

PEER = """
import json, resource, sys, time
import av
start = time.perf_counter()
with av.open(sys.argv[1]) as file:
    for stream in file.streams.video[:1]:
        stream.thread_type = "AUTO"
    resampler = av.AudioResampler(format="flt", layout="mono", rate=16000)
    wanted = [*file.streams.video[:1], *file.streams.audio[:1]]
    try:
        for frame in file.decode(*wanted):
            if isinstance(frame, av.VideoFrame):
                frame.to_ndarray(format="rgb24")
            else:
                resampler.resample(frame)
    except av.FFmpegError:
        pass
print(json.dumps({
    "seconds": time.perf_counter() - start,
    "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
}))
"""


def measure(code: str, path: Path) -> dict[str, Any]:
    """Runs the code on one file in a fresh process and returns what it printed."""
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    result: dict[str, Any] = json.loads(run.stdout)
    return result


def rows(folder: Path, repeats: int) -> Iterator[dict[str, Any]]:
    """One row per file: the fastest of `repeats` runs of emotrace and of the peer."""
    files = sorted(p for p in [*folder.iterdir(), *(folder / "odd").glob("*")] if p.suffix in SUFFIXES)
    for path in files:
        ours = min((measure(EMOTRACE, path) for _ in range(repeats)), key=lambda run: run.get("seconds", 0.0))
        name = str(path.relative_to(folder))
        if "error" in ours:
            yield {"file": name, "error": ours["error"]}
            continue
        peer = min((measure(PEER, path) for _ in range(repeats)), key=lambda run: run["seconds"])
        yield {
            "file": name,
            **ours,
            "real_time_factor": ours["media_seconds"] / ours["seconds"],
            "peer_seconds": peer["seconds"],
            "peer_peak_mb": peer["peak_mb"],
        }


def table(found: list[dict[str, Any]]) -> str:
    """The rows as a markdown table."""
    lines = [
        "| file | media s | work s | x real time | PyAV decode alone s | start-up s | peak MB | where the time goes |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in found:
        if "error" in row:
            lines.append(f"| {row['file']} | - | - | - | - | - | - | `{row['error']}` |")
            continue
        stages = ", ".join(f"{name} {seconds:.2f}" for name, seconds in row["stages"].items())
        speed = f"{row['real_time_factor']:.1f}" if row["media_seconds"] else "-"
        times = f"{row['media_seconds']:.1f} | {row['seconds']:.2f} | {speed} | {row['peer_seconds']:.2f}"
        lines.append(f"| {row['file']} | {times} | {row['start_seconds']:.2f} | {row['peak_mb']:.0f} | {stages} |")
    return "\n".join(lines)


def machine() -> str:
    """The machine in a line."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    return f"{model or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def main() -> None:
    """Measures, prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    found = list(rows(options.folder, options.repeats))
    command = f"python benchmarks/analyze.py MEDIA_FOLDER --repeats {options.repeats}"
    text = f"{table(found)}\n\nCommand: `{command}`. Machine: {machine()}.\n"
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    if options.json:
        options.json.write_text(json.dumps({"command": command, "machine": machine(), "rows": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
