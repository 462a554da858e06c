"""Entropy-regularised optimal transport between a clip's patches and its words, in batches; of use alone.

    Π = argmin  ⟨Π, M⟩ + ε·KL(Π | a⊗b) + τ_v·KL(Π1 | a) + τ_w·KL(Πᵀ1 | b)          ρ = τ/(τ+ε)

Token-level alignment by entropy-regularised optimal transport is the paper's [paper]; this form of it, its defaults and
its marginals are ours [ours]. `row_strictness` ρ_v and `column_strictness` ρ_w say how binding the marginals are: 1 and
1 is balanced transport; 0.9 and 1 lets patches stay unused; 0 and 1 is exactly a softmax over the patches per word.

`sinkhorn/` holds the solvers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from emotrace.errors import UsageError
from emotrace.grace.sinkhorn.arguments import check_choice, check_problem
from emotrace.grace.sinkhorn.chunked import solve_chunked
from emotrace.grace.sinkhorn.compiled import solve_compiled
from emotrace.grace.sinkhorn.eager import solve_eager
from emotrace.grace.sinkhorn.gradients import with_envelope, with_implicit
from emotrace.grace.sinkhorn.problem import Problem, Solution, dual_value
from emotrace.grace.sinkhorn.scaling import solve_scaling

Gradient = Literal["envelope", "implicit", "unrolled"]
Path = Literal["auto", "eager", "scaling", "chunked", "compiled", "triton"]

SOLVERS: dict[str, Callable[[Problem], Solution]] = {
    "eager": solve_eager,
    "chunked": solve_chunked,
    "scaling": solve_scaling,
    "compiled": solve_compiled,
}


@dataclass(frozen=True, kw_only=True)
class TransportPlan:
    """The plans of B clips, and how well they were found."""

    plan: Float[Tensor, "batch row column"]
    """Π >= 0, in float32 (float64 where the cost was); exactly 0 where a row or a column is masked."""
    cost: Float[Tensor, " batch"]
    """⟨Π, M⟩, without the entropy. Carries a gradient with `implicit` and `unrolled` only."""
    value: Float[Tensor, " batch"]
    """F by its dual: the loss to train with. Differentiable in the cost in every gradient mode."""
    f: Float[Tensor, "batch row"]
    """Row potentials in units of the cost, 0 where masked."""
    g: Float[Tensor, "batch column"]
    """Column potentials in units of the cost, 0 where masked."""
    epsilon: Float[Tensor, " batch"]
    iterations: Int[Tensor, " batch"]
    """Row and column updates done, the warm-up of a small epsilon included."""
    marginal_error: Float[Tensor, " batch"]
    """L1 distance of the row sums from what they should be; the columns' is rounding, as they are updated last."""
    converged: Bool[Tensor, " batch"]
    """Whether the error is within the tolerance. Also True for a clip that is masked altogether: its plan is 0."""


