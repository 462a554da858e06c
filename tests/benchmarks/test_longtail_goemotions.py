"""The parts of the long-tail comparison, on sentences made here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("sklearn", reason="needs the extra [train]")

WORDS = [
    "glad",
    "sad",
    "cross",
    "keen",
    "calm",
    "shy",
    "brave",
    "tired",
    "proud",
    "sore",
    "warm",
    "cold",
    "odd",
    "plain",
    "bright",
    "grim",
    "kind",
    "stern",
    "wild",
    "mild",
]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Comments whose words hint at the label; class n has fewer comments than class n - 1."""
    folder, generator, rows = tmp_path_factory.mktemp("goemotions"), np.random.default_rng(0), []
    for label in range(27):
        for _ in range(max(6, 40 - 2 * label)):
            hint = WORDS[label % len(WORDS)] + WORDS[label // len(WORDS)]
            words = [hint, *generator.choice(WORDS, 3)]
            rows.append(f"{' '.join(generator.permutation(words))}\t{label}\tc{len(rows)}\n")
    (folder / "train.tsv").write_text("".join(rows) + "two labels\t0,1\tx1\nneutral\t27\tx2\n")
    (folder / "dev.tsv").write_text("one more glad comment\t0\tx3\n")
    return folder


@pytest.fixture(scope="module")
def texts(benchmarks_on_the_path: None, corpus: Path) -> Any:
    from longtail_features import read_texts

    return read_texts(corpus)


@pytest.fixture(scope="module")
def split(texts: Any) -> Any:
    from longtail_features import split_of

    return split_of(texts, 0, components=24)


def test_the_thirds_are_ordered_by_frequency(texts: Any) -> None:
    thirds = texts.thirds
    assert [len(labels) for labels in thirds.values()] == [9, 9, 9]
    assert texts.counts[thirds["head"]].min() >= texts.counts[thirds["middle"]].max()
    assert texts.counts[thirds["middle"]].min() >= texts.counts[thirds["tail"]].max()
    assert texts.counts.sum() == len(texts.texts)


def test_the_split_is_stratified_and_scaled_by_its_training_part(texts: Any, split: Any) -> None:
    assert len(split.train_labels) + len(split.test_labels) == len(texts.texts)
    held = np.bincount(split.test_labels, minlength=27)
    assert np.abs(held - 0.2 * texts.counts).max() <= 1
    assert split.train_features.mean(axis=0) == pytest.approx(0.0, abs=1e-4)
    assert split.train_features.std(axis=0) == pytest.approx(1.0, abs=1e-3)


def test_vectors_of_an_encoder_take_the_place_of_counted_words(texts: Any, split: Any) -> None:
    from longtail_features import split_of

    numbered = np.arange(len(texts.texts), dtype=np.float32)[:, None]
    other = split_of(texts, 0, components=24, vectors=numbered)
    assert np.array_equal(other.train_labels, split.train_labels)
    order = np.argsort(np.concatenate([other.train_features[:, 0], other.test_features[:, 0]]))
    assert np.array_equal(np.concatenate([other.train_labels, other.test_labels])[order], texts.labels)


def test_thinning_takes_training_comments_of_the_named_classes_alone(texts: Any, split: Any) -> None:
    tail = texts.thirds["tail"]
    thin = split.thinned(tail, 4, seed=0)
    before, after = (np.bincount(each.train_labels, minlength=27) for each in (split, thin))
    others = np.setdiff1d(np.arange(27), tail)
    assert np.array_equal(before[others], after[others])
    assert np.array_equal(after[tail], np.maximum(1, np.round(before[tail] / 4)))
    assert np.array_equal(thin.test_labels, split.test_labels)


def test_every_arm_learns_and_a_seed_repeats(one_thread: None, split: Any) -> None:
    from longtail_training import ARMS, answers

    chance = np.bincount(split.test_labels).max() / len(split.test_labels)
    for arm in ARMS:
        answered = answers(arm, split, seed=0, epochs=12)
        assert (answered == split.test_labels).mean() > 2 * chance, arm.name
    assert np.array_equal(answered, answers(ARMS[-1], split, seed=0, epochs=12))


def test_every_arm_is_compared_with_one_of_as_many_views(texts: Any) -> None:
    from longtail_training import ARMS

    by_name = {arm.name: arm for arm in ARMS}
    assert len(by_name) == len(ARMS)
    for arm in ARMS:
        reference = by_name[arm.against]
        assert reference.views == arm.views
        assert (reference.contrast, reference.loss, reference.kappa) == (None, "cross-entropy", 0.0)


def test_two_views_are_two_dropout_masks_of_the_same_comments(one_thread: None, split: Any) -> None:
    from longtail_training import ARMS, TextNetwork, batch_loss

    torch.manual_seed(0)
    model = TextNetwork(24, cosines=False).eval()  # without dropout the two views are equal
    features, labels = torch.from_numpy(split.train_features[:8]), torch.from_numpy(split.train_labels[:8])
    one, two = (next(arm for arm in ARMS if arm.name == f"CE, {views}") for views in ("one view", "two views"))
    counts, shares = torch.ones(27, dtype=torch.int64), torch.zeros(27)
    losses = [batch_loss(arm, model, features, labels, counts, shares).item() for arm in (one, two)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_scores_and_paired_differences_by_hand(texts: Any) -> None:
    from longtail_report import scores_of, with_differences

    truth = np.arange(27)
    wrong_in_tail = np.where(np.isin(truth, texts.thirds["tail"]), texts.thirds["head"][0], truth)
    found = scores_of(truth, wrong_in_tail, texts.thirds)
    assert found["tail_recall"] == 0.0
    assert found["middle_f1"] == 100.0
    assert found["uar"] == pytest.approx(100 * 18 / 27)
    # the head class that got nine wrong answers: F1 = 2 / (1 + 10)
    assert found["head_f1"] == pytest.approx(100 * (8 + 2 / 11) / 9)
    rows = {
        "a": {"against": "a", "seeds": [{"uar": 1.0}, {"uar": 2.0}, {"uar": 3.0}]},
        "b": {"against": "a", "seeds": [{"uar": 2.0}, {"uar": 4.0}, {"uar": 6.0}]},
    }
    gap = with_differences(rows)["b"]["difference"]["uar"]
    # differences 1, 2, 3: mean 2, deviation 1, t(2) = 4.3027
    assert (gap["mean"], gap["seeds_above"]) == (2.0, 3)
    assert gap["high"] - 2.0 == pytest.approx(4.302653 / np.sqrt(3), rel=1e-5)
