"""`emotrace serve` as a person runs it: in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="needs the extra [serve]")

EMOTRACE = [str(Path(sys.executable).parent / "emotrace"), "serve", "--port", "0"]


def refused(*args: str | Path) -> str:
    run = subprocess.run([*EMOTRACE, *map(str, args)], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 2
    assert run.stdout == ""
    assert len(run.stderr.splitlines()) == 1
    return run.stderr


@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs to find the workers' processes")
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_it_serves_until_it_ends_and_leaves_no_process(tmp_path: Path, how: signal.Signals) -> None:
    process = subprocess.Popen([*EMOTRACE, "--data", tmp_path], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("emotrace serves at http://127.0.0.1:")
    url = line.split()[-1]
    with urllib.request.urlopen(f"{url}/healthz", timeout=60) as answer:
        assert json.load(answer)["status"] == "ok"
    assert "works in this folder already" in refused("--data", tmp_path)
    workers = [int(path.name) for path in Path("/proc").glob("[0-9]*") if parent(path) == process.pid]
    assert workers
    process.send_signal(how)
    process.communicate(timeout=30)
    deadline = time.monotonic() + 20
    while any(lives(pid) for pid in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def parent(path: Path) -> int:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def test_an_address_for_others_needs_a_key(tmp_path: Path) -> None:
    said = refused("--data", tmp_path, "--host", "0.0.0.0")
    assert "no API key protects it" in said
    assert "--keys FILE" in said


def test_a_prohibited_purpose_is_refused(tmp_path: Path) -> None:
    assert "article 5(1)(f)" in refused("--data", tmp_path, "--purpose", "education")


def test_a_taken_port_is_told(tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert "cannot listen there" in refused("--data", tmp_path, "--port", str(taken.getsockname()[1]))
