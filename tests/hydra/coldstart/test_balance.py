from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.errors import UsageError
from emotrace.hydra.coldstart.balance import balanced, largest_share

COUNTS = st.lists(st.integers(1, 40), min_size=1, max_size=12)


def samples(counts: list[int]) -> dict[str, int]:
    return {f"{combination}/{n}": combination for combination, count in enumerate(counts) for n in range(count)}


@given(COUNTS, st.floats(0.1, 1.0))
def test_no_combination_exceeds_its_share_and_no_smaller_one_loses_a_sample(counts: list[int], share: float) -> None:
    given_samples = samples(counts)
    try:
        kept = balanced(given_samples, most_share=share, seed=0)
    except UsageError:
        assert 1 / len(counts) > share - 1e-9 or all(round(share * m * len(counts)) < m for m in (1,))
        return
    left = Counter(given_samples[id] for id in kept)
    most = max(left.values())
    assert most <= share * len(kept) + 1e-6
    assert all(left[c] == min(count, most) for c, count in enumerate(counts))
    more = [min(count, most + 1) for count in counts]
    assert most == max(counts) or most + 1 > share * sum(more)
    assert largest_share({id: given_samples[id] for id in kept}) == most / len(kept)


def test_too_few_combinations_are_told_with_what_to_do() -> None:
    with pytest.raises(UsageError, match="most-share"):
        balanced(samples([10, 10, 10]), most_share=0.15, seed=0)
    with pytest.raises(UsageError, match="above 0"):
        balanced(samples([10]), most_share=0.0, seed=0)
    assert len(balanced(samples([10, 1]), most_share=1.0, seed=0)) == 11


def test_the_lot_depends_on_the_seed_and_on_no_order() -> None:
    given_samples = samples([30, *[5] * 9])
    kept = balanced(given_samples, seed=0)
    assert kept == balanced(dict(reversed(given_samples.items())), seed=0)
    assert kept != balanced(given_samples, seed=1)
    assert len(kept) < len(given_samples)
