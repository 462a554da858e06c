"""The words head: a sentence -> 27 emotions and neutral as its readers would mark them, and the words that carried it.

    probability = ceiling * sigmoid(logit)      logit = bias + sum_f value[f] / sqrt(sum_f size[f]**2)

over the known features f of the sentence: its words, runs of two and three words, and pieces of words
(`words_features.py`). Every term belongs to tokens, so what a word adds is read off and not estimated.
`docs/cards/text.md` says on what it was trained, how it scores, and where it fails.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int8, Int64, UInt32

from emotrace.errors import UnknownChoice, UnreadableCheckpoint
from emotrace.heads.words_features import Token, features, hash_of, tokenise
from emotrace.labels.schemes import scheme
from emotrace.models import resolve

EMOTIONS: Final[tuple[str, ...]] = scheme("goemotions").labels
"""GoEmotions' 28 names in the owners' order, neutral last."""
MOST_CHARACTERS: Final = 4_096
"""Of one sentence; what stands behind is not read."""


@dataclass(frozen=True, kw_only=True)
class WordsReading:
    """What the head says of each sentence."""

    probabilities: Float32[np.ndarray, "sentence 28"]
    """Calibrated; each emotion for itself, so a row need not sum to one."""
    decided: Bool[np.ndarray, "sentence 28"]
    """Whether the emotion is above its fitted threshold; never where nothing in the sentence is known."""
    known: Float32[np.ndarray, " sentence"]
    """Share of the words that the head has seen in training, 0..1; low for other languages. Of all tokens where there
    are no words, 0 where there are no tokens."""


@dataclass(frozen=True, kw_only=True)
class Contribution:
    """What one token adds to the log odds of one emotion."""

    start: int
    end: int
    """Characters of the sentence, end exclusive."""
    log_odds: float


class WordsHead:
    """The shipped head, or another of the same form.

    Args:
        model: An `.npz` file as `recipes/text_head.py` writes it; the shipped one without.

    Raises:
        ModelNotFound: The shipped file is not there.
        ChecksumMismatch: It is not the one that was shipped.
        UnreadableCheckpoint: The given file is no such model.
    """

    def __init__(self, model: Path | None = None) -> None:
        self._weights = _Weights.load(resolve("text") if model is None else model)

    @property
    def thresholds(self) -> Float64[np.ndarray, " 28"]:
        """The probability from which each label of `EMOTIONS` is decided."""
        return self._weights.thresholds

    @property
    def ceilings(self) -> Float64[np.ndarray, " 28"]:
        """The largest probability of each label of `EMOTIONS`: readers differ even on the plainest sentence."""
        return self._weights.ceilings

    def read(self, sentences: Sequence[str]) -> WordsReading:
        """Probabilities of the 28 labels for each sentence. Any text is read; what is unknown is not decided on."""
        terms = [_terms(sentence, self._weights) for sentence in sentences]
        logits = np.array([row.by_token.sum(axis=0) + self._weights.bias for row in terms]).reshape(-1, len(EMOTIONS))
        probabilities = self._weights.ceilings / (1.0 + np.exp(-np.clip(logits, -30.0, 30.0)))
        anything = np.array([row.any_known for row in terms], bool).reshape(-1, 1)
        return WordsReading(
            probabilities=probabilities.astype(np.float32),
            decided=(probabilities >= self._weights.thresholds) & anything,
            known=np.array([row.known for row in terms], np.float32),
        )

    def contributions(self, sentence: str, emotion: str) -> tuple[Contribution, ...]:
        """What each token of the sentence adds to the log odds of one emotion, the largest first.

        With the emotion's `bias` they sum to its logit, and nothing is left over; `read` gives `ceilings` times the
        sigmoid of that logit.

        Raises:
            UnknownChoice: No label of `EMOTIONS` has that name.
        """
        column = _column(emotion)
        terms = _terms(sentence, self._weights)
        added = [
            Contribution(start=token.start, end=token.end, log_odds=float(value))
            for token, value in zip(terms.tokens, terms.by_token[:, column], strict=True)
        ]
        return tuple(sorted(added, key=lambda part: (-part.log_odds, part.start)))

    def bias(self, emotion: str) -> float:
        """The log odds of one emotion before any word is read.

        Raises:
            UnknownChoice: No label of `EMOTIONS` has that name.
        """
        return float(self._weights.bias[_column(emotion)])


@dataclass(frozen=True, kw_only=True)
class _Weights:
    """The model file: hashes in rising order, 8-bit rows with a scale each, calibrated."""

    feature_hashes: UInt32[np.ndarray, " feature"]
    feature_rows: Int8[np.ndarray, "feature 28"]
    feature_scales: Float32[np.ndarray, " feature"]
    """A row times its scale is the value of the feature for each label."""
    feature_sizes: Float32[np.ndarray, " feature"]
    """How rare the feature is in training."""
    word_hashes: UInt32[np.ndarray, " word"]
    bias: Float64[np.ndarray, " 28"]
    ceilings: Float64[np.ndarray, " 28"]
    thresholds: Float64[np.ndarray, " 28"]

    @classmethod
    def load(cls, path: Path) -> _Weights:
        """Reads the file, in which scales and sizes are kept at 16 bits."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                arrays = {name: stored[name] for name in cls.__dataclass_fields__}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UnreadableCheckpoint(f"no model of the words head ({error})", where=path) from None
        for name in ("feature_scales", "feature_sizes"):
            arrays[name] = arrays[name].astype(np.float32)
        return cls(**arrays)


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """A sentence taken apart."""

    tokens: tuple[Token, ...]
    by_token: Float64[np.ndarray, "token 28"]
    """Calibrated log odds that each token adds."""
    known: float
    any_known: bool


