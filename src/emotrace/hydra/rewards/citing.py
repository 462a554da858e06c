"""cite: do the cites exist, and do they support what they stand behind?  valid · closed [ours].

valid    cites of hypotheses that exist, are judged `+` by that very hypothesis, are among its first 3 and no
         repeats / all cites of hypotheses        0 without any; K = 0: 1
closed   share of answer labels of which one of the first 3 cites is judged `+` by a hypothesis of the verdict
         K = 0: of which one of the first 3 cites was checked
"""

from __future__ import annotations

from emotrace.hydra.propose import MAX_CITES
from emotrace.hydra.rewards.sheets import Trajectory


def cite(trajectory: Trajectory) -> float:
    """The term, 0..1."""
    closed = _closed(trajectory)
    return closed * _valid(trajectory) if closed else 0.0


def _valid(trajectory: Trajectory) -> float:
    if not trajectory.k:
        return 1.0
    supports = trajectory.supports
    written = valid = 0
    for rival in trajectory.reading.rivals:
        bit = 1 << rival.number
        written += len(rival.cites)
        valid += len({id for id in rival.cites[:MAX_CITES] if supports.get(id, 0) & bit})
    return valid / written if written else 0.0


def _closed(trajectory: Trajectory) -> float:
    labels = trajectory.reading.labels
    if not labels:
        return 0.0
    supports = trajectory.supports
    if trajectory.k:
        said = 0
        for number in trajectory.reading.verdict:
            said |= 1 << number
        grounds = {id for id, mask in supports.items() if mask & said}
    else:
        grounds = set(supports)
    return sum([not grounds.isdisjoint(label.cites[:MAX_CITES]) for label in labels]) / len(labels)
