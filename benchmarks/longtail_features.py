"""GoEmotions comments with one emotion as rows of numbers, and the stratified splits that all arms share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32, Int64
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline, make_union

from emotrace.datasets.goemotions import EMOTIONS, read_goemotions, with_one_emotion

TEST_SHARE = 0.2


@dataclass(frozen=True, kw_only=True, eq=False)
class Texts:
    """The comments that take part."""

    texts: tuple[str, ...]
    labels: Int64[np.ndarray, " text"]
    """Places in `EMOTIONS`."""

    @property
    def counts(self) -> Int64[np.ndarray, " class"]:
        """Comments of each class."""
        return np.bincount(self.labels, minlength=len(EMOTIONS))

    @property
    def thirds(self) -> dict[str, Int64[np.ndarray, " class"]]:
        """The nine most frequent classes, the nine in the middle, the nine rarest; by counts before any thinning."""
        order = np.argsort(-self.counts, kind="stable")
        return dict(zip(("head", "middle", "tail"), np.array_split(order, 3), strict=True))


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """One seed's training and test part."""

    train_features: Float32[np.ndarray, "text component"]
    train_labels: Int64[np.ndarray, " text"]
    test_features: Float32[np.ndarray, "text component"]
    test_labels: Int64[np.ndarray, " text"]

    def thinned(self, classes: Int64[np.ndarray, " class"], factor: float, seed: int) -> Split:
        """The same split with only one in `factor` of these classes' training comments, at least one of each.

        Features stay as they are: they were made from the comments' words, without any label.
        """
        generator = np.random.default_rng((seed, 4))
        kept = ~np.isin(self.train_labels, classes)
        for label in classes:
            members = np.flatnonzero(self.train_labels == label)
            kept[generator.permutation(members)[: max(1, round(len(members) / factor))]] = True
        return Split(
            train_features=self.train_features[kept],
            train_labels=self.train_labels[kept],
            test_features=self.test_features,
            test_labels=self.test_labels,
        )


def read_texts(folder: Path, limit: int | None = None) -> Texts:
    """Comments of train.tsv and dev.tsv with exactly one of the 27 emotions; `test.tsv` is never opened."""
    chosen = with_one_emotion(read_goemotions(folder))[:limit]
    labels = [EMOTIONS.index(comment.labels[0]) for comment in chosen]
    return Texts(texts=tuple(comment.text for comment in chosen), labels=np.array(labels, np.int64))


def split_of(
    texts: Texts, seed: int, *, components: int, vectors: Float32[np.ndarray, "text column"] | None = None
) -> Split:
    """A stratified 80/20 split, standardised by its training part.

    Args:
        texts: The comments.
        seed: Draws the split.
        components: Columns of `tf_idf`.
        vectors: Of a frozen text encoder; None makes `tf_idf` from the training part.
    """
    both = train_test_split(np.arange(len(texts.texts)), test_size=TEST_SHARE, random_state=seed, stratify=texts.labels)
    train, test = (np.sort(rows) for rows in both)
    if vectors is not None:
        features = vectors[train], vectors[test]
    else:
        features = tf_idf([texts.texts[row] for row in train], [texts.texts[row] for row in test], components, seed)
    mean, deviation = features[0].mean(axis=0), features[0].std(axis=0).clip(min=1e-8)
    return Split(
        train_features=((features[0] - mean) / deviation).astype(np.float32),
        train_labels=texts.labels[train],
        test_features=((features[1] - mean) / deviation).astype(np.float32),
        test_labels=texts.labels[test],
    )


def tf_idf(
    train: Sequence[str], test: Sequence[str], components: int, seed: int
) -> tuple[Float32[np.ndarray, "train component"], Float32[np.ndarray, "test component"]]:
    """TF-IDF of word 1-2-grams and character 2-5-grams, reduced by truncated SVD; all of it fitted on `train`."""
    words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True, dtype=np.float32)
    letters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True, dtype=np.float32)
    made = make_pipeline(make_union(words, letters), TruncatedSVD(components, n_iter=4, random_state=seed))
    return made.fit_transform(train), made.transform(test)
