"""The words by which faces are described: `labels/tables/affect_lexicon.csv`, read once, checked and looked up.

A row gives words one `kind`: a region of the face, what a region does, how strongly, when, on which side; or something
that is no expression (clothing, camera, light, speech ...). Rows of kind `unit` say what a region with its actions is
called: `lip corners` + `up` are "lip corners / pulled up", AU12. The names of action units and what they look like are
FACS's (Ekman, Friesen & Hager 2002) [field]; the paraphrases and the weights are ours [ours].

Spelling of the table: `|` parts forms, `(a/b)` stands for either, `raise~` for raise, raises, raised, raising, `drop~p`
for the same with a doubled letter, `brow+` for brow and brows, and `*` for at most one article or possessive.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from emotrace.evidence.clauses import words_of

COLUMNS = ("kind", "meaning", "gamma", "action_unit", "forms")
FUNCTION_WORDS = words_of("a an and at by for from in of on or the to with")
"""Words of a phrase that carry no weight and own no column."""
ARTICLES = words_of("the a an his her their its my your our this that these those both each either 's one left right")
"""What `*` stands for. A side among them is still read as a side."""

_GROUP = re.compile(r"\(([^()]*)\)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """What a region does, in the one wording that GRACE uses for it."""

    region: str
    action: str
    action_unit: str | None
    """`AU12`; None where the wording names no single unit."""
    gamma: float
    """Weight of the action's words; 0 for what is no expression, such as turning the head."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What a form means."""

    kind: str
    meaning: str
    """A region, an action, ...; of a sign, the units that it names, joined by `; `."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Match:
    """A form found in a row of words."""

    entry: Entry
    length: int
    side: str | None
    """`left` or `right` where such a word stood inside the form: "corner of the left eye"."""


@dataclass(frozen=True, kw_only=True)
class AffectLexicon:
    """The table. Build one with `of`; the shipped one is `affect_lexicon()`."""

    forms: Mapping[str, tuple[tuple[tuple[str, ...], Entry], ...]]
    """First word -> the forms that begin with it, longest first."""
    units: Mapping[str, Unit]
    """`region / action` -> its unit."""
    pairs: Mapping[str, tuple[tuple[frozenset[str], Unit], ...]]
    """Region -> sets of actions and the unit that each makes, larger sets first."""
    gammas: Mapping[str, float]
    """Region, `intensity`, `phase` or `side` -> the weight of its words."""
    sha256: str
    """Of the table's bytes."""

    @classmethod
    def of(cls, rows: Iterable[Sequence[str]], *, sha256: str) -> AffectLexicon:
        """The lexicon of table rows.

        Raises:
            ValueError: One form with two meanings, or a sign or a pair that names no unit or region.
        """
        forms: dict[tuple[str, ...], Entry] = {}
        units: dict[str, Unit] = {}
        pairs: dict[str, list[tuple[frozenset[str], Unit]]] = {}
        gammas: dict[str, float] = {}
        for kind, meaning, gamma, action_unit, written in rows:
            patterns = [pattern for pattern in written.split("|") if pattern]
            if kind == "unit":
                units[meaning] = unit = _unit(meaning, float(gamma), action_unit or None)
                for pattern in patterns:
                    region, _, actions = pattern.partition(":")
                    pairs.setdefault(region, []).append((frozenset(actions.split()), unit))
                continue
            gammas[meaning if kind == "region" else kind] = float(gamma)
            entry = Entry(kind=kind, meaning=meaning)
            for form in {form for pattern in patterns for form in expand(pattern)}:
                if forms.setdefault(form, entry) != entry:
                    raise ValueError(f"{' '.join(form)!r} is {forms[form]} and {entry}")
        _check(forms.values(), units, pairs)
        return cls(
            forms=_by_first_word(forms),
            units=units,
            pairs={region: tuple(sorted(sets, key=lambda pair: -len(pair[0]))) for region, sets in pairs.items()},
            gammas=gammas,
            sha256=sha256,
        )

    def match(self, words: Sequence[str], start: int) -> Match | None:
        """The longest form that begins at a word; None where none does."""
        best: Match | None = None
        for form, entry in self.forms.get(words[start], ()):
            if best is not None and len(form) <= best.length - form.count("*"):
                break
            found = _match_form(form, words, start)
            if found is not None and (best is None or found[0] > best.length):
                best = Match(entry=entry, length=found[0], side=found[1])
        return best

    def of_code(self, code: str) -> Unit | None:
        """The unit of `AU12`; None for a code that the table does not list."""
        return next((unit for unit in self.units.values() if unit.action_unit == code), None)

    def knows(self, region: str, action: str) -> bool:
        """Whether the action, alone or with others, means something on the region."""
        return any(action in actions for actions, _ in self.pairs.get(region, ()))

    def units_of(self, region: str, actions: Iterable[str]) -> list[tuple[Unit, frozenset[str]]]:
        """What a region's actions make together, and of which: larger sets first, each action used once."""
        left, found = set(actions), list[tuple[Unit, frozenset[str]]]()
        for needed, unit in self.pairs.get(region, ()):
            if needed <= left:
                left -= needed
                found.append((unit, needed))
        return found


