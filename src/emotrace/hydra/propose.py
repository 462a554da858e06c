"""Propose: rival explanations of one sheet, each from another perspective."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Perspective = Literal["face", "voice", "words", "situation", "masking", "other"]
PERSPECTIVES: tuple[Perspective, ...] = get_args(Perspective)


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """One rival explanation: a situation that would produce the cues, and the emotions perceived in it."""

    number: int
    """1..K."""
    perspective: Perspective
    labels: tuple[str, ...]
    """1 to 4 canonical words."""
    story: str
    """The situation, in at most 25 clean words; may be empty."""
    cites: tuple[str, ...]
    """Up to 3 observation ids."""
