"""The emotion words that emotrace knows: the rows of `tables/emotrace_wheel.csv`, read once and checked.

A row is one form of a word (`happily`, `高兴`) with its base word (`happy`) and the base's place on the wheel, valence,
arousal and intensity. The list was written for emotrace from scratch [ours]; no published lexicon was copied. Chinese
words are forms of the English base nearest in meaning, so that labels in both languages meet. Pure Python.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

COLUMNS = ("word", "language", "base", "middle", "inner", "valence", "arousal", "intensity")
LANGUAGES = ("en", "zh")

Row = tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BaseWord:
    """One word of emotion, its place on the wheel and its values, which all of its forms share."""

    word: str
    middle: str
    """Name on the middle ring of the wheel."""
    inner: str
    """Name on the inner ring."""
    valence: int
    """-1 unpleasant, 0 neither or both, 1 pleasant."""
    arousal: float
    """-1 (still) to 1 (agitated)."""
    intensity: float
    """0 (faint) to 1 (extreme)."""

    def __post_init__(self) -> None:
        if self.valence not in (-1, 0, 1) or not -1.0 <= self.arousal <= 1.0 or not 0.0 <= self.intensity <= 1.0:
            raise ValueError(f"valence is -1, 0 or 1, arousal -1..1, intensity 0..1; got {self}")


@dataclass(frozen=True, kw_only=True)
class Lexicon:
    """Base words and their forms. Build one with `of`; the shipped one is `lexicon()`."""

    bases: Mapping[str, BaseWord]
    """Base word -> its entry, in alphabetical order."""
    forms: Mapping[str, BaseWord]
    """Folded form (see `fold`) -> the entry of its base word, in alphabetical order."""
    rows: tuple[Row, ...]
    """The table's rows, sorted: their order in the file means nothing."""

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Lexicon:
        """The lexicon of table rows, in any order.

        Raises:
            ValueError: A form listed twice, a base whose rows disagree or that is no form of itself, a value
                out of range.
        """
        ordered = tuple(sorted(rows))
        values: dict[str, Row] = {}
        for row in ordered:
            if len(row) != len(COLUMNS) or row[1] not in LANGUAGES:
                raise ValueError(f"a row has {', '.join(COLUMNS)}, with language {' or '.join(LANGUAGES)}; got {row}")
            if values.setdefault(row[2], row[3:]) != row[3:]:
                raise ValueError(f"the rows of {row[2]!r} disagree: {values[row[2]]} and {row[3:]}")
        bases = {base: _base_word(base, values[base]) for base in sorted(values)}
        forms: dict[str, BaseWord] = {}
        for row in ordered:
            form, base = fold(row[0]), bases[row[2]]
            if forms.setdefault(form, base) is not base:
                raise ValueError(f"{form!r} is a form of {forms[form].word!r} and of {base.word!r}")
        if len({row[0] for row in ordered}) != len(ordered):
            raise ValueError("a form is listed twice")
        if strays := [base for base, entry in bases.items() if forms.get(fold(base)) is not entry]:
            raise ValueError(f"base words that are no forms of themselves: {strays}")
        return cls(bases=bases, forms=forms, rows=ordered)

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 of the sorted rows, tab-separated, each ended by a newline."""
        return hashlib.sha256("".join("\t".join(row) + "\n" for row in self.rows).encode()).hexdigest()


def _base_word(word: str, values: Row) -> BaseWord:
    middle, inner, valence, arousal, intensity = values
    return BaseWord(
        word=word,
        middle=middle,
        inner=inner,
        valence=int(valence),
        arousal=float(arousal),
        intensity=float(intensity),
    )


def fold(word: str) -> str:
    """The spelling under which a word is looked up: lower case, single-spaced, hyphens as spaces, straight apostrophes.

    >>> fold("  Light-Hearted ")
    'light hearted'
    """
    return " ".join(word.lower().replace("’", "'").replace("-", " ").split())


@lru_cache(maxsize=1)
def lexicon() -> Lexicon:
    """The shipped lexicon, read from the package once."""
    table = (files("emotrace.labels") / "tables" / "emotrace_wheel.csv").read_text(encoding="utf-8")
    header, *rows = map(tuple, csv.reader(table.splitlines()))
    if header != COLUMNS:
        raise ValueError(f"the lexicon's columns are {', '.join(COLUMNS)}, got {header}")
    return Lexicon.of(rows)
