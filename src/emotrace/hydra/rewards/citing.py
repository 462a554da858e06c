"""cite: do the cites exist, and do they support what they stand behind?  valid · closed [ours].

valid    cites of hypotheses that exist, are judged `+` by that very hypothesis, are among its first 3 and no
         repeats / all cites of hypotheses        0 without any; K = 0: 1
closed   share of answer labels of which one of the first 3 cites is judged `+` by a hypothesis of the verdict
         K = 0: of which one of the first 3 cites was checked
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from emotrace.hydra.rewards.arrays import summed
from emotrace.hydra.rewards.trajectories import PerCompletion, Trajectories

Supported = Bool[np.ndarray, "completion place hypothesis"]
"""Which observations are judged `+` by which hypothesis; K = 0: which were checked. The last place is nowhere."""


def cite(trajectories: Trajectories) -> PerCompletion:
    """The term of each completion, 0..1."""
    t = trajectories
    supported: Supported = np.zeros((len(t), t.nowhere + 1, max(t.k, 1)), np.bool_)
    supported[t.checks.of, t.checks.place] = t.checks.supports if t.k else True
    found: PerCompletion = _valid(t, supported) * _closed(t, supported)
    return found


def _valid(t: Trajectories, supported: Supported) -> PerCompletion:
    if not t.k:
        return np.ones(len(t))
    cites, rivals = t.readings.lines.rivals.cites, t.readings.rivals
    completion, hypothesis = np.indices(rivals.shape)[:, :, :, None]
    places = t.places[t.sheet[completion], cites.named[rivals]]
    valid = supported[completion, places, hypothesis].sum(axis=(1, 2))
    found: PerCompletion = valid / np.maximum(cites.written[rivals].sum(axis=1), 1)
    return found


def _closed(t: Trajectories, supported: Supported) -> PerCompletion:
    answers, r = t.readings.lines.answers, t.readings
    grounds = np.any(supported & _chosen(t)[:, None], axis=2)
    labels = np.array([len(words) for words in answers.words], np.int64)[answers.labels[r.answers]]
    of = np.repeat(np.arange(len(t)), labels)
    label = np.arange(len(of)) + (answers.first[r.answers] - (np.cumsum(labels) - labels))[of]
    places = t.places[t.sheet[of, None], answers.cites.named[label]]
    closed = grounds[of[:, None], places].any(axis=1)
    found: PerCompletion = summed(of, closed, len(t)) / np.maximum(labels, 1)
    return found


def _chosen(t: Trajectories) -> Bool[np.ndarray, "completion hypothesis"]:
    """Whom the verdict names; K = 0: a stand-in for all."""
    if not t.k:
        return np.ones((len(t), 1), np.bool_)
    named = np.zeros((len(t.readings.lines.verdicts), t.k), np.bool_)
    for row, verdict in enumerate(t.readings.lines.verdicts):
        named[row, [number - 1 for number in verdict]] = True
    chosen: Bool[np.ndarray, "completion hypothesis"] = named[t.readings.verdicts]
    return chosen
