"""The transport solvers that `benchmarks/transport.py` sets side by side, each on the same matrices.

A method solves a case with a given number of iterations, its own stopping off, and returns the plans. `train` also
takes the gradient of the value in the cost where the library has one.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from emotrace.grace.transport import transport

MARGINAL_ERROR = 1e-3
"""L1, the worse of the two sides, of the worst clip."""
UNROLLED_ENTRIES = 1_000_000
"""The plain PyTorch loop keeps every iteration for its backward pass: it is trained on batches up to this size only."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """B clips of N patches and L words in float32."""

    cost: Tensor
    a: Tensor
    b: Tensor
    epsilon: float

    @staticmethod
    def draw(batch: int, rows: int, columns: int, epsilon: float, device: str) -> Case:
        """Cosine costs of unit vectors that share a direction, in standard deviations; uneven marginals (seed 0)."""
        generator = torch.Generator().manual_seed(0)
        patches = torch.randn(batch, rows, 64, generator=generator) + 0.5
        words = torch.randn(batch, columns, 64, generator=generator) + 0.5
        cost = 1 - torch.nn.functional.normalize(patches, dim=2) @ torch.nn.functional.normalize(words, dim=2).mT
        cost = cost / cost.std(dim=(1, 2), keepdim=True)
        a = torch.softmax(torch.randn(batch, rows, generator=generator), dim=1)
        b = torch.softmax(0.5 * torch.randn(batch, columns, generator=generator), dim=1)
        return Case(cost=cost.to(device), a=a.to(device), b=b.to(device), epsilon=epsilon)

    def first(self, clips: int) -> Case:
        """The first clips."""
        return Case(cost=self.cost[:clips], a=self.a[:clips], b=self.b[:clips], epsilon=self.epsilon)


@dataclass(frozen=True, kw_only=True)
class Method:
    """One solver."""

    name: str
    kind: Literal["ours", "batched", "loop"]
    solve: Callable[[Case, Any], Tensor]
    train: Callable[[Case, Any], Tensor] | None = None
    package: str | None = None
    """What to install; None for what comes with emotrace or torch."""
    module: str = "torch"

    @property
    def present(self) -> bool:
        """Whether it can be imported."""
        return importlib.util.find_spec(self.module) is not None


def ours(path: Any) -> Method:
    """One of emotrace's paths. Without a number of iterations it is asked for the marginal error and stops itself."""

    def run(case: Case, iterations: int | None, cost: Tensor) -> Any:
        if iterations is None:
            return transport(cost, case.a, case.b, epsilon=case.epsilon, tolerance=MARGINAL_ERROR, path=path)
        fixed = {"max_iterations": iterations, "check_every": iterations, "tolerance": 0.0}
        return transport(cost, case.a, case.b, epsilon=case.epsilon, path=path, **fixed)

    def train(case: Case, iterations: int | None) -> Tensor:
        cost = case.cost.clone().requires_grad_()
        return _gradient(cost, run(case, iterations, cost).value)

    return Method(name=f"emotrace {path}", kind="ours", solve=lambda c, n: run(c, n, c.cost).plan, train=train)


def pot_batch(method: str) -> Method:
    """POT's batched solver: `log_sinkhorn` is log-safe, `sinkhorn` is not."""

    def run(case: Case, iterations: int, cost: Tensor) -> Any:
        solve = importlib.import_module("ot").solve_batch
        return solve(cost, case.epsilon, case.a, case.b, max_iter=iterations, tol=0.0, method=method, reg_type="kl")

    def train(case: Case, iterations: int) -> Tensor:
        cost = case.cost.clone().requires_grad_()
        return _gradient(cost, run(case, iterations, cost).value)

    name = "POT batch, log" if method == "log_sinkhorn" else "POT batch, kernel"
    solve = lambda c, n: run(c, n, c.cost).plan  # noqa: E731
    return Method(name=name, kind="batched", solve=solve, train=train, package="POT", module="ot")


def pot_loop(method: str) -> Method:
    """POT's solver for one problem, in a loop over numpy arrays: `sinkhorn` is kernel mode, `sinkhorn_log` log-safe."""

    def solve(case: Case, iterations: int) -> Tensor:
        ot = importlib.import_module("ot")
        plans = [
            ot.sinkhorn(*arrays, case.epsilon, method=method, numItermax=iterations, stopThr=0.0, warn=False)
            for arrays in zip(case.a.numpy(), case.b.numpy(), case.cost.numpy(), strict=True)
        ]
        return torch.stack([torch.from_numpy(plan) for plan in plans])

    name = "POT loop, plain" if method == "sinkhorn" else "POT loop, log"
    return Method(name=name, kind="loop", solve=solve, package="POT", module="ot")


def geomloss_batch() -> Method:
    """The batched solver of geomloss: symmetric, averaged log-domain updates under a schedule of epsilon of its own."""

    def run(case: Case, iterations: int, cost: Tensor) -> Any:
        ot = importlib.import_module("geomloss.ot")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return ot.solve_batch(cost, reg=case.epsilon, a=case.a, b=case.b, max_iter=iterations)

    def train(case: Case, iterations: int) -> Tensor:
        cost = case.cost.clone().requires_grad_()
        return _gradient(cost, run(case, iterations, cost).value)

    solve = lambda c, n: run(c, n, c.cost).plan.detach()  # noqa: E731
    return Method(
        name="geomloss batch", kind="batched", solve=solve, train=train, package="geomloss", module="geomloss.ot"
    )


def plain_torch() -> Method:
    """The log-domain loop as one would write it, differentiated through its iterations."""

    def run(case: Case, iterations: int, cost: Tensor) -> tuple[Tensor, Tensor]:
        scaled, log_a, log_b = -cost / case.epsilon, case.a.log(), case.b.log()
        u, v = torch.zeros_like(log_a), torch.zeros_like(log_b)
        for _ in range(iterations):
            u = log_a - torch.logsumexp(scaled + v[:, None, :], dim=2)
            v = log_b - torch.logsumexp(scaled + u[:, :, None], dim=1)
        log_plan = scaled + u[:, :, None] + v[:, None, :]
        return torch.exp(log_plan), log_plan

    def train(case: Case, iterations: int) -> Tensor:
        cost = case.cost.clone().requires_grad_()
        plan, log_plan = run(case, iterations, cost)
        entropy = log_plan - case.a.log()[:, :, None] - case.b.log()[:, None, :]
        return _gradient(cost, (plan * cost).sum() + case.epsilon * (plan * entropy).sum())

    def solve(case: Case, iterations: int) -> Tensor:
        with torch.no_grad():
            return run(case, iterations, case.cost)[0]

    return Method(name="plain PyTorch", kind="batched", solve=solve, train=train)


def _gradient(cost: Tensor, value: Tensor) -> Tensor:
    value.sum().backward()
    if cost.grad is None:
        raise TypeError("the value does not depend on the cost")
    return cost.grad


def methods(device: str) -> list[Method]:
    """All solvers for a device, the absent ones too. The numpy loops run on a CPU only."""
    batched = [pot_batch("log_sinkhorn"), pot_batch("sinkhorn"), geomloss_batch(), plain_torch()]
    if device != "cpu":
        return [ours("compiled"), ours("eager"), *batched]
    return [ours("scaling"), ours("chunked"), *batched, pot_loop("sinkhorn"), pot_loop("sinkhorn_log")]


def versions() -> dict[str, str]:
    """Of everything that was measured."""
    found = {}
    for package in ("torch", "numpy", "POT", "geomloss"):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found
