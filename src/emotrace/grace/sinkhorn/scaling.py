"""Sinkhorn by matrix-vector products on a CPU: the exponentials are taken once, K_ij = exp((f⁰_i + g⁰_j − M_ij)/ε).

The potentials are f = f⁰ + ε·log u and g = g⁰ + ε·log v, and an iteration costs two products with K. Where u or v
leaves e^±30 it is absorbed into f⁰ and g⁰ and K is taken anew (stabilised scaling, arXiv 1610.06519 [field]), so the
result is that of the log domain to rounding. A clip that meets a number that is not finite all the same is solved in
the log domain.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from emotrace.grace.sinkhorn.chunked import block_step, plan_solution
from emotrace.grace.sinkhorn.chunked import solve_clip as solve_in_log_domain
from emotrace.grace.sinkhorn.clipwise import solve_clipwise
from emotrace.grace.sinkhorn.iterations import sinkhorn, warm_levels, warm_up
from emotrace.grace.sinkhorn.problem import Problem, Solution, shift, strictness_at

ABSORB_AT = 30.0
"""Greatest |log u| or |log v| before they are absorbed: e^30·e^30 is far from the largest float32."""
GROUP_ENTRIES = 1 << 17
"""Small clips are prepared and finished together, up to 512 KB of K in float32: each torch call costs as much as 10,000
entries."""


def solve_scaling(problem: Problem) -> Solution:
    """On a CPU only, as the products are numpy's on the memory of the tensors."""
    epsilons = set(problem.epsilon.tolist())
    alone = len(epsilons) > 1 or any(warm_levels(epsilon) for epsilon in epsilons)
    return solve_clipwise(problem, solve_group, group_entries=1 if alone else GROUP_ENTRIES)


