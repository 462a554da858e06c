"""The reply as JSON: its schema, which mirrors a `Trace`, and how a reply's values become text of the grammar.

Both forms of reply are read by the one parser of `hydra/grammar.py`, so that the same things are wrong with either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from emotrace.evidence.observation import EvidenceSheet, clean
from emotrace.hydra.asking.prompts import Step, name_of
from emotrace.hydra.grammar import MAX_ANSWERS
from emotrace.hydra.propose import MAX_CITES, MAX_LABELS, MAX_STORY_WORDS, PERSPECTIVES
from emotrace.hydra.trace import MAX_NOTE_WORDS, MAX_NOTES
from emotrace.hydra.verify import MARKS
from emotrace.results import AbstainCode

_SIGN = {"supports": "+", "contradicts": "-", "silent": "~"}


class OtherSchemaError(ValueError):
    """A reply's JSON lacks a key, or holds another type there; the message names the place."""


def reply_schema(step: Step, sheet: EvidenceSheet, *, k: int) -> dict[str, Any]:
    """JSON Schema of a reply, strict: every key is required and no other is allowed; ids are those of the sheet.

    Args:
        step: What is asked.
        sheet: The evidence.
        k: How many hypotheses there are.
    """
    text = {"type": "string"}
    ids = [observation.id for observation in sheet.observations]
    cites = _list({"type": "string", "enum": ids}, most=MAX_CITES) if ids else _list(text, most=0)
    hypothesis = _closed(
        {
            "perspective": {"type": "string", "enum": list(PERSPECTIVES)},
            "labels": _list(text, least=1, most=MAX_LABELS),
            "story": text,
            "cites": cites,
        }
    )
    marks = 1 if step == "verify" else k
    check = {"id": {"type": "string", "enum": ids} if ids else text, "quote": text}
    if marks:
        check["marks"] = _list({"type": "string", "enum": list(MARKS)}, least=marks, most=marks)
    answer = {"word": text, "confidence": {"type": "number", "minimum": 0, "maximum": 1}, "cites": cites}
    hypotheses = _list(hypothesis, least=k, most=k)
    checks = _list(_closed(check), least=len(ids), most=len(ids))
    ending: dict[str, Any] = {"notes": _list(text, most=MAX_NOTES)}
    if k:
        numbers = range(1, k + 1)
        letters = {"type": "string", "enum": [name_of(step, number) for number in numbers]}
        named = letters if step == "decide" else {"type": "integer", "enum": list(numbers)}
        ending["verdict"] = _list(named, least=1, most=k)
    ending["answers"] = _list(_closed(answer), most=MAX_ANSWERS)
    ending["abstain"] = {"anyOf": [{"type": "string", "enum": list(get_args(AbstainCode))}, {"type": "null"}]}
    if step == "propose":
        return _closed({"hypotheses": hypotheses})
    if step == "verify":
        return _closed({"checks": checks})
    if step == "decide":
        return _closed(ending)
    return _closed({**({"hypotheses": hypotheses} if k else {}), "checks": checks, **ending})


def reply_text(record: Mapping[str, Any], step: Step, *, k: int) -> str:
    """The blocks of the grammar that a reply's values spell out. What they hold is judged by the parser.

    Stories and notes are cut to their length, and all texts are cleaned, so that no value can hold a tag or a cite.

    Raises:
        OtherSchemaError: A key is not there, or holds another type.
    """
    blocks: list[str] = []
    if step == "propose" or (step == "reason" and k):
        hypotheses = enumerate(_items(record, "hypotheses"), start=1)
        blocks += ["<hyp>", *(_hypothesis_line(number, each) for number, each in hypotheses), "</hyp>"]
    if step != "propose":
        blocks.append("<think>")
        if step in ("reason", "verify"):
            blocks += [_check_line(each, 1 if step == "verify" else k) for each in _items(record, "checks")]
        if step in ("reason", "decide"):
            blocks += [
                f"- {_words(note, MAX_NOTE_WORDS)}" for note in _texts(record, "notes")[:MAX_NOTES] if note.strip()
            ]
            blocks += [_verdict_line(record, step, k)] if k else []
        blocks.append("</think>")
    if step in ("reason", "decide"):
        blocks.append(f"<ans>{_answer_text(record)}</ans>")
    return "\n".join(blocks)


