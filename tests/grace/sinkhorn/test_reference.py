"""The numpy oracle by itself: it must be right where the answer is known, and load no torch."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from emotrace.errors import UsageError
from emotrace.grace.sinkhorn.reference import transport_reference


def test_it_meets_hard_marginals_and_closes_the_gap_of_duality() -> None:
    generator = np.random.default_rng(0)
    cost, a, b = generator.normal(size=(20, 6)) + 9, generator.dirichlet(np.ones(20)), generator.dirichlet(np.ones(6))
    found = transport_reference(cost, a, b, epsilon=0.2, tolerance=1e-13)
    assert found.converged
    assert found.plan.sum(axis=1) == pytest.approx(a, abs=1e-12)
    assert found.plan.sum(axis=0) == pytest.approx(b, abs=1e-14)
    assert found.primal == pytest.approx(found.value, abs=1e-12)


def test_no_plan_near_its_own_is_better() -> None:
    generator = np.random.default_rng(1)
    cost, a, b = generator.normal(size=(6, 5)), np.full(6, 1 / 6), np.full(5, 0.2)
    found = transport_reference(cost, a, b, epsilon=0.3, tolerance=1e-13)

    def objective(plan: np.ndarray) -> float:
        return float((plan * cost).sum() + 0.3 * (plan * np.log(plan / np.outer(a, b))).sum())

    assert objective(found.plan) == pytest.approx(found.primal, abs=1e-12)
    for _ in range(50):
        i, k = generator.choice(6, 2, replace=False)
        j, m = generator.choice(5, 2, replace=False)
        moved, amount = found.plan.copy(), 1e-4 * generator.uniform(-1, 1)
        moved[i, j] += amount
        moved[k, m] += amount
        moved[i, m] -= amount
        moved[k, j] -= amount
        if (moved > 0).all():
            assert objective(moved) >= found.primal


def test_masked_rows_and_columns_are_not_looked_at() -> None:
    cost = np.array([[0.0, 1.0, np.nan], [1.0, 0.0, np.nan], [np.nan, np.inf, np.nan]])
    found = transport_reference(cost, np.array([0.5, 0.5, 0.0]), np.array([0.5, 0.5, 0.0]))
    assert (found.plan[2] == 0).all()
    assert (found.plan[:, 2] == 0).all()
    assert found.plan.sum() == pytest.approx(1.0)
    nothing = transport_reference(cost, np.zeros(3), np.array([0.5, 0.5, 0.0]))
    assert nothing.converged
    assert (nothing.plan == 0).all()


@pytest.mark.parametrize(
    ("cost", "a", "b", "epsilon"),
    [
        (np.zeros((2, 3)), np.full(3, 1 / 3), np.full(2, 0.5), 0.3),
        (np.zeros(6), np.full(6, 1 / 6), np.ones(1), 0.3),
        (np.zeros((2, 2)), np.full(2, 0.5), np.full(2, 0.5), 0.0),
        (np.zeros((2, 2)), np.array([1.5, -0.5]), np.full(2, 0.5), 0.3),
    ],
)
def test_a_wrong_argument_is_refused(cost: np.ndarray, a: np.ndarray, b: np.ndarray, epsilon: float) -> None:
    with pytest.raises(UsageError):
        transport_reference(cost, a, b, epsilon=epsilon)


def test_it_loads_no_torch() -> None:
    code = "import sys, emotrace.grace.sinkhorn.reference; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "False"
