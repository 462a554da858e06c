"""Hit rate on basic emotions, and whether two answers meet on any wheel [field].

The truth is one word. A clip is a hit on a wheel when the truth's level-1 cluster is among the answer's: recall only,
so extra labels cost nothing. Precision and the number of labels stand beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotrace.errors import InvalidScores, first_five
from emotrace.labels.label_table import LabelTable
from emotrace.labels.official_tables import LEVEL_1
from emotrace.metrics.label_masks import LabelMasks, parse_labels
from emotrace.metrics.protocols import RECALL_ONLY
from emotrace.metrics.quotient import quotient
from emotrace.metrics.resampling import SummedScore

if TYPE_CHECKING:
    from jaxtyping import Float64

NEUTRAL = "neutral"


@dataclass(frozen=True, kw_only=True)
class HitRate:
    """Mean over clips, then over the five wheels. All in [0, 1]; nan when no clip is scored on some wheel."""

    hit_rate: float
    mscore: float
    """A hit divided by the answered clusters that belong to any truth word of the data set; 0 when none do."""
    precision: float
    """A hit divided by the number of answered clusters."""
    labels_per_clip: float
    clips: int
    scored: dict[str, int]
    """Wheel -> clips whose truth has a cluster there; neutral has none."""
    note: str
    hits: Float64[np.ndarray, "clip target"]
    """Per clip and wheel; nan where the clip is left out."""

    def summed(self) -> SummedScore:
        """The hit rate as a function of totals over clips."""
        count = self.hits.shape[1]
        rows = np.concatenate([np.nan_to_num(self.hits), ~np.isnan(self.hits)], axis=1)

        def finish(totals: Any) -> Any:
            sums = np.asarray(totals, dtype=np.float64)
            scored = sums[..., count:]
            rates = quotient(sums[..., :count], scored)
            return rates.mean(axis=-1)

        return SummedScore(rows=rows, finish=finish)


def hit_rate(truth: Sequence[Any], answers: Sequence[Any], *, table: LabelTable) -> HitRate:
    """Hit rate of answers (label strings or lists) against one true word per clip.

    Raises:
        InvalidScores: Different lengths, or a clip with more than one true word.
    """
    if len(truth) != len(answers):
        raise InvalidScores(f"got {len(truth)} truths and {len(answers)} answers")
    several = [f"row {row} ({word!r})" for row, word in enumerate(truth, start=1) if len(parse_labels(word)) > 1]
    if several:
        raise InvalidScores(
            f"the hit rate is defined for one true word per clip: {first_five(several)}",
            hint="Use a set protocol such as mer2026 for several labels per clip",
        )
    masks = LabelMasks(table, LEVEL_1)
    encoded = masks.encode(answers)
    sets = masks.masks(masks.encode(truth)), masks.masks(encoded)
    candidates = np.bitwise_or.reduce(sets[0], axis=0) if len(truth) else np.zeros(masks.words.shape[1], np.uint64)
    hits, among, given, scored = (
        np.stack([masks.count(each, field) for field in masks.fields], axis=1)
        for each in (sets[0] & sets[1], sets[1] & candidates, sets[1], sets[0])
    )
    is_scored = scored > 0
    counts = is_scored.sum(axis=0)

    def mean(values: Any) -> float:
        totals = np.where(is_scored, values, 0.0).sum(axis=0)
        return float(quotient(totals, counts).mean())

    unscored = int((~is_scored.any(axis=1)).sum())
    return HitRate(
        hit_rate=mean(hits),
        mscore=mean(hits / np.maximum(among, 1)),
        precision=mean(hits / np.maximum(given, 1)),
        labels_per_clip=int((encoded.ids > 0).sum()) / max(len(truth), 1),
        clips=len(truth),
        scored=dict(zip(masks.targets, counts.tolist(), strict=True)),
        note=f"{RECALL_ONLY} Clips without a cluster (neutral) are not scored: {unscored} of {len(truth)}.",
        hits=np.where(is_scored, hits, np.nan),
    )


def hit_or_not(truth: Any, answer: Any, *, table: LabelTable) -> bool:
    """Whether truth and answer share a level-1 cluster on at least one wheel.

    An answer without labels means neutral; neutral, which is on no wheel, counts here as a cluster of its own.
    """
    sides = [parse_labels(side) or [NEUTRAL] for side in (truth, answer)]
    if all(NEUTRAL in side for side in sides):
        return True
    places = [table.clusters[target] for target in LEVEL_1]
    for wheel in places:
        in_truth, in_answer = ({wheel[key] for label in side if (key := table.key(label)) in wheel} for side in sides)
        if in_truth & in_answer:
            return True
    return False
