"""Claims of a trace checked against what the embedded observers measured, and quotations against the transcript.

A claim is supported where a cue that speaks for it was measured within half a second of it, contradicted where only
cues against it were, and unknown otherwise: the embedded observers see few things, and their silence says nothing. A
quotation is supported where the words are in the transcript, contradicted where they are not. [ours]
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal

from emotrace.evidence.observation import Finding, Observation
from emotrace.evidence.reasoning.trace import Grounding, Section

NEAR_SECONDS: Final = 0.5
QUOTED: Final = re.compile(r"(?<!\w)['‘“](?P<words>[^'’”]+(?:['’]\w+[^'’”]*)*)['’”](?!\w)|「(?P<han>[^」]+)」")
"""Words between single or double quotation marks. An apostrophe within a word ends none."""
_TOKEN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]|[^\W_]+")
_NEGATED = re.compile(r"(?i)\b(?:no|not|never|without|neither|nor)\b[^,;.]*$|(?:没有|没|不|未)[^,;。，；]{0,4}$")

Verdict = Literal["supported", "contradicted", "unknown"]


@dataclass(frozen=True, kw_only=True)
class _Claim:
    name: str
    pattern: re.Pattern[str]
    backing: frozenset[str]
    opposing: frozenset[str]


def ground(section: Section, measured: Sequence[Observation], transcript: str | None) -> Grounding:
    """How many observations of a section are supported, and how many contradicted.

    Args:
        section: The section.
        measured: What the embedded observers measured of the same clip.
        transcript: What is said; None where nobody knows.
    """
    found = [verdict(claim, measured, transcript) for claim in section.observations]
    return Grounding(supported=found.count("supported"), contradicted=found.count("contradicted"))


def verdict(claim: Finding, measured: Sequence[Finding], transcript: str | None) -> Verdict:
    """Whether an observation is borne out: by its quotation where it has one, else by what was measured."""
    quoted = [match["words"] or match["han"] for match in QUOTED.finditer(claim.text)]
    if quoted and transcript is not None:
        said = _spelled(transcript)
        return "supported" if all(_spelled(words) in said for words in quoted) else "contradicted"
    about = _about(claim)
    if about is None:
        return "unknown"
    near = {m.cue for m in measured if m.cue is not None and _is_near(claim, m)}
    if near & about.backing:
        return "supported"
    return "contradicted" if near & about.opposing else "unknown"


def _about(claim: Finding) -> _Claim | None:
    """What an observation claims: by its cue where it has one, else by its words. A denied claim is none."""
    if claim.cue is not None:
        return next((each for each in _claims() if claim.cue in each.backing), None)
    for each in _claims():
        match = each.pattern.search(claim.text)
        if match is not None and not _NEGATED.search(claim.text[: match.start()]):
            return each
    return None


def _is_near(claim: Finding, measured: Finding) -> bool:
    gap = max(claim.span.start_seconds, measured.span.start_seconds) - min(
        claim.span.end_seconds, measured.span.end_seconds
    )
    return gap <= NEAR_SECONDS


def _spelled(words: str) -> str:
    """Words with nothing but letters, so that punctuation and case make no difference."""
    return f" {' '.join(_TOKEN.findall(words.casefold()))} "


@cache
def _claims() -> tuple[_Claim, ...]:
    table = files("emotrace.evidence.reasoning").joinpath("tables/grounding.toml").read_text("utf-8")
    return tuple(
        _Claim(
            name=row["name"],
            pattern=re.compile(row["pattern"], re.IGNORECASE),
            backing=frozenset(row["for"]),
            opposing=frozenset(row["against"]),
        )
        for row in tomllib.loads(table)["claim"]
    )
