"""The log-domain iteration as it is written down, for the whole batch at once: the reference in torch.

It is also what `gradient="unrolled"` differentiates, and what the scaling path falls back to.
"""

from __future__ import annotations

from torch import Tensor, exp, logsumexp, where

from emotrace.grace.sinkhorn.iterations import sinkhorn
from emotrace.grace.sinkhorn.problem import Problem, Soft, Solution, shift, strictness_at


def solve_eager(problem: Problem) -> Solution:
    """Two logsumexp over the batch per iteration. Differentiable through all of them."""
    cost, level = levelled_cost(problem)
    log_a, log_b = problem.a.log(), problem.b.log()
    tau_v, tau_w = problem.taus()

    def step(g: Tensor, epsilon: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return log_step(cost, log_a, log_b, g, epsilon, tau_v, tau_w, problem.soft)

    return solution_of(problem, cost, level, *sinkhorn(step, problem))


def levelled_cost(problem: Problem) -> tuple[Tensor, Tensor]:
    """M − level with 0 where it is masked, and the level."""
    cost = problem.valid_cost()
    level = problem.level(cost)
    return cost - level[:, None, None], level


def log_step(
    cost: Tensor, log_a: Tensor, log_b: Tensor, g: Tensor, epsilon: Tensor, tau_v: Tensor, tau_w: Tensor, soft: Soft
) -> tuple[Tensor, Tensor, Tensor]:
    """One iteration: rows, shift, columns last, so that hard text marginals are met exactly.

    Args:
        cost: [B N L], 0 where masked.
        log_a: [B N], -inf where masked.
        log_b: [B L], -inf where masked.
        g: [B L].
        epsilon: [B 1].
        tau_v: [B 1].
        tau_w: [B 1].
        soft: Which sides share a level.

    Returns:
        log Σ_j b_j·exp((g_j − M_ij)/ε) [B N], the new f [B N], the new g [B L].
    """
    exponent = -cost / epsilon[:, :, None]
    log_rows = logsumexp(exponent + (log_b + g / epsilon)[:, None, :], dim=2)
    f = -strictness_at(epsilon, tau_v) * epsilon * log_rows
    f = f + shift(f, g, log_a, log_b, tau_v, tau_w, soft)
    log_columns = logsumexp(exponent + (log_a + f / epsilon)[:, :, None], dim=1)
    return log_rows, f, -strictness_at(epsilon, tau_w) * epsilon * log_columns


def solution_of(
    problem: Problem, cost: Tensor, level: Tensor, f: Tensor, g: Tensor, iterations: Tensor, error: Tensor
) -> Solution:
    """The plan `a_i·b_j·exp((f_i + g_j − M_ij)/ε)` of the potentials, exactly 0 where it is masked."""
    epsilon = problem.epsilon[:, None]
    row, column = problem.a.log() + f / epsilon, problem.b.log() + g / epsilon
    f, g = problem.restored(f, g, level)
    plan = exp(row[:, :, None] + column[:, None, :] - cost / epsilon[:, :, None])
    if not problem.complete:
        alive = problem.alive[:, None]
        plan = plan * alive[:, :, None]
        f, g = where((problem.a > 0) & alive, f, 0.0), where((problem.b > 0) & alive, g, 0.0)
    mass = plan.sum(dim=(1, 2))
    moved = (plan * cost).sum(dim=(1, 2)) + level * mass
    return Solution(plan=plan, f=f, g=g, iterations=iterations, marginal_error=error, cost=moved, mass=mass)
