"""The coarse stage of CATE: what was seen of the face, as plain sentences with their times [ours]."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from emotrace.errors import InvalidObservation, LabelLeak
from emotrace.evidence.observation import EvidenceSheet, Observation
from emotrace.grace.language.actions import read_actions
from emotrace.span import Span

SideWords = Literal["drop", "keep", "swap"]

LEVELS: Final = {"slightly": 1 / 3, "moderately": 2 / 3, "strongly": 1.0}
"""The greatest strength that a word of intensity leaves: a caption's "slightly" is no full action."""
_LEVEL_WORDS: Final = ("slight", "moderate", "strong")
OTHER_SIDE: Final = {"left": "right", "right": "left"}
_SIDE = re.compile(r"\b(?:left|right)\b", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """One sentence of a description, and how marked and how sure its observer found what it says.

    Raises:
        InvalidObservation: Strength or confidence is no number in 0..1.
    """

    text: str
    span: Span | None = None
    """When it was so; None where nobody said."""
    strength: float = 1.0
    confidence: float = 1.0
    observation_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("strength", "confidence"):
            if not 0.0 <= (value := getattr(self, name)) <= 1.0:
                raise InvalidObservation(f"{name} must lie in 0..1, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class Narrative:
    """The coarse description of a clip."""

    sentences: tuple[Sentence, ...]

    @classmethod
    def of_text(cls, text: str) -> Narrative:
        """A description as somebody wrote it, of full strength and without times."""
        return cls(sentences=(Sentence(text=text),) if text.strip() else ())

    @property
    def text(self) -> str:
        """All sentences, each behind its time: "0.4-1.2 s: inner brows rise, strong."."""
        return " ".join(f"{_when(sentence.span)}{_closed(sentence.text)}" for sentence in self.sentences)


def narrate(sheet: EvidenceSheet) -> Narrative:
    """The coarse stage: the visual observations of a sheet as sentences, in order of time; readings are left out.

    Whoever filled the sheet, the sentences say how strong a movement was: in the observer's words, or by its number.
    """
    seen = (observation for observation in sheet.of_modality("visual") if observation.scores is None)
    return Narrative(sentences=tuple(_sentence(observation) for observation in seen))


def narrate_caption(caption: str, *, training: bool) -> Narrative:
    """What a person wrote about a clip of a corpus (`Example.description`), knowing its label.

    Raises:
        LabelLeak: Outside training. MAFW's neutral clips have no caption, so that even its absence tells the label
            [field: MAFW-database/MAFW].
    """
    if not training:
        raise LabelLeak(
            "a caption by somebody who knew the label must not be read where a model is judged",
            hint="Describe the clip from its pictures, or give no text at test time",
        )
    return Narrative.of_text(caption)


def swap_sides(text: str) -> str:
    """The text with left and right exchanged, as a mirror does it.

    >>> swap_sides("Left brow up, right lid down")
    'Right brow up, left lid down'
    """
    return _SIDE.sub(lambda found: _like(found[0], OTHER_SIDE[found[0].lower()]), text)


def _sentence(observation: Observation) -> Sentence:
    text = observation.text
    actions = read_actions(text).actions
    if actions and not any(action.intensity for action in actions):
        text = f"{text.rstrip(' .')}, {_level(observation.strength)}"
    return Sentence(
        text=text,
        span=observation.span,
        strength=observation.strength,
        confidence=observation.confidence,
        observation_ids=(observation.id,),
    )


def _level(strength: float) -> str:
    return next(word for word, most in zip(_LEVEL_WORDS, LEVELS.values(), strict=True) if strength <= most)


def _when(span: Span | None) -> str:
    return "" if span is None else f"{span.start_seconds:.1f}-{span.end_seconds:.1f} s: "


def _closed(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", "。", "！", "？")) else f"{text}."


def _like(word: str, other: str) -> str:
    return other.upper() if word.isupper() else other.capitalize() if word[0].isupper() else other
