"""Rewards of a trajectory: six terms as pure functions, and how they add up. Hydra specification, section 8.

Six terms and a weighted sum are the paper's [paper]; their formulas, gates and weights are ours [ours], except where a
term names its source.

    arrays.py        what repeats is looked at once
    lines.py         what the distinct lines of a batch say, as tables
    reading.py       which texts of a batch are legal, and which lines they hold
    sheets.py        a sheet as the terms look things up in it
    likeness.py      which observations a quote is like, by a sentence encoder
    trajectories.py  legal texts against their sheets, as arrays
    accuracy.py      acc: the answer against gold, with the length penalty
    thinking.py      think: was every rival held against everything, and does the answer follow?
    citing.py        cite: do cites exist, and support what they stand behind?
    quoting.py       evid and sem: are quotes true, and do they cover the sheet?
    combine.py       fmt, the hierarchy, `Scorer`
    trl.py           `hydra_rewards`: the six as TRL calls them
"""

from emotrace.hydra.rewards.combine import TERMS, BatchScores, RewardConfig, Score, Scorer, score
from emotrace.hydra.rewards.trl import hydra_rewards

__all__ = ["TERMS", "RewardConfig", "Scorer", "BatchScores", "Score", "score", "hydra_rewards"]
