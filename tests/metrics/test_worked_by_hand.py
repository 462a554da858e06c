"""Small cases on invented tables, worked out by hand: the protocols are tested where the official tables are not there.

The tables (`small_tables`): joy holds glad and merry, gloom holds sad and blue, alarm holds scared and tense. Wheels 1
and 3 know all of it; 2 and 4 only the first word of each sector; 5 has no alarm. "low" may be blue or sad, "mixed" blue
or glad, "lowly" is a form of low and of mixed, "neutral" is on no wheel.
"""

from __future__ import annotations

import math

import pytest

from emotrace.metrics.open_vocabulary import SetScorer
from emotrace.metrics.protocols import PROTOCOLS


def scored(tables, protocol: str, truth: list[str], answers: list[str]):
    return SetScorer(tables, PROTOCOLS[protocol]).score(truth, answers)


def test_forms_and_synonyms_on_one_clip(small_tables) -> None:
    # Truth {joy, alarm}; the answer reaches joy and gloom: P = R = F = 1/2 on wheels 1 and 3.
    score = scored(small_tables, "mer2026", ["happily, fearful"], ["glad, low"])
    one, two, three, four, five = score.targets
    assert (one.precision, one.recall, one.f) == (three.precision, three.recall, three.f) == (0.5, 0.5, 0.5)
    # Wheels 2 and 4 know glad, sad and scared: happily -> glad, low -> sad. The same.
    assert two.f == four.f == 0.5
    # Wheel 5 has no alarm: truth {joy}, answer {joy, gloom}: P = 1/2, R = 1, F = 2/3.
    assert (five.precision, five.recall, five.f) == pytest.approx((0.5, 1.0, 2 / 3))
    assert score.average == pytest.approx((4 * 0.5 + 2 / 3) / 5)


def test_f_is_that_of_the_mean_precision_and_the_mean_recall(small_tables) -> None:
    # Clip 1: T {joy}, A {joy, gloom}: P 1/2, R 1. Clip 2: T {joy, gloom}, A {gloom}: P 1, R 1/2.
    # Means 3/4 and 3/4: F 3/4. The mean of the clips' own F would be 2/3.
    score = scored(small_tables, "unibench", ["Glad", "glad, SAD"], ["glad, sad", "sad"])
    assert score.average == pytest.approx(0.75)
    assert score.sample_f == pytest.approx(2 / 3)


def test_unknown_words_vanish_empty_answers_score_nothing_and_empty_truths_are_skipped(small_tables) -> None:
    # Clip 1: an unknown word beside the right one costs nothing. Clip 2: no answer. Clip 3: truth on no wheel.
    score = scored(small_tables, "unibench", ["glad", "sad", "neutral"], ["glad, zzz", "", "glad"])
    assert [(target.scored, target.skipped) for target in score.targets] == [(2, 1)] * 5
    assert (score.precision, score.recall, score.average) == pytest.approx((0.5, 0.5, 0.5))


def test_a_tie_between_words_goes_to_the_alphabet(small_tables) -> None:
    # lowly -> {low, mixed} -> tried in order blue, glad, sad. Wheel 1 takes blue (gloom), wheel 2, which lacks blue,
    # glad (joy).
    score = scored(small_tables, "mer2026", ["lowly"], ["glad"])
    assert [target.f for target in score.targets] == [0.0, 1.0, 0.0, 1.0, 0.0]


def test_no_overlap_is_nan_under_one_rule_and_zero_under_the_other(small_tables) -> None:
    assert math.isnan(scored(small_tables, "unibench", ["glad"], ["sad"]).average)
    assert scored(small_tables, "unibench", ["glad"], ["sad"]).average_with_zero == 0.0
    assert scored(small_tables, "mer2026", ["glad"], ["sad"]).average == 0.0


def test_the_four_averages(small_tables) -> None:
    # merry for glad: one sector (level 1) on wheels 1, 3 and 5; wheels 2 and 4 do not know merry, so P = R = 0 there.
    # Level 2 tells merry from glad everywhere, and so do the words themselves.
    truth, answers = ["glad", "sad"], ["merry", "sad"]
    level_1 = (1 + 0.5 + 1 + 0.5 + 1) / 5
    level_2 = 0.5
    assert scored(small_tables, "mer2026", truth, answers).average == pytest.approx(level_1)
    assert scored(small_tables, "unibench", truth, answers).average == pytest.approx(level_1)
    assert scored(small_tables, "mer2025", truth, answers).average == pytest.approx((level_1 + level_2) / 2)
    # case1 and case2 compare words and wheel words: one of two clips each.
    twelve = (0.5 + 0.5 + 5 * level_1 + 5 * level_2) / 12
    assert scored(small_tables, "ovmer-12", truth, answers).average == pytest.approx(twelve)
