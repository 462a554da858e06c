from __future__ import annotations

import math

import numpy as np
import pytest

from emotrace.errors import InvalidScores
from emotrace.metrics.confusion_matrix import waf, war
from emotrace.metrics.open_vocabulary import SetScorer
from emotrace.metrics.protocols import PROTOCOLS
from emotrace.metrics.resampling import (
    SummedScore,
    bootstrap,
    from_cells,
    paired_difference,
    permutation_test,
)

SETS = 400


def mean_score(values: np.ndarray) -> SummedScore:
    return SummedScore(
        rows=np.stack([values, np.ones(len(values))], axis=1), finish=lambda sums: sums[..., 0] / sums[..., 1]
    )


def accuracy_cells(correct: np.ndarray) -> SummedScore:
    return from_cells(np.where(correct, 0, 1), shape=(1, 2), score=war)


def test_the_known_half_width_of_an_accuracy() -> None:
    correct = np.arange(1169) < round(0.88 * 1169)
    interval = bootstrap(accuracy_cells(correct))
    assert (interval.high - interval.low) / 2 == pytest.approx(0.019, abs=0.001)
    assert interval.rounds == 10_000
    assert interval.estimate == correct.mean()


def test_the_same_seed_gives_the_same_interval_and_order_does_not_matter() -> None:
    values = np.random.default_rng(0).random(50).round(1)
    assert bootstrap(mean_score(values)) == bootstrap(mean_score(values))
    shuffled = np.random.default_rng(1).permutation(values)
    assert bootstrap(mean_score(values)).low == pytest.approx(bootstrap(mean_score(shuffled)).low)
    assert bootstrap(mean_score(values), seed=1) != bootstrap(mean_score(values))


def test_large_corpora_draw_fewer_rounds() -> None:
    assert bootstrap(mean_score(np.random.default_rng(0).random(5_001))).rounds == 1_000


def test_whole_clusters_widen_the_interval() -> None:
    speakers = np.repeat(np.arange(20), 25)
    values = np.random.default_rng(0).random(20)[speakers]
    by_clip, by_speaker = bootstrap(mean_score(values)), bootstrap(mean_score(values), clusters=speakers.tolist())
    assert by_speaker.clusters == 20
    assert by_speaker.high - by_speaker.low > 3 * (by_clip.high - by_clip.low)


def test_undefined_rounds_are_counted() -> None:
    score = SummedScore(rows=np.array([[1.0], [0.0]]), finish=lambda sums: np.where(sums[..., 0] > 0, 1.0, np.nan))
    interval = bootstrap(score, rounds=1_000)
    assert 150 < interval.undefined_rounds < 350
    assert (interval.low, interval.high) == (1.0, 1.0)


@pytest.mark.parametrize("what", ["accuracy", "waf"])
def test_intervals_cover_the_truth(what: str) -> None:
    generator = np.random.default_rng(5)
    joint = np.array([[0.4, 0.1], [0.1, 0.4]])
    true_value = {"accuracy": 0.8, "waf": float(waf(joint))}[what]
    covered = 0
    for _ in range(SETS):
        cells = generator.choice(4, size=200, p=joint.ravel())
        score = from_cells(cells, shape=(2, 2), score=war if what == "accuracy" else waf)
        interval = bootstrap(score, rounds=500)
        covered += interval.low <= true_value <= interval.high
    assert 0.92 <= covered / SETS <= 0.98


def test_intervals_of_a_set_score_cover_the_truth(small_tables) -> None:
    words = ["happily", "low", "fearful", "mixed", "blue", "nonsense"]
    scorer = SetScorer(small_tables, PROTOCOLS["mer2026"])
    generator = np.random.default_rng(6)

    def draw(clips: int) -> tuple[list[list[str]], list[list[str]]]:
        drawn = generator.choice(words, (clips, 3)).tolist()
        return [row[:2] for row in drawn], [row[1:] for row in drawn]

    true_value = scorer.score(*draw(100_000)).average
    covered = 0
    for _ in range(SETS):
        interval = bootstrap(scorer.score(*draw(200)).summed(), rounds=400)
        covered += interval.low <= true_value <= interval.high
    assert 0.92 <= covered / SETS <= 0.98


def test_permutation_p_is_uniform_when_nothing_differs() -> None:
    generator = np.random.default_rng(7)
    ps = []
    for _ in range(SETS):
        a, b = generator.normal(size=(2, 60))
        ps.append(permutation_test(mean_score(a), mean_score(b), rounds=400))
    gaps = np.abs(np.sort(ps) - (np.arange(SETS) + 0.5) / SETS)
    # Kolmogorov-Smirnov: 1.63 / sqrt(n) is the critical distance at p = 0.01.
    assert gaps.max() < 1.63 / math.sqrt(SETS)


def test_a_clear_difference_has_a_small_p_and_an_interval_above_zero() -> None:
    generator = np.random.default_rng(8)
    truth = generator.random(300)
    difference = paired_difference(mean_score(truth + 0.2), mean_score(truth + generator.normal(0, 0.1, 300)))
    assert difference.interval.low > 0.15
    assert difference.p_permutation < 0.001
    assert difference.p_bootstrap < 0.001


def test_a_system_against_itself() -> None:
    score = mean_score(np.random.default_rng(9).random(40))
    difference = paired_difference(score, score)
    assert (difference.estimate, difference.p_permutation, difference.p_bootstrap) == (0.0, 1.0, 1.0)


def test_swapping_the_systems_turns_the_sign() -> None:
    a, b = (mean_score(values) for values in np.random.default_rng(10).random((2, 80)))
    one, other = paired_difference(a, b), paired_difference(b, a)
    assert one.estimate == -other.estimate
    assert one.interval.low == pytest.approx(-other.interval.high, abs=0.02)


def test_scores_over_other_clips_are_refused() -> None:
    with pytest.raises(InvalidScores):
        paired_difference(mean_score(np.ones(3)), mean_score(np.ones(4)))
    with pytest.raises(InvalidScores):
        bootstrap(mean_score(np.zeros(0)))
