"""Transport against closed forms, against SciPy's assignment, and with every argument that can be wrong."""

from __future__ import annotations

import inspect
import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from emotrace.errors import UsageError
from emotrace.grace.sinkhorn.reference import transport_reference
from emotrace.grace.transport import TransportPlan, standardised, transport

ON_CPU = ("eager", "scaling", "chunked")
EXACT: dict[str, Any] = {"tolerance": 1e-14, "max_iterations": 20_000}


def uniform(*shape: int) -> Tensor:
    return torch.full(shape, 1 / shape[-1], dtype=torch.float64)


def solved(cost: Any, a: Any = None, b: Any = None, **options: Any) -> TransportPlan:
    """One clip in float64."""
    cost = torch.as_tensor(cost, dtype=torch.float64)[None]
    a = uniform(1, cost.shape[1]) if a is None else torch.as_tensor(a, dtype=torch.float64)[None]
    b = uniform(1, cost.shape[2]) if b is None else torch.as_tensor(b, dtype=torch.float64)[None]
    return transport(cost, a, b, **{**EXACT, **options})


# Closed forms


@pytest.mark.parametrize("path", ON_CPU)
@pytest.mark.parametrize(("price", "epsilon"), [(1.0, 1.0), (3.0, 0.5), (0.2, 0.1)])
def test_two_by_two_is_a_logistic_function(price: float, epsilon: float, path: Any) -> None:
    plan = solved([[0, price], [price, 0]], epsilon=epsilon, path=path).plan
    assert plan[0, 0, 0].item() == pytest.approx(0.5 / (1 + math.exp(-price / epsilon)), abs=1e-12)


@pytest.mark.parametrize("path", ON_CPU)
@pytest.mark.parametrize("epsilon", [0.1, 1.0, 10.0])
def test_a_cost_without_interaction_gives_the_independent_plan_at_once(epsilon: float, path: Any) -> None:
    generator = np.random.default_rng(0)
    cost = generator.normal(size=(6, 1)) + generator.normal(size=(1, 4))
    a, b = generator.dirichlet(np.ones(6)), generator.dirichlet(np.ones(4))
    result = solved(cost, a, b, epsilon=epsilon, path=path, check_every=1, tolerance=1e-12)
    assert result.iterations.item() == 1
    assert result.plan[0].numpy() == pytest.approx(np.outer(a, b), abs=1e-12)


def test_a_large_epsilon_leads_to_the_independent_plan() -> None:
    cost = np.random.default_rng(1).normal(size=(9, 5))
    previous = math.inf
    for epsilon in (1.0, 10.0, 100.0, 1000.0):
        lift = np.abs(np.log(solved(cost, epsilon=epsilon).plan[0].numpy() * 45)).max()
        assert lift <= 2 * np.ptp(cost) / epsilon
        assert lift < previous
        previous = lift
    assert previous < 0.01


@pytest.mark.parametrize("path", ON_CPU)
def test_a_small_epsilon_leads_to_the_assignment(path: Any) -> None:
    generator, size, epsilon = np.random.default_rng(2), 12, 0.005
    cost = generator.uniform(0.4, 1.0, size=(size, size))
    hidden = generator.permutation(size)
    cost[np.arange(size), hidden] = generator.uniform(0.0, 0.001, size=size)
    result = solved(cost, epsilon=epsilon, path=path)
    rows, columns = linear_sum_assignment(cost)
    best = cost[rows, columns].mean()
    assert -1e-9 <= result.cost.item() - best <= epsilon * math.log(size)
    assert result.plan[0].argmax(dim=1).tolist() == columns.tolist() == hidden.tolist()


def test_on_a_line_a_small_epsilon_matches_sorted_points() -> None:
    generator, size, epsilon = np.random.default_rng(3), 10, 0.01
    x, y = np.cumsum(generator.uniform(0.3, 0.6, size)), np.cumsum(generator.uniform(0.3, 0.6, size))
    order_x, order_y = generator.permutation(size), generator.permutation(size)
    cost = (x[order_x][:, None] - y[order_y]) ** 2
    result = solved(cost, epsilon=epsilon)
    quantile = ((np.sort(x) - np.sort(y)) ** 2).mean()
    assert -1e-9 <= result.cost.item() - quantile <= epsilon * math.log(size)
    assert order_y[result.plan[0].argmax(dim=1).numpy()].tolist() == order_x.tolist()


