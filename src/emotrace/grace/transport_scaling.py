"""Sinkhorn by matrix-vector products on a CPU: the exponentials are taken once, K_ij = exp((f⁰_i + g⁰_j − M_ij)/ε).

The potentials are f = f⁰ + ε·log u and g = g⁰ + ε·log v, and an iteration costs two products with K. Where u or v
leaves e^±30 it is absorbed into f⁰ and g⁰ and K is taken anew (stabilised scaling, arXiv 1610.06519 [field]), so the
result is that of the log domain to rounding. A clip that meets a number that is not finite all the same is solved in
the log domain.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from emotrace.grace.transport_chunked import block_step, clip_solution
from emotrace.grace.transport_chunked import solve_clip as solve_in_log_domain
from emotrace.grace.transport_clipwise import solve_clipwise
from emotrace.grace.transport_iterations import sinkhorn, warm_up
from emotrace.grace.transport_problem import Problem, Solution, shift, strictness_at

ABSORB_AT = 30.0
"""Greatest |log u| or |log v| before they are absorbed: e^30·e^30 is far from the largest float32."""


def solve_scaling(problem: Problem) -> Solution:
    """Clip by clip; on a CPU only, as the products are numpy's on the memory of the tensors."""
    return solve_clipwise(problem, solve_clip)


def solve_clip(problem: Problem, plan: Tensor) -> Solution:
    """One clip without masked rows and columns; the plan is written to `plan` [1 N L]."""
    level = problem.level(problem.cost)
    g, warm = warm_up(lambda: block_step(problem, level), problem)
    kernel = Kernel(problem, level, plan[0], g[0])
    f, g, iterations, error = _balanced(problem, kernel, warm) if problem.balanced else _soft(problem, kernel, g, warm)
    if not math.isfinite(float(error)):
        return solve_in_log_domain(problem, plan)
    kernel.become_plan(problem, f[0], g[0])
    return clip_solution(problem, plan, *problem.restored(f, g, level), iterations, error)


class Kernel:
    """K of one clip, held where the plan will be, and the potentials that it was taken at."""

    def __init__(self, problem: Problem, level: Tensor, memory: Tensor, g: Tensor) -> None:
        self.cost, self.level, self.epsilon = problem.cost[0], level, float(problem.epsilon)
        self.values, self.g = memory, g
        torch.sub(level, self.cost, out=memory).add_(g)
        # The best of each row becomes e^0: no row can vanish, however far the costs of two rows are apart.
        top = memory.amax(dim=1)
        memory.sub_(top[:, None]).mul_(1.0 / self.epsilon).exp_()
        self.f = -top

    def take(self, f: Tensor, g: Tensor) -> None:
        """Moves K to other potentials."""
        self.f, self.g = f, g
        torch.sub(self.level, self.cost, out=self.values)
        self.values.add_(f[:, None]).add_(g).mul_(1.0 / self.epsilon).exp_()

    def become_plan(self, problem: Problem, f: Tensor, g: Tensor) -> None:
        """Turns K into a_i·b_j·exp((f_i + g_j − M_ij)/ε) in place."""
        self.values.mul_((problem.a[0] * torch.exp((f - self.f) / self.epsilon))[:, None])
        self.values.mul_(problem.b[0] * torch.exp((g - self.g) / self.epsilon))


def _balanced(problem: Problem, kernel: Kernel, warm: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both marginals hard: u = a/Kv, v = b/Kᵀu, with a and b inside u and v.

    In numpy: a call costs half of torch's, which is what an iteration over 784 patches is made of, and its products
    are no slower.
    """
    a, b, k = problem.a[0].numpy(), problem.b[0].numpy(), kernel.values.numpy()
    u, v = np.empty_like(a), b.copy()
    row_sums, column_sums = np.dot(k, v), np.empty_like(b)
    f = g = kernel.f
    count, error = 0, np.inf
    with np.errstate(all="ignore"):
        while count < problem.max_iterations:
            for _ in range(min(problem.check_every, problem.max_iterations - count)):
                np.divide(a, row_sums, out=u)
                np.dot(u, k, out=column_sums)
                np.divide(b, column_sums, out=v)
                np.dot(k, v, out=row_sums)
                count += 1
            error = np.abs(u * row_sums - a).sum()
            log_u, log_v = np.log(u / a), np.log(v / b)
            f = kernel.f + kernel.epsilon * torch.from_numpy(log_u)
            g = kernel.g + kernel.epsilon * torch.from_numpy(log_v)
            if not error > problem.tolerance:
                break
            if max(np.abs(log_u).max(), np.abs(log_v).max()) > ABSORB_AT:
                kernel.take(f, g)
                np.dot(k, b, out=row_sums)
    return f[None], g[None], warm + count, torch.from_numpy(np.atleast_1d(error))


def _soft(problem: Problem, kernel: Kernel, g: Tensor, warm: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Soft marginals need powers and the shift: the potentials are kept, and only the two sums are products with K."""
    log_a, log_b = problem.a.log(), problem.b.log()
    tau_v, tau_w = problem.taus()
    k = kernel.values.numpy()

    def step(g: Tensor, epsilon: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        v = torch.exp(log_b + (g - kernel.g) / epsilon)
        log_rows = torch.from_numpy(np.dot(k, v[0].numpy())).log_() - kernel.f / epsilon
        f = -strictness_at(epsilon, tau_v) * epsilon * log_rows
        f = f + shift(f, g, log_a, log_b, tau_v, tau_w, problem.soft)
        log_u = (f - kernel.f) / epsilon
        top = log_u.max()
        u = torch.exp(log_a + log_u - top)
        log_columns = torch.from_numpy(np.dot(u[0].numpy(), k)).log_() + top - kernel.g / epsilon
        next_g = -strictness_at(epsilon, tau_w) * epsilon * log_columns
        log_v = (next_g - kernel.g) / epsilon
        if max(float(log_u.abs().max()), float(log_v.abs().max())) > ABSORB_AT:
            kernel.take(f[0], next_g[0])
        return log_rows, f, next_g

    return sinkhorn(step, problem, (g, warm))
