"""Codes that come with a sentence: the code is for programs, the sentence for people."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

C = TypeVar("C", bound="Sentenced")


class Sentenced(StrEnum):
    """A string whose members are written `NAME = value, sentence`."""

    def __new__(cls: type[C], value: str, sentence: str) -> C:
        """A value with its sentence."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.sentence = sentence
        return member

    sentence: str
