"""Clip by clip on a CPU: what is worked on fits into the cache, carries no mask, and stops when it is done."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from emotrace.grace.sinkhorn.problem import Problem, Solution

SolveGroup = Callable[[Problem, Tensor], Solution]
"""(clips without masked rows and columns, where their plans [G N L] are to be written) -> their solutions."""


def solve_clipwise(problem: Problem, solve: SolveGroup, *, group_entries: int = 0) -> Solution:
    """Solves the clips one by one, or in small groups, and gathers the batch. Masked clips, rows and columns stay 0.

    Args:
        problem: The batch.
        solve: How to solve a group.
        group_entries: Entries of the cost that a group may have. A larger clip, or one with masks, is its own group.
    """
    batch, rows, columns = problem.cost.shape
    plan = (problem.cost.new_empty if problem.complete else problem.cost.new_zeros)((batch, rows, columns))
    f, g = torch.zeros_like(problem.a), torch.zeros_like(problem.b)
    iterations = torch.zeros_like(problem.alive, dtype=torch.int64)
    error, moved, mass = (torch.zeros_like(problem.epsilon) for _ in range(3))
    size = max(1, group_entries // (rows * columns)) if problem.complete else 1
    for start in range(0, batch, size):
        clips = slice(start, min(start + size, batch))
        if problem.complete:
            found = solve(problem.part(clips), plan[clips])
            f[clips], g[clips] = found.f, found.g
        elif bool(problem.alive[start]):
            part, kept_rows, kept_columns = problem.trimmed(start)
            found = solve(part, torch.empty_like(part.cost, memory_format=torch.contiguous_format))
            f[start, kept_rows], g[start, kept_columns] = found.f[0], found.g[0]
            plan[start].index_put_((kept_rows[:, None], kept_columns), found.plan[0])
        else:
            continue
        iterations[clips], error[clips] = found.iterations, found.marginal_error
        moved[clips], mass[clips] = found.cost, found.mass
    return Solution(plan=plan, f=f, g=g, iterations=iterations, marginal_error=error, cost=moved, mass=mass)
