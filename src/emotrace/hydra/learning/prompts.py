"""The question that a policy is trained to answer: word for word the one that `MllmReasoner(form="tags")` asks.

A policy that learned another question than it is served with would be measured on something that nobody uses.
"""

from __future__ import annotations

from typing import Any

from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.reasoning.requests import Text
from emotrace.hydra.asking.prompts import lines
from emotrace.hydra.asking.question import Question
from emotrace.hydra.asking.reading import Asked
from emotrace.hydra.learning.cases import Frame

Message = dict[str, str]


def prompt_messages(sheet: EvidenceSheet, *, k: int, frames: tuple[Frame, ...] = ()) -> list[Message]:
    """System and user message of one question, as chat templates take them.

    Frames are named with their times at the end of the user message; the pictures themselves travel beside it, in
    order.
    """
    question = Question(asked=Asked(step="reason", k=k, sheet=sheet))
    told = [part.text for part in question.parts(vision=False, audio=False) if isinstance(part, Text)]
    told += [
        lines()["frame"].format(number=number, seconds=f"{frame.seconds:.2f}")
        for number, frame in enumerate(frames, start=1)
    ]
    return [
        {"role": "system", "content": question.system("tags")},
        {"role": "user", "content": "\n".join(told)},
    ]


def whole_reply(end: str) -> dict[str, Any]:
    """A response template that leaves a reply as it is.

    Without one, `transformers serve` takes `<think>` for a model's own thoughts, and cuts it and what is before it off
    the replies of some kinds of models.

    Args:
        end: The token that ends a reply.
    """
    fields = {"content": {"close": end, "content": "text"}}
    return {"defaults": {"role": "assistant"}, "start_anchor_pattern": r"\Z", "fields": fields}
