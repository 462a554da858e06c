"""cite: do the cites exist, and do they support what they stand behind?  valid · closed [ours].

valid    cites of hypotheses that exist, are judged `+` by that very hypothesis, are among its first 3 and no
         repeats / all cites of hypotheses        0 without any; K = 0: 1
closed   share of answer labels of which one of the first 3 cites is judged `+` by a hypothesis of the verdict
         K = 0: of which one of the first 3 cites was checked
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from emotrace.hydra.rewards.trajectories import PerCompletion, Trajectories, ragged, summed


def cite(trajectories: Trajectories) -> PerCompletion:
    """The term of each completion, 0..1."""
    t = trajectories
    supported: Bool[np.ndarray, "completion place hypothesis"] = np.zeros((*t.weights.shape, max(t.k, 1)), np.bool_)
    supported[t.checks.of, t.checks.place] = t.checks.supports if t.k else True
    found: PerCompletion = _valid(t, supported) * _closed(t, supported)
    return found


def _valid(t: Trajectories, supported: Bool[np.ndarray, "completion place hypothesis"]) -> PerCompletion:
    if not t.k:
        return np.ones(len(t))
    held = zip(t.readings, t.sheets, strict=True)
    rival, place = ragged([sheet.cited(rival.cites) for reading, sheet in held for rival in reading.rivals])
    completion, hypothesis = np.divmod(rival, t.k)
    valid = summed(completion, supported[completion, place, hypothesis], len(t))
    written = np.array([sum([len(rival.cites) for rival in reading.rivals]) for reading in t.readings], np.int64)
    return valid / np.maximum(written, 1)


def _closed(t: Trajectories, supported: Bool[np.ndarray, "completion place hypothesis"]) -> PerCompletion:
    grounds = supported
    if t.k:
        said, hypothesis = ragged([reading.verdict for reading in t.readings])
        chosen = np.zeros((len(t), 1, t.k), np.bool_)
        chosen[said, 0, hypothesis - 1] = True
        grounds = supported & chosen
    labels = np.array([len(reading.labels) for reading in t.readings], np.int64)
    of = np.repeat(np.arange(len(t)), labels)
    held = zip(t.readings, t.sheets, strict=True)
    label, place = ragged([sheet.cited(label.cites) for reading, sheet in held for label in reading.labels])
    closed = summed(label, np.any(grounds, axis=2)[of[label], place], len(of)) > 0
    found: PerCompletion = summed(of, closed, len(t)) / np.maximum(labels, 1)
    return found
