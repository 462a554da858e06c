"""No combination of emotions may make up too much of what is imitated.

Combinations are those of the *answers*, as it is answers that a student learns to prefer [ours].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from emotrace.errors import UsageError
from emotrace.hydra.coldstart.ordering import drawn

MOST_SHARE = 0.15
"""[ours] Of samples with one combination of level-1 clusters."""


def balanced(combinations: Mapping[str, int], *, most_share: float = MOST_SHARE, seed: int) -> frozenset[str]:
    """The samples that are kept: as many as possible, none of whose combinations exceeds its share of those kept.

    Which ones of a frequent combination stay is drawn by lot.

    Args:
        combinations: Sample id -> its combination of clusters.
        most_share: 0..1; 1 keeps everything.
        seed: Of the lots.

    Raises:
        UsageError: `most_share` is not in 0..1, or so few combinations that no number of samples would do.
    """
    if not 0.0 < most_share <= 1.0:
        raise UsageError(f"a share lies above 0 and at most at 1, got {most_share}", where="most_share")
    counts = Counter(combinations.values())
    most = _most_of_each(counts, most_share)
    if combinations and not most:
        raise UsageError(
            f"{len(combinations)} samples in {len(counts)} combinations of emotions cannot be chosen from so that each "
            f"has at most {most_share:.0%}",
            where="most_share",
            hint="Give more and more varied cases, or allow a larger share (--most-share)",
        )
    kept: set[str] = set()
    taken: Counter[int] = Counter()
    for id in sorted(combinations, key=lambda id: drawn(seed, "balance", id)):
        if taken[combinations[id]] < most:
            taken[combinations[id]] += 1
            kept.add(id)
    return frozenset(kept)


def largest_share(combinations: Mapping[str, int]) -> float:
    """The share of the most frequent combination; 0 without samples."""
    counts = Counter(combinations.values())
    return max(counts.values(), default=0) / max(counts.total(), 1)


def _most_of_each(counts: Counter[int], most_share: float) -> int:
    """The largest number that no combination exceeds and that is within the share of what it leaves; 0 for none."""
    for most in range(max(counts.values(), default=0), 0, -1):
        left = [min(count, most) for count in counts.values()]
        if max(left) <= most_share * sum(left) + 1e-9:
            return most
    return 0
