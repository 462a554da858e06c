"""What is solved: a checked batch of entropy-regularised transport problems, and the formulas that every path shares.

    F = min_Π  ⟨Π, M⟩ + ε·KL(Π | a⊗b) + τ_v·KL(Π1 | a) + τ_w·KL(Πᵀ1 | b)          τ = ρ·ε/(1−ρ), ρ the strictness

Suffixes of shapes: B clips, N rows (patches), L columns (words). Sources: arXiv 1306.0895 for the balanced iteration,
1607.05816 for soft marginals, 2201.00730 for the shift [field]; the choice of all three for GRACE is ours [ours].
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from emotrace.errors import UsageError

Soft = Literal["none", "rows", "columns", "both"]

SUM_TOLERANCE = 1e-3
"""How far a marginal's sum may be from 1: room for marginals that were rounded to bfloat16."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """B problems in float32 or float64, whose arguments were checked. Clips without a valid row or column are not `alive`."""

    cost: Float[Tensor, "batch row column"]
    """M. Where a row or column is masked it may hold anything, nan too."""
    a: Float[Tensor, "batch row"]
    """Row marginal; 0 is masked. Uniform for a clip that is not alive."""
    b: Float[Tensor, "batch column"]
    """Column marginal; 0 is masked. Uniform for a clip that is not alive."""
    alive: Bool[Tensor, " batch"]
    complete: bool
    """Whether no clip has a masked row or column, and all are alive."""
    epsilon: Float[Tensor, " batch"]
    row_strictness: float
    column_strictness: float
    tolerance: float
    max_iterations: int
    check_every: int

    @property
    def balanced(self) -> bool:
        """Whether both marginals are hard."""
        return self.row_strictness == self.column_strictness == 1.0

    @property
    def soft(self) -> Soft:
        """The soft sides between which a level is to be found; none between hard marginals or beside a free one."""
        if self.balanced or self.direct:
            return "none"
        if self.column_strictness == 1.0:
            return "rows"
        return "columns" if self.row_strictness == 1.0 else "both"

    @property
    def direct(self) -> bool:
        """Whether one side is free, so that a single iteration solves it (with free rows: a softmax over the rows)."""
        return 0.0 in (self.row_strictness, self.column_strictness)

    def taus(self) -> tuple[Float[Tensor, "batch 1"], Float[Tensor, "batch 1"]]:
        """τ_v and τ_w of every clip. They stay as they are while a warm-up changes epsilon."""
        column = self.epsilon[:, None]
        return reach(column, self.row_strictness), reach(column, self.column_strictness)

    def valid_cost(self) -> Float[Tensor, "batch row column"]:
        """The cost with 0 where it is masked, so that what stands there can reach neither a sum nor a gradient."""
        if self.complete:
            return self.cost
        valid = (self.a > 0)[:, :, None] & (self.b > 0)[:, None, :] & self.alive[:, None, None]
        return torch.where(valid, self.cost, self.cost.new_zeros(()))

    def level(self, valid_cost: Float[Tensor, "batch row column"]) -> Float[Tensor, " batch"]:
        """The mean cost. Solving for M − level keeps the exponents small, which in float32 is worth a digit or two.

        A hard marginal allows it: its potential takes the level back (`restored`), and the plan stays. Between two soft
        marginals the level decides how much mass is moved, and 0 is returned.
        """
        if 1.0 not in (self.row_strictness, self.column_strictness):
            return torch.zeros_like(self.epsilon)
        pairs = (self.a > 0).sum(dim=1) * (self.b > 0).sum(dim=1)
        return valid_cost.detach().sum(dim=(1, 2)) / pairs

    def restored(
        self, f: Float[Tensor, "batch row"], g: Float[Tensor, "batch column"], level: Float[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch row"], Float[Tensor, "batch column"]]:
        """The potentials for M from those for M − level."""
        return (f, g + level[:, None]) if self.column_strictness == 1.0 else (f + level[:, None], g)

    def clip(self, index: int) -> tuple[Problem, Int[Tensor, " row"] | None, Int[Tensor, " column"] | None]:
        """One clip as a batch of its own without its masked rows and columns, and which rows and columns are left.

        None stands for all of them.
        """
        cost, a, b = self.cost[index], self.a[index], self.b[index]
        rows = columns = None
        if not self.complete and not bool((a > 0).all()):
            rows = torch.nonzero(a > 0).squeeze(1)
            cost, a = cost.index_select(0, rows), a.index_select(0, rows)
        if not self.complete and not bool((b > 0).all()):
            columns = torch.nonzero(b > 0).squeeze(1)
            cost, b = cost.index_select(1, columns), b.index_select(0, columns)
        alone = replace(
            self,
            cost=cost[None],
            a=a[None],
            b=b[None],
            alive=self.alive[index : index + 1],
            complete=True,
            epsilon=self.epsilon[index : index + 1],
        )
        return alone, rows, columns


@dataclass(frozen=True, kw_only=True)
class Solution:
    """What a path hands back: potentials, plan, and what can be summed while the plan is in the cache."""

    plan: Float[Tensor, "batch row column"]
    f: Float[Tensor, "batch row"]
    g: Float[Tensor, "batch column"]
    iterations: Int[Tensor, " batch"]
    marginal_error: Float[Tensor, " batch"]
    cost: Float[Tensor, " batch"]
    """⟨Π, M⟩."""
    mass: Float[Tensor, " batch"]
    """ΣΠ."""


def reach(epsilon: Tensor, strictness: float) -> Tensor:
    """τ, the price of leaving a marginal: inf for a hard one, 0 for a free one."""
    return epsilon * (math.inf if strictness == 1.0 else strictness / (1.0 - strictness))


def strictness_at(epsilon: Tensor, tau: Tensor) -> Tensor:
    """ρ = τ/(τ+ε), written so that τ = 0 and τ = inf give 0 and 1."""
    return 1.0 / (1.0 + epsilon / tau)


def shift(
    f: Float[Tensor, "batch row"],
    g: Float[Tensor, "batch column"],
    log_a: Float[Tensor, "batch row"],
    log_b: Float[Tensor, "batch column"],
    tau_v: Float[Tensor, "batch 1"],
    tau_w: Float[Tensor, "batch 1"],
    soft: Soft,
) -> Float[Tensor, "batch 1"] | float:
    """The constant c that is best to add to f and take from g (translation-invariant Sinkhorn, arXiv 2201.00730 [field]).

    Without it, nearly hard marginals need hundreds of iterations to find the level of the potentials. Nothing is to be
    found where both marginals are hard (the level is free) or one is free (the level is fixed at 0).
    """
    if soft == "none":
        return 0.0
    row_level = torch.logsumexp(log_a - f / tau_v, dim=1, keepdim=True)
    column_level = torch.logsumexp(log_b - g / tau_w, dim=1, keepdim=True)
    if soft == "rows":
        return tau_v * (row_level - column_level)
    if soft == "columns":
        return tau_w * (row_level - column_level)
    return (tau_v * tau_w / (tau_v + tau_w)) * (row_level - column_level)


def row_error(
    problem: Problem, f: Float[Tensor, "batch row"], log_rows: Float[Tensor, "batch row"]
) -> Float[Tensor, " batch"]:
    """‖Π1 − a·exp(−f/τ_v)‖₁: how far the rows are from optimal after a column update. 0 where the rows are free.

    Args:
        problem: What is solved.
        f: The row potentials.
        log_rows: log Σ_j b_j·exp((g_j − M_ij)/ε).
    """
    if problem.row_strictness == 0.0:
        return f.new_zeros(f.shape[0])
    log_a = problem.a.log()
    target = problem.a
    if problem.row_strictness < 1.0:
        target = torch.exp(log_a - f / reach(problem.epsilon, problem.row_strictness)[:, None])
    return (torch.exp(log_a + f / problem.epsilon[:, None] + log_rows) - target).abs().sum(dim=1)


def dual_value(
    problem: Problem, f: Float[Tensor, "batch row"], g: Float[Tensor, "batch column"], mass: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    """φ(f, a) + φ(g, b) − ε(ΣΠ − Σa·Σb): equals F at the optimum and never exceeds it."""
    value = -problem.epsilon * (mass - problem.a.sum(dim=1) * problem.b.sum(dim=1))
    for potential, marginal, strictness in (
        (f, problem.a, problem.row_strictness),
        (g, problem.b, problem.column_strictness),
    ):
        if strictness == 1.0:
            value = value + (marginal * potential).sum(dim=1)
        elif strictness > 0.0:
            tau = reach(problem.epsilon, strictness)[:, None]
            value = value - (tau * marginal * torch.expm1(-potential / tau)).sum(dim=1)
    return value


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
