"""`CaptionQuestion`: a description and a subtitle as one request to a text model, and how its reply is read.

The material stands between two lines that hold a token, the hash of the material itself: nobody who wrote it could know
the token, and `clean` has taken out the characters of tags. No name and no label of a clip is part of a question.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Final, Literal, get_args

from emotrace.evidence.observation import MAX_OBSERVATIONS, clean
from emotrace.evidence.reasoning.parsing import read_json
from emotrace.evidence.reasoning.requests import Part, Text
from emotrace.hydra.asking.prompts import Form, lines

Told = Literal["visual", "vocal", "verbal"]
"""What a description may tell of."""

_TOLD: Final[tuple[Told, ...]] = get_args(Told)
_MOST_ASKED_CHARACTERS: Final = 100
_LINE: Final = re.compile(r"(?P<modality>\w+) +(?P<strength>\?|\d*\.?\d+) *\| *(?P<text>.+)")
_BLOCK: Final = re.compile(r"<obs>(.*?)</obs>", re.DOTALL | re.IGNORECASE)
_MAX_FAULTS: Final = 6


@dataclass(frozen=True, kw_only=True)
class Said:
    """One observation as the model gave it. Whether it is in the material is judged later."""

    modality: Told
    text: str
    strength: float | None


class UnusableReplyError(ValueError):
    """A reply that is not of the form that was asked for; `faults` say what is wrong, as the model is told it."""

    def __init__(self, *faults: str) -> None:
        super().__init__(" ".join(faults))
        self.faults = faults[:_MAX_FAULTS]


@dataclass(frozen=True, kw_only=True)
class CaptionQuestion:
    """One question. Two with equal `sha256` ask the same."""

    caption: str
    """Clean."""
    subtitle: str
    """Clean; empty where there is none."""
    faults: tuple[str, ...] = ()
    """For a second asking: what was wrong with the first reply."""
    earlier: str = ""
    """For a second asking: how the first reply began."""

    @cached_property
    def fence(self) -> str:
        """The token around the material."""
        return hashlib.sha256(f"{self.material} {prompts_sha256()}".encode()).hexdigest()[:16]

    @cached_property
    def material(self) -> str:
        """Description and subtitle, a line each."""
        told = [_table()["description"].format(text=self.caption)]
        return "\n".join([*told, *([_table()["subtitle"].format(text=self.subtitle)] if self.subtitle else [])])

    def system(self, form: Form) -> str:
        """The fixed words."""
        filled = _table()["system"].format(
            fence=self.fence,
            characters=_MOST_ASKED_CHARACTERS,
            most=MAX_OBSERVATIONS,
            unknown="null" if form == "json" else "?",
        )
        return f"{filled.strip()}\n\n{_table()[form].strip()}"

    def parts(self) -> tuple[Part, ...]:
        """What is sent after the fixed words."""
        border = f"===== {self.fence} ====="
        parts: list[Part] = [Text(text="\n".join([border, self.material, border]))]
        if self.faults:
            faults = "\n".join(f"- {fault}" for fault in self.faults)
            parts.append(Text(text=lines()["again"].format(faults=faults, reply=self.earlier)))
        return tuple(parts)

    def sha256(self, **settings: object) -> str:
        """Of everything that the reply depends on besides the model."""
        whole = [prompts_sha256(), self.material, self.faults, self.earlier, sorted(settings.items())]
        return hashlib.sha256(json.dumps(whole, ensure_ascii=False).encode()).hexdigest()


def reply_schema() -> dict[str, Any]:
    """JSON Schema of a reply, strict: every key is required and no other is allowed."""
    item = {
        "modality": {"type": "string", "enum": list(_TOLD)},
        "text": {"type": "string"},
        "strength": {"anyOf": [{"type": "number", "minimum": 0, "maximum": 1}, {"type": "null"}]},
    }
    listed = {"type": "array", "items": _closed(item), "maxItems": MAX_OBSERVATIONS}
    return _closed({"observations": listed})


def read_split(text: str, form: Form) -> tuple[Said, ...]:
    """The observations that a reply lists, in its order.

    Args:
        text: As it came.
        form: How it was to be written.

    Raises:
        UnusableReplyError: It is of another form, be it in one place only: what half of a list means is not guessed.
    """
    answer = text.rpartition("</think>")[2]
    listed = _json_items(answer) if form == "json" else _tag_items(answer)
    said, faults = [], []
    for number, item in enumerate(listed, start=1):
        try:
            said.append(_said(item))
        except ValueError as error:
            faults.append(f"Observation {number}: {error}.")
    if faults:
        raise UnusableReplyError(*faults)
    return tuple(said)


def _json_items(text: str) -> list[Any]:
    record = read_json(text)
    if record is None:
        raise UnusableReplyError("It is no JSON object.")
    listed = record.get("observations")
    if not isinstance(listed, list):
        raise UnusableReplyError('The JSON is not of the schema: "observations" is no list.')
    return listed


def _tag_items(text: str) -> list[Any]:
    blocks = _BLOCK.findall(text)
    if not blocks:
        raise UnusableReplyError("It has no block from <obs> to </obs>.")
    items = []
    for line in filter(None, map(str.strip, blocks[-1].splitlines())):
        found = _LINE.fullmatch(line)
        if found is None:
            raise UnusableReplyError(f"This line is no observation: {clean(line)[:80]!r}.")
        strength = None if found["strength"] == "?" else float(found["strength"])
        items.append({"modality": found["modality"], "text": found["text"], "strength": strength})
    return items


def _said(item: Any) -> Said:
    """One item of a list; ValueError says what is wrong with it."""
    if not isinstance(item, Mapping) or not isinstance(item.get("text"), str):
        raise ValueError("it has no text")
    strength = item.get("strength")
    modality = next((each for each in _TOLD if each == item.get("modality")), None)
    if modality is None:
        raise ValueError(f"modality must be one of {', '.join(_TOLD)}")
    is_number = isinstance(strength, int | float) and not isinstance(strength, bool) and math.isfinite(strength)
    if strength is not None and not (is_number and 0 <= strength <= 1):
        raise ValueError("strength must be a number from 0 to 1, or unknown")
    return Said(modality=modality, text=item["text"], strength=None if strength is None else float(strength))


def _closed(properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


@cache
def prompts_sha256() -> str:
    """SHA-256 of the table of words."""
    return hashlib.sha256(_bytes()).hexdigest()


@cache
def _table() -> dict[str, Any]:
    return tomllib.loads(_bytes().decode("utf-8"))


def _bytes() -> bytes:
    return files("emotrace.hydra").joinpath("tables/captions.toml").read_bytes()
