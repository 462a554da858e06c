"""acc: the answer against gold, on every wheel, times a price for answers that are too long.

    acc = λ · mean over wheels and levels of F1(clusters of the answer, clusters of gold)
    λ   = 1 if n <= g else ln(g + 1) / ln(n + 1)      n, g: different words of the answer and of gold

λ is the length penalty of AffectGPT-R1 (arXiv 2508.01318), shifted by one so that it stays finite [field]. Two
additions of ours [ours] keep words that no wheel holds from being free: `neutral` has a cluster of its own in tables
that have none, and any other unknown word of the answer that gold does not use is an extra cluster, which costs
precision.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, NamedTuple

from emotrace.labels.label_table import INNER, MIDDLE, LabelTable
from emotrace.labels.official_tables import LEVEL_1, LEVEL_2
from emotrace.metrics.clip_scorer import ClipScorer
from emotrace.metrics.label_masks import parse_labels

WORDS = 2**16
"""How many different words are remembered."""


class Words(NamedTuple):
    """A set of words on the wheels."""

    clusters: int
    """One bit per cluster."""
    unknown: frozenset[str]
    """Canonical forms of the words that reach no cluster."""
    size: int
    """Number of different canonical forms."""


class Accuracy:
    """Scores answers on the wheels of one table.

    Args:
        table: Where words go; its targets of levels 1 and 2 are averaged, those on which gold has a cluster.
    """

    def __init__(self, table: LabelTable) -> None:
        self.table = table
        self.targets = tuple(t for t in (INNER, MIDDLE, *LEVEL_1, *LEVEL_2) if t in table.clusters)
        scorer = ClipScorer(table, self.targets)
        spare = max(field.bit_length() for field in scorer.fields)
        self._mask = scorer.mask
        self._neutral = ((1 << len(scorer.fields)) - 1) << spare
        self._fields = tuple(field | 1 << (spare + number) for number, field in enumerate(scorer.fields))
        self._word = lru_cache(maxsize=WORDS)(self._look_up)

    def gold(self, labels: Any) -> Words | None:
        """Gold labels, a list of words or a label string; None where no wheel holds any, so that nothing is scored.

        Raises:
            InvalidScores: Neither a string nor a list of strings.
        """
        words = self.words(tuple(parse_labels(labels)))
        return words if words.clusters else None

    def words(self, words: tuple[str, ...]) -> Words:
        """A set of words; forms of one word count once."""
        clusters, unknown, forms = 0, set(), set()
        for word in words:
            form, bits = self._word(word)
            clusters |= bits
            forms.add(form)
            if not bits:
                unknown.add(form)
        return Words(clusters, frozenset(unknown), len(forms))

    def _look_up(self, word: str) -> tuple[str, int]:
        canonical = next(iter(self.table.explain(word).words), self.table.key(word))
        bits = self._mask([word])
        return canonical, self._neutral if not bits and canonical == "neutral" else bits

    def __call__(self, answer: Words, gold: Words) -> float:
        """The term, 0..1; 0 for an empty answer."""
        both = answer.clusters & gold.clusters
        if not both:
            return 0.0
        extra = len(answer.unknown - gold.unknown)
        total, wheels = 0.0, 0
        for field in self._fields:
            in_gold = (gold.clusters & field).bit_count()
            if in_gold:
                wheels += 1
                total += 2 * (both & field).bit_count() / (in_gold + (answer.clusters & field).bit_count() + extra)
        return length_factor(answer.size, gold.size) * total / wheels


def length_factor(answered: int, gold: int) -> float:
    """λ: 1 for an answer of no more words than gold, then falling with every word.

    >>> length_factor(2, 2), round(length_factor(3, 1), 2)
    (1.0, 0.5)
    """
    return 1.0 if answered <= gold else math.log(gold + 1) / math.log(answered + 1)
