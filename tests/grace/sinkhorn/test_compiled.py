"""The two paths made for GPUs, as far as they can be checked without one."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import torch

from emotrace.errors import UsageError
from emotrace.grace.sinkhorn import compiled as transport_compiled
from emotrace.grace.sinkhorn.eager import log_step
from emotrace.grace.transport import transport

AGREE = """
import torch
from emotrace.grace.transport import transport

generator = torch.Generator().manual_seed(0)
for rho in STRICTNESS:
    cost = torch.randn(2, 70, 9, generator=generator) + 5
    a, b = torch.rand(2, 70, generator=generator), torch.rand(2, 9, generator=generator)
    a[0, 3:] = b[1, 4:] = 0  # the second block of rows of the first clip is masked altogether
    cost[0, 3:] = float("nan")
    a, b = a / a.sum(dim=1, keepdim=True), b / b.sum(dim=1, keepdim=True)
    same = dict(epsilon=0.3, row_strictness=rho[0], column_strictness=rho[1])
    one, other = (transport(cost, a, b, path=path, **same) for path in ("PATH", "eager"))
    torch.testing.assert_close(one.plan, other.plan, rtol=0, atol=2e-6)
    torch.testing.assert_close(one.value, other.value, rtol=0, atol=1e-5)
    assert one.converged.tolist() == other.converged.tolist()
"""


def run(path: str, strictness: str, **environment: str) -> None:
    """In a process of its own: the compilers read the environment when they are loaded."""
    code = AGREE.replace("PATH", path).replace("STRICTNESS", strictness)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | environment)
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("rho", [1.0, 0.9, 0.0])
def test_padding_to_shared_shapes_changes_nothing(rho: float, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes = set()

    def spy(cost: Any, *rest: Any) -> Any:
        shapes.add(tuple(cost.shape))
        return log_step(cost, *rest)

    monkeypatch.setattr(transport_compiled, "compiled_step", lambda: spy)
    generator = torch.Generator().manual_seed(1)
    for rows, columns in ((50, 9), (64, 16)):
        cost = torch.randn(2, rows, columns, generator=generator)
        a, b = torch.full((2, rows), 1 / rows), torch.full((2, columns), 1 / columns)
        one, other = (transport(cost, a, b, row_strictness=rho, path=path) for path in ("compiled", "eager"))
        torch.testing.assert_close(one.plan, other.plan, rtol=0, atol=1e-6)
        torch.testing.assert_close(one.value, other.value, rtol=0, atol=1e-5)
        assert one.iterations.tolist() == other.iterations.tolist()
    assert shapes == {(2, 64, 16)}


def _can_compile() -> bool:
    return bool(shutil.which("g++")) and (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file()


@pytest.mark.skipif(not _can_compile(), reason="torch.compile needs a C++ compiler and Python's headers")
@pytest.mark.skipif(
    "EMOTRACE_LONG_TESTS" not in os.environ, reason="half a minute of compiling; set EMOTRACE_LONG_TESTS"
)
def test_compiled_agrees_with_eager() -> None:
    run("compiled", "[(0.9, 1.0)]")


@pytest.mark.skipif(not importlib.util.find_spec("triton"), reason="needs the triton package (its interpreter)")
def test_triton_agrees_with_eager_in_the_interpreter() -> None:
    run("triton", "[(1.0, 1.0), (0.9, 1.0), (1.0, 0.8), (0.0, 1.0)]", TRITON_INTERPRET="1")


def test_triton_is_refused_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(UsageError, match="choose `auto`"):
        transport(torch.zeros(1, 2, 2), torch.full((1, 2), 0.5), torch.full((1, 2), 0.5), path="triton")
