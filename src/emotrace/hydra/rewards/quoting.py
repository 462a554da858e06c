"""evid and sem: are the quotes true, and how much of the sheet do they cover? The precision and the recall of quoting.

    evid   mean over checks of e = 1 where 0.8 of the quote's trigrams are in the observation, 0.5 where 0.6 are, else
           0; 0 too for an unknown or repeated id, a quote below 3 words that is not the whole text, or one that fits
           another observation of that modality better
    sem    Σ s_o · Q(largest cosine of o's text with the quotes of its modality) / Σ s_o
           Q(c) = 1 for c >= 0.7, 0.5 for c >= 0.5, else 0, see `likeness`

Matching quotes roughly is the paper's [paper]. Only quotes that `evid` finds true or nearly true count for `sem`
[ours]: what cites an absent observation covers nothing.
"""

from __future__ import annotations

import numpy as np

from emotrace.hydra.rewards.trajectories import PerCompletion, Trajectories


def evid(trajectories: Trajectories) -> PerCompletion:
    """The precision of quoting of each completion, 0..1; 0 without a check."""
    written = np.bincount(trajectories.readings.of, minlength=len(trajectories))
    return trajectories.total(trajectories.checks.truth) / np.maximum(written, 1)


def sem(trajectories: Trajectories) -> PerCompletion:
    """The share of the sheet's weight that each completion's true quotes cover, 0..1."""
    t = trajectories
    best = np.zeros_like(t.weights)
    first = np.flatnonzero(np.diff(t.checks.of, prepend=-1))
    best[t.checks.of[first]] = np.maximum.reduceat(t.checks.likeness, first, axis=0) if len(first) else 0.0
    # Levels are halves and weights whole numbers, so that a sheet covered in full gives exactly 1.
    found: PerCompletion = (best * t.weights).sum(axis=1) / np.maximum(t.weights.sum(axis=1), 1.0)
    return found
