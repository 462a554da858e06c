"""Replies of a made-up model that splits captions, in either form: every clause of the material, copied as it is.

It is of no help: it copies emotion words, and what is concluded, so that tests see what becomes of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_LINE = re.compile(r"^(description|subtitle): (.+)$", re.MULTILINE)
_VOICE = re.compile(r"voice|speaks|声音")


def asked_text(body: Mapping[str, Any]) -> str:
    """All that a request shows after its fixed words."""
    return "\n".join(part["text"] for part in body["messages"][1]["content"])


def split_answer(body: Mapping[str, Any]) -> str:
    """The reply to a request's body."""
    items = [item for kind, text in _LINE.findall(asked_text(body)) for item in _items(kind, text)]
    if body.get("response_format") is not None:
        return json.dumps({"observations": items}, ensure_ascii=False)
    lines = [
        f"{each['modality']} {'?' if each['strength'] is None else each['strength']} | {each['text']}" for each in items
    ]
    return "\n".join(["<obs>", *lines, "</obs>"])


def _items(kind: str, text: str) -> list[dict[str, Any]]:
    if kind == "subtitle":
        return [{"modality": "verbal", "text": text, "strength": None}]
    clauses = [clause.strip() for clause in re.split(r"[.;。]", text) if clause.strip()]
    return [
        {"modality": "vocal" if _VOICE.search(clause) else "visual", "text": clause, "strength": 0.6}
        for clause in clauses
    ]