def test_two_gaussians_have_the_covariance_of_theory() -> None:
    # arXiv 2006.02572; a marginal of the grid is exact to rounding from sigma/step = 10 on.
    grid, (s1, s2), epsilon = np.linspace(-12, 12, 701), (1.0, 1.5), 1.0
    a, b = (np.exp(-(grid**2) / (2 * s * s)) for s in (s1, s2))
    result = solved((grid[:, None] - grid) ** 2, a / a.sum(), b / b.sum(), epsilon=epsilon, tolerance=1e-10)
    covariance = float(grid @ result.plan[0].numpy() @ grid)
    assert covariance == pytest.approx(
        0.5 * (math.sqrt(4 * s1**2 * s2**2 + (epsilon / 2) ** 2) - epsilon / 2), abs=1e-6
    )


@pytest.mark.parametrize("path", ON_CPU)
@pytest.mark.parametrize("rho", [0.5, 0.9])
def test_one_atom_each_moves_the_mass_of_theory(rho: float, path: Any) -> None:
    a, b, price, epsilon = 0.7, 2.0, 0.8, 0.4
    tau = rho * epsilon / (1 - rho)
    result = solved([[price]], [a], [b], epsilon=epsilon, row_strictness=rho, column_strictness=rho, path=path)
    expected = (a * b) ** ((epsilon + tau) / (epsilon + 2 * tau)) * math.exp(-price / (epsilon + 2 * tau))
    assert result.plan.item() == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("path", ON_CPU)
def test_free_rows_are_a_masked_softmax(path: Any) -> None:
    generator = torch.Generator().manual_seed(4)
    cost = torch.randn(3, 20, 6, generator=generator, dtype=torch.float64) + 20
    a = torch.rand(3, 20, generator=generator, dtype=torch.float64)
    a[:, 15:] = 0
    a, b = a / a.sum(dim=1, keepdim=True), uniform(3, 6)
    result = transport(cost, a, b, epsilon=0.2, row_strictness=0.0, path=path)
    softmax = torch.softmax(a.log()[:, :, None] - cost / 0.2, dim=1) * b[:, None, :]
    torch.testing.assert_close(result.plan, softmax, rtol=0, atol=1e-12)
    assert result.iterations.tolist() == [1, 1, 1]
    assert result.converged.all()


# Convergence


def test_not_to_converge_is_a_field_and_no_exception() -> None:
    cost = np.random.default_rng(5).normal(size=(30, 8))
    result = solved(cost, epsilon=0.1, tolerance=1e-9, max_iterations=5)
    assert not result.converged.any()
    assert result.iterations.tolist() == [5]
    assert result.marginal_error.item() > 1e-9


@pytest.mark.parametrize("path", ON_CPU)
def test_the_reported_error_is_that_of_the_plan(path: Any) -> None:
    generator = torch.Generator().manual_seed(6)
    cost, a, b = torch.randn(2, 40, 6, generator=generator, dtype=torch.float64), uniform(2, 40), uniform(2, 6)
    result = transport(cost, a, b, epsilon=0.2, max_iterations=7, tolerance=0.0, path=path)
    torch.testing.assert_close((result.plan.sum(dim=2) - a).abs().sum(dim=1), result.marginal_error, rtol=1e-9, atol=0)
    torch.testing.assert_close(result.plan.sum(dim=1), b, rtol=0, atol=1e-14)


def test_the_shift_spares_nearly_hard_marginals_hundreds_of_iterations() -> None:
    generator = torch.Generator().manual_seed(7)
    cost = torch.randn(1, 400, 40, generator=generator, dtype=torch.float64) + 5
    result = transport(cost, uniform(1, 400), uniform(1, 40), epsilon=0.2, row_strictness=0.99)
    assert result.converged.all()
    assert result.iterations.item() <= 40


