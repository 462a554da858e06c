"""think: was every rival held against every observation, are the rivals rivals, and does the answer follow from them?

The mean of the parts that apply [ours]:

    complete   judged pairs of hypothesis and observation / all pairs     K = 0: checked observations / observations
    rival      K >= 2: share of pairs of hypotheses whose level-2 Jaccard is below 0.5
    agree      K >= 1: d · level-2 Jaccard(answer, labels of the verdict's hypotheses);  d = 1 where the winner's net
               weight of marks beats every rival's (K = 1: beats 0), 0.5 on a tie, else 0
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from jaxtyping import Int64

from emotrace.hydra.propose import RIVAL_OVERLAP
from emotrace.hydra.rewards.arrays import of_pairs
from emotrace.hydra.rewards.trajectories import PerCompletion, Trajectories


def think(trajectories: Trajectories) -> PerCompletion:
    """The term of each completion, 0..1; 0 where no part applies."""
    t, total = trajectories, np.zeros(len(trajectories))
    seen = t.observations > 0
    total[seen] += _complete(t)[seen]
    if t.k > 1:
        total += _rival(t)
    if t.k:
        total += _lead(t) * _follows(t)
    parts = seen.astype(np.int64) + min(t.k, 2)
    return total / np.maximum(parts, 1)


def _complete(t: Trajectories) -> PerCompletion:
    judged = t.total(t.checks.judged if t.k else np.ones(len(t.checks.of)))
    found: PerCompletion = judged / np.maximum(t.observations * max(t.k, 1), 1)
    return found


def _rival(t: Trajectories) -> PerCompletion:
    rivals = t.readings.lines.rivals
    labels = rivals.labels[t.readings.rivals]
    a, b = zip(*combinations(range(t.k), 2), strict=True)
    alike = of_pairs(
        labels[:, a], labels[:, b], lambda one, other: _jaccard(rivals.affects[one], rivals.affects[other])
    )
    found: PerCompletion = (alike < RIVAL_OVERLAP).mean(axis=1)
    return found


def _follows(t: Trajectories) -> PerCompletion:
    """Jaccard of the answer and what the verdict's hypotheses hold."""
    rivals, answers, verdicts = t.readings.lines.rivals, t.readings.lines.answers, t.readings.lines.verdicts
    labels = rivals.labels[t.readings.rivals]
    held, affects = labels[np.arange(len(t)), winners(t)], [*rivals.affects]
    several = np.array([len(verdict) > 1 for verdict in verdicts], np.bool_)[t.readings.verdicts]
    for row in np.flatnonzero(several).tolist():
        named = [number - 1 for number in verdicts[t.readings.verdicts[row]]]
        held[row] = len(affects)
        affects.append(frozenset().union(*[rivals.affects[each] for each in labels[row, named].tolist()]))
    answered = answers.labels[t.readings.answers]
    return of_pairs(held, answered, lambda one, other: _jaccard(affects[one], answers.affects[other]))


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b)


def _lead(t: Trajectories) -> PerCompletion:
    """d: whether the marks make the winner win."""
    nets = t.supported - t.contradicted
    rows, winner = np.arange(len(t)), winners(t)
    own = nets[rows, winner]
    nets[rows, winner] = -np.inf if t.k > 1 else 0.0
    best = nets.max(axis=1)
    return np.where(own > best, 1.0, np.where(own == best, 0.5, 0.0))


def winners(t: Trajectories) -> Int64[np.ndarray, " completion"]:
    """The column of each completion's winner: the first hypothesis of its verdict."""
    named = [verdict[0] if verdict else 0 for verdict in t.readings.lines.verdicts]
    found: Int64[np.ndarray, " completion"] = np.array(named, np.int64)[t.readings.verdicts] - 1
    return found


def closure(trajectories: Trajectories) -> PerCompletion:
    """The winner's phi · psi by its marks, 0..1, as `verify.from_marks` has it: logged, never rewarded. K = 0: nan."""
    t = trajectories
    if not t.k:
        return np.full(len(t), np.nan)
    rows, winner = np.arange(len(t)), winners(t)
    plus, minus = t.supported[rows, winner], t.contradicted[rows, winner]
    found: PerCompletion = plus / np.maximum(t.weights.sum(axis=1), 1.0) * plus / np.maximum(plus + minus, 1.0)
    return found
