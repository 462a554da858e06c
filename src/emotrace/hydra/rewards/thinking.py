"""think: was every rival held against every observation, are the rivals rivals, and does the answer follow from them?

The mean of the parts that apply [ours]:

    complete   judged pairs of hypothesis and observation / all pairs     K = 0: checked observations / observations
    rival      K >= 2: share of pairs of hypotheses whose level-2 Jaccard is below 0.5
    agree      K >= 1: d · level-2 Jaccard(answer, labels of the verdict's hypotheses);  d = 1 where the winner's net
               weight of marks beats every rival's (K = 1: beats 0), 0.5 on a tie, else 0
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations

import numpy as np
from jaxtyping import Int64

from emotrace.hydra.propose import RIVAL_OVERLAP
from emotrace.hydra.rewards.reading import Reading
from emotrace.hydra.rewards.trajectories import PerCompletion, Trajectories

PAIRS = 2**14
"""How many pairs of sets of affects are remembered."""


def think(trajectories: Trajectories) -> PerCompletion:
    """The term of each completion, 0..1; 0 where no part applies."""
    t, total = trajectories, np.zeros(len(trajectories))
    seen = t.observations > 0
    total[seen] += _complete(t)[seen]
    if t.k > 1:
        total += [_rival(reading) for reading in t.readings]
    if t.k:
        total += _lead(t) * [_follows(reading) for reading in t.readings]
    parts = seen.astype(np.int64) + min(t.k, 2)
    return total / np.maximum(parts, 1)


def _complete(t: Trajectories) -> PerCompletion:
    judged = t.total(t.checks.judged if t.k else np.ones(len(t.checks.of)))
    found: PerCompletion = judged / np.maximum(t.observations * max(t.k, 1), 1)
    return found


def _rival(reading: Reading) -> float:
    apart = [_jaccard(a.affects, b.affects) < RIVAL_OVERLAP for a, b in combinations(reading.rivals, 2)]
    return sum(apart) / len(apart)


def _follows(reading: Reading) -> float:
    """Jaccard of the answer and what the verdict's hypotheses hold."""
    held = [reading.rivals[number - 1].affects for number in reading.verdict]
    answer = frozenset([label.affect for label in reading.labels])
    return _jaccard(answer, held[0] if len(held) == 1 else frozenset().union(*held))


def _lead(t: Trajectories) -> PerCompletion:
    """d: whether the marks make the winner win."""
    nets = t.marks(t.checks.supports) - t.marks(t.checks.contradicts)
    rows, winner = np.arange(len(t)), winners(t)
    own = nets[rows, winner]
    nets[rows, winner] = -np.inf if t.k > 1 else 0.0
    best = nets.max(axis=1)
    return np.where(own > best, 1.0, np.where(own == best, 0.5, 0.0))


def winners(t: Trajectories) -> Int64[np.ndarray, " completion"]:
    """The column of each completion's winner: the first hypothesis of its verdict."""
    return np.array([reading.verdict[0] for reading in t.readings], np.int64) - 1


@lru_cache(maxsize=PAIRS)
def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def closure(trajectories: Trajectories) -> PerCompletion:
    """The winner's phi · psi by its marks, 0..1, as `verify.from_marks` has it: logged, never rewarded. K = 0: nan."""
    t = trajectories
    if not t.k:
        return np.full(len(t), np.nan)
    rows, winner = np.arange(len(t)), winners(t)
    plus, minus = (t.marks(marked)[rows, winner] for marked in (t.checks.supports, t.checks.contradicts))
    found: PerCompletion = plus / np.maximum(t.weights.sum(axis=1), 1.0) * plus / np.maximum(plus + minus, 1.0)
    return found