def _terms(sentence: str, weights: _Weights) -> _Terms:
    tokens = tokenise(sentence[:MOST_CHARACTERS])
    if not tokens:
        return _Terms(tokens=(), by_token=np.zeros((0, len(EMOTIONS))), known=0.0, any_known=False)
    seen = _places(weights.word_hashes, [hash_of(f"w {token.key}") for token in tokens]) >= 0
    counted = [known for known, token in zip(seen, tokens, strict=True) if token.is_word] or list(seen)
    by_token, known_features = _by_token(tokens, weights)
    return _Terms(tokens=tokens, by_token=by_token, known=sum(counted) / len(counted), any_known=known_features > 0)


def _by_token(tokens: Sequence[Token], weights: _Weights) -> tuple[Float64[np.ndarray, "token 28"], int]:
    """What the features add, each shared equally among the tokens it belongs to; and how many features are known."""
    owners: dict[int, tuple[int, ...]] = {}
    for name, belongs_to in features(tokens):
        owners[name] = owners.get(name, ()) + belongs_to
    places = _places(weights.feature_hashes, list(owners))
    known = [(place, owner) for place, owner in zip(places, owners.values(), strict=True) if place >= 0]
    added = np.zeros((len(tokens), len(EMOTIONS)))
    if known:
        rows = np.array([place for place, _ in known])
        shares = np.array([len(owner) for _, owner in known])
        length = np.sqrt(np.square(weights.feature_sizes[rows], dtype=np.float64).sum())
        values = weights.feature_rows[rows] * (weights.feature_scales[rows] / (length * shares))[:, None]
        np.add.at(added, np.concatenate([owner for _, owner in known]), np.repeat(values, shares, axis=0))
    return added, len(known)


def _places(table: UInt32[np.ndarray, " row"], names: Sequence[int]) -> Int64[np.ndarray, " name"]:
    """Where each hash stands in the table, -1 where it does not."""
    wanted = np.array(names, np.uint32)
    places = np.minimum(np.searchsorted(table, wanted), len(table) - 1)
    return np.where(table[places] == wanted, places, -1)


def _column(emotion: str) -> int:
    if emotion not in EMOTIONS:
        raise UnknownChoice(
            f"{emotion!r} is no label of the words head", where="emotion", hint=f"Choose one of: {', '.join(EMOTIONS)}"
        )
    return EMOTIONS.index(emotion)
