"""Every reply of a model as it came, in a file that only grows: a second run asks for nothing usable twice."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emotrace.evidence.reasoning.trace import Record, Usage
from emotrace.evidence.store import TraceKey, TraceStore
from emotrace.hydra.asking.prompts import Form, Step


class KeptReply(Record):
    """One reply, and what it was the reply to."""

    sheet_id: str
    asked_of: str
    """`host/model`."""
    question_sha256: str
    attempt: int = 0
    """How often this very question had a reply before that could not be used."""
    step: Step
    form: Form
    """How the question asked for it to be written."""
    shown: tuple[str, ...]
    """What was sent beside the sheet: `pictures`, `sound`."""
    text: str
    cut_off: bool
    refused: bool
    usage: Usage

    @property
    def key(self) -> TraceKey:
        """Sheet, model, question."""
        return TraceKey(clip_id=self.sheet_id, provider=self.asked_of, prompt_sha256=self.question_sha256)

    @property
    def made_from(self) -> Mapping[str, str]:
        """The attempt; all else is in the question's hash."""
        return {"attempt": str(self.attempt)}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return self.model_dump(mode="json")


class Replies:
    """The replies of all runs with one file, or of one run without.

    Args:
        path: A `.jsonl` file, which need not exist; None keeps them in memory.

    Raises:
        UnreadableTrace: A line is damaged, other than an unfinished last one.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._store = None if path is None else TraceStore(path, KeptReply.model_validate)
        self._here: dict[TraceKey, KeptReply] = {}

    def get(self, key: TraceKey) -> KeptReply | None:
        """The newest reply to a question that was asked before."""
        return self._here.get(key) if self._store is None else self._store.get(key)

    def keep(self, reply: KeptReply) -> None:
        """Writes a reply down.

        Raises:
            UnwritableOutput: It cannot be written.
        """
        if self._store is None:
            self._here[reply.key] = reply
        else:
            self._store.append(reply)
