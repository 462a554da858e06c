"""Sentiment from words, and which of two descriptions is preferred: two-class scores [field]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from emotrace.errors import InvalidScores
from emotrace.metrics.classification import ClosedSetResult, classify
from emotrace.metrics.label_masks import parse_labels
from emotrace.metrics.library_check import Engine
from emotrace.metrics.protocols import NEUTRAL_IS_NEGATIVE

if TYPE_CHECKING:
    from jaxtyping import Float64

Polarity = Literal["positive", "negative", "neutral"]
SIGN: dict[str, int] = {"positive": 1, "negative": -1, "neutral": 0}
CLASSES = ("negative", "positive")


@dataclass(frozen=True, kw_only=True)
class SentimentResult:
    """Two-class scores of the clips whose truth is not 0."""

    classes: ClosedSetResult
    """`classes.waf` is the main score; a neutral answer counts as negative."""
    clips: int
    left_out: int
    """Clips with truth 0."""
    other_answers: int
    """Scored answers that are none of the three words; they count as neutral, hence as negative."""
    note: str

    @property
    def waf(self) -> float:
        """The main score, in [0, 1]."""
        return self.classes.waf

    @property
    def accuracy(self) -> float:
        """Share of clips on the right side of 0."""
        return self.classes.accuracy


def sentiment(
    truth: Float64[np.ndarray, " clip"], answers: Sequence[str], *, engine: Engine = "auto"
) -> SentimentResult:
    """Scores answers positive, negative or neutral against valence: WAF of (truth > 0) against (answer > 0).

    Raises:
        InvalidScores: Different lengths, or a truth that is not a number.
    """
    if truth.shape != (len(answers),) or np.isnan(truth).any():
        raise InvalidScores(f"sentiment needs one truth per answer: got {truth.shape = } and {len(answers)} answers")
    words = [(answer or "").strip().lower() for answer in answers]
    kept = [row for row in range(len(words)) if truth[row] != 0]
    return SentimentResult(
        classes=classify(
            [CLASSES[int(truth[row] > 0)] for row in kept],
            [CLASSES[int(SIGN.get(words[row], 0) > 0)] for row in kept],
            labels=CLASSES,
            engine=engine,
        ),
        clips=len(kept),
        left_out=len(words) - len(kept),
        other_answers=sum(words[row] not in SIGN for row in kept),
        note=NEUTRAL_IS_NEGATIVE,
    )


def polarity(labels: object) -> Polarity:
    """The sign of the summed valences of the labels on emotrace's own wheel [ours]; a tie is neutral.

    >>> polarity("happy, proud, worried"), polarity(["sad"]), polarity("")
    ('positive', 'negative', 'neutral')
    """
    from emotrace.labels.vocabulary import vocabulary

    entries = [vocabulary().lookup(label) for label in parse_labels(labels)]
    total = sum(entry.valence for entry in entries if entry is not None)
    return "positive" if total > 0 else "negative" if total < 0 else "neutral"


def preference(truth: Sequence[str], answers: Sequence[str | None], *, engine: Engine = "auto") -> ClosedSetResult:
    """Which of two descriptions is the better one: two-class scores; WAF is the main one.

    Raises:
        InvalidScores: The truth names more than two descriptions.
        UnknownLabel: An answer names a description that the truth does not.
    """
    labels = sorted(set(truth))
    if len(labels) > 2:
        raise InvalidScores(f"preference is between two descriptions: the truth has {', '.join(labels[:5])}")
    return classify(truth, answers, labels=labels, engine=engine)