def test_a_small_epsilon_is_warmed_up() -> None:
    cost = np.random.default_rng(8).normal(size=(50, 8))
    warm, cold = solved(cost, epsilon=0.02, tolerance=1e-6), solved(cost, epsilon=0.1, tolerance=1e-6)
    assert warm.converged.all()
    assert cold.converged.all()
    assert warm.iterations.item() % 10 == 5  # seven levels of five, then tens
    assert cold.iterations.item() % 10 == 0


def test_primal_and_dual_meet_at_the_optimum() -> None:
    generator = np.random.default_rng(9)
    cost, a, b = generator.normal(size=(25, 7)), generator.dirichlet(np.ones(25)), generator.dirichlet(np.ones(7))
    for rho_v, rho_w in ((1.0, 1.0), (0.8, 1.0), (1.0, 0.8), (0.8, 0.9), (0.0, 1.0)):
        strict = {"row_strictness": rho_v, "column_strictness": rho_w, "epsilon": 0.3}
        reference = transport_reference(cost, a, b, **EXACT, **strict)
        assert reference.primal == pytest.approx(reference.value, abs=1e-12)
        assert solved(cost, a, b, **strict).value.item() == pytest.approx(reference.value, abs=1e-12)


# Precision


@pytest.mark.parametrize("path", ["auto", *ON_CPU])
def test_a_tiny_epsilon_under_bfloat16_autocast_gives_numbers(path: Any) -> None:
    generator = torch.Generator().manual_seed(10)
    cost = (torch.randn(2, 96, 12, generator=generator) + 20).to(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = transport(cost, uniform(2, 96).float(), uniform(2, 12).float(), epsilon=0.01, path=path)
    outside = transport(cost.float(), uniform(2, 96).float(), uniform(2, 12).float(), epsilon=0.01, path=path)
    for name in ("plan", "value", "cost", "f", "g", "marginal_error"):
        assert getattr(result, name).dtype == torch.float32
        assert getattr(result, name).isfinite().all(), name
        assert torch.equal(getattr(result, name), getattr(outside, name)), name


@pytest.mark.parametrize("path", ON_CPU)
@pytest.mark.parametrize("level", [0.0, 30.0])
def test_float32_is_near_the_float64_reference(level: float, path: Any) -> None:
    generator = torch.Generator().manual_seed(11)
    cost = torch.randn(1, 300, 24, generator=generator) + level
    a, b = uniform(1, 300).float(), uniform(1, 24).float()
    for epsilon in (0.1, 0.3, 1.0):
        options = {"epsilon": epsilon, "tolerance": 1e-4, "max_iterations": 60, "check_every": 60}
        plan = transport(cost, a, b, path=path, **options).plan[0]
        reference = transport_reference(cost[0].numpy(), a[0].numpy(), b[0].numpy(), **options).plan
        assert np.abs(plan.numpy() - reference).max() <= 2e-5 * reference.max()


def test_scaling_absorbs_potentials_that_leave_the_range_of_float32() -> None:
    # One column is so dear that its entries are below the smallest float32 beside each row's best: e^(-12/0.1).
    generator = torch.Generator().manual_seed(12)
    cost = torch.randn(1, 60, 5, generator=generator)
    for extra in (8.0, 12.0):
        cost[:, :, 2] += extra
        result = transport(
            cost, uniform(1, 60).float(), uniform(1, 5).float(), epsilon=0.1, path="scaling", tolerance=1e-5
        )
        assert result.converged.all()
        reference = transport_reference(cost[0].numpy(), np.full(60, 1 / 60), np.full(5, 0.2), epsilon=0.1)
        assert np.abs(result.plan[0].numpy() - reference.plan).max() <= 1e-4 * reference.plan.max()


def test_standardised_divides_by_the_spread_of_the_valid_pairs() -> None:
    generator = torch.Generator().manual_seed(13)
    cost = torch.rand(2, 10, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    a, b = uniform(2, 10).clone(), uniform(2, 4).clone()
    a[0, 6:] = b[0, 3:] = 0
    scaled, spread = standardised(cost, a, b)
    kept = cost.detach()[0, :6, :3]
    assert spread[0].item() == pytest.approx(kept.std(correction=0).item())
    assert scaled[0, :6, :3].std(correction=0).item() == pytest.approx(1.0)
    assert not spread.requires_grad
    scaled.sum().backward()
    torch.testing.assert_close(cost.grad, (1 / spread)[:, None, None].expand_as(cost))
    flat, least = standardised(torch.full((1, 3, 2), 0.7), torch.full((1, 3), 1 / 3), torch.full((1, 2), 0.5))
    assert least.item() == pytest.approx(1e-4)
    assert flat.isfinite().all()


# Edges


@pytest.mark.parametrize("path", ON_CPU)
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1)])
def test_a_single_row_or_column_takes_everything(shape: tuple[int, int], path: Any) -> None:
    result = solved(np.random.default_rng(14).normal(size=shape), path=path)
    assert result.plan[0].numpy() == pytest.approx(np.full(shape, 1 / 6 if 6 in shape else 1.0), abs=1e-14)
    assert result.converged.all()


