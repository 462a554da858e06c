"""MER2024's open-vocabulary track from stored synonym groups, without asking a model again [field].

For each clip a language model once grouped truth and answer words by meaning; the groups are stored as text such as
`[['happy', 'joyful'], ['calm']]`. Each word becomes the first of its group. The score is the *arithmetic* mean of mean
precision (called accuracy there) and mean recall, over the clips that have groups; an empty answer scores (0, 0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from emotrace.errors import InvalidScores, NamesDoNotMatch, first_five
from emotrace.metrics.quotient import quotient
from emotrace.metrics.resampling import SummedScore

if TYPE_CHECKING:
    from jaxtyping import Float64

_QUOTES = re.compile(r"['\"]")
_BRACKETS = re.compile(r"[\[\]]")


@dataclass(frozen=True, kw_only=True)
class GroupedScore:
    """The score of MER2024's track and its two parts, in [0, 1]."""

    score: float
    precision: float
    """Called accuracy in the challenge."""
    recall: float
    clips: int
    names: tuple[str, ...]
    per_clip: Float64[np.ndarray, "clip 2"]
    """Precision and recall of each clip of `names`."""

    def summed(self, names: Sequence[str] | None = None) -> SummedScore:
        """The score as a function of totals over the clips of `names`, by default those with groups.

        A clip without groups is a row of zeros.
        """
        rows = dict(zip(self.names, self.per_clip, strict=True))
        scored = [(*rows[name], 1.0) if name in rows else (0.0, 0.0, 0.0) for name in names or self.names]

        def finish(totals: Any) -> Any:
            sums = np.asarray(totals, dtype=np.float64)
            return quotient(sums[..., :2].mean(axis=-1), sums[..., 2])

        return SummedScore(rows=np.array(scored), finish=finish)


def bracketed_labels(text: str | None) -> list[str]:
    """What lies between the first `[` and the next `]`, split on quotes only, lower case; commas alone are dropped.

    Raises:
        InvalidScores: A string that is not empty and has no brackets.
    """
    if not text:
        return []
    _, opened, rest = text.partition("[")
    if not opened:
        raise InvalidScores(f"a label list in brackets was expected, got {text!r}")
    return [word.lower() for word in _quoted(rest.partition("]")[0])]


def _quoted(text: str) -> list[str]:
    return [word for word in _QUOTES.split(text) if word.strip() not in ("", ",")]


def synonym_groups(text: str) -> dict[str, str]:
    """Word -> first word of its group; a word of two groups takes the last."""
    parts = [part for part in _BRACKETS.split(text) if part.strip() not in ("", ",")]
    groups = [words for part in parts if (words := _quoted(part))]
    return {word: group[0] for group in groups for word in group}


def grouped_sets(truth: Mapping[str, str], answers: Mapping[str, str], groups: Mapping[str, str]) -> GroupedScore:
    """Scores the clips that have groups; all three map a clip's name to text.

    Raises:
        NamesDoNotMatch: A clip with groups has no truth or no answer.
        InvalidScores: No groups, an empty truth, or a label string without brackets.
    """
    missing = sorted(name for name in groups if name not in truth or name not in answers)
    if missing or not groups:
        raise NamesDoNotMatch(f"clips with synonym groups but without truth or answer: {first_five(missing) or 'all'}")
    names = tuple(groups)
    per_clip = np.array([_clip(name, truth[name], answers[name], groups[name]) for name in names])
    precision, recall = per_clip.mean(axis=0).tolist()
    return GroupedScore(
        score=(precision + recall) / 2.0,
        precision=precision,
        recall=recall,
        clips=len(names),
        names=names,
        per_clip=per_clip,
    )


def _clip(name: str, truth: str, answer: str, groups: str) -> tuple[float, float]:
    first = synonym_groups(groups)
    true_words, answered = ({first.get(word, word) for word in bracketed_labels(text)} for text in (truth, answer))
    if not true_words:
        raise InvalidScores(f"clip {name} has no true label")
    if not answered:
        return 0.0, 0.0
    hits = len(true_words & answered)
    return hits / len(answered), hits / len(true_words)
