"""Replies of a made-up model to the questions of `hydra/reasoners/mllm.py`, in either form, fit for any sheet.

The first hypothesis is supported by every line and the others contradicted by it. Asked to decide, it takes the first
that anything supports, in whatever order they come.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

WORDS = ("joyful", "disappointed", "afraid", "angry")
_PERSPECTIVES = ("face", "voice", "words", "situation")
_IDS = re.compile(r"^\[([VATJ]\d+)\] (?:\d|strength )", re.MULTILINE)


def reasoned_answer(body: Mapping[str, Any]) -> str:
    """The reply to a request's body."""
    asked = "\n".join(part["text"] for part in body["messages"][1]["content"] if part["type"] == "text")
    ids = _IDS.findall(asked)
    schema = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
    explanations = [line for line in asked.split("\n") if line.startswith("explanation ")]
    best = next((number for number, line in enumerate(explanations, start=1) if "; supports: " in line), 1)
    if schema is not None:
        return json.dumps(_values(schema["properties"], ids, best))
    return _blocks(body["messages"][0]["content"], ids, best, given=len(explanations))


def _values(properties: Mapping[str, Any], ids: list[str], best: int) -> dict[str, Any]:
    answer = {"word": WORDS[0], "confidence": 0.7, "cites": ids[:1]}
    values: dict[str, Any] = {"notes": [], "verdict": [best], "answers": [answer], "abstain": None}
    if "hypotheses" in properties:
        values["hypotheses"] = [_hypothesis(n, ids) for n in range(properties["hypotheses"]["minItems"])]
    if "checks" in properties:
        marks = properties["checks"]["items"]["properties"].get("marks", {"minItems": 0})["minItems"]
        told = ["supports", *["contradicts"] * (marks - 1)][:marks]
        check = {"quote": "what stands on the line", **({"marks": told} if marks else {})}
        values["checks"] = [{"id": id, **check} for id in ids]
    return {name: values[name] for name in properties}


def _hypothesis(number: int, ids: list[str]) -> dict[str, Any]:
    story = f"something that would explain it, number {number + 1}"
    return {"perspective": _PERSPECTIVES[number], "labels": [WORDS[number]], "story": story, "cites": ids[:1]}


def _blocks(system: str, ids: list[str], best: int, given: int) -> str:
    found = re.search(r"[Pp]ropose exactly (\d)", system)
    k = int(found[1]) if found else given
    hypotheses = [
        f"h{n} {_PERSPECTIVES[n - 1]}: {WORDS[n - 1]} | something that would explain it, number {n} [{ids[0]}]"
        for n in range(1, k + 1)
    ]
    hyp = "\n".join(["<hyp>", *hypotheses, "</hyp>"])
    if "and nothing else. Each supposes" in system:
        return hyp
    marks = "".join(f" h{n}{'+' if n == 1 else '-'}" for n in range(1, k + 1))
    lines = [f'[{id}] "what stands on the line"{marks}' for id in ids]
    if "Judge this explanation by itself" in system:
        return "\n".join(["<think>", *lines, "</think>"])
    deciding = "their order means nothing" in system
    verdict = [f"verdict: h{best}"] if k else []
    think = "\n".join(["<think>", *([] if deciding else lines), *verdict, "</think>"])
    ans = f"<ans>{WORDS[0]} 0.70 [{ids[0]}]</ans>"
    return "\n".join([*([hyp] if k and not deciding else []), think, ans])