def transport(
    cost: Float[Tensor, "batch row column"],
    row_marginal: Float[Tensor, "batch row"],
    column_marginal: Float[Tensor, "batch column"],
    *,
    epsilon: float | Float[Tensor, " batch"] = 0.3,
    row_strictness: float = 1.0,
    column_strictness: float = 1.0,
    tolerance: float = 1e-3,
    max_iterations: int = 100,
    check_every: int = 10,
    gradient: Gradient = "envelope",
    path: Path = "auto",
) -> TransportPlan:
    """Aligns rows with columns: who takes how much from whom, at the least cost, blurred by epsilon.

    Runs in float32 whatever the autocast around it, as bfloat16 moves percents of the mass; float64 stays float64.
    A clip stops by itself, so its result does not depend on the rest of the batch.

    >>> import torch
    >>> cost = torch.tensor([[[0.0, 1.0], [1.0, 0.0]]])
    >>> half = torch.tensor([[0.5, 0.5]])
    >>> result = transport(cost, half, half, epsilon=0.5)
    >>> [[round(share, 3) for share in row] for row in result.plan[0].tolist()]
    [[0.44, 0.06], [0.06, 0.44]]
    >>> result.converged.tolist(), result.iterations.tolist()
    ([True], [10])

    Args:
        cost: M, usually `standardised`. Finite wherever both marginals are positive, anything elsewhere.
        row_marginal: a >= 0, sums to 1; 0 masks a row. All zeros mask the clip. A constant: no gradient flows into it.
        column_marginal: b, likewise.
        epsilon: Blur in units of the cost, one number or one per clip. Below 0.1 the solver warms up from 2 by halving
            it, five iterations a level, on top of `max_iterations`.
        row_strictness: ρ_v in 0..1: 1 makes the row marginal hard, 0 free.
        column_strictness: ρ_w in 0..1. Where both are below 1, the marginals may have any mass.
        tolerance: Marginal error (L1) at which a clip is done.
        max_iterations: At the final epsilon. Not to converge is a field of the result and no exception.
        check_every: Iterations between two looks at the error.
        gradient: `envelope` gives `value` a gradient and stores only the plan; `implicit` gives one to the plan too,
            exact where it converged; `unrolled` differentiates the iterations and stores them all.
        path: How it is computed, not what. `auto` takes `scaling` on a CPU, or `chunked` where a side is free and one
            iteration does; `compiled` on a GPU with Triton; `eager` elsewhere and for `unrolled`. `triton` is a kernel
            of our own whose speed was never measured: it is taken on request only.

    Returns:
        Plan, value, potentials and convergence of every clip. A nan in a valid cost makes that clip's numbers nan and
        `converged` False, and leaves the others alone.

    Raises:
        UsageError: Shapes that do not fit, options out of range, or marginals that are negative or do not sum to 1.
    """
    check_choice("gradient", gradient, get_args(Gradient))
    check_choice("path", path, get_args(Path))
    if gradient == "unrolled" and path not in ("auto", "eager"):
        hint = "Only `eager` can be differentiated through its iterations"
        raise UsageError(f"got {path!r} with gradient 'unrolled'", where="path", hint=hint)
    with (
        torch.autocast(cost.device.type, enabled=False),
        torch.set_grad_enabled(torch.is_grad_enabled() and gradient == "unrolled"),
    ):
        problem = check_problem(
            cost,
            row_marginal,
            column_marginal,
            epsilon=epsilon,
            row_strictness=row_strictness,
            column_strictness=column_strictness,
            tolerance=tolerance,
            max_iterations=max_iterations,
            check_every=check_every,
        )
        solution = _solver(problem, gradient, path)(problem)
        value = dual_value(problem, solution.f, solution.g, solution.mass)
        value = torch.where(problem.alive, value, 0.0)
    plan, moved = solution.plan, solution.cost
    if gradient != "unrolled" and torch.is_grad_enabled() and cost.requires_grad:
        with torch.autocast(cost.device.type, enabled=False):
            exact = cost.to(plan.dtype)
            if gradient == "envelope":
                value = with_envelope(exact, value, plan)
            else:
                value, plan = with_implicit(exact, value, plan, problem.epsilon, row_strictness, column_strictness)
                moved = (plan * torch.where(plan > 0, exact, 0.0)).sum(dim=(1, 2))
    return TransportPlan(
        plan=plan,
        cost=moved,
        value=value,
        f=solution.f,
        g=solution.g,
        epsilon=problem.epsilon,
        iterations=solution.iterations,
        marginal_error=solution.marginal_error,
        converged=(solution.marginal_error <= tolerance) & value.detach().isfinite(),
    )


def standardised(
    cost: Float[Tensor, "batch row column"],
    row_marginal: Float[Tensor, "batch row"],
    column_marginal: Float[Tensor, "batch column"],
) -> tuple[Float[Tensor, "batch row column"], Float[Tensor, " batch"]]:
    """The cost in its own standard deviations, so that one epsilon fits every clip [ours].

    Returns:
        cost/s in float32 (float64 stays), and s: the standard deviation over the pairs whose marginals are both
        positive, at least 1e-4, detached.
    """
    with torch.autocast(cost.device.type, enabled=False):
        cost = cost.to(torch.float64 if cost.dtype == torch.float64 else torch.float32)
        rows, columns = row_marginal.detach() > 0, column_marginal.detach() > 0
        with torch.no_grad():
            valid = rows[:, :, None] & columns[:, None, :]
            pairs = (rows.sum(dim=1) * columns.sum(dim=1)).clamp(min=1).to(cost.dtype)[:, None, None]
            mean = torch.where(valid, cost, 0.0).sum(dim=(1, 2), keepdim=True) / pairs
            variance = torch.where(valid, cost - mean, 0.0).square().sum(dim=(1, 2), keepdim=True) / pairs
            spread = variance.sqrt().clamp(min=1e-4)
        return cost / spread, spread[:, 0, 0]


def _solver(problem: Problem, gradient: Gradient, path: Path) -> Callable[[Problem], Solution]:
    device = problem.cost.device.type
    if path == "auto" and gradient == "unrolled":
        path = "eager"
    elif path == "auto" and device == "cpu":
        path = "chunked" if problem.direct else "scaling"
    elif path == "auto":
        path = "compiled" if device == "cuda" and find_spec("triton") else "eager"
    if path == "scaling" and device != "cpu":
        raise UsageError(
            f"got 'scaling' for a cost on {device}", where="path", hint="It runs on a CPU; choose `compiled`"
        )
    if path == "triton":
        return _triton(device)
    return SOLVERS[path]


def _triton(device: str) -> Callable[[Problem], Solution]:
    """Imported late: Triton comes only with torch's builds for GPUs."""
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if not find_spec("triton") or (device != "cuda" and not interpreted):
        raise UsageError(
            f"got 'triton' for a cost on {device}",
            where="path",
            hint="It needs the triton package and a CUDA device; choose `auto`",
        )
    from emotrace.grace.sinkhorn.triton import solve_triton

    return solve_triton
