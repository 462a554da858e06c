"""What guessing would get: scores of answers that are the same for every clip, on this very truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from emotrace.metrics.label_masks import parse_labels
from emotrace.metrics.open_vocabulary import SetScorer

BASIC_EMOTIONS = ("happy", "sad", "angry", "worried", "surprised", "afraid", "disgusted", "neutral")
"""What "naming every basic emotion" answers."""


@dataclass(frozen=True, kw_only=True)
class ConstantAnswer:
    """What the same answer for every clip would get: a score below it is no better than guessing."""

    name: str
    labels: tuple[str, ...]
    average: float
    precision: float
    recall: float


def constant_answers(scorer: SetScorer, truth: Sequence[Any], *, largest: int = 5) -> tuple[ConstantAnswer, ...]:
    """Scores of constant answers on this truth, with 0 for 0/0.

    The most frequent truth label; every basic emotion at once; and the best sets of 1 to `largest` truth labels, found
    greedily on this very truth (an oracle: an upper bound for guessing, not a system), as long as a label more helps.
    """
    uses = Counter(label for answer in truth for label in set(parse_labels(answer)))
    if not uses:
        return ()

    def constant(name: str, labels: tuple[str, ...]) -> ConstantAnswer:
        score = scorer.score(truth, [list(labels)] * len(truth))
        return ConstantAnswer(
            name=name,
            labels=labels,
            average=score.average_with_zero,
            precision=score.precision,
            recall=score.recall,
        )

    most_frequent = min(uses, key=lambda label: (-uses[label], label))
    greedy = _greedy_labels(scorer, truth, sorted(uses), largest)
    return (
        constant("most frequent truth label", (most_frequent,)),
        constant("every basic emotion", BASIC_EMOTIONS),
        *(constant(f"oracle constant of {k}", greedy[:k]) for k in range(1, len(greedy) + 1)),
    )


def _greedy_labels(scorer: SetScorer, truth: Sequence[Any], labels: list[str], largest: int) -> tuple[str, ...]:
    """Labels added one by one, each the one that lifts the average most; ties go to the alphabet."""
    masks = scorer.masks
    sets = masks.masks(masks.encode(truth))
    candidates, first = np.unique(masks.masks(masks.encode([[label] for label in labels])), axis=0, return_index=True)
    order = np.argsort(first)
    candidates, names = candidates[order], [labels[i] for i in first[order]]
    # Per target few distinct truth sets exist, so a candidate is scored on those and their counts.
    distinct = []
    for field in masks.fields:
        part = sets[:, field.start : field.stop] & np.uint64(field.mask)
        part, weights = np.unique(part[part.any(axis=1)], axis=0, return_counts=True)
        distinct.append((field, part, np.bitwise_count(part).sum(axis=1, dtype=np.int64), weights))
    groups = [[masks.targets.index(target) for target in group] for group in scorer.protocol.groups]

    def averages(answers: Any) -> Any:
        f = np.zeros((len(answers), len(distinct)))
        for column, (field, part, in_truth, weights) in enumerate(distinct):
            for row, answer in enumerate(answers[:, field.start : field.stop] & np.uint64(field.mask)):
                hits = np.bitwise_count(part & answer).sum(axis=1, dtype=np.int64) * weights
                precision = hits.sum() / max(int(np.bitwise_count(answer).sum()), 1)
                recall = (hits / in_truth).sum()
                f[row, column] = 2.0 * precision * recall / max(precision + recall, 1e-300) / max(weights.sum(), 1)
        return np.mean([f[:, group].mean(axis=1) for group in groups], axis=0)

    answer = np.zeros(candidates.shape[1], np.uint64)
    chosen: list[str] = []
    highest = -1.0
    for _ in range(min(largest, len(names))):
        scores = averages(candidates | answer)
        best = int(np.argmax(scores))
        if scores[best] <= highest:
            break
        highest = float(scores[best])
        chosen.append(names[best])
        answer = answer | candidates[best]
    return tuple(chosen)
