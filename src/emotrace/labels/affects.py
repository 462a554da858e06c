"""The twenty affects that the reasoner thinks in, their seven sectors, and their words in order of intensity.

Pure Python. The affects are the middle ring of emotrace's wheel (`labels/wheel.py`); the hydra specification, section
5.1, lists them. `neutral` is a sector of its own: it counts as an answer, and it needs measured stillness to be one.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Affect:
    """One affect: a place on the wheel that one or more words name."""

    name: str
    sector: str
    """Level 1: joy, calm, surprise, fear, anger, disgust, sadness or neutral."""
    words: tuple[str, ...]
    """Canonical words, mildest first."""


def _affect(name: str, sector: str, words: str) -> Affect:
    return Affect(name=name, sector=sector, words=tuple(words.split(", ")))


AFFECTS: tuple[Affect, ...] = (
    _affect("joy", "joy", "pleased, cheerful, happy, delighted, elated"),
    _affect("amusement", "joy", "playful, amused, giddy"),
    _affect("pride", "joy", "confident, proud, triumphant"),
    _affect("calm", "calm", "calm, content, serene"),
    _affect("affection", "calm", "fond, tender, loving"),
    _affect("relief", "calm", "eased, relieved, thankful"),
    _affect("surprise", "surprise", "startled, surprised, astonished"),
    _affect("interest", "surprise", "curious, interested, fascinated"),
    _affect("confusion", "surprise", "puzzled, confused, bewildered"),
    _affect("fear", "fear", "uneasy, afraid, terrified"),
    _affect("worry", "fear", "concerned, worried, anxious"),
    _affect("anger", "anger", "angry, mad, furious"),
    _affect("irritation", "anger", "annoyed, irritated, frustrated"),
    _affect("disgust", "disgust", "averse, disgusted, revolted"),
    _affect("contempt", "disgust", "dismissive, scornful, contemptuous"),
    _affect("sadness", "sadness", "wistful, sad, grieving"),
    _affect("disappointment", "sadness", "let down, disappointed, dejected"),
    _affect("shame", "sadness", "sheepish, embarrassed, ashamed"),
    _affect("boredom", "sadness", "tired, bored, listless"),
    _affect("neutral", "neutral", "neutral"),
)
"""All affects in the fixed order that breaks ties."""

AFFECT_NAMES: tuple[str, ...] = tuple(affect.name for affect in AFFECTS)
AFFECT_BY_NAME: dict[str, Affect] = {affect.name: affect for affect in AFFECTS}
AFFECT_BY_WORD: dict[str, Affect] = {word: affect for affect in AFFECTS for word in (*affect.words, affect.name)}
"""Canonical word, or the affect's own name -> affect."""

SECTORS: tuple[str, ...] = tuple(dict.fromkeys(affect.sector for affect in AFFECTS))
