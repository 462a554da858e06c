"""The whole chain for real: a model that we trained, on a server that we did not write, asked over HTTP.

The model is small and knows the simulated world alone; `docs/cards/hydra_nano.md` says how it was made. What is tested
is that training, export, serving, asking and reading speak of the same question. Not that it is right about a clip.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("openai", reason="needs the extra [mllm]")
pytest.importorskip("fastapi", reason="needs the extra [serve]")
pytest.importorskip("transformers", reason="needs the extra [train]")

from emotrace.hydra.learning.cases import Case, write_cases
from emotrace.hydra.world import World, sample
from emotrace.results import Analysis
from emotrace.samples import sample_clip

BIN = Path(sys.executable).parent
MODEL = Path(__file__).parents[1] / "hydra" / "nano" / "trained"
FOR_A_SMALL_POLICY = ("--form", "tags", "--no-swap", "--frames", "0")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [BIN / "transformers", "serve", MODEL, "--host", "127.0.0.1", "--port", str(port), "--dtype", "float32"]
    quiet = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    with subprocess.Popen(
        list(map(str, command)), env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as server:
        try:
            _wait_for(f"http://127.0.0.1:{port}/health", server)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.terminate()


def _wait_for(address: str, server: subprocess.Popen[bytes], seconds: float = 180.0) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            assert server.poll() is None, "transformers serve ended by itself"
            assert time.monotonic() < until, f"nobody answers at {address}"
            time.sleep(0.3)


def _run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [BIN / "emotrace", *args]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False, timeout=300)


def test_a_clip_is_reasoned_about_by_a_model_that_we_trained(url: str, tmp_path: Path) -> None:
    asked = ("--reasoner", url, "--model", str(MODEL), *FOR_A_SMALL_POLICY, "--on-failure", "embedded")
    asked = (*asked, "--no-heads")  # it learned from sheets without readings
    run = _run("analyze", sample_clip(), "--out", tmp_path, *asked, "--report")
    assert run.returncode in (0, 1), run.stderr
    analysis = Analysis.read(tmp_path / "talk.emotrace.json")
    verdicts = [s.verdict for person in analysis.persons for s in (*person.segments, person.overall)]
    own = [verdict for verdict in verdicts if verdict.reasoner.startswith("mllm/")]
    assert own, f"no reply could be used: {run.stderr}"
    assert all(verdict.instead_of for verdict in verdicts if verdict not in own)
    for verdict in own:
        assert len(verdict.hypotheses) == 2
        assert all(label.observation_ids for label in verdict.labels)
        assert verdict.usage.calls
        assert verdict.usage.completion_tokens
    # A second run asks the server nothing that it answered usably.
    again = _run("analyze", sample_clip(), "--out", tmp_path, *asked)
    assert f"{len(own)} kept from before" in again.stderr


def test_it_is_evaluated_in_its_own_world(url: str, tmp_path: Path) -> None:
    cases = [Case(sheet=draw.sheet, gold=draw.cause.gold) for draw in sample(World(), 12, seed=77)]
    write_cases(tmp_path / "cases.jsonl", cases)
    run = _run(
        *("evaluate", "--protocol", "emotrace-wheel", "--predict", "hydra", "--cases", tmp_path / "cases.jsonl"),
        *("--reasoner", url, "--model", MODEL, "--reply-form", "tags", "--no-swap", "--out", tmp_path / "out"),
        *("--bootstrap", "200"),
    )
    assert run.returncode == 0, run.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    failed = report["details"]["prediction"]["failed"]
    assert len(failed) <= 3, failed
    assert report["scores"]["f"]["value"] > max(report["baselines"].values())
