"""Seconds and peak memory of a call, and the least time that the machine would need for it."""

from __future__ import annotations

import ctypes
import functools
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

ROUNDS, SECONDS_PER_METHOD = 7, 0.7
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Timer:
    """Times one call, round by round. The first call also measures its peak memory and keeps its result.

    Args:
        work: What to time.
        factor: By how much to multiply the seconds.
        device: Where it runs.
        clock: `wall`, or `cpu` for the processor's time of this process.
    """

    def __init__(self, work: Callable[[], Any], factor: float, device: torch.device, clock: str = "wall") -> None:
        self.work, self.factor, self.device = work, factor, device
        self.clock = CLOCKS[clock]
        self.seconds: list[float] = []
        before = _start_of_peak(device)
        self.result = self._run()
        after = _peak_mb(device)
        self.peak_mb = None if before is None or after is None else round(after - before, 1)
        self.spent = self.seconds[0] / factor
        if self.spent < SECONDS_PER_METHOD:
            self.seconds.clear()  # it was the warm-up

    def again(self) -> bool:
        """One more round, unless there were enough; False when there were."""
        if len(self.seconds) >= ROUNDS or (self.seconds and self.spent >= SECONDS_PER_METHOD):
            return False
        self._run()
        self.spent += self.seconds[-1] / self.factor
        return True

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    def _run(self) -> Any:
        start = self.clock()
        result = self.work()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        self.seconds.append((self.clock() - start) * self.factor)
        return result


def _start_of_peak(device: torch.device) -> float | None:
    """Forgets the peak so far and returns the megabytes in use; None where the system does not tell."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device) / 1e6
    if sys.platform != "linux":
        return None
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return _status_mb("VmRSS")


def _peak_mb(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    return _status_mb("VmHWM") if sys.platform == "linux" else None


def _status_mb(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:"))


def roof_seconds(cost: Tensor, iterations: int, path: str) -> float:
    """The least time for a batch: its bytes at the bandwidth, or its exponentials at the rate, that were measured here.

    `scaling` reads K twice per iteration and takes one exponential per entry; the log-domain paths read the cost twice
    and take two exponentials per entry and iteration (`chunked` one). The bandwidth is that for one clip's matrix.
    """
    entries = cost[0].numel()
    bandwidth, exponentials = _rates(entries, cost.device)
    per_clip = 2 * iterations * entries * 4 / bandwidth
    if path.endswith("scaling"):
        per_clip += entries / exponentials
    else:
        per_clip = max(per_clip, (1 if path.endswith("chunked") else 2) * iterations * entries / exponentials)
    return len(cost) * per_clip


@functools.cache
def _rates(entries: int, device: torch.device) -> tuple[float, float]:
    """Bytes per second of a read, and exponentials per second, over an array of `entries` float32."""
    values = -torch.rand(entries, device=device)
    into = torch.empty_like(values)
    array = values.cpu().numpy()
    read: Callable[[], Any] = (lambda: np.dot(array, array)) if device.type == "cpu" else (lambda: values.sum())
    fastest = []
    for work in (read, lambda: torch.exp(values, out=into)):
        best = min(_seconds(work, device) for _ in range(30))
        fastest.append(best)
    return 4 * entries / fastest[0], entries / fastest[1]


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    start = time.perf_counter()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter() - start
