"""The transport solver in numpy float64, one clip at a time: the oracle of the tests, and inference without torch.

Written from the formulas and sharing no code with the torch paths, so that both can check each other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from emotrace.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class ReferencePlan:
    """The plan of one clip. The fields mean what they mean in `TransportPlan`."""

    plan: Float64[np.ndarray, "row column"]
    cost: float
    value: float
    primal: float
    """F itself, from the plan: at the optimum it equals `value`, its dual."""
    f: Float64[np.ndarray, " row"]
    g: Float64[np.ndarray, " column"]
    iterations: int
    marginal_error: float
    converged: bool


def transport_reference(
    cost: np.ndarray,
    row_marginal: np.ndarray,
    column_marginal: np.ndarray,
    *,
    epsilon: float = 0.3,
    row_strictness: float = 1.0,
    column_strictness: float = 1.0,
    tolerance: float = 1e-6,
    max_iterations: int = 1000,
    check_every: int = 10,
) -> ReferencePlan:
    """Solves one clip; the defaults are those of evaluation.

    >>> half = np.full(2, 0.5)
    >>> found = transport_reference(np.array([[0.0, 1.0], [1.0, 0.0]]), half, half, epsilon=0.5)
    >>> found.plan.round(3).tolist()
    [[0.44, 0.06], [0.06, 0.44]]

    Args:
        cost: M [row, column]; what stands where a marginal is 0 is not looked at.
        row_marginal: a [row] >= 0; 0 masks a row.
        column_marginal: b [column] >= 0; 0 masks a column.
        epsilon: Blur in units of the cost.
        row_strictness: ρ_v in 0..1: 1 makes the row marginal hard, 0 free.
        column_strictness: ρ_w in 0..1.
        tolerance: Marginal error (L1) at which to stop.
        max_iterations: At the final epsilon.
        check_every: Iterations between two looks at the error.

    Raises:
        UsageError: Shapes that do not fit, a negative marginal, or an epsilon that is not positive.
    """
    cost, a, b = (np.asarray(array, dtype=np.float64) for array in (cost, row_marginal, column_marginal))
    if cost.ndim != 2 or cost.shape != a.shape + b.shape:
        hint = "Give a cost [row, column] with marginals [row] and [column]"
        raise UsageError(f"got {cost.shape}, {a.shape} and {b.shape}", where="cost", hint=hint)
    if not epsilon > 0 or not (a >= 0).all() or not (b >= 0).all():
        raise UsageError(
            "epsilon or a marginal is negative or nan", where="transport_reference", hint="Give numbers >= 0"
        )
    rows, columns = np.flatnonzero(a), np.flatnonzero(b)
    f, g, plan = np.zeros_like(a), np.zeros_like(b), np.zeros_like(cost)
    if not rows.size or not columns.size:
        return ReferencePlan(
            plan=plan, cost=0.0, value=0.0, primal=0.0, f=f, g=g, iterations=0, marginal_error=0.0, converged=True
        )
    kept = cost[np.ix_(rows, columns)]
    found = _Clip(kept, a[rows], b[columns], epsilon, row_strictness, column_strictness)
    error, iterations = found.solve(tolerance, max_iterations, check_every)
    f[rows], g[columns] = found.f, found.g
    part = found.plan()
    plan[np.ix_(rows, columns)] = part
    return ReferencePlan(
        plan=plan,
        cost=float((part * kept).sum()),
        value=found.dual(part),
        primal=found.primal(part),
        f=f,
        g=g,
        iterations=iterations,
        marginal_error=error,
        converged=error <= tolerance,
    )


class _Clip:
    """One problem without masked rows or columns, and its potentials as they are being found."""

    def __init__(
        self, cost: np.ndarray, a: np.ndarray, b: np.ndarray, epsilon: float, rho_v: float, rho_w: float
    ) -> None:
        self.cost, self.a, self.b, self.epsilon = cost, a, b, epsilon
        self.tau_v, self.tau_w = (math.inf if rho == 1 else rho * epsilon / (1 - rho) for rho in (rho_v, rho_w))
        self.f, self.g = np.zeros(a.size), np.zeros(b.size)

    def solve(self, tolerance: float, max_iterations: int, check_every: int) -> tuple[float, int]:
        """Warm-up by halving epsilon from 2 where it is small, then Sinkhorn; returns error and iterations."""
        done = 0
        one_step = 0.0 in (self.tau_v, self.tau_w)
        if self.epsilon < 0.1 and not one_step:
            for level in range(math.ceil(math.log2(2.0 / self.epsilon))):
                for _ in range(5):
                    self.step(max(self.epsilon, 2.0 * 0.5**level))
                    done += 1
        error = math.inf
        for count in range(1, (1 if one_step else max_iterations) + 1):
            self.step(self.epsilon)
            done += 1
            if count % check_every == 0 or one_step or count == max_iterations:
                error = self.error()
                if error <= tolerance:
                    break
        return error, done

    def step(self, epsilon: float) -> None:
        """Rows, shift, columns."""
        self.f = -_damping(self.tau_v, epsilon) * _log_sum(np.log(self.b) + (self.g - self.cost) / epsilon, 1)
        self.f = self.f + self.shift()
        columns = _log_sum(np.log(self.a)[:, None] + (self.f[:, None] - self.cost) / epsilon, 0)
        self.g = -_damping(self.tau_w, epsilon) * columns

    def shift(self) -> float:
        """The level to move from g to f."""
        if 0.0 in (self.tau_v, self.tau_w) or self.tau_v == self.tau_w == math.inf:
            return 0.0
        price = 1 / (1 / self.tau_v + 1 / self.tau_w)
        rows, columns = np.log(self.a) - self.f / self.tau_v, np.log(self.b) - self.g / self.tau_w
        return float(price * (_log_sum(rows, 0) - _log_sum(columns, 0)))

    def plan(self) -> np.ndarray:
        """Π of the potentials."""
        density: np.ndarray = np.exp((self.f[:, None] + self.g - self.cost) / self.epsilon)
        plan: np.ndarray = self.a[:, None] * self.b * density
        return plan

    def error(self) -> float:
        """L1 distance of the row sums from a·exp(−f/τ_v)."""
        if self.tau_v == 0.0:
            return 0.0
        return float(np.abs(self.plan().sum(1) - self.a * np.exp(-self.f / self.tau_v)).sum())

    def dual(self, plan: np.ndarray) -> float:
        """F from the potentials."""
        sides = ((self.f, self.a, self.tau_v), (self.g, self.b, self.tau_w))
        total = sum(_phi(potential, marginal, tau) for potential, marginal, tau in sides)
        return float(total - self.epsilon * (plan.sum() - self.a.sum() * self.b.sum()))

    def primal(self, plan: np.ndarray) -> float:
        """F from the plan; a hard marginal is taken as met, a free one costs nothing."""
        total = (plan * self.cost).sum() + self.epsilon * _divergence(plan, np.outer(self.a, self.b))
        for tau, sums, marginal in ((self.tau_v, plan.sum(1), self.a), (self.tau_w, plan.sum(0), self.b)):
            if 0.0 < tau < math.inf:
                total += tau * _divergence(sums, marginal)
        return float(total)


def _damping(tau: float, epsilon: float) -> float:
    """ρ·ε = τ·ε/(τ+ε)."""
    return epsilon if tau == math.inf else tau * epsilon / (tau + epsilon)


def _log_sum(exponents: np.ndarray, axis: int) -> np.ndarray:
    """Logarithm of the sum of exponentials along an axis."""
    top = exponents.max(axis=axis, keepdims=True)
    total: np.ndarray = np.log(np.exp(exponents - top).sum(axis=axis, keepdims=True)) + top
    return np.squeeze(total, axis=axis)


def _phi(potential: np.ndarray, marginal: np.ndarray, tau: float) -> float:
    """φ(p, m): Σ m·p for a hard marginal, τ·Σ m(1 − e^(−p/τ)) for a soft one, 0 for a free one."""
    if tau == math.inf:
        return float((marginal * potential).sum())
    return 0.0 if tau == 0.0 else float((-tau * marginal * np.expm1(-potential / tau)).sum())


def _divergence(p: np.ndarray, q: np.ndarray) -> float:
    """Generalised KL(p | q)."""
    positive = p > 0
    return float((p[positive] * np.log(p[positive] / q[positive])).sum() - p.sum() + q.sum())
