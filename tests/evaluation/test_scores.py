from __future__ import annotations

import numpy as np
import pytest

from emotrace.errors import InvalidScores
from emotrace.evaluation.answers import Answer
from emotrace.evaluation.labelled import Labelled
from emotrace.evaluation.scores import score_head
from emotrace.labels.schemes import scheme

NAMES = scheme("emodb").labels


def item(label: str, group: str | None = None) -> Labelled:
    return Labelled(content="a.wav", labels=(label,), group=group)


def given(label: str, confidence: float = 0.9) -> Answer:
    shares = np.full(len(NAMES), (1.0 - confidence) / (len(NAMES) - 1))
    shares[NAMES.index(label)] = confidence
    return Answer(probabilities=shares, decided=np.arange(len(NAMES)) == NAMES.index(label))


def test_scores_are_those_of_the_textbook() -> None:
    items = [item("anger"), item("anger"), item("anger"), item("sadness")]
    answers = [given("anger"), given("anger", 0.8), given("sadness", 0.5), given("sadness", 0.7)]
    scores = score_head("voice", items, answers, rounds=200)
    assert scores.labels == ("anger", "sadness")
    assert scores.chance_uar == 0.5
    assert scores.uar.estimate == pytest.approx((2 / 3 + 1) / 2)
    assert scores.macro_f1.estimate == pytest.approx((0.8 + 2 / 3) / 2)
    assert scores.accuracy.estimate == 0.75
    assert scores.ece.estimate == pytest.approx((0.1 + 0.2 + 0.5 + 0.3) / 4)
    assert scores.accuracy_at["100%"] == 0.75
    assert scores.accuracy_at["70%"] == 1.0
    assert scores.uar.low <= scores.uar.estimate <= scores.uar.high


def test_no_answer_is_wrong_but_not_surely_so() -> None:
    scores = score_head("voice", [item("anger"), item("anger")], [given("anger"), None], rounds=50)
    assert scores.answered == 1
    assert scores.accuracy.estimate == scores.uar.estimate == 0.5
    assert scores.accuracy_at["100%"] == 1.0
    assert scores.ece.estimate == pytest.approx(0.1)


def test_people_are_resampled_whole() -> None:
    items = [item("anger", "03")] * 50 + [item("anger", "04")] * 50
    answers = [given("anger")] * 50 + [given("sadness")] * 50
    scores = score_head("voice", items, answers, rounds=400)
    assert scores.groups == 2
    assert (scores.accuracy.low, scores.accuracy.high) == (0.0, 1.0)


def test_an_answer_outside_the_tables_labels_is_wrong() -> None:
    scores = score_head("voice", [item("anger"), item("sadness")], [given("boredom"), given("sadness")], rounds=50)
    assert scores.labels == ("anger", "sadness")
    assert scores.uar.estimate == 0.5


def test_nothing_to_read_is_an_error() -> None:
    with pytest.raises(InvalidScores, match="nothing to read in any of 1"):
        score_head("voice", [item("anger")], [None])
