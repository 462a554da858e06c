"""The words of the questions: `tables/prompts.toml`, in English and Chinese, each hashed. Our own wording."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, Literal

from emotrace.evidence.reasoning.trace import Calls, Language, digest

Call = Literal["visual", "vocal", "verbal", "joint", "one"]
CALLS: Final[dict[Calls, tuple[Call, ...]]] = {"four": ("visual", "vocal", "verbal", "joint"), "one": ("one",)}
FENCE: Final = "=" * 12
"""What stands around a transcript. A line of a transcript cannot hold it: see `fenced`."""


def system_prompt(call: Call, language: Language, labels: tuple[str, ...]) -> str:
    """The fixed words of a question: who is asked, what to look for, and the label list in the scheme's order."""
    table = _table()[language]
    asked = ("visual", "vocal", "verbal", "joint") if call == "one" else (call,)
    parts = [table["all"], *(table[each] for each in asked)]
    if call == "one":
        parts.insert(1, table["one"])
    if labels:
        parts.append(table["labels"].format(labels=", ".join(labels)))
    return "\n\n".join(part.strip() for part in [*parts, table["json"]])


def prompt_hashes(calls: Calls, language: Language, labels: tuple[str, ...]) -> dict[str, str]:
    """Call -> hash of its fixed words, for the record and the store's key."""
    return {call: digest([system_prompt(call, language, labels), phrases(language)]) for call in CALLS[calls]}


def phrases(language: Language) -> Mapping[str, str]:
    """The short lines that name a picture's time, the sound, and the fences of the words."""
    return {name: text.strip() for name, text in _table()[language]["phrases"].items()}


def fenced(lines: list[str], language: Language) -> str:
    """Words of the clip as material between fences.

    A line that would end the fence, or begin another, is broken up, so that nothing said can leave the fence.
    """
    said = [" ".join(line.split()).replace("=" * 3, "= ") for line in lines]
    return "\n".join((phrases(language)["words"], FENCE, *said, FENCE))


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(files("emotrace.evidence.reasoning").joinpath("tables/prompts.toml").read_text("utf-8"))
