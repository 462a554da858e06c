"""With the network taken away, every real clip gives a result or a typed error, twice with the same bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

RUN = """
import hashlib, sys
import emotrace
for path in sys.argv[1:]:
    try:
        text = emotrace.analyze(path).to_json()
        assert emotrace.Analysis.from_json(text).to_json() == text
        print(path, hashlib.sha256(text.encode()).hexdigest())
    except emotrace.EmotraceError as error:
        print(path, type(error).__name__, error)
"""
LONG = "long_10min.mp4"
"""Takes minutes: set EMOTRACE_LONG_TESTS=1 to have it among the clips."""


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="taking the network away needs root")
def test_every_real_clip_twice_without_a_network(shared_media: Path) -> None:
    if shutil.which("unshare") is None:
        pytest.skip("taking the network away needs unshare")
    files = sorted(p for p in shared_media.rglob("*.*") if p.suffix not in {".srt", ".md", ".csv", ".txt"})
    clips = [str(p) for p in files if p.name != LONG or os.environ.get("EMOTRACE_LONG_TESTS")]
    command = ["unshare", "-n", sys.executable, "-c", RUN, *clips]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    (first, errors), (second, _) = (run.communicate(timeout=900) for run in runs)
    if "unshare" in errors:
        pytest.skip(f"this machine cannot take the network away: {errors.strip()}")
    assert [run.returncode for run in runs] == [0, 0], errors
    assert first == second
    assert len(first.splitlines()) == len(clips)
    failed = {Path(line.split()[0]).name for line in first.splitlines() if len(line.split()[1]) != 64}
    assert failed == {"empty.mp4", "not_a_video.mp4", "truncated.mp4"}
