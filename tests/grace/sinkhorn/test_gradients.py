"""Gradients of transport against central differences in float64, and where they must and must not flow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from emotrace.grace.transport import TransportPlan, standardised, transport

STRICTNESS = ((1.0, 1.0), (0.99, 1.0), (0.8, 1.0), (1.0, 0.8), (0.8, 0.9), (0.0, 1.0))
EXACT: dict[str, Any] = {"epsilon": 0.3, "tolerance": 1e-14, "max_iterations": 4000}
STEP = 1e-6


def problem(rows: int = 7, columns: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Two clips; the second has a masked row and a masked column."""
    generator = torch.Generator().manual_seed(0)
    cost = torch.randn(2, rows, columns, generator=generator, dtype=torch.float64)
    a = torch.rand(2, rows, generator=generator, dtype=torch.float64) + 0.1
    b = torch.rand(2, columns, generator=generator, dtype=torch.float64) + 0.1
    a[1, 2] = b[1, 1] = 0
    return cost, a / a.sum(dim=1, keepdim=True), b / b.sum(dim=1, keepdim=True)


WEIGHTS = torch.randn(2, 7, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
LOSSES: dict[str, Callable[[TransportPlan, Tensor], Tensor]] = {
    "value": lambda result, weights: result.value,
    "plan": lambda result, weights: (weights * result.plan + result.plan.square()).sum(dim=(1, 2)),
    "all": lambda result, weights: result.cost - 2 * result.value + (weights * result.plan).sum(dim=(1, 2)),
}
"""One number per clip, from the result and the clip's weights."""


def central_differences(loss: Callable[[TransportPlan, Tensor], Tensor], rho: tuple[float, float]) -> Tensor:
    """The gradient of a loss that is a sum over clips: every entry of a clip is moved in a copy of it."""
    cost, a, b = problem()
    numeric = []
    for clip in range(2):
        entries = torch.eye(cost[clip].numel(), dtype=torch.float64).view(-1, *cost[clip].shape)
        moved = torch.cat([cost[clip] + STEP * entries, cost[clip] - STEP * entries])
        marginals = (side[clip].expand(len(moved), -1) for side in (a, b))
        solved = transport(moved, *marginals, row_strictness=rho[0], column_strictness=rho[1], path="eager", **EXACT)
        above, below = loss(solved, WEIGHTS[clip]).chunk(2)
        numeric.append(((above - below) / (2 * STEP)).view_as(cost[clip]))
    return torch.stack(numeric)


def gradient_of(loss: Callable[[TransportPlan, Tensor], Tensor], rho: tuple[float, float], **options: Any) -> Tensor:
    cost, a, b = problem()
    cost.requires_grad_()
    result = transport(cost, a, b, row_strictness=rho[0], column_strictness=rho[1], **{**EXACT, **options})
    loss(result, WEIGHTS).sum().backward()
    assert cost.grad is not None
    return cost.grad


def relative(one: Tensor, other: Tensor) -> float:
    return ((one - other).norm() / other.norm()).item()


@pytest.mark.parametrize("rho", STRICTNESS)
def test_every_mode_is_the_derivative_of_the_value(rho: tuple[float, float]) -> None:
    numeric = central_differences(LOSSES["value"], rho)
    for mode in ("envelope", "implicit", "unrolled"):
        assert relative(gradient_of(LOSSES["value"], rho, gradient=mode), numeric) < 1e-7, mode


@pytest.mark.parametrize("rho", STRICTNESS)
def test_implicit_and_unrolled_are_derivatives_of_the_plan(rho: tuple[float, float]) -> None:
    numeric = central_differences(LOSSES["plan"], rho)
    for mode in ("implicit", "unrolled"):
        assert relative(gradient_of(LOSSES["plan"], rho, gradient=mode), numeric) < 1e-7, mode


@pytest.mark.parametrize("rho", STRICTNESS)
def test_implicit_is_unrolled_at_convergence(rho: tuple[float, float]) -> None:
    implicit, unrolled = (gradient_of(LOSSES["all"], rho, gradient=mode) for mode in ("implicit", "unrolled"))
    assert relative(implicit, unrolled) < 1e-9


@pytest.mark.parametrize("path", ["eager", "scaling", "chunked"])
def test_gradients_do_not_depend_on_the_path(path: Any) -> None:
    for mode in ("envelope", "implicit"):
        here = gradient_of(LOSSES["all" if mode == "implicit" else "value"], (1.0, 1.0), gradient=mode, path=path)
        there = gradient_of(LOSSES["all" if mode == "implicit" else "value"], (1.0, 1.0), gradient=mode, path="eager")
        assert relative(here, there) < 1e-9


@pytest.mark.parametrize("mode", ["envelope", "implicit", "unrolled"])
@pytest.mark.parametrize("rho", STRICTNESS)
def test_nothing_flows_through_masked_places(rho: tuple[float, float], mode: Any) -> None:
    gradient = gradient_of(LOSSES["value"], rho, gradient=mode)
    assert (gradient[1, 2] == 0).all()
    assert (gradient[1, :, 1] == 0).all()


def test_the_gradient_of_the_standardised_value_holds_the_scale_fixed() -> None:
    cost, a, b = problem()
    cost.requires_grad_()
    scaled, spread = standardised(cost, a, b)
    result = transport(scaled, a, b, **EXACT)
    result.value.sum().backward()
    torch.testing.assert_close(cost.grad, result.plan / spread[:, None, None])


def test_envelope_gives_the_value_a_gradient_and_nothing_else() -> None:
    cost, a, b = problem()
    result = transport(cost.requires_grad_(), a, b)
    assert result.value.requires_grad
    assert not any(getattr(result, name).requires_grad for name in ("plan", "cost", "f", "g", "marginal_error"))


def test_marginals_are_constants() -> None:
    for mode in ("envelope", "implicit", "unrolled"):
        cost, a, b = problem()
        transport(cost.requires_grad_(), a.requires_grad_(), b.requires_grad_(), gradient=mode).value.sum().backward()
        assert cost.grad is not None
        assert a.grad is None
        assert b.grad is None


@pytest.mark.parametrize("mode", ["envelope", "implicit"])
def test_no_graph_is_made_where_none_is_wanted(mode: Any) -> None:
    cost, a, b = problem()
    assert not transport(cost, a, b, gradient=mode).value.requires_grad
    with torch.no_grad():
        assert not transport(cost.requires_grad_(), a, b, gradient=mode).value.requires_grad


@pytest.mark.parametrize("mode", ["envelope", "implicit", "unrolled"])
@pytest.mark.parametrize("epsilon", [0.01, 0.3])
def test_gradients_are_numbers_in_bfloat16_autocast(mode: Any, epsilon: float) -> None:
    generator = torch.Generator().manual_seed(3)
    words, patches = torch.randn(2, 5, 8, generator=generator), torch.randn(2, 30, 8, generator=generator)
    words.requires_grad_()
    a, b = torch.full((2, 30), 1 / 30), torch.full((2, 5), 0.2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        cost = 1 - patches @ words.mT
        assert cost.dtype == torch.bfloat16
        result = transport(cost, a, b, epsilon=epsilon, gradient=mode)
        (result.value.sum() + result.plan.square().sum()).backward()
    assert words.grad is not None
    assert words.grad.isfinite().all()
    assert words.grad.abs().sum() > 0


def test_implicit_survives_a_plan_in_separate_pieces() -> None:
    # At this epsilon every row belongs to one column, and the system of the gradient is singular in each of them.
    cost = torch.ones(1, 6, 3)
    for row in range(6):
        cost[0, row, row % 3] = 0.0
    cost.requires_grad_()
    result = transport(cost, torch.full((1, 6), 1 / 6), torch.full((1, 3), 1 / 3), epsilon=0.01, gradient="implicit")
    result.plan.square().sum().backward()
    assert cost.grad is not None
    assert cost.grad.abs().max() < 1e-4


def test_implicit_gives_a_clip_with_nan_nan_and_the_others_their_gradient() -> None:
    cost, a, b = problem()
    cost[1, 0, 0] = math.nan
    cost.requires_grad_()
    result = transport(cost, a, b, gradient="implicit")
    (WEIGHTS * result.plan).sum().backward()
    assert cost.grad is not None
    assert cost.grad[0].isfinite().all()
    assert cost.grad[1].isnan().any()


def test_descending_the_value_makes_the_cheap_pairs_cheaper() -> None:
    generator = torch.Generator().manual_seed(4)
    points = torch.randn(1, 12, 2, generator=generator, requires_grad=True)
    targets = torch.randn(1, 4, 2, generator=generator) * 3
    optimizer = torch.optim.SGD([points], lr=0.5)
    values = []
    for _ in range(25):
        optimizer.zero_grad()
        value = transport(
            torch.cdist(points, targets), torch.full((1, 12), 1 / 12), torch.full((1, 4), 0.25)
        ).value.sum()
        value.backward()
        optimizer.step()
        values.append(value.item())
    assert values[-1] < 0.9 * values[0]
