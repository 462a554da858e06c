"""The coarse arm: sentences as they stand, every word of the same weight, up to the end of the budget [ours]."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from emotrace.grace.language.affect_text import Phrase, TextUnits
from emotrace.grace.language.columns import WeighedPhrase, fits, joined, room
from emotrace.grace.language.narrative import Narrative, Sentence, SideWords, swap_sides
from emotrace.grace.language.sentences import MAX_CHARACTERS

if TYPE_CHECKING:
    from emotrace.encoders.interface import Tokenizer

_WORD = re.compile(r"\w")


def raw_phrases(
    narrative: Narrative, tokenizer: Tokenizer, units: TextUnits, side_words: SideWords
) -> tuple[list[WeighedPhrase], int]:
    """The sentences as they stand, up to the budget's end, and how many of them were cut or left out."""
    chosen: list[WeighedPhrase] = []
    sentences = [sentence for sentence in narrative.sentences if _WORD.search(sentence.text)]
    for place, sentence in enumerate(sentences):
        text = " ".join(sentence.text[:MAX_CHARACTERS].split())
        text = swap_sides(text) if side_words == "swap" else text
        if not fits([*chosen, (whole := _as_it_stands(text, sentence))], tokenizer, units):
            cut = _cut(chosen, text, sentence, tokenizer, units)
            return [*chosen, *cut], len(sentences) - place
        chosen.append(whole)
    return chosen, 0


def _cut(
    chosen: Sequence[WeighedPhrase], text: str, sentence: Sentence, tokenizer: Tokenizer, units: TextUnits
) -> list[WeighedPhrase]:
    """As much of a sentence as still fits, in whole words where it has any; nothing where nothing does."""
    beside = [] if units == "phrase" else [*chosen, _as_it_stands("", sentence)]
    start = len(joined(beside))
    tokens = tokenizer.tokens(joined([*beside[:-1], _as_it_stands(text, sentence)]))
    if len(tokens) <= room(tokenizer) or (units == "phrase" and len(chosen) == room(tokenizer)):
        return []
    end = tokens[room(tokenizer)].start - start
    while end > 0:
        end = text.rfind(" ", 0, end + 1) if " " in text[: end + 1] else end
        piece = _as_it_stands(text[:end].rstrip(), sentence)
        if _WORD.search(piece.phrase.text) and fits([*chosen, piece], tokenizer, units):
            return [piece]
        end -= 1
    return []


def _as_it_stands(text: str, sentence: Sentence) -> WeighedPhrase:
    return WeighedPhrase.evenly(
        Phrase(
            text=text,
            region="",
            action="",
            action_unit=None,
            intensity=None,
            phase=None,
            span=sentence.span,
            strength=sentence.strength,
            confidence=sentence.confidence,
            observation_ids=sentence.observation_ids,
            columns=slice(0, 0),
        )
    )
