"""Clip by clip on a CPU: each problem fits into the cache, carries no mask, and stops when it is done."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from emotrace.grace.transport_problem import Problem, Solution

SolveClip = Callable[[Problem, Tensor], Solution]
"""(one clip without masked rows and columns, where its plan [1 N L] is to be written) -> its solution."""


def solve_clipwise(problem: Problem, solve: SolveClip) -> Solution:
    """Solves every clip by itself and gathers the batch. Masked clips, rows and columns stay 0."""
    cost = problem.cost
    plan = torch.empty_like(cost, memory_format=torch.contiguous_format) if problem.complete else torch.zeros_like(cost)
    f, g = torch.zeros_like(problem.a), torch.zeros_like(problem.b)
    iterations = torch.zeros_like(problem.alive, dtype=torch.int64)
    error, moved, mass = (torch.zeros_like(problem.epsilon) for _ in range(3))
    for index, alive in enumerate(problem.alive.tolist()):
        if not alive:
            continue
        clip, rows, columns = problem.clip(index)
        whole = rows is None and columns is None
        target = plan[index : index + 1] if whole else cost.new_empty(clip.cost.shape)
        found = solve(clip, target)
        if whole:
            f[index], g[index] = found.f[0], found.g[0]
        else:
            at_row = slice(None) if rows is None else rows
            at_column = slice(None) if columns is None else columns
            f[index, at_row], g[index, at_column] = found.f[0], found.g[0]
            cross = (at_row, at_column) if rows is None or columns is None else (rows[:, None], columns)
            plan[index][cross] = target[0]
        iterations[index], error[index] = found.iterations[0], found.marginal_error[0]
        moved[index], mass[index] = found.cost[0], found.mass[0]
    return Solution(plan=plan, f=f, g=g, iterations=iterations, marginal_error=error, cost=moved, mass=mass)
