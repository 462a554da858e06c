"""Laws of transport that hold for every problem, on drawn ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import Tensor

from emotrace.grace.transport import TransportPlan, transport

PATHS: tuple[Any, ...] = ("eager", "scaling", "chunked")
LAW = settings(max_examples=10, deadline=None, derandomize=True)
STRICTNESS = ((1.0, 1.0), (0.9, 1.0), (0.5, 1.0), (1.0, 0.8), (0.8, 0.9), (0.0, 1.0))


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A batch of three ragged problems in float64, and how to solve it."""

    cost: Tensor
    a: Tensor
    b: Tensor
    epsilon: float
    rho: tuple[float, float]
    path: Any

    def solve(self, **changed: Any) -> TransportPlan:
        options: dict[str, Any] = {
            "epsilon": self.epsilon,
            "row_strictness": self.rho[0],
            "column_strictness": self.rho[1],
            "tolerance": 1e-11,
            "max_iterations": 400,
            "path": self.path,
        }
        given = (changed.pop("cost", self.cost), changed.pop("a", self.a), changed.pop("b", self.b))
        return transport(*given, **{**options, **changed})


@st.composite
def problems(draw: st.DrawFn, rhos: tuple[tuple[float, float], ...] = STRICTNESS) -> Drawn:
    """Sizes, masks, a level of the cost, epsilon, strictness and path."""
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    rows, columns = draw(st.integers(2, 10)), draw(st.integers(2, 5))

    def marginal(size: int) -> Tensor:
        weights = torch.rand(3, size, generator=generator, dtype=torch.float64) + 0.02
        weights[1, torch.rand(size, generator=generator) < 0.4] = 0
        weights[1, 0] = 0.5
        return weights / weights.sum(dim=1, keepdim=True)

    cost = torch.randn(3, rows, columns, generator=generator, dtype=torch.float64) + draw(st.sampled_from((0.0, 5.0)))
    return Drawn(
        cost=cost,
        a=marginal(rows),
        b=marginal(columns),
        epsilon=draw(st.sampled_from((0.3, 1.0, 5.0))),
        rho=draw(st.sampled_from(rhos)),
        path=draw(st.sampled_from(PATHS)),
    )


def close(one: Tensor, other: Tensor, tolerance: float = 1e-9) -> None:
    torch.testing.assert_close(one, other, rtol=0, atol=tolerance)


@LAW
@given(problems())
def test_marginals_are_met_and_masked_mass_is_exactly_zero(drawn: Drawn) -> None:
    result = drawn.solve()
    assume(result.converged.all())
    assert (result.plan >= 0).all()
    if drawn.rho[0] == 1:
        close(result.plan.sum(dim=2), drawn.a)
    if drawn.rho[1] == 1:
        close(result.plan.sum(dim=1), drawn.b)
    assert (result.plan[(drawn.a == 0)[:, :, None] | (drawn.b == 0)[:, None, :]] == 0).all()
    assert (result.f[drawn.a == 0] == 0).all()
    assert (result.g[drawn.b == 0] == 0).all()


