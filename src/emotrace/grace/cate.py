"""CATE, coarse to fine: an evidence sheet becomes sentences, and these become affect-bearing words with weights.

    narrate(sheet)                 coarse: what was seen of the face, in plain sentences with their times
    refine(narrative, tokenizer)   fine: only what the face does, in one canonical wording, weighed word by word

That descriptions are enhanced from coarse to fine, so that subtle affective cues are not lost, is [paper]. Everything
else here and in the files below, the rules, the wording and the weights, is ours [ours].

    narrative.py   what was seen, in sentences     lexicon.py     the words
    sentences.py   text -> clauses and tags        actions.py     tags -> what the face does
    columns.py     phrases -> columns, weights     raw_text.py    the coarse arm: sentences as they stand

numpy alone; no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from emotrace.grace.language.actions import FaceAction, read_actions
from emotrace.grace.language.affect_text import AffectText, Phrase, TextUnits
from emotrace.grace.language.columns import WeighedPhrase, affect_text, fits
from emotrace.grace.language.lexicon import Unit
from emotrace.grace.language.narrative import (
    LEVELS,
    OTHER_SIDE,
    Narrative,
    Sentence,
    SideWords,
    narrate,
    narrate_caption,
    swap_sides,
)
from emotrace.grace.language.raw_text import raw_phrases
from emotrace.grace.language.sentences import emotion_spans
from emotrace.span import Span

if TYPE_CHECKING:
    from emotrace.encoders.interface import Tokenizer

__all__ = [
    "EmotionWords",
    "Narrative",
    "Sentence",
    "SideWords",
    "narrate",
    "narrate_caption",
    "refine",
    "swap_sides",
]

EmotionWords = Literal["strip", "keep"]

LEAST_SECONDS: Final = 0.1
"""What an instant counts for where phrases are ranked by how long they lasted."""
SAME_EVENT_SECONDS: Final = 0.5
"""Two reports of one action that lie no further apart are one event."""
_NOWHERE: Final = slice(0, 0)


def refine(
    narrative: Narrative,
    tokenizer: Tokenizer,
    *,
    units: TextUnits = "token",
    emotion_words: EmotionWords = "strip",
    side_words: SideWords = "drop",
    fine: bool = True,
    background_mass: float = 0.5,
) -> AffectText:
    """The fine stage: canonical phrases of what the face does, weighed, within the tokenizer's budget.

    Phrases are packed whole, those of the greatest strength * confidence * duration first, and stand in the order of
    the narrative. A narrative without any movement of the face gives background columns alone (`is_empty`).

    Args:
        narrative: Of any source.
        tokenizer: The text encoder's; its budget includes start and end.
        units: `token`: each word is a column. `phrase`: each phrase is one, read alone.
        emotion_words: `keep` adds the words by which the text itself names an emotion, as phrases of their own. It is
            a separate arm, for such a word is the observer's guess at the label.
        side_words: `drop` says "on one side" for left and right, which stays true when a picture is flipped; `swap`
            exchanges them, for flipped clips.
        fine: False for the coarse arm: the sentences as they stand, emotion words and all, each word of weight 1, cut
            where the budget ends. Left and right are then exchanged by `swap` and kept otherwise.
        background_mass: m, the background's share of the marginal, in 0..1.

    Raises:
        UsageError: `background_mass` is out of range.
    """
    dropped: tuple[tuple[str, str], ...] = ()
    if fine:
        phrases, dropped = _canonical(narrative, emotion_words, side_words)
        chosen = _packed(phrases, tokenizer, units)
        overflow = len(phrases) - len(chosen)
    else:
        chosen, overflow = raw_phrases(narrative, tokenizer, units, side_words)
    return affect_text(
        chosen,
        tokenizer=tokenizer if units == "token" else None,
        source="evidence",
        background_mass=background_mass,
        dropped=dropped,
        overflow=overflow,
    )


def _canonical(
    narrative: Narrative, emotion_words: EmotionWords, side_words: SideWords
) -> tuple[list[WeighedPhrase], tuple[tuple[str, str], ...]]:
    """The phrases of all sentences, each event once, and what was left out."""
    events: list[tuple[Phrase, str | None]] = []
    dropped: list[tuple[str, str]] = []
    for sentence in narrative.sentences:
        if sentence.strength * sentence.confidence <= 0.0:
            dropped.append((sentence.text, "no weight"))
            continue
        reading = read_actions(sentence.text)
        dropped += reading.dropped
        for action in reading.actions:
            _add(events, _phrase(action, sentence), _side(action.side, side_words))
        if emotion_words == "keep":
            for word in dict.fromkeys(word for _, _, word in emotion_spans(sentence.text)):
                _add(events, _guess(word, sentence), None)
    return [WeighedPhrase.canonical(phrase, side=side) for phrase, side in events], tuple(dropped)


def _side(side: str | None, side_words: SideWords) -> str | None:
    if side is None or side_words == "keep":
        return side
    return "one side" if side_words == "drop" else OTHER_SIDE.get(side, side)


def _phrase(action: FaceAction, sentence: Sentence) -> Phrase:
    most = LEVELS[action.intensity] if action.intensity is not None else 1.0
    return Phrase(
        text="",
        region=action.unit.region,
        action=action.unit.action,
        action_unit=action.unit.action_unit,
        intensity=action.intensity,
        phase=action.phase,
        span=sentence.span,
        strength=min(sentence.strength, most),
        confidence=sentence.confidence,
        observation_ids=sentence.observation_ids,
        columns=_NOWHERE,
    )


def _guess(word: str, sentence: Sentence) -> Phrase:
    """The observer's own word for the emotion: "face looking happy"."""
    unit = Unit(region="face", action=f"looking {word}", action_unit=None, gamma=1.0)
    return _phrase(FaceAction(unit=unit), sentence)


