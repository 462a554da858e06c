"""Regularised logistic regressions on the words head's features: one for each label, by liblinear on one thread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from text_head_data import UNIONS, Texts

from emotrace.heads.words import EMOTIONS
from emotrace.heads.words_features import features, hash_of, pieces_of, tokenise

PENALTY = 1 / 6
TOLERANCE = 1e-2
MORE_WEIGHT = 0.1
"""Of a text of another label scheme beside 1 for a GoEmotions comment."""
PIECE_SIZE = 0.3
"""Of a piece of a word, beside 1 for words and runs of words: a word has many pieces."""


def feature_hashes(texts: Sequence[str]) -> list[np.ndarray]:
    """The distinct features of each text, sorted."""
    return [np.unique(np.fromiter((name for name, _ in features(tokenise(text))), np.uint32)) for text in texts]


def piece_hashes(texts: Sequence[str]) -> np.ndarray:
    """The pieces of all words of the texts, sorted."""
    keys = {token.key for text in texts for token in tokenise(text) if token.is_word}
    return np.unique(np.fromiter((piece for key in keys for piece in pieces_of(key)), np.uint32))


def word_hashes(texts: Sequence[str]) -> list[np.ndarray]:
    """The distinct tokens of each text, sorted."""
    return [np.unique(np.array([hash_of(f"w {token.key}") for token in tokenise(text)], np.uint32)) for text in texts]


def common(rows: Sequence[np.ndarray], at_least: int) -> tuple[np.ndarray, np.ndarray]:
    """The sorted hashes that stand in at least so many rows, and in how many."""
    names, counts = np.unique(np.concatenate(rows), return_counts=True)
    kept = counts >= at_least
    return names[kept], counts[kept]


@dataclass(frozen=True, kw_only=True)
class Table:
    """The features that get a weight."""

    hashes: np.ndarray
    sizes: np.ndarray
    """log(texts / texts with the feature), less for pieces; at the 16 bits of the model file."""

    @classmethod
    def of(cls, rows: Sequence[np.ndarray], pieces: np.ndarray, at_least: int) -> Table:
        """The features of enough of the texts."""
        hashes, counts = common(rows, at_least)
        sizes = np.log(len(rows) / counts) * np.where(np.isin(hashes, pieces), PIECE_SIZE, 1.0)
        return cls(hashes=hashes, sizes=sizes.astype(np.float16).astype(np.float64))

    def matrix(self, rows: Sequence[np.ndarray]) -> sparse.csr_matrix:
        """Texts as rows of length one, text x feature."""
        flat = np.concatenate(rows)
        place = np.minimum(np.searchsorted(self.hashes, flat), len(self.hashes) - 1)
        known = self.hashes[place] == flat
        text = np.repeat(np.arange(len(rows)), [len(row) for row in rows])[known]
        size = self.sizes[place[known]]
        length = np.sqrt(np.bincount(text, weights=size**2, minlength=len(rows)))
        shape = (len(rows), len(self.hashes))
        return sparse.csr_matrix((size / length[text], (text, place[known])), shape=shape)


@dataclass(frozen=True, kw_only=True)
class Witness:
    """Texts of another label scheme, and what they say about the 28 labels."""

    matrix: sparse.csr_matrix
    present: np.ndarray
    """bool, text x 28."""
    usable: np.ndarray
    """bool, text x 28: whether the text says anything about the label."""

    @classmethod
    def of(cls, texts: Texts, matrix: sparse.csr_matrix, logits: np.ndarray) -> Witness:
        """A marked label is present as the one of its union that `logits` find most probable; the others are unknown.

        Labels in no marked union are absent where the scheme covers them, and unknown where it does not.
        """
        unions = np.array([[name in UNIONS[label] for name in EMOTIONS] for label in texts.labels])
        within = np.where((texts.truth[:, :, None] > 0) & unions, logits[:, None, :], -np.inf)
        present = ((within == within.max(axis=2, keepdims=True)) & np.isfinite(within)).any(axis=1)
        possible = (texts.truth @ unions.astype(np.float32)) > 0
        return cls(matrix=matrix, present=present, usable=present | (unions.any(axis=0) & ~possible))


@dataclass(frozen=True, kw_only=True)
class Linear:
    """One weight per feature and label."""

    weights: np.ndarray
    """feature x label."""
    bias: np.ndarray

    @classmethod
    def fit(cls, matrix: sparse.csr_matrix, truth: np.ndarray, more: Sequence[Witness] = ()) -> Linear:
        """Each label against the rest, also from other sets as far as they speak of it."""
        stacked = sparse.vstack([matrix, *(each.matrix for each in more)]).tocsr()
        present = np.concatenate([truth > 0, *(each.present for each in more)])
        usable = np.concatenate([np.ones(truth.shape, bool), *(each.usable for each in more)])
        weight = np.where(np.arange(len(present)) < len(truth), 1.0, MORE_WEIGHT)
        fitted = []
        for k in range(truth.shape[1]):
            kept = np.flatnonzero(usable[:, k])
            model = LogisticRegression(C=1 / PENALTY, solver="liblinear", tol=TOLERANCE, random_state=0)
            fitted.append(model.fit(stacked[kept], present[kept, k], weight[kept]))
        return cls(
            weights=np.stack([model.coef_[0] for model in fitted], axis=1),
            bias=np.array([model.intercept_[0] for model in fitted]),
        )

    def logits(self, matrix: sparse.csr_matrix) -> np.ndarray:
        """Text x label."""
        return np.asarray(matrix @ self.weights + self.bias)
