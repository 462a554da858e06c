"""Made-up answers of an observer that hold every rule of a trace, for tests that break one rule at a time."""

from __future__ import annotations

import json
from typing import Any


def section(part: str, **changes: Any) -> dict[str, Any]:
    """An answer about one modality that holds every rule, with changes."""
    letter = {"visual": "V", "vocal": "A", "verbal": "T", "joint": "J"}[part]
    told = {"id": f"{letter}1", "start_seconds": 0.1, "end_seconds": 0.5, "strength": 0.5, "confidence": 0.8}
    texts = {
        "visual": "AU12 lip corner puller, intensity C, both sides",
        "vocal": "pitch rises towards the end",
        "verbal": "says 'never seen anything'",
        "joint": "face and voice change together",
    }
    answer: dict[str, Any] = {
        "observations": [{**told, "text": texts[part]}],
        "text": "The first change comes early and fades before the last one begins.",
        "scores": {"happy": 0.7, "sad": 0.2},
        "label": "happy",
    }
    if part == "joint":
        answer["contribution"] = {"visual": 50, "vocal": 30, "verbal": 20}
    return {**answer, **changes}


def script(**changes: dict[str, Any]) -> dict[str, str]:
    """Call -> answer, for a scripted provider."""
    return {part: json.dumps(section(part, **changes.get(part, {}))) for part in ("visual", "vocal", "verbal", "joint")}
