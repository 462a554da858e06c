"""A head's answers against labels: UAR, macro-F1, ECE and what abstaining gains, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from emotrace.errors import InvalidScores
from emotrace.evaluation.answers import SCHEMES, Answer, Head
from emotrace.evaluation.labelled import Labelled
from emotrace.labels.schemes import scheme
from emotrace.metrics.calibration import risk_coverage, summed_calibration_error
from emotrace.metrics.quotient import quotient
from emotrace.metrics.resampling import Interval, SummedScore, bootstrap

COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)


@dataclass(frozen=True, kw_only=True)
class HeadScores:
    """How one head did on one table."""

    head: Head
    items: int
    answered: int
    """Items with something to read: a face, speech, known words."""
    groups: int | None
    """People, or speakers, resampled whole; None where the table does not tell them apart."""
    labels: tuple[str, ...]
    """The head's labels that occur in the table; the head may answer others."""
    uar: Interval
    """Mean over these labels of the share of their items that the head commits to; no answer counts as wrong."""
    macro_f1: Interval
    accuracy: Interval
    """Share of items whose likeliest label is among the true ones."""
    ece: Interval
    """Expected calibration error of the likeliest label, answered items alone, 15 bins of equal width. It is biased
    upwards where items are few."""
    accuracy_at: dict[str, float]
    """Share of all answered items kept, the surest first -> accuracy among them."""
    chance_uar: float
    """Of answering one label always: 1 / labels."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def score_head(
    head: Head,
    items: Sequence[Labelled],
    answers: Sequence[Answer | None],
    *,
    rounds: int | None = None,
    seed: int = 0,
) -> HeadScores:
    """Scores the answers to labelled items.

    Args:
        head: Whose answers.
        items: The rows of the table.
        answers: One for each.
        rounds: Bootstrap resamples, of whole groups where the items have them.
        seed: Of the resampling.

    Raises:
        InvalidScores: No item at all, or none that the head could read.
    """
    told = [(item, given) for item, given in zip(items, answers, strict=True) if given is not None]
    if not told:
        raise InvalidScores(f"the {head} head found nothing to read in any of {len(items)} items")
    names = scheme(SCHEMES[head]).labels
    truth = np.array([[name in item.labels for name in names] for item in items], dtype=np.float64)
    none = np.zeros(len(names), bool)
    decided = np.array([none if given is None else given.decided for given in answers], dtype=np.float64)
    hit = np.array([0.0 if given is None else row[given.best] for row, given in zip(truth, answers, strict=True)])
    confidence = np.array([given.confidence for _, given in told])
    right = np.array([names[given.best] in item.labels for item, given in told])
    groups = [item.group for item in items]
    clusters = groups if all(group is not None for group in groups) else None
    told_clusters = None if clusters is None else [item.group for item, _ in told]
    occurring = truth.sum(axis=0) > 0

    def interval(score: SummedScore, of: Sequence[object] | None = clusters) -> Interval:
        return bootstrap(score, rounds=rounds, seed=seed, clusters=of)

    curve = 1.0 - risk_coverage(confidence, right).risk
    return HeadScores(
        head=head,
        items=len(items),
        answered=len(told),
        groups=None if clusters is None else len(set(clusters)),
        labels=tuple(name for name, there in zip(names, occurring, strict=True) if there),
        uar=interval(_per_label(truth[:, occurring], decided[:, occurring], _recall)),
        macro_f1=interval(_per_label(truth[:, occurring], decided[:, occurring], _f1)),
        accuracy=interval(_mean(hit)),
        ece=interval(summed_calibration_error(confidence, right), told_clusters),
        accuracy_at={f"{share:.0%}": float(curve[max(round(share * len(told)), 1) - 1]) for share in COVERAGES},
        chance_uar=1.0 / int(occurring.sum()),
    )


def _per_label(truth: Any, decided: Any, finish: Any) -> SummedScore:
    """Totals of true positives, positives and answers per label, and a score of these."""
    labels = truth.shape[1]

    def score(totals: Any) -> Any:
        return np.nanmean(finish(*(totals[..., at * labels : (at + 1) * labels] for at in range(3))), axis=-1)

    return SummedScore(rows=np.concatenate([truth * decided, truth, decided], axis=1), finish=score)


def _recall(both: Any, true: Any, _: Any) -> Any:
    return quotient(both, true)


def _f1(both: Any, true: Any, given: Any) -> Any:
    return quotient(2.0 * both, true + given)


def _mean(values: Any) -> SummedScore:
    rows = np.stack([values, np.ones(len(values))], axis=1)
    return SummedScore(rows=rows, finish=lambda totals: quotient(totals[..., 0], totals[..., 1]))