@LAW
@given(problems(), st.randoms(use_true_random=False))
def test_permuting_rows_and_columns_permutes_the_plan(drawn: Drawn, random: Any) -> None:
    rows, columns = list(range(drawn.a.shape[1])), list(range(drawn.b.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    moved = drawn.solve(cost=drawn.cost[:, rows][:, :, columns], a=drawn.a[:, rows], b=drawn.b[:, columns])
    close(moved.plan, drawn.solve().plan[:, rows][:, :, columns])


@LAW
@given(problems(rhos=((1.0, 1.0), (0.9, 1.0), (1.0, 0.8), (0.0, 1.0))), st.floats(-20, 20))
def test_a_constant_changes_no_plan_where_a_marginal_is_hard(drawn: Drawn, constant: float) -> None:
    here, there = drawn.solve(), drawn.solve(cost=drawn.cost + constant)
    close(there.plan, here.plan)
    close(there.value, here.value + constant, 1e-8)
    close(there.cost, here.cost + constant, 1e-8)


@LAW
@given(problems(rhos=((1.0, 1.0), (0.9, 1.0), (1.0, 0.8), (0.8, 0.9))))
def test_transposing_the_problem_transposes_the_plan(drawn: Drawn) -> None:
    here = drawn.solve()
    there = drawn.solve(
        cost=drawn.cost.mT.contiguous(),
        a=drawn.b,
        b=drawn.a,
        row_strictness=drawn.rho[1],
        column_strictness=drawn.rho[0],
    )
    assume(here.converged.all() and there.converged.all())
    close(there.plan.mT, here.plan, 1e-8)
    close(there.value, here.value, 1e-8)


@LAW
@given(problems(), st.floats(0.7, 20))
def test_scaling_cost_and_epsilon_together_changes_no_plan(drawn: Drawn, factor: float) -> None:
    here, there = drawn.solve(), drawn.solve(cost=drawn.cost * factor, epsilon=drawn.epsilon * factor)
    close(there.plan, here.plan)
    close(there.value, here.value * factor, 1e-7)


@LAW
@given(problems(), st.lists(st.sampled_from((0.05, 0.2, 0.5, 3.0)), min_size=3, max_size=3))
def test_a_clip_alone_is_the_clip_in_a_batch(drawn: Drawn, epsilons: list[float]) -> None:
    # Loose and float32, so that the clips stop at different iterations.
    epsilon = torch.tensor(epsilons)
    cost, a, b = drawn.cost.float(), drawn.a.float(), drawn.b.float()
    together = drawn.solve(cost=cost, a=a, b=b, epsilon=epsilon, tolerance=1e-3, max_iterations=200)
    for i in range(3):
        one = slice(i, i + 1)
        alone = drawn.solve(
            cost=cost[one], a=a[one], b=b[one], epsilon=epsilon[one], tolerance=1e-3, max_iterations=200
        )
        close(alone.plan, together.plan[one], 1e-6)
        close(alone.value, together.value[one], 1e-5)
        assert alone.iterations.tolist() == together.iterations[one].tolist()


@LAW
@given(problems())
def test_a_dearer_cost_is_no_cheaper_to_solve(drawn: Drawn) -> None:
    more = torch.rand(drawn.cost.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    here, there = drawn.solve(), drawn.solve(cost=drawn.cost + more)
    assume(here.converged.all() and there.converged.all())
    assert (there.value >= here.value - 1e-9).all()


@LAW
@given(problems(rhos=((1.0, 1.0),)))
def test_stricter_marginals_are_no_cheaper(drawn: Drawn) -> None:
    previous = None
    for rho in (0.3, 0.6, 0.9, 0.99, 1.0):
        result = drawn.solve(row_strictness=rho, column_strictness=rho)
        assume(result.converged.all())
        assert previous is None or (result.value >= previous - 1e-9).all()
        previous = result.value


@LAW
@given(problems())
def test_a_token_in_two_halves_shares_its_row(drawn: Drawn) -> None:
    """The heat of a patch does not depend on how finely it is cut."""
    first, half = drawn.cost[:, :1], drawn.a[:, :1] / 2
    cut = drawn.solve(cost=torch.cat([first, drawn.cost], dim=1), a=torch.cat([half, half, drawn.a[:, 1:]], dim=1))
    whole = drawn.solve().plan
    close(cut.plan[:, 0] + cut.plan[:, 1], whole[:, 0])
    close(cut.plan[:, 2:], whole[:, 1:])


@LAW
@given(problems(), st.sampled_from((0.03, 0.1, 0.3, 1.0)))
def test_all_paths_agree_in_float32(drawn: Drawn, epsilon: float) -> None:
    same = {"cost": drawn.cost.float(), "a": drawn.a.float(), "b": drawn.b.float(), "epsilon": epsilon}
    plans = {}
    for path in PATHS:
        result = drawn.solve(**same, tolerance=0.0, max_iterations=40, check_every=40, path=path)
        plans[path] = result.plan
        assert result.plan.isfinite().all()
    for path in PATHS[1:]:
        close(plans[path], plans["eager"], 1e-5 * max(1.0, 0.1 / epsilon))


def test_the_answer_does_not_depend_on_strides() -> None:
    generator = torch.Generator().manual_seed(1)
    cost = torch.randn(2, 6, 9, generator=generator)
    a, b = torch.full((2, 9), 1 / 9), torch.full((2, 6), 1 / 6)
    for path in PATHS:
        close(transport(cost.mT, a, b, path=path).plan, transport(cost.mT.contiguous(), a, b, path=path).plan, 1e-6)


@pytest.mark.parametrize("path", PATHS)
def test_the_arguments_are_left_as_they_were(path: Any) -> None:
    generator = torch.Generator().manual_seed(2)
    given = (torch.randn(2, 9, 6, generator=generator), torch.full((2, 9), 1 / 9), torch.full((2, 6), 1 / 6))
    before = [tensor.clone() for tensor in given]
    transport(*given, path=path, epsilon=0.05)
    assert all(torch.equal(one, other) for one, other in zip(given, before, strict=True))
