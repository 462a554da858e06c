"""The Sinkhorn loop that the log-domain paths share: a path is a step, the loop decides when each clip is done."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from emotrace.grace.sinkhorn.problem import Problem, row_error

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, Tensor]]
"""(g [B L], ε [B 1]) -> (log Σ_j b_j·exp((g_j − M_ij)/ε) [B N], next f [B N], next g [B L])."""

WARM_BELOW, WARM_FROM, WARM_STEPS = 0.1, 2.0, 5
"""Below this epsilon the iteration starts from epsilon 2 and halves it, five steps a level [ours]."""


def warm_levels(epsilon: float) -> int:
    """How many levels of larger epsilon come first: none from 0.1 on.

    >>> warm_levels(0.3), warm_levels(0.05)
    (0, 6)
    """
    return 0 if epsilon >= WARM_BELOW else math.ceil(math.log2(WARM_FROM / epsilon))


def sinkhorn(
    step: Step, problem: Problem, warm: tuple[Tensor, Tensor] | None = None
) -> tuple[Float[Tensor, "batch row"], Float[Tensor, "batch column"], Int[Tensor, " batch"], Float[Tensor, " batch"]]:
    """Potentials f and g, iterations and marginal error of every clip.

    A clip whose error is within the tolerance at a check is frozen: its result does not depend on the rest of the
    batch. The error costs no pass of its own, as a step's first half sums the rows of the plan of the step before.

    Args:
        step: One iteration of the path.
        problem: What it solves.
        warm: g and iterations of a `warm_up` by another step; by default this one warms up.
    """
    g, iterations = warm_up(lambda: step, problem) if warm is None else warm
    f = torch.zeros_like(problem.a)
    epsilon = problem.epsilon[:, None]
    active = problem.alive
    error = torch.where(active, math.inf, torch.zeros_like(problem.epsilon))
    log_rows, next_f, next_g = step(g, epsilon)
    if problem.direct:
        keep = active[:, None]
        f, g = torch.where(keep, next_f, f), torch.where(keep, next_g, g)
        return f, g, active.to(iterations.dtype), torch.zeros_like(error)
    for count in range(1, problem.max_iterations + 1):
        keep = active[:, None]
        f, g = torch.where(keep, next_f, f), torch.where(keep, next_g, g)
        iterations = iterations + active.to(iterations.dtype)
        log_rows, next_f, next_g = step(g, epsilon)
        if count % problem.check_every and count < problem.max_iterations:
            continue
        with torch.no_grad():
            error = torch.where(active, row_error(problem, f, log_rows), error)
            # A clip with nan in its cost never converges: it is left alone, too.
            active = active & (error > problem.tolerance)
            if not bool(active.any()):
                break
    return f, g, iterations, error


def warm_up(
    make_step: Callable[[], Step], problem: Problem
) -> tuple[Float[Tensor, "batch column"], Int[Tensor, " batch"]]:
    """Where to start g, and the iterations that it took: zeros unless a clip's epsilon is small."""
    g = torch.zeros_like(problem.b)
    iterations = torch.zeros_like(problem.alive, dtype=torch.int64)
    count = [warm_levels(value) for value in problem.epsilon.tolist()]
    if problem.direct or not any(count):
        return g, iterations
    step = make_step()
    levels = torch.where(problem.alive, torch.tensor(count, device=g.device), 0)
    for level in range(max(count)):
        keep = level < levels
        epsilon = torch.where(keep, problem.epsilon.clamp(min=WARM_FROM * 0.5**level), problem.epsilon)[:, None]
        for _ in range(WARM_STEPS):
            g = torch.where(keep[:, None], step(g, epsilon)[2], g)
            iterations = iterations + keep.to(iterations.dtype)
    return g, iterations