@pytest.mark.parametrize("path", ON_CPU)
@pytest.mark.parametrize("rho", [1.0, 0.9, 0.0])
@pytest.mark.parametrize("epsilon", [0.01, 0.3])
def test_equal_tokens_and_a_lone_token_give_numbers(epsilon: float, rho: float, path: Any) -> None:
    alone = torch.zeros(2, 8)
    alone[:, 3] = 1.0
    for cost in (torch.full((2, 8, 5), 0.7), torch.rand(2, 8, 5, generator=torch.Generator().manual_seed(15))):
        for a in (uniform(2, 8).float(), alone):
            result = transport(cost, a, uniform(2, 5).float(), epsilon=epsilon, row_strictness=rho, path=path)
            assert result.plan.isfinite().all()
            assert result.value.isfinite().all()
            torch.testing.assert_close(result.plan.sum(dim=1), uniform(2, 5).float())
            assert (result.plan[a.expand(2, 8) == 0] == 0).all()


@pytest.mark.parametrize("path", ON_CPU)
@pytest.mark.parametrize("rho", [1.0, 0.9, 0.0])
def test_what_stands_at_masked_places_is_never_seen(rho: float, path: Any) -> None:
    generator = torch.Generator().manual_seed(16)
    cost = torch.randn(3, 12, 6, generator=generator)
    a, b = torch.rand(3, 12, generator=generator), torch.rand(3, 6, generator=generator)
    a[0, 9:] = a[1, ::2] = b[1, 4:] = b[2, 0] = 0
    a, b = a / a.sum(dim=1, keepdim=True), b / b.sum(dim=1, keepdim=True)
    clean = transport(cost, a, b, row_strictness=rho, path=path)
    masked = (a == 0)[:, :, None] | (b == 0)[:, None, :]
    assert (clean.plan[masked] == 0).all()
    for rubbish in (math.nan, math.inf, -math.inf, 1e30):
        spoilt = cost.masked_fill(masked, rubbish).requires_grad_()
        result = transport(spoilt, a, b, row_strictness=rho, path=path)
        assert torch.equal(result.plan, clean.plan)
        assert torch.equal(result.value.detach(), clean.value)
        assert torch.equal(result.cost, clean.cost)
        result.value.sum().backward()
        assert torch.equal(spoilt.grad, clean.plan)


@pytest.mark.parametrize("path", ON_CPU)
def test_a_masked_clip_has_no_plan_and_disturbs_nobody(path: Any) -> None:
    generator = torch.Generator().manual_seed(17)
    cost = torch.randn(3, 12, 6, generator=generator)
    a, b = uniform(3, 12).float().clone(), uniform(3, 6).float().clone()
    a[1], b[2], cost[1] = 0, 0, math.nan
    result = transport(cost, a, b, path=path)
    assert (result.plan[1:] == 0).all()
    assert result.converged.all()
    for name in ("value", "cost", "iterations", "marginal_error"):
        assert (getattr(result, name)[1:] == 0).all(), name
    assert (result.f[1:] == 0).all()
    assert (result.g[1:] == 0).all()
    torch.testing.assert_close(result.plan[:1], transport(cost[:1], a[:1], b[:1], path=path).plan)


