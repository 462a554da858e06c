"""`emotrace analyze --with priors` as a person runs it, and what it says where something is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from emotrace.results import Analysis
from emotrace.samples import sample_clip

EMOTRACE = Path(sys.executable).parent / "emotrace"


def emotrace(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([EMOTRACE, *map(str, args)], capture_output=True, text=True, check=False, timeout=300)


def test_traces_that_were_written_before_are_read(priors_weights: Path, tmp_path: Path) -> None:
    traces = tmp_path / "traces.jsonl"
    run = emotrace("trace", sample_clip(), "--provider", "embedded", "--out", traces, "--quiet")
    assert run.returncode == 0, run.stderr
    run = emotrace(
        *("analyze", sample_clip(), "--with", "priors", "--weights", priors_weights, "--traces", traces),
        *("--report", "--out", tmp_path),
    )
    assert run.returncode in (0, 1), run.stderr
    assert "together: " in run.stdout
    assert "trace by embedded/observers@1" in run.stdout
    assert "prior-free" in run.stdout  # the parts of the clip, about which nothing was written
    analysis = Analysis.read(tmp_path / "talk.emotrace.json")
    assert analysis.provenance.settings["priors"]["observer"] == "stored/traces.jsonl"
    assert "Face, voice and words together" in (tmp_path / "talk.emotrace.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("args", "code", "message"),
    [
        (["--with", "priors"], 2, "--weights"),
        (["--provider", "none"], 2, "--with priors"),
        (["--with", "priors", "--weights", "nowhere"], 3, "nowhere"),
        (["--with", "priors", "--weights", "nowhere", "--provider", "stored"], 2, "--traces"),
        (["--with", "priors", "--weights", "nowhere", "--provider", "none", "--traces", "t.jsonl"], 2, "--traces"),
        (["--with", "priors", "--with", "grace", "--weights", "nowhere"], 2, "2 of --with and 1 of --weights"),
    ],
)
def test_a_wrong_choice_is_told_in_one_line(args: list[str], code: int, message: str, tmp_path: Path) -> None:
    run = emotrace("analyze", sample_clip(), *args, "--out", tmp_path)
    assert run.returncode == code, run.stderr
    assert message in run.stderr
    assert "Traceback" not in run.stderr
