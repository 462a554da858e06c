"""Phrases that point to a cue of the reasoner's table ("my fault"): the patterns of `tables/phrases.toml`.

The table's head explains its small pattern language. Matching is word by word inside one clause, so a pattern never
reaches over a comma; Chinese is matched by character.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal

from emotrace.evidence.clauses import Clause, Token

Language = Literal["en", "de", "zh"]

_ELEMENT = re.compile(r"(?:[^\s(]|\([^()]*\))+")
_OPTIONAL = re.compile(r"\([^()]*\)\?")
_WORD = r"[^\W\d_]\S* "
_SIGNS = {"^": "^", "$": r"(?=(?:\? )?$)", "?": r"\? "}


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrase:
    """A matched phrase: `text[start:end]` of the utterance."""

    cue: str
    start: int
    end: int


def compile_pattern(pattern: str, language: Language) -> str:
    r"""The regular expression of a pattern, over words that each end in a space (Chinese: over characters).

    >>> compile_pattern("(my|our)? (fault|bad) ~", "en")
    '(?:(?:my|our) )?(?:fault|bad) (?:[^\\W\\d_]\\S* ){0,3}?'
    """
    if language == "zh":
        return re.sub(r"\((?!\?)", "(?:", pattern).replace("~", ".{0,6}?")
    parts = []
    for element in _ELEMENT.findall(pattern):
        if element in _SIGNS:
            parts.append(_SIGNS[element])
        elif element == "~":
            parts.append(f"(?:{_WORD}){{0,3}}?")
        elif element == "_":
            parts.append(_WORD)
        elif _OPTIONAL.fullmatch(element):
            parts.append(f"(?:(?:{element[1:-2]}) )?")
        else:
            parts.append(element.replace("(", "(?:") + " ")
    return "".join(parts)


@lru_cache(maxsize=1)
def _table() -> Mapping[str, Mapping[str, list[str]]]:
    """Cue -> language -> patterns."""
    return tomllib.loads((files("emotrace.evidence") / "tables" / "phrases.toml").read_text(encoding="utf-8"))


@lru_cache(maxsize=3)
def _patterns(language: Language) -> Mapping[str, re.Pattern[str]]:
    """Cue -> one expression of all its patterns in a language; compiled when the language is first met."""
    either = {cue: "|".join(compile_pattern(p, language) for p in by.get(language, ())) for cue, by in _table().items()}
    start = "" if language == "zh" else r"(?<!\S)"
    return {cue: re.compile(f"{start}(?:{patterns})") for cue, patterns in either.items() if patterns}


def cues() -> tuple[str, ...]:
    """Every cue that has patterns, in the table's order."""
    return tuple(_table())


def phrases_in(clause: Clause, text: str, language: Language) -> tuple[Phrase, ...]:
    """The first match of each cue in a clause, in the table's order; one that is negated is dropped."""
    if language == "zh":
        start, end = clause.tokens[0].start, clause.tokens[-1].end
        matches = ((cue, pattern.search(text, start, end)) for cue, pattern in _patterns("zh").items())
        return tuple(Phrase(cue=cue, start=m.start(), end=m.end()) for cue, m in matches if m and m.group())
    tokens = clause.tokens
    line, places = _line(tokens)
    if clause.mark[:1] == "?":
        line, places = line + "? ", [*places, len(tokens) - 1, len(tokens) - 1]
    found = []
    for cue, pattern in _patterns(language).items():
        match = pattern.search(line)
        if match is None or not match.group().strip():
            continue
        first, last = places[match.start()], places[match.end() - 1]
        if not any(token.text in _NEGATIONS for token in tokens[max(0, first - 2) : first]):
            found.append(Phrase(cue=cue, start=tokens[first].start, end=tokens[last].end))
    return tuple(found)


_NEGATIONS = frozenset(("not", "never", "no", "without", "nicht", "nie", "kein", "keine"))


def _line(tokens: tuple[Token, ...]) -> tuple[str, list[int]]:
    """The words of a clause, each followed by a space, and for every character the token it belongs to."""
    places = [index for index, token in enumerate(tokens) for _ in range(len(token.text) + 1)]
    return "".join(token.text + " " for token in tokens), places
