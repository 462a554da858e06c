"""How much of the label the texts alone give away: the number that stands beside a model that reads texts at test time.

TF-IDF of words and word pairs, and a multinomial logistic regression, on the model's own folds [ours]. It is printed
for the coarse text, the refined one, the refined one with emotion words kept, and for the text's length alone: a corpus
whose neutral clips have short texts leaks through their length.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float64

from emotrace.errors import MissingExtra, UsageError
from emotrace.metrics.confusion_matrix import confusion, uar, war

FLAGGED_GAIN = 0.01
"""A model that beats its own texts by less UAR than this has learnt to read them, not to look [ours]."""


@dataclass(frozen=True, kw_only=True)
class ProbeScores:
    """What a reader of the texts alone scores; each number is in [0, 1]."""

    uar: float
    war: float
    length_uar: float
    """From the number of characters and of words alone."""
    length_war: float
    chance_uar: float
    """1 / classes."""
    train_clips: int
    test_clips: int

    def decides(self, model_uar: float) -> bool:
        """Whether the texts decide: the video adds less than 0.01 of UAR to them."""
        return model_uar - self.uar < FLAGGED_GAIN


def text_probe(
    train_texts: Sequence[str],
    train_labels: Sequence[str],
    test_texts: Sequence[str],
    test_labels: Sequence[str],
    *,
    seed: int = 0,
) -> ProbeScores:
    """Trains on the train texts and scores on the test texts. Classes count alike, however rare they are in training.

    Raises:
        MissingExtra: scikit-learn is not installed.
        UsageError: Texts and labels do not match, training has fewer than two classes, or there is no test.
    """
    if len(train_texts) != len(train_labels) or len(test_texts) != len(test_labels):
        raise UsageError(
            f"each text needs one label: {len(train_texts)} and {len(train_labels)} in training, "
            f"{len(test_texts)} and {len(test_labels)} in the test"
        )
    if len(set(train_labels)) < 2 or not test_labels:
        raise UsageError("the text probe needs two classes in training and at least one test clip")
    if importlib.util.find_spec("sklearn") is None:
        raise MissingExtra("the text-only probe", extra="train")
    library: Any = importlib.import_module("sklearn.feature_extraction.text")
    words = library.TfidfVectorizer(ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True)
    labels = sorted({*train_labels, *test_labels})
    if any(words.build_analyzer()(text) for text in train_texts):
        read = _predicted(words, train_texts, train_labels, test_texts, seed)
    else:  # no word in any text of the training: nothing to read
        read = [max(labels, key=list(train_labels).count)] * len(test_labels)
    scaler = importlib.import_module("sklearn.preprocessing").StandardScaler()
    measured = _predicted(scaler, _lengths(train_texts), train_labels, _lengths(test_texts), seed)
    by_words, by_length = (confusion(test_labels, answers, labels=labels) for answers in (read, measured))
    return ProbeScores(
        uar=float(uar(by_words)),
        war=float(war(by_words)),
        length_uar=float(uar(by_length)),
        length_war=float(war(by_length)),
        chance_uar=1.0 / len(labels),
        train_clips=len(train_texts),
        test_clips=len(test_texts),
    )


def _predicted(features: Any, train: Any, labels: Sequence[str], test: Any, seed: int) -> list[str]:
    library: Any = importlib.import_module("sklearn.linear_model")
    model = library.LogisticRegression(class_weight="balanced", C=10.0, max_iter=2000, random_state=seed)
    model.fit(features.fit_transform(train), list(labels))
    return [str(label) for label in model.predict(features.transform(test))]


def _lengths(texts: Sequence[str]) -> Float64[np.ndarray, "text 2"]:
    return np.array([[len(text), len(text.split())] for text in texts], np.float64)
