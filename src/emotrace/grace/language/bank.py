"""The class bank: what each expression looks like in muscles, phrase by phrase, for classes instead of clips.

`labels/tables/grace_bank.json` was written for emotrace [ours] after the usual FACS prototypes [field: Ekman, Friesen &
Hager 2002] and in the manner of class descriptions [field: DFER-CLIP, EmoCLIP]. Anxiety, helplessness and
disappointment have no FACS prototype: the table says so, and their phrases are a convention. Every class has seven
phrases, in the wording of `refine`: clips and classes share their words, and all classes the marginal alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from emotrace.errors import UnknownChoice, UsageError
from emotrace.grace.language.affect_text import AffectText, Phrase
from emotrace.grace.language.columns import WeighedPhrase, affect_text
from emotrace.grace.language.lexicon import affect_lexicon
from emotrace.labels.schemes import scheme

_SCHEME = "mafw"
"""The scheme with all of the bank's classes; it knows the other corpora's spellings too."""


@dataclass(frozen=True, kw_only=True)
class ClassLooks:
    """What one expression looks like."""

    prototype: tuple[str, ...] | None
    """Action units of the FACS prototype, such as `AU12`; none for a face at rest; None where FACS has no prototype."""
    phrases: tuple[WeighedPhrase, ...]


def class_bank(labels: Sequence[str], *, background_mass: float = 0.5) -> AffectText:
    """The phrases of the classes, class by class in the order of `labels`: phrase units, each of the same weight.

    Args:
        labels: In any DFER corpus's spelling: `happy`, `happiness` and `joy` are one class.
        background_mass: Share of the marginal that the background phrases get, in 0..1.

    Raises:
        UnknownChoice: A label that the bank does not describe; the message lists those that it does.
        UsageError: Two labels that mean one class, or a background mass out of range.

    >>> [(label, columns.stop - columns.start) for label, columns in class_bank(["happy", "sad"]).class_columns]
    [('happy', 7), ('sad', 7)]
    """
    bank = known_classes()
    classes = [class_of(label) for label in labels]
    if len(set(classes)) < len(classes):
        raise UsageError(f"two of the labels {', '.join(labels)} mean one expression", hint="Name each class once")
    phrases = [phrase for name in classes for phrase in bank[name].phrases]
    starts = [0]
    for name in classes:
        starts.append(starts[-1] + len(bank[name].phrases))
    return affect_text(
        phrases,
        tokenizer=None,
        source="class_bank",
        background_mass=background_mass,
        class_columns=tuple(
            (label, slice(start, end)) for label, start, end in zip(labels, starts, starts[1:], strict=False)
        ),
    )


def class_of(label: str) -> str:
    """The bank's class that a label of a corpus means.

    Raises:
        UnknownChoice: None; the message lists the bank's classes.
    """
    name = scheme(_SCHEME).read_one(label)
    if name is None or name not in known_classes():
        raise UnknownChoice(
            f"the class bank does not describe {label!r}", hint=f"It describes: {', '.join(known_classes())}"
        )
    return name


@lru_cache(maxsize=1)
def known_classes() -> Mapping[str, ClassLooks]:
    """Every class of the shipped bank, read from the package once."""
    table = json.loads((files("emotrace.labels") / "tables" / "grace_bank.json").read_text(encoding="utf-8"))
    return {name: _looks(record) for name, record in table["classes"].items()}


def _looks(record: Mapping[str, Any]) -> ClassLooks:
    prototype = record["prototype"]
    return ClassLooks(
        prototype=None if prototype is None else tuple(f"AU{number}" for number in prototype.split("+") if number),
        phrases=tuple(_phrase(**phrase) for phrase in record["phrases"]),
    )


def _phrase(
    region: str, action: str, *, side: str | None = None, intensity: str | None = None, phase: str | None = None
) -> WeighedPhrase:
    unit = affect_lexicon().units.get(f"{region} / {action}")
    phrase = Phrase(
        text="",
        region=region,
        action=action,
        action_unit=None if unit is None else unit.action_unit,
        intensity=intensity,
        phase=phase,
        span=None,
        strength=1.0,
        confidence=1.0,
        observation_ids=(),
        columns=slice(0, 0),
    )
    return WeighedPhrase.canonical(phrase, side=side)
