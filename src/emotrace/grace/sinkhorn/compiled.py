"""The log-domain step as a fused kernel by `torch.compile`: the default on a GPU, where launches and passes cost most.

Rows are padded to multiples of 64 and columns to multiples of 16, so that clips of many lengths share few compiled
kernels. The host looks at the convergence once per `check_every` steps. Needs the compiler that torch's inductor needs:
Triton on a GPU, a C++ compiler on a CPU.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from emotrace.grace.sinkhorn.eager import levelled_cost, log_step, solution_of
from emotrace.grace.sinkhorn.iterations import sinkhorn
from emotrace.grace.sinkhorn.problem import Problem, Solution

ROW_MULTIPLE, COLUMN_MULTIPLE = 64, 16


@cache
def compiled_step() -> Callable[..., Any]:
    """`log_step`, compiled once for every padded shape that it meets."""
    return torch.compile(log_step, dynamic=False)


def solve_compiled(problem: Problem) -> Solution:
    """Like `solve_eager`, with the step compiled. Not differentiable through its iterations."""
    cost, level = levelled_cost(problem)
    more_rows, more_columns = -cost.shape[1] % ROW_MULTIPLE, -cost.shape[2] % COLUMN_MULTIPLE
    padded = pad(cost, (0, more_columns, 0, more_rows)).contiguous()
    log_a = pad(problem.a.log(), (0, more_rows), value=-torch.inf)
    log_b = pad(problem.b.log(), (0, more_columns), value=-torch.inf)
    tau_v, tau_w = problem.taus()
    run = compiled_step()
    rows, columns = problem.a.shape[1], problem.b.shape[1]

    def step(g: Tensor, epsilon: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found = run(padded, log_a, log_b, pad(g, (0, more_columns)), epsilon, tau_v, tau_w, problem.soft)
        log_rows, f, next_g = found
        return log_rows[:, :rows], f[:, :rows], next_g[:, :columns]

    return solution_of(problem, cost, level, *sinkhorn(step, problem))
