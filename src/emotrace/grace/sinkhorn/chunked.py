"""The log-domain iteration on a CPU: clip by clip, in blocks of rows that stay in the cache, one exponential per entry.

With T_ij = exp(log b_j + (g_j − M_ij)/ε − top_i) of the row update, the sums of the column update are

    Σ_i a_i·exp((f_i − M_ij)/ε) = e^(−log b_j − g_j/ε)·Σ_i a_i·exp(f_i/ε + top_i)·T_ij

so a matrix-vector product takes the place of the second exponential [ours]. Only where such a sum is too small for
float32 (a column that no row wants at the present g) the column update is done with exponentials of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor

from emotrace.grace.sinkhorn.clipwise import solve_clipwise
from emotrace.grace.sinkhorn.iterations import Step, sinkhorn
from emotrace.grace.sinkhorn.problem import Problem, Solution, shift, strictness_at

BLOCK_ENTRIES = 1 << 16
"""Entries of one block of rows: 256 KB in float32, half of a usual second-level cache."""
VANISHED = 1e-25
"""Column sums below this are not trusted: their terms may have been lost below the smallest float32."""


def solve_chunked(problem: Problem) -> Solution:
    """Clip by clip in the log domain, in place."""
    return solve_clipwise(problem, solve_clip)


def solve_clip(problem: Problem, plan: Tensor) -> Solution:
    """One clip without masked rows and columns; the plan is written to `plan` [1 N L]."""
    level = problem.level(problem.cost)
    f, g, iterations, error = sinkhorn(block_step(problem, level), problem)
    epsilon = problem.epsilon[:, None]
    row, column = problem.a.log() + f / epsilon, problem.b.log() + g / epsilon
    torch.sub(level[:, None, None], problem.cost, out=plan)
    plan.mul_(1.0 / epsilon[:, :, None]).add_(row[:, :, None]).add_(column[:, None, :]).exp_()
    return plan_solution(problem, plan, *problem.restored(f, g, level), iterations, error)


def plan_solution(problem: Problem, plan: Tensor, f: Tensor, g: Tensor, iterations: Tensor, error: Tensor) -> Solution:
    """A solution with the sums over its plan, taken while it is in the cache."""
    pairs = zip(plan.flatten(1), problem.cost.flatten(1), strict=True)
    moved = torch.stack([torch.dot(here, price) for here, price in pairs])
    mass = plan.sum(dim=(1, 2))
    return Solution(plan=plan, f=f, g=g, iterations=iterations, marginal_error=error, cost=moved, mass=mass)


def block_step(problem: Problem, level: Tensor) -> Step:
    """The step of one clip without masked rows and columns, for its cost less `level`."""
    cost = problem.cost[0]
    log_a, log_b = problem.a[0].log(), problem.b[0].log()
    tau_v, tau_w = problem.taus()
    rows, columns = cost.shape
    height = min(rows, max(1, BLOCK_ENTRIES // columns))
    blocks = [slice(start, min(start + height, rows)) for start in range(0, rows, height)]
    scratch = cost.new_empty((height, columns))

    def step(g: Tensor, epsilon: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        scale = float(epsilon)
        damping = scale * strictness_at(epsilon, tau_v)[0]
        bias = log_b + g[0] / scale
        log_rows = torch.empty_like(log_a)
        sums, highest = torch.zeros_like(log_b), log_a.new_full((), -torch.inf)
        for block in blocks:
            terms = scratch[: block.stop - block.start]
            torch.sub(level, cost[block], out=terms)
            top = terms.mul_(1.0 / scale).add_(bias).amax(dim=1)
            terms.sub_(top[:, None]).exp_()
            log_rows[block] = part = terms.sum(dim=1).log_().add_(top)
            weight = log_a[block] + top - damping / scale * part
            higher = torch.maximum(highest, weight.max())
            sums.mul_(torch.exp(highest - higher)).addmv_(terms.t(), weight.sub_(higher).exp_())
            highest = higher
        f = -damping * log_rows
        reliable = float(sums.min()) > VANISHED
        log_columns = sums.log_().add_(highest).sub_(bias) if reliable else column_sums(f, scale)
        c = shift(f[None], g, log_a[None], log_b[None], tau_v, tau_w, problem.soft)
        log_columns = log_columns[None] + c / scale
        return log_rows[None], f[None] + c, -strictness_at(epsilon, tau_w) * epsilon * log_columns

    def column_sums(f: Tensor, scale: float) -> Tensor:
        """The sums of the column update with exponentials of their own."""
        total = torch.full_like(log_b, -torch.inf)
        for block in blocks:
            terms = scratch[: block.stop - block.start]
            torch.sub(level, cost[block], out=terms)
            terms.mul_(1.0 / scale).add_((log_a[block] + f[block] / scale)[:, None])
            total = torch.logaddexp(total, torch.logsumexp(terms, dim=0))
        return total

    return step