def expand(pattern: str) -> Iterator[tuple[str, ...]]:
    """The forms that a pattern of the table stands for.

    >>> sorted(" ".join(form) for form in expand("(lip/mouth) corner+"))
    ['lip corner', 'lip corners', 'mouth corner', 'mouth corners']
    >>> [" ".join(form) for form in expand("drop~p")]
    ['drop', 'drops', 'dropped', 'dropping']
    """
    pieces = _GROUP.split(pattern)
    choices = [piece.split("/") if number % 2 else [piece] for number, piece in enumerate(pieces)]
    for chosen in itertools.product(*choices):
        yield from itertools.product(*map(_inflections, "".join(chosen).split()))


def _inflections(word: str) -> list[str]:
    if word.endswith("+"):
        stem = word[:-1]
        return [stem, f"{stem}es" if stem.endswith(("s", "x", "ch", "sh")) else f"{stem}s"]
    stem, mark, doubled = word.partition("~")
    if not mark:
        return [word]
    if doubled:
        return [stem, f"{stem}s", f"{stem}{doubled}ed", f"{stem}{doubled}ing"]
    if stem.endswith("e"):
        return [stem, f"{stem}s", f"{stem}d", f"{stem[:-1]}ing"]
    if stem.endswith("y") and stem[-2] not in "aeo":
        return [stem, f"{stem[:-1]}ies", f"{stem[:-1]}ied", f"{stem}ing"]
    return [stem, f"{stem}es" if stem.endswith(("s", "x", "ch", "sh")) else f"{stem}s", f"{stem}ed", f"{stem}ing"]


def _match_form(form: tuple[str, ...], words: Sequence[str], start: int) -> tuple[int, str | None] | None:
    """How many words the form takes at `start`, and the side that stood for a `*`."""
    place, side = start, None
    for part in form:
        if part == "*":
            if place < len(words) and words[place] in ARTICLES:
                side = words[place] if words[place] in ("left", "right") else side
                place += 1
        elif place < len(words) and words[place] == part:
            place += 1
        else:
            return None
    return place - start, side


def _unit(meaning: str, gamma: float, action_unit: str | None) -> Unit:
    region, _, action = meaning.partition(" / ")
    return Unit(region=region, action=action, action_unit=action_unit, gamma=gamma)


def _by_first_word(
    forms: Mapping[tuple[str, ...], Entry],
) -> dict[str, tuple[tuple[tuple[str, ...], Entry], ...]]:
    by_first: dict[str, list[tuple[tuple[str, ...], Entry]]] = {}
    for form, entry in forms.items():
        by_first.setdefault(form[0], []).append((form, entry))
    return {first: tuple(sorted(each, key=lambda pair: (-len(pair[0]), pair[0]))) for first, each in by_first.items()}


def _check(entries: Iterable[Entry], units: Mapping[str, Unit], pairs: Mapping[str, object]) -> None:
    regions = {entry.meaning for entry in entries if entry.kind == "region"}
    actions = {entry.meaning for entry in entries if entry.kind in ("action", "particle")}
    signs = {unit for entry in entries if entry.kind == "sign" for unit in entry.meaning.split("; ")}
    if unknown := (signs - units.keys()) | (pairs.keys() - regions):
        raise ValueError(f"neither a unit nor a region: {sorted(unknown)}")
    used = {action for sets in pairs.values() for needed, _ in sets for action in needed}  # type: ignore[attr-defined]
    if unknown := used - actions:
        raise ValueError(f"no words mean these actions: {sorted(unknown)}")


@lru_cache(maxsize=1)
def affect_lexicon() -> AffectLexicon:
    """The shipped lexicon, read from the package once."""
    data = (files("emotrace.labels") / "tables" / "affect_lexicon.csv").read_bytes()
    header, *rows = csv.reader(data.decode("utf-8").splitlines())
    if tuple(header) != COLUMNS:
        raise ValueError(f"the lexicon's columns are {', '.join(COLUMNS)}, got {header}")
    return AffectLexicon.of(rows, sha256=hashlib.sha256(data).hexdigest())