def solve_group(problem: Problem, plan: Tensor) -> Solution:
    """Clips of one epsilon without masked rows and columns, or one that is warmed up; `plan` is where the plans go."""
    level = problem.level(problem.cost[:, :: max(1, problem.a.shape[1] // 16)])
    g, warm = warm_up(lambda: block_step(problem, level), problem)
    kernel = Kernel(problem, level, plan, g)
    f, g, iterations, error = _balanced(problem, kernel, warm) if problem.balanced else _soft(problem, kernel, g, warm)
    kernel.become_plan(problem, f, g)
    found = plan_solution(problem, plan, *problem.restored(f, g, level), iterations, error)
    for clip in torch.nonzero(~(error + found.mass).isfinite()).flatten().tolist():
        one = slice(clip, clip + 1)
        safe = solve_in_log_domain(problem.part(one), plan[one])
        for name in ("f", "g", "iterations", "marginal_error", "cost", "mass"):
            getattr(found, name)[one] = getattr(safe, name)
    return found


class Kernel:
    """K of some clips, held where their plans will be, and the potentials of M − level that it was taken at."""

    def __init__(self, problem: Problem, level: Tensor, memory: Tensor, g: Tensor) -> None:
        self.cost, self.level, self.epsilon = problem.cost, level, problem.epsilon[:, None]
        # 2^x takes two thirds of the time of e^x.
        self.scale = math.log2(math.e) / float(problem.epsilon[0])
        self.values, self.g = memory, g.clone()
        costs = self.cost if not bool(g.any()) else torch.sub(self.cost, g[:, None, :], out=memory)
        # The best of each row becomes 2^0: no row can vanish, however far the costs of two rows are apart.
        top = costs.amin(dim=2) * self.scale
        torch.sub(top[:, :, None], costs, alpha=self.scale, out=memory).exp2_()
        self.f = top / self.scale - level[:, None]

    def take(self, clip: int, f: Tensor, g: Tensor) -> None:
        """Moves K of one clip to other potentials."""
        self.f[clip], self.g[clip] = f, g
        values = torch.sub(self.level[clip], self.cost[clip], out=self.values[clip])
        values.add_(f[:, None]).add_(g).mul_(self.scale).exp2_()

    def become_plan(self, problem: Problem, f: Tensor, g: Tensor) -> None:
        """Turns K into a_i·b_j·exp((f_i + g_j − M_ij)/ε) in place."""
        self.values.mul_((problem.a * torch.exp((f - self.f) / self.epsilon))[:, :, None])
        self.values.mul_((problem.b * torch.exp((g - self.g) / self.epsilon))[:, None, :])


def _balanced(problem: Problem, kernel: Kernel, warm: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Both marginals hard: every clip runs by itself until it is done."""
    log_u, log_v = torch.empty_like(problem.a), torch.empty_like(problem.b)
    with np.errstate(all="ignore"):
        done = [_balance(problem, kernel, clip, log_u[clip].numpy(), log_v[clip].numpy()) for clip in range(len(log_u))]
    counts, errors = zip(*done, strict=True)
    f, g = kernel.f + kernel.epsilon * log_u, kernel.g + kernel.epsilon * log_v
    return f, g, warm + warm.new_tensor(counts), f.new_tensor(errors)


def _balance(problem: Problem, kernel: Kernel, clip: int, log_u: np.ndarray, log_v: np.ndarray) -> tuple[int, float]:
    """One clip: u = a/Kv, v = b/Kᵀu, with a and b inside u and v.

    In numpy: a call costs half of torch's, which is what an iteration over 784 patches is made of, and its products
    are no slower.

    Args:
        problem: Its batch.
        kernel: K of the batch.
        clip: Its place there.
        log_u: Where log(u/a) goes.
        log_v: Where log(v/b) goes.

    Returns:
        Iterations and marginal error.
    """
    a, b, k = problem.a[clip].numpy(), problem.b[clip].numpy(), kernel.values[clip].numpy()
    u, v, column_sums = np.empty_like(a), b.copy(), np.empty_like(b)
    row_sums = np.dot(k, v)
    count = 0
    while True:
        for _ in range(min(problem.check_every, problem.max_iterations - count)):
            np.divide(a, row_sums, out=u)
            np.dot(u, k, out=column_sums)
            np.divide(b, column_sums, out=v)
            np.dot(k, v, out=row_sums)
            count += 1
        error = float(np.abs(u * row_sums - a).sum())
        np.log(u / a, out=log_u)
        np.log(v / b, out=log_v)
        if not error > problem.tolerance or count == problem.max_iterations:
            return count, error
        if max(-log_u.min(), log_u.max(), -log_v.min(), log_v.max()) > ABSORB_AT:
            f = kernel.f[clip] + kernel.epsilon[clip] * torch.from_numpy(log_u)
            g = kernel.g[clip] + kernel.epsilon[clip] * torch.from_numpy(log_v)
            kernel.take(clip, f, g)
            np.dot(k, b, out=row_sums)


def _soft(problem: Problem, kernel: Kernel, g: Tensor, warm: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Soft marginals need powers and the shift: the potentials are kept, and only the two sums are products with K."""
    log_a, log_b = problem.a.log(), problem.b.log()
    tau_v, tau_w = problem.taus()
    k = kernel.values.numpy()

    def step(g: Tensor, epsilon: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        v = torch.exp(log_b + (g - kernel.g) / epsilon)
        row_sums = torch.from_numpy(np.matmul(k, v.numpy()[:, :, None])[:, :, 0])
        log_rows = row_sums.log_() - kernel.f / epsilon
        f = -strictness_at(epsilon, tau_v) * epsilon * log_rows
        f = f + shift(f, g, log_a, log_b, tau_v, tau_w, problem.soft)
        log_u = (f - kernel.f) / epsilon
        top = log_u.amax(dim=1, keepdim=True)
        u = torch.exp(log_a + log_u - top)
        column_sums = torch.from_numpy(np.matmul(u.numpy()[:, None, :], k)[:, 0])
        log_columns = column_sums.log_() + top - kernel.g / epsilon
        next_g = -strictness_at(epsilon, tau_w) * epsilon * log_columns
        log_v = (next_g - kernel.g) / epsilon
        greatest = torch.maximum(log_u.abs().amax(dim=1), log_v.abs().amax(dim=1))
        for clip in torch.nonzero(greatest > ABSORB_AT).flatten().tolist():
            kernel.take(clip, f[clip], next_g[clip])
        return log_rows, f, next_g

    return sinkhorn(step, problem, (g, warm))
