"""The text-only probe: it finds labels in words and in lengths, and finds none where there are none."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from emotrace.errors import MissingExtra, UsageError
from emotrace.grace.language.text_probe import text_probe

LABELS = [("happy", "sad", "angry")[n % 3] for n in range(90)]
TELLING = {"happy": "lip corners up", "sad": "lip corners down", "angry": "brows down"}


def test_words_that_tell_the_label_are_found() -> None:
    texts = [f"{TELLING[label]} on day {n % 7}" for n, label in enumerate(LABELS)]
    scores = text_probe(texts[:60], LABELS[:60], texts[60:], LABELS[60:])
    assert (scores.uar, scores.war, scores.train_clips, scores.test_clips) == (1.0, 1.0, 60, 30)
    assert scores.chance_uar == pytest.approx(1 / 3)
    assert scores.decides(1.005)
    assert not scores.decides(1.02)


def test_a_pair_of_words_can_tell_where_single_words_do_not() -> None:
    texts = ["up then down" if n % 2 else "down then up" for n in range(80)]
    labels = ["rise" if n % 2 else "fall" for n in range(80)]
    assert text_probe(texts[:60], labels[:60], texts[60:], labels[60:]).uar == 1.0


def test_words_that_tell_nothing_score_by_chance() -> None:
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(["brows", "lips", "jaw", "nose"], 5)) for _ in range(1200)]
    labels = [str(label) for label in random.choice(["a", "b", "c"], 1200)]
    assert text_probe(texts[:600], labels[:600], texts[600:], labels[600:]).uar == pytest.approx(1 / 3, abs=0.07)


def test_length_alone_can_tell() -> None:
    texts = ["" if label == "sad" else "the lips part" for label in LABELS]
    scores = text_probe(texts[:60], LABELS[:60], texts[60:], LABELS[60:])
    assert scores.length_uar >= 2 / 3
    assert scores.length_war >= 2 / 3


def test_rare_classes_count_alike() -> None:
    labels = ["common"] * 95 + ["rare"] * 5
    texts = ["lips apart"] * 95 + ["nose wrinkled"] * 5
    assert text_probe(texts, labels, ["nose wrinkled", "lips apart"], ["rare", "common"]).uar == 1.0


def test_without_any_word_it_guesses() -> None:
    scores = text_probe(["", "!"] * 10, ["a", "b"] * 10, ["", "?"], ["a", "b"])
    assert scores.uar == 0.5


def test_the_same_texts_give_the_same_numbers() -> None:
    texts = [f"{TELLING[label]} {n % 5}" for n, label in enumerate(LABELS)]
    assert text_probe(texts, LABELS, texts, LABELS) == text_probe(texts, LABELS, texts, LABELS)


@pytest.mark.parametrize(
    ("train", "labels", "test", "truth"),
    [
        (["a"], ["x", "y"], ["a"], ["x"]),
        (["a", "b"], ["x", "y"], ["a"], []),
        (["a", "b"], ["x", "x"], ["a"], ["x"]),
        (["a", "b"], ["x", "y"], [], []),
    ],
)
def test_what_cannot_be_probed_is_refused(
    train: list[str], labels: list[str], test: list[str], truth: list[str]
) -> None:
    with pytest.raises(UsageError):
        text_probe(train, labels, test, truth)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtra, match="train"):
        text_probe(["a", "b"], ["x", "y"], ["a"], ["x"])
