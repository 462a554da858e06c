"""Exact gradients of a solved transport problem, without storing its iterations.

* Envelope (Danskin): ∂F/∂M = Π. The plan itself is a constant.
* Implicit: the plan solves its optimality conditions, so differentiating these gives ∂ℓ/∂M for any loss ℓ of the plan
  (idea: arXiv 2205.06688 [field]). With G = ∂ℓ/∂Π, p = (G∘Π)1, q = (G∘Π)ᵀ1, D_v = Π1/ρ_v, D_w = Πᵀ1/ρ_w:

      (diag D_w − Πᵀ D_v⁻¹ Π)·y = q − Πᵀ(p/D_v),    x = (p − Πy)/D_v,    ∂ℓ/∂M = Π∘(x⊕y − G)/ε

  The matrix is only L x L. Between hard marginals it is singular along 1 (the level of the potentials is free), and
  nearly so along every group of columns that the plan separates from the others. Those directions do not move the plan,
  so a pseudo-inverse of the matrix, scaled to a unit diagonal, leaves them out [ours].
"""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd.function import once_differentiable

RANK_TOLERANCE = {torch.float32: 1e-6, torch.float64: 1e-13}
"""Singular values below this share of the largest are rounding."""


def with_envelope(cost: Tensor, value: Tensor, plan: Tensor) -> Tensor:
    """`value`, differentiable in `cost`."""
    found: Tensor = _EnvelopeValue.apply(cost, value, plan)  # type: ignore[no-untyped-call]
    return found


def with_implicit(
    cost: Tensor, value: Tensor, plan: Tensor, epsilon: Tensor, row_strictness: float, column_strictness: float
) -> tuple[Tensor, Tensor]:
    """`value` and `plan`, differentiable in `cost`."""
    found: tuple[Tensor, Tensor] = _ImplicitPlan.apply(  # type: ignore[no-untyped-call]
        cost, value, plan, epsilon, row_strictness, column_strictness
    )
    return found


class _EnvelopeValue(torch.autograd.Function):
    """`(cost, value, plan) -> value`, whose gradient in the cost is the plan."""

    @staticmethod
    def forward(ctx: Any, cost: Tensor, value: Tensor, plan: Tensor) -> Tensor:
        """Stores nothing but the plan."""
        ctx.save_for_backward(plan)
        return value.clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        """Danskin's theorem."""
        (plan,) = ctx.saved_tensors
        return plan * upstream[:, None, None], None, None


class _ImplicitPlan(torch.autograd.Function):
    """`(cost, value, plan, ε, ρ_v, ρ_w) -> (value, plan)` with the exact gradients of both at the optimum."""

    @staticmethod
    def forward(
        ctx: Any,
        cost: Tensor,
        value: Tensor,
        plan: Tensor,
        epsilon: Tensor,
        row_strictness: float,
        column_strictness: float,
    ) -> tuple[Tensor, Tensor]:
        """Stores the plan."""
        plan = plan.clone()
        ctx.save_for_backward(plan, epsilon)
        ctx.strictness = (row_strictness, column_strictness)
        return value.clone(), plan

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, of_value: Tensor, of_plan: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        """Envelope part and implicit part."""
        plan, epsilon = ctx.saved_tensors
        gradient = implicit_gradient(plan, of_plan, epsilon, *ctx.strictness)
        return gradient.addcmul_(plan, of_value[:, None, None]), None, None, None, None, None


def implicit_gradient(
    plan: Float[Tensor, "batch row column"],
    upstream: Float[Tensor, "batch row column"],
    epsilon: Float[Tensor, " batch"],
    row_strictness: float,
    column_strictness: float,
) -> Float[Tensor, "batch row column"]:
    """∂ℓ/∂M from ∂ℓ/∂Π at a converged plan, in O(N·L²).

    Args:
        plan: Π.
        upstream: G = ∂ℓ/∂Π.
        epsilon: Of each clip.
        row_strictness: ρ_v; 0 fixes x at 0.
        column_strictness: ρ_w; 0 fixes y at 0.
    """
    weighted = upstream * plan
    p, q = weighted.sum(dim=2), weighted.sum(dim=1)
    inverse_v = _inverse(plan.sum(dim=2), row_strictness)
    scale = _inverse(plan.sum(dim=1), column_strictness).sqrt()
    scaled = plan * scale[:, None, :]
    matrix = torch.diag_embed((scale > 0).to(plan.dtype)) - scaled.mT @ (inverse_v[:, :, None] * scaled)
    right = scale * (q - (plan.mT @ (inverse_v * p)[:, :, None]).squeeze(2))
    # In float64: the eigenvalues that matter reach down to the rounding of float32. A nan plan must not stop the batch:
    # its clip gets nan through the right-hand side.
    inverse = torch.linalg.pinv(matrix.double().nan_to_num(), rtol=RANK_TOLERANCE[plan.dtype], hermitian=True)
    y = scale * (inverse @ right.double()[:, :, None]).squeeze(2).to(plan.dtype)
    x = inverse_v * (p - (plan @ y[:, :, None]).squeeze(2))
    gradient: Tensor = ((x[:, :, None] + y[:, None, :]) * plan - weighted) / epsilon[:, None, None]
    return gradient


def _inverse(total: Tensor, strictness: float) -> Tensor:
    """1/D = ρ/total, 0 where nothing was moved."""
    return torch.where(total > 0, strictness / torch.where(total > 0, total, 1.0), 0.0)