@pytest.mark.parametrize("path", ON_CPU)
def test_nan_in_a_valid_cost_stays_in_its_clip(path: Any) -> None:
    cost = torch.randn(2, 12, 6, generator=torch.Generator().manual_seed(18))
    clean = transport(cost, uniform(2, 12).float(), uniform(2, 6).float(), path=path)
    cost[1, 3, 2] = math.nan
    result = transport(cost, uniform(2, 12).float(), uniform(2, 6).float(), path=path)
    assert result.converged.tolist() == [True, False]
    assert result.value[1].isnan()
    torch.testing.assert_close(result.plan[0], clean.plan[0])


def test_an_empty_batch_is_an_empty_answer() -> None:
    for path in ON_CPU:
        result = transport(torch.zeros(0, 5, 3), torch.zeros(0, 5), torch.zeros(0, 3), path=path)
        assert result.plan.shape == (0, 5, 3)
        assert result.value.shape == (0,)


# Arguments. The checker of the test run would catch some of them first, so the function is called without it.

GOOD = {
    "cost": torch.zeros(2, 3, 4),
    "row_marginal": torch.full((2, 3), 1 / 3),
    "column_marginal": torch.full((2, 4), 0.25),
}


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"cost": torch.zeros(3, 4)}, "cost"),
        ({"cost": torch.zeros(2, 0, 4), "row_marginal": torch.zeros(2, 0)}, "cost"),
        ({"cost": torch.zeros(2, 3, 4, dtype=torch.int64)}, "cost"),
        ({"row_marginal": torch.full((2, 4), 0.25)}, "row_marginal"),
        ({"column_marginal": torch.full((1, 4), 0.25)}, "column_marginal"),
        ({"epsilon": 0.0}, "epsilon"),
        ({"epsilon": -0.3}, "epsilon"),
        ({"epsilon": math.nan}, "epsilon"),
        ({"epsilon": torch.tensor([0.3, -1.0])}, "epsilon"),
        ({"epsilon": torch.tensor([0.3, 0.3, 0.3])}, "epsilon"),
        ({"row_marginal": torch.tensor([[0.5, 0.6, -0.1], [0.2, 0.3, 0.5]])}, "row_marginal"),
        ({"row_marginal": torch.full((2, 3), 0.5)}, "row_marginal"),
        ({"column_marginal": torch.full((2, 4), math.nan)}, "column_marginal"),
        ({"column_marginal": torch.full((2, 4), 0.2)}, "column_marginal"),
        ({"row_strictness": 1.1}, "row_strictness"),
        ({"column_strictness": -0.1}, "column_strictness"),
        ({"tolerance": -1e-3}, "tolerance"),
        ({"max_iterations": 0}, "max_iterations"),
        ({"check_every": 0}, "check_every"),
        ({"gradient": "exact"}, "gradient"),
        ({"path": "fast"}, "path"),
        ({"path": "scaling", "gradient": "unrolled"}, "path"),
    ],
)
def test_a_wrong_argument_is_named(wrong: dict[str, Any], where: str) -> None:
    with pytest.raises(UsageError) as caught:
        inspect.unwrap(transport)(**{**GOOD, **wrong})
    assert caught.value.where == where
    assert caught.value.hint


def test_soft_marginals_may_have_any_mass() -> None:
    result = transport(
        torch.zeros(1, 2, 2),
        torch.tensor([[1.0, 2.0]]),
        torch.tensor([[0.5, 0.5]]),
        row_strictness=0.9,
        column_strictness=0.9,
    )
    assert result.converged.all()
    assert 1.0 < result.plan.sum().item() < 3.0


def test_marginals_rounded_to_bfloat16_are_accepted() -> None:
    a = torch.softmax(torch.randn(2, 500, generator=torch.Generator().manual_seed(19)), dim=1)
    cost = torch.randn(2, 500, 8, generator=torch.Generator().manual_seed(20))
    result = transport(cost, a.to(torch.bfloat16), uniform(2, 8).float())
    torch.testing.assert_close(result.plan.sum(dim=(1, 2)), torch.ones(2))
