"""The log-domain step as one Triton kernel that reads the cost once per iteration. Chosen by `path="triton"` only.

A program takes 64 rows of a clip: it loads their costs, sums the rows to f, and with f sums its part of every column.
The parts, one per 64 rows, are added up by torch. So an iteration moves half the bytes of two separate passes.

Its numbers are tested in Triton's interpreter. Its speed has not been measured by us on any GPU, so `auto` never takes
it.
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from emotrace.grace.sinkhorn.eager import levelled_cost, solution_of
from emotrace.grace.sinkhorn.iterations import sinkhorn
from emotrace.grace.sinkhorn.problem import Problem, Solution, shift, strictness_at

BLOCK_ROWS = 64


@triton.jit  # type: ignore[untyped-decorator]
def _step_kernel(  # type: ignore[no-untyped-def]
    cost, bias, log_a, inverse, damping, log_rows, part, rows, columns, height: tl.constexpr, width: tl.constexpr
):
    """One block of rows: log_rows = log Σ_j exp(bias_j − M_ij/ε), part_j = log Σ_i exp(log a_i + f_i/ε − M_ij/ε)."""
    clip, block = tl.program_id(0), tl.program_id(1)
    i, j = block * height + tl.arange(0, height), tl.arange(0, width)
    valid = (i < rows)[:, None] & (j < columns)[None, :]
    scale = tl.load(inverse + clip)
    terms = -tl.load(cost + (clip * rows + i)[:, None] * columns + j[None, :], mask=valid, other=0.0) * scale
    here = terms + tl.load(bias + clip * columns + j, mask=j < columns, other=-float("inf"))[None, :]
    top = tl.max(here, axis=1)
    row_sums = tl.log(tl.sum(tl.exp(here - top[:, None]), axis=1)) + top
    tl.store(log_rows + clip * rows + i, row_sums, mask=i < rows)
    weight = tl.load(log_a + clip * rows + i, mask=i < rows, other=-float("inf"))
    there = terms + (weight - tl.load(damping + clip) * scale * row_sums)[:, None]
    highest = tl.max(there, axis=0)
    # A block of masked rows only: -inf must not be taken from -inf.
    safe = tl.where(highest > -float("inf"), highest, 0.0)
    sums = tl.log(tl.sum(tl.exp(there - safe[None, :]), axis=0)) + safe
    tl.store(part + (clip * tl.num_programs(1) + block) * columns + j, sums, mask=j < columns)


def solve_triton(problem: Problem) -> Solution:
    """Like `solve_eager`, with the step in Triton. Not differentiable through its iterations."""
    cost, level = levelled_cost(problem)
    cost = cost.contiguous()
    batch, rows, columns = cost.shape
    log_a, log_b = problem.a.log(), problem.b.log()
    tau_v, tau_w = problem.taus()
    blocks = triton.cdiv(rows, BLOCK_ROWS)
    log_rows, part = torch.empty_like(log_a), cost.new_empty((batch, blocks, columns))

    def step(g: Tensor, epsilon: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        damping = strictness_at(epsilon, tau_v) * epsilon
        bias = (log_b + g / epsilon).contiguous()
        width = triton.next_power_of_2(columns)
        arguments = (cost, bias, log_a, 1.0 / epsilon, damping, log_rows, part, rows, columns)
        _step_kernel[(batch, blocks)](*arguments, height=BLOCK_ROWS, width=width)
        f = -damping * log_rows
        # The shift adds one number to every f of a clip, so the sums over columns can take it afterwards.
        c = shift(f, g, log_a, log_b, tau_v, tau_w, problem.soft)
        log_columns = torch.logsumexp(part, dim=1) + c / epsilon
        return log_rows.clone(), f + c, -strictness_at(epsilon, tau_w) * epsilon * log_columns

    return solution_of(problem, cost, level, *sinkhorn(step, problem))
