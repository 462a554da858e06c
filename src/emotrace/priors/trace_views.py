"""What of a trace's words a network is shown: the five views of the label-leak ablation [ours].

    full       the section as it stands: the observations' sentences and the reasoning
    masked     every word that names an emotion, and every label, replaced by the encoder's mask token
    verdict    those words alone, in their order
    shuffled   the section of another clip of the same fold
    none       nothing

Scores, label and contribution of a section are never shown. If `verdict` alone gains almost what `full` gains, the
network has read the observer's answer and not its reasoning: `leak_sentence` says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

import numpy as np
from jaxtyping import Int64

from emotrace.errors import UsageError
from emotrace.evidence.reasoning.trace import Section
from emotrace.labels.label_scheme import LabelScheme
from emotrace.labels.vocabulary import vocabulary

View = Literal["full", "masked", "verdict", "shuffled", "none"]
VIEWS: Final[tuple[View, ...]] = get_args(View)

LEAK_SHARE: Final = 0.9
"""The share of the gain from which on the verdict is said to explain it."""
LEAK: Final = "most of the gain is the MLLM's answer, not its reasoning"


def section_text(section: Section) -> str:
    """What may be encoded of a section: its observations' sentences and its reasoning, a line each."""
    lines = [each.text for each in section.observations] + ([section.text] if section.text else [])
    return "\n".join(lines)


@dataclass(frozen=True, kw_only=True)
class VerdictWords:
    """The words that could tell a label: every emotion word that emotrace knows, and the labels of a scheme."""

    labels: tuple[str, ...]
    """Label names and their Chinese words, as they are to be found in texts."""

    @classmethod
    def of(cls, scheme: LabelScheme) -> VerdictWords:
        """Those of a corpus's scheme."""
        spoken = {*scheme.forms("en").values(), *scheme.forms("zh").values(), *scheme.labels, *scheme.concepts}
        return cls(labels=tuple(sorted(spoken)))

    def masked(self, text: str, mask_token: str) -> str:
        """The text with each of them replaced."""
        parts, end = [], 0
        for start, stop in self.places(text):
            parts += [text[end:start], mask_token]
            end = stop
        return "".join((*parts, text[end:]))

    def verdict(self, text: str) -> str:
        """Those words of the text alone, in order."""
        return " ".join(text[start:stop] for start, stop in self.places(text))

    def places(self, text: str) -> list[tuple[int, int]]:
        """Where they stand, joined where they overlap."""
        spans = [(found.start, found.end) for found in vocabulary().find(text)]
        spans += [match.span() for match in self._pattern.finditer(text)]
        joined: list[tuple[int, int]] = []
        for start, stop in sorted(spans):
            if joined and start < joined[-1][1]:
                joined[-1] = joined[-1][0], max(stop, joined[-1][1])
            else:
                joined.append((start, stop))
        return joined

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        """Latin labels as whole words whatever their case, others wherever they stand; the longest first."""
        ordered = sorted(self.labels, key=lambda label: (-len(label), label))
        words = [rf"(?<!\w){re.escape(label)}(?!\w)" if label.isascii() else re.escape(label) for label in ordered]
        return re.compile("|".join(words) or r"(?!)", re.IGNORECASE)


def shuffled_order(groups: Sequence[object], seed: int) -> Int64[np.ndarray, " clip"]:
    """For each clip the number of another clip of its group, drawn once; every clip is taken exactly once.

    Args:
        groups: What clips may be exchanged within: the fold of each.
        seed: Number of the draw.

    Raises:
        UsageError: A group with one clip, which has no other.
    """
    members: dict[object, list[int]] = {}
    for clip, group in enumerate(groups):
        members.setdefault(group, []).append(clip)
    order = np.arange(len(groups), dtype=np.int64)
    random = np.random.default_rng(np.random.SeedSequence([seed, len(groups)]))
    for group, clips in members.items():
        if len(clips) < 2:
            raise UsageError(f"the fold {group!r} has one clip, so there is no other trace for it", where="shuffled")
        ring = np.array(clips)[random.permutation(len(clips))]
        order[ring] = np.roll(ring, 1)  # a ring through all of them: nobody keeps its own
    return order


def leak_sentence(scores: Mapping[View, float]) -> str | None:
    """What a report must say of the gains; None where the reasoning gains more than the verdict, or nothing gains.

    Args:
        scores: View -> score (higher is better) of the same network; `full`, `verdict` and `none` are needed.
    """
    gain = scores["full"] - scores["none"]
    return LEAK if gain > 0.0 and scores["verdict"] - scores["none"] >= LEAK_SHARE * gain else None
