"""A program in two processes on this machine, started as torchrun starts them: joined by gloo, without a GPU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path


def in_two_processes(program: str | Path, *arguments: str | Path, seconds: float = 300.0) -> list[str]:
    """What each process printed, the first one's first.

    Args:
        program: A Python file.
        arguments: What both are given.
        seconds: How long to wait for each.

    Raises:
        AssertionError: One of them failed; the message has what both said.
        subprocess.TimeoutExpired: One of them did not end.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "GLOO_SOCKET_IFNAME": "lo", "WORLD_SIZE": "2"}
    started = [
        subprocess.Popen(
            [sys.executable, *map(str, (program, *arguments))],
            env={**os.environ, **meeting, "ACCELERATE_USE_CPU": "true", "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        said = [process.communicate(timeout=seconds) for process in started]
    finally:
        for process in started:
            process.kill()
    if any(process.returncode for process in started):
        raise AssertionError(said)
    return [printed for printed, _ in said]