def _hypothesis_line(number: int, record: Mapping[str, Any]) -> str:
    labels = ", ".join(_word(label) for label in _texts(record, "labels"))
    story = _words(_text(record, "story"), MAX_STORY_WORDS)
    head = f"h{number} {_word(_text(record, 'perspective'))}: {labels}"
    return head + (f" | {story}" if story else "") + _cites(record)


def _check_line(record: Mapping[str, Any], k: int) -> str:
    marks = _texts(record, "marks") if k else []
    if len(marks) != k or not set(marks) <= set(_SIGN):
        raise OtherSchemaError(f"marks must be {k} of {', '.join(_SIGN)}, got {marks}"[:200])
    signs = "".join(f" h{number}{_SIGN[mark]}" for number, mark in enumerate(marks, start=1))
    return f'[{clean(_text(record, "id"))}] "{clean(_text(record, "quote"))}"{signs}'


def _verdict_line(record: Mapping[str, Any], step: Step, k: int) -> str:
    """The verdict, with letters as the numbers that they stand for. A number is its own name wherever it comes."""
    numbers = record.get("verdict")
    if step == "decide" and isinstance(numbers, list):
        number_of = {name_of(step, number): number for number in range(1, k + 1)}
        numbers = [number_of.get(each, each) if isinstance(each, str) else each for each in numbers]
    if not isinstance(numbers, list) or not numbers or not all(type(number) is int for number in numbers):
        raise OtherSchemaError("verdict must name explanations as they were given, at least one")
    return "verdict: " + ", ".join(f"h{number}" for number in dict.fromkeys(numbers))


def _answer_text(record: Mapping[str, Any]) -> str:
    answers, code = _items(record, "answers"), record.get("abstain")
    if code is not None and not isinstance(code, str):
        raise OtherSchemaError("abstain must be a code or null")
    if code and answers:
        raise OtherSchemaError("answers and abstain exclude each other, and both are given")
    if code:
        return f"abstain: {clean(code)}"
    return "; ".join(_answer(each) for each in answers)


def _answer(record: Mapping[str, Any]) -> str:
    confidence = record.get("confidence")
    if isinstance(confidence, bool) or not isinstance(confidence, int | float | None):
        raise OtherSchemaError("confidence must be a number")
    told = "" if confidence is None else f" {confidence:.2f}"
    return _word(_text(record, "word")) + told + _cites(record)


def _cites(record: Mapping[str, Any]) -> str:
    return "".join(f" [{clean(cite)}]" for cite in dict.fromkeys(_texts(record, "cites")))


def _word(text: str) -> str:
    """A word as the grammar spells it. One that holds a separator is not made into two: it stays, and is refused."""
    return clean(text).lower().replace(", ", ",").replace("; ", ";")


def _words(text: str, most: int) -> str:
    return " ".join(clean(text).split()[:most])


def _items(record: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = record.get(key)
    if not isinstance(found, list) or not all(isinstance(each, Mapping) for each in found):
        raise OtherSchemaError(f"{key} must be a list of objects")
    return found


def _texts(record: Mapping[str, Any], key: str) -> list[str]:
    found = record.get(key)
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise OtherSchemaError(f"{key} must be a list of texts")
    return found


def _text(record: Mapping[str, Any], key: str) -> str:
    found = record.get(key)
    if not isinstance(found, str):
        raise OtherSchemaError(f"{key} must be a text")
    return found


def _list(items: dict[str, Any], *, least: int = 0, most: int) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _closed(properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
