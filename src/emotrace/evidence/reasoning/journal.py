"""Every reply as it came, kept before the next question is asked: a killed run goes on without asking twice."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import Field

from emotrace.evidence.providers.interface import Finish, Reply
from emotrace.evidence.reasoning.requests import Request
from emotrace.evidence.reasoning.trace import Record, Usage
from emotrace.evidence.store import TraceKey, TraceStore

SUFFIX: Final = ".replies.jsonl"


class KeptReply(Record):
    """A line of the journal."""

    clip_sha256: str
    observer: str
    """`provider/model`."""
    request_sha256: str
    call: str
    sample: int = 0
    text: str
    finish: Finish
    reason: str | None = None
    usage: Usage = Field(default_factory=Usage)

    @property
    def key(self) -> TraceKey:
        """Clip, observer, question."""
        return TraceKey(clip_id=self.clip_sha256, provider=self.observer, prompt_sha256=self.request_sha256)

    @property
    def made_from(self) -> Mapping[str, str]:
        """Nothing else: the question's hash holds all of it."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return self.model_dump(mode="json")


class Journal:
    """The replies of one run, in a file beside its traces; many threads may use it.

    Args:
        path: A `.jsonl` file, which need not exist.

    Raises:
        UnreadableTrace: A line is damaged, other than an unfinished last one.
    """

    def __init__(self, path: Path) -> None:
        self._store: TraceStore[KeptReply] = TraceStore(path, KeptReply.model_validate)
        self._lock = threading.Lock()
        self._cost = sum((kept.usage.cost or 0.0 for kept in self._store), 0.0)

    @classmethod
    def beside(cls, traces: Path) -> Journal:
        """The journal that belongs to a file of traces."""
        return cls(traces.with_name(traces.stem + SUFFIX))

    @property
    def cost(self) -> float:
        """What all its replies cost together, as far as that is known."""
        with self._lock:
            return self._cost

    def get(self, clip_sha256: str, observer: str, request: Request) -> Reply | None:
        """The reply to a question that was asked before."""
        key = TraceKey(clip_id=clip_sha256, provider=observer, prompt_sha256=request.sha256)
        with self._lock:
            kept = self._store.get(key)
        if kept is None:
            return None
        return Reply(text=kept.text, finish=kept.finish, reason=kept.reason, usage=kept.usage)

    def keep(self, clip_sha256: str, observer: str, request: Request, reply: Reply) -> None:
        """Writes a reply down.

        Raises:
            UnwritableOutput: It cannot be written.
        """
        kept = KeptReply(
            clip_sha256=clip_sha256,
            observer=observer,
            request_sha256=request.sha256,
            call=request.call,
            sample=request.sample,
            text=reply.text,
            finish=reply.finish,
            reason=reply.reason,
            usage=reply.usage,
        )
        with self._lock:
            if self._store.append(kept):
                self._cost += reply.usage.cost or 0.0
