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

Soft = Literal["none", "rows", "columns", "both"]


@dataclass(frozen=True, kw_only=True)
class Problem:
    """B problems in float32 or float64, whose arguments were checked."""

    cost: Float[Tensor, "batch row column"]
    """M. Where a row or column is masked it may hold anything, nan too."""
    a: Float[Tensor, "batch row"]
    """Row marginal; 0 is masked. Uniform for a clip that is not alive."""
    b: Float[Tensor, "batch column"]
    """Column marginal; 0 is masked. Uniform for a clip that is not alive."""
    alive: Bool[Tensor, " batch"]
    """False for a clip without a valid row or without a valid column: its plan is 0."""
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
        """The mean of the cost, or of some of its rows. M − level has small exponents: in float32 worth a digit or two.

        A hard marginal allows it: its potential takes the level back (`restored`), and the plan stays. Between two soft
        marginals the level decides how much mass is moved, and 0 is returned.
        """
        if 1.0 not in (self.row_strictness, self.column_strictness):
            return torch.zeros_like(self.epsilon)
        if self.complete:
            return valid_cost.detach().mean(dim=(1, 2))
        pairs = (self.a > 0).sum(dim=1) * (self.b > 0).sum(dim=1)
        return valid_cost.detach().sum(dim=(1, 2)) / pairs

    def restored(
        self, f: Float[Tensor, "batch row"], g: Float[Tensor, "batch column"], level: Float[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch row"], Float[Tensor, "batch column"]]:
        """The potentials for M from those for M − level."""
        return (f, g + level[:, None]) if self.column_strictness == 1.0 else (f + level[:, None], g)

    def part(self, clips: slice) -> Problem:
        """Some of the clips."""
        return replace(
            self,
            cost=self.cost[clips],
            a=self.a[clips],
            b=self.b[clips],
            alive=self.alive[clips],
            epsilon=self.epsilon[clips],
        )

    def trimmed(self, index: int) -> tuple[Problem, Int[Tensor, " row"], Int[Tensor, " column"]]:
        """One clip without its masked rows and columns, and the numbers of those that are left."""
        alone = self.part(slice(index, index + 1))
        rows, columns = (torch.nonzero(marginal[0] > 0).squeeze(1) for marginal in (alone.a, alone.b))
        cost, a, b = alone.cost, alone.a[:, rows], alone.b[:, columns]
        if len(rows) < cost.shape[1]:
            cost = cost.index_select(1, rows)
        if len(columns) < cost.shape[2]:
            cost = cost.index_select(2, columns)
        return replace(alone, cost=cost, a=a, b=b, complete=True), rows, columns


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
    """The constant that is best added to f and taken from g (translation-invariant Sinkhorn, arXiv 2201.00730 [field]).

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
