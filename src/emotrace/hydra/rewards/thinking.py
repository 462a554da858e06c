"""think: was every rival held against every observation, are the rivals rivals, and does the answer follow from them?

The mean of the parts that apply [ours]:

    complete   judged pairs of hypothesis and observation / all pairs     K = 0: checked observations / observations
    rival      K >= 2: share of pairs of hypotheses whose level-2 Jaccard is below 0.5
    agree      K >= 1: d · level-2 Jaccard(answer, labels of the verdict's hypotheses);  d = 1 where the winner's net
               weight of marks beats every rival's (K = 1: beats 0), 0.5 on a tie, else 0
"""

from __future__ import annotations

from itertools import combinations

from emotrace.hydra.propose import RIVAL_OVERLAP
from emotrace.hydra.rewards.sheets import Trajectory


def think(trajectory: Trajectory) -> float:
    """The term, 0..1; 0 where no part applies."""
    parts = [part for part in (_complete(trajectory), _rival(trajectory), _agree(trajectory)) if part is not None]
    return sum(parts) / len(parts) if parts else 0.0


def _complete(trajectory: Trajectory) -> float | None:
    observations = len(trajectory.sheet)
    if not observations:
        return None
    if not trajectory.k:
        return len(trajectory.checks) / observations
    judged = sum([check.line.judged.bit_count() for check in trajectory.checks])
    return judged / (trajectory.k * observations)


def _rival(trajectory: Trajectory) -> float | None:
    if trajectory.k < 2:
        return None
    pairs = combinations([rival.affects for rival in trajectory.reading.rivals], 2)
    apart = [_jaccard(a, b) < RIVAL_OVERLAP for a, b in pairs]
    return sum(apart) / len(apart)


def _agree(trajectory: Trajectory) -> float | None:
    if not trajectory.k:
        return None
    reading = trajectory.reading
    held = frozenset().union(*[reading.rivals[number - 1].affects for number in reading.verdict])
    return _lead(trajectory) * _jaccard({label.affect for label in reading.labels}, held)


def _lead(trajectory: Trajectory) -> float:
    """d: whether the marks make the winner win."""
    winner = trajectory.reading.verdict[0]
    nets = [plus - minus for plus, minus in zip(trajectory.plus, trajectory.minus, strict=True)]
    own = nets.pop(winner - 1)
    best = max(nets, default=0)
    return 1.0 if own > best else 0.5 if own == best else 0.0


def _jaccard(a: frozenset[str] | set[str], b: frozenset[str] | set[str]) -> float:
    shared = len(a & b)
    return shared / (len(a) + len(b) - shared)


def closure(trajectory: Trajectory) -> float:
    """The winner's phi · psi by its marks, 0..1, as `verify.from_marks` has it: logged, never rewarded. K = 0: nan."""
    if not trajectory.k:
        return float("nan")
    winner = trajectory.reading.verdict[0] - 1
    plus, minus = trajectory.plus[winner], trajectory.minus[winner]
    return plus / trajectory.sheet.total * plus / (plus + minus) if plus else 0.0
