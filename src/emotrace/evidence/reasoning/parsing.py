"""A reply's text made into sections. What cannot be read is `malformed`; nothing is guessed.

Repair touches the wrapping alone: code fences, `<answer>` tags, words before and after the JSON, trailing commas.
Values stay as they came, even where they break a rule: the reliability checks judge them.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final, TypeGuard

from emotrace.errors import InvalidObservation
from emotrace.evidence.observation import LETTERS, MODALITIES, Finding, Modality, clean, numbered
from emotrace.evidence.reasoning.prompts import Call
from emotrace.evidence.reasoning.trace import (
    MAX_SECTION_OBSERVATIONS,
    MAX_TEXT_CHARACTERS,
    Section,
    Status,
)
from emotrace.span import Span

BAD_ID: Final = "bad_id"
BAD_SPAN: Final = "bad_span"
BAD_NUMBER: Final = "bad_number"
FOREIGN: Final = "foreign_modality"
NAMES_EMOTION: Final = "names_emotion"
TEXT_CUT: Final = "text_cut"
TOO_MANY: Final = "too_many"
TOLERANCE_SECONDS: Final = 0.1
"""How far a claimed time may lie outside the clip."""

REFUSAL: Final = re.compile(
    r"(?i)\b(?:i\s*(?:am|['’]m)\s+(?:sorry|unable|not able)"
    r"|i\s+(?:can(?:no|['’])t|cannot|won['’]t|am not allowed to)\s+"
    r"(?:help|assist|comply|analy[sz]e|identify|describe|provide|answer|do that|fulfil)"
    r"|as an ai\b|against my (?:guidelines|policy|policies)|unable to (?:assist|comply|help|process))"
    r"|抱歉，?我(?:无法|不能)|我(?:无法|不能)(?:协助|提供|分析|回答|满足|帮)|作为(?:一个)?(?:AI|人工智能)"
)
"""Phrases by which models decline. [ours]"""
_TAGS = re.compile(r"<(answer|json)>(.*?)</\1>", re.IGNORECASE | re.DOTALL)
_CODE = re.compile(r"```(?:json)?\s*\n(.*?)```", re.IGNORECASE | re.DOTALL)
_TRAILING_COMMA = re.compile(r",(\s*[}\]])")


def read_answer(text: str, call: Call, *, source: str, labels: tuple[str, ...]) -> dict[Modality, Section]:
    """The sections that a reply's text holds: one, or all four of a single call.

    Args:
        text: As it came.
        call: What was asked.
        source: Who answered, as observations name it: `provider/model#prompt-hash`.
        labels: Those that scores were asked over.
    """
    parts: tuple[Modality, ...] = MODALITIES if call == "one" else (call,)
    found = read_json(text)
    if found is None:
        if REFUSAL.search(text):
            return dict.fromkeys(parts, Section(status=Status.REFUSED, reason="the observer declined"))
        return dict.fromkeys(parts, malformed("no JSON object in the answer"))
    if call != "one":
        return {call: read_section(found, call, source=source, labels=labels)}
    return {part: read_section(found.get(part), part, source=source, labels=labels) for part in parts}


def read_json(text: str) -> dict[str, Any] | None:
    """The JSON object of a text: as it is, or after its wrapping is taken off; None where there is none."""
    wrapped = [match[2] for match in _TAGS.finditer(text)] + [match[1] for match in _CODE.finditer(text)]
    start, end = text.find("{"), text.rfind("}")
    candidates = [text, *wrapped, text[start : end + 1] if 0 <= start < end else ""]
    for candidate in [*candidates, *(_TRAILING_COMMA.sub(r"\1", each) for each in candidates)]:
        try:
            found = json.loads(candidate.strip(), parse_constant=_no_constant)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict):
            return found
    return None


def read_section(value: Any, part: Modality, *, source: str, labels: tuple[str, ...]) -> Section:
    """One section of an answer's values."""
    if not isinstance(value, Mapping) or not isinstance(value.get("text"), str):
        return malformed(f"the {part} section has no text")
    listed = value.get("observations", [])
    if not isinstance(listed, list):
        return malformed("observations are no list")
    if value.get("scores") is not None and not _numbers(value["scores"]):
        return malformed("scores are no numbers")
    if value.get("contribution") is not None and not _numbers(value["contribution"]):
        return malformed("contributions are no numbers")
    issues: list[str] = [TOO_MANY] if len(listed) > MAX_SECTION_OBSERVATIONS else []
    findings = []
    for item in listed[:MAX_SECTION_OBSERVATIONS]:
        finding, issue = _finding(item, part, source)
        findings += [finding] if finding is not None else []
        issues += [issue] if issue else []
    text = " ".join(value["text"].split())
    issues += [TEXT_CUT] if len(text) > MAX_TEXT_CHARACTERS else []
    ids = [item.get("id") for item in listed if isinstance(item, Mapping)]
    issues += [BAD_ID] if len(ids) != len(set(map(str, ids))) else []
    label = value.get("label")
    return Section(
        status=Status.OK,
        observations=numbered(dict.fromkeys(findings)),
        text=text[:MAX_TEXT_CHARACTERS],
        scores=_named(value.get("scores"), labels),
        label=_known(label, labels) if isinstance(label, str) else None,
        contribution=None if part != "joint" else _named(value.get("contribution"), ("visual", "vocal", "verbal")),
        issues=tuple(dict.fromkeys(issues)),
    )


def malformed(reason: str) -> Section:
    """A section that could not be read."""
    return Section(status=Status.MALFORMED, reason=reason)


def _finding(item: Any, part: Modality, source: str) -> tuple[Finding | None, str | None]:
    """What one listed observation says, and the code of what is wrong with it."""
    if not isinstance(item, Mapping) or not isinstance(item.get("text"), str):
        return None, BAD_ID
    id, issue = item.get("id"), None
    if not (isinstance(id, str) and re.fullmatch(r"[VATJ][1-9][0-9]?", id)):
        issue = BAD_ID
    elif id[0] != LETTERS[part]:
        return None, FOREIGN
    start, end = item.get("start_seconds"), item.get("end_seconds")
    if not (_is_number(start) and _is_number(end)) or not -TOLERANCE_SECONDS <= start <= end:
        return None, BAD_SPAN
    strength, confidence = item.get("strength", 0.5), item.get("confidence", 0.5)
    if not (_is_number(strength) and _is_number(confidence) and 0 <= strength <= 1 and 0 <= confidence <= 1):
        return None, BAD_NUMBER
    text = clean(item["text"])
    if len(text) > 120:
        text = text[:119].rsplit(" ", 1)[0].rstrip(" ,;") + "…"
    try:
        finding = Finding(
            modality=part,
            span=Span(max(0.0, start), max(0.0, end)).rounded(),
            text=text,
            strength=strength,
            confidence=confidence,
            source=source,
        )
    except InvalidObservation:
        return None, NAMES_EMOTION if len(text) >= 3 else BAD_ID
    return finding, issue


def _named(values: Any, names: tuple[str, ...]) -> dict[str, float] | None:
    return None if values is None else {_known(str(name), names): float(value) for name, value in values.items()}


def _known(name: str, names: tuple[str, ...]) -> str:
    """The listed name that this one spells, in any case; as it came where there is none."""
    return next((each for each in names if each.casefold() == name.strip().casefold()), name)


def _numbers(values: Any) -> bool:
    return isinstance(values, Mapping) and all(_is_number(value) for value in values.values())


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