def _add(events: list[tuple[Phrase, str | None]], phrase: Phrase, side: str | None) -> None:
    """Adds a phrase, or joins it to an earlier report of the same event."""
    for place, (other, other_side) in enumerate(events):
        same = (phrase.region, phrase.action, side) == (other.region, other.action, other_side)
        if same and _meet(phrase.span, other.span):
            events[place] = (_joined_event(other, phrase), side)
            return
    events.append((phrase, side))


def _meet(one: Span | None, other: Span | None) -> bool:
    if one is None or other is None:
        return True
    return max(one.start_seconds, other.start_seconds) - min(one.end_seconds, other.end_seconds) <= SAME_EVENT_SECONDS


def _joined_event(first: Phrase, second: Phrase) -> Phrase:
    spans = [span for span in (first.span, second.span) if span is not None]
    return replace(
        first,
        intensity=first.intensity or second.intensity,
        phase=first.phase or second.phase,
        span=None if not spans else spans[0] | spans[-1],
        strength=max(first.strength, second.strength),
        confidence=max(first.confidence, second.confidence),
        observation_ids=tuple(dict.fromkeys((*first.observation_ids, *second.observation_ids))),
    )


def _packed(phrases: Sequence[WeighedPhrase], tokenizer: Tokenizer, units: TextUnits) -> list[WeighedPhrase]:
    """As many whole phrases as fit, the weightiest first, in their own order."""
    if fits(phrases, tokenizer, units):
        return list(phrases)
    chosen: list[int] = []
    for place in sorted(range(len(phrases)), key=lambda place: (-_rank(phrases[place].phrase), place)):
        more = sorted([*chosen, place])
        if fits([phrases[each] for each in more], tokenizer, units):
            chosen = more
    return [phrases[place] for place in chosen]


def _rank(phrase: Phrase) -> float:
    seconds = 1.0 if phrase.span is None else max(LEAST_SECONDS, phrase.span.duration_seconds)
    return phrase.strength * phrase.confidence * seconds
