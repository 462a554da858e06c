"""What a caller hands to `transport`, checked before anything is computed."""

from __future__ import annotations

import torch
from torch import Tensor

from emotrace.errors import UsageError
from emotrace.grace.sinkhorn.problem import Problem

SUM_TOLERANCE = 1e-3
"""How far a marginal's sum may be from 1: room for marginals that were rounded to bfloat16."""


def check_choice(name: str, choice: str, choices: tuple[str, ...]) -> None:
    """Raises `UsageError` where `choice` is none of `choices`."""
    if choice not in choices:
        raise UsageError(f"got {choice!r}", where=name, hint=f"Choose one of {', '.join(choices)}")


def check_problem(
    cost: Tensor,
    row_marginal: Tensor,
    column_marginal: Tensor,
    *,
    epsilon: float | Tensor,
    row_strictness: float,
    column_strictness: float,
    tolerance: float,
    max_iterations: int,
    check_every: int,
) -> Problem:
    """The arguments as a `Problem` in float32 (float64 where the cost is), marginals detached and scaled to sum to 1.

    Raises:
        UsageError: Shapes that do not fit, an option out of its range, or marginals that are none.
    """
    _check_shapes(cost, row_marginal, column_marginal, epsilon)
    for name, strictness in (("row_strictness", row_strictness), ("column_strictness", column_strictness)):
        if not 0.0 <= strictness <= 1.0:
            raise UsageError(
                f"got {strictness}", where=name, hint="Give 1 for a hard marginal, 0 for a free one, or between"
            )
    if not tolerance >= 0.0:
        raise UsageError(
            f"got {tolerance}", where="tolerance", hint="Give a marginal error >= 0; 0 runs all iterations"
        )
    for name, count in (("max_iterations", max_iterations), ("check_every", check_every)):
        if count < 1:
            raise UsageError(f"got {count}", where=name, hint="Give at least 1")
    dtype = torch.float64 if cost.dtype == torch.float64 else torch.float32
    cost = cost.to(dtype)
    a, b = (marginal.detach().to(cost.device, dtype) for marginal in (row_marginal, column_marginal))
    eps = torch.as_tensor(epsilon, dtype=dtype, device=cost.device).detach().expand(cost.shape[0])
    a_sum, b_sum = a.sum(dim=1), b.sum(dim=1)
    alive = (a_sum > 0) & (b_sum > 0)
    both_soft = row_strictness < 1.0 and column_strictness < 1.0
    _check_values(a, b, a_sum, b_sum, eps, any_mass=both_soft)
    if not both_soft:
        a, b = (m / torch.where(s > 0, s, s.new_ones(()))[:, None] for m, s in ((a, a_sum), (b, b_sum)))
    a, b = (torch.where(alive[:, None], m, m.new_full((), 1.0 / m.shape[1])) for m in (a, b))
    return Problem(
        cost=cost,
        a=a,
        b=b,
        alive=alive,
        complete=bool(alive.all() & (a > 0).all() & (b > 0).all()),
        epsilon=eps,
        row_strictness=float(row_strictness),
        column_strictness=float(column_strictness),
        tolerance=tolerance,
        max_iterations=max_iterations,
        check_every=check_every,
    )


def _check_shapes(cost: Tensor, row_marginal: Tensor, column_marginal: Tensor, epsilon: float | Tensor) -> None:
    if cost.ndim != 3 or 0 in cost.shape[1:]:
        raise UsageError(
            f"got {tuple(cost.shape)}", where="cost", hint="Give [batch, row, column] with a row and a column"
        )
    if not cost.is_floating_point():
        raise UsageError(f"got {cost.dtype}", where="cost", hint="Give floating-point costs")
    batch, rows, columns = cost.shape
    for name, marginal, size in (("row_marginal", row_marginal, rows), ("column_marginal", column_marginal, columns)):
        if tuple(marginal.shape) != (batch, size):
            hint = f"A cost of shape {tuple(cost.shape)} needs {(batch, size)}"
            raise UsageError(f"got {tuple(marginal.shape)}", where=name, hint=hint)
    if isinstance(epsilon, Tensor) and tuple(epsilon.shape) not in ((), (batch,)):
        raise UsageError(
            f"got {tuple(epsilon.shape)}", where="epsilon", hint=f"Give one number, or one for each of {batch} clips"
        )


def _check_values(a: Tensor, b: Tensor, a_sum: Tensor, b_sum: Tensor, epsilon: Tensor, *, any_mass: bool) -> None:
    """One transfer to the host for all of it: on a GPU each would be a wait."""
    if not a.shape[0]:
        return
    bad = [~((epsilon > 0) & epsilon.isfinite())]
    for marginal, total in ((a, a_sum), (b, b_sum)):
        off = (
            torch.zeros_like(total, dtype=torch.bool)
            if any_mass
            else ((total - 1).abs() > SUM_TOLERANCE) & (total != 0)
        )
        bad += [~((marginal >= 0) & marginal.isfinite()).all(dim=1), off]
    flags = torch.stack(bad).cpu()
    what = (
        ("epsilon", "is not a positive number", "Give the strength of the entropy in units of the cost, such as 0.3"),
        ("row_marginal", "holds a negative or non-finite number", "Give weights >= 0, with 0 for masked rows"),
        ("row_marginal", "does not sum to 1", "Divide by its sum; all zeros stand for a masked clip"),
        ("column_marginal", "holds a negative or non-finite number", "Give weights >= 0, with 0 for masked columns"),
        ("column_marginal", "does not sum to 1", "Divide by its sum; all zeros stand for a masked clip"),
    )
    for row, (where, problem, hint) in zip(flags, what, strict=True):
        if bool(row.any()):
            clip = int(row.nonzero()[0])
            numbers = {"epsilon": epsilon, "row_marginal": a_sum, "column_marginal": b_sum}[where]
            shown = float(numbers[clip])
            got = f"value {shown:.6g}" if where == "epsilon" else f"sum {shown:.6g}"
            raise UsageError(f"{problem} ({got}, clip {clip})", where=where, hint=hint)
