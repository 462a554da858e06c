"""`ChatModel`: who is asked, as this room needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from emotrace.evidence.providers.http import Capabilities
from emotrace.evidence.providers.interface import Reply
from emotrace.evidence.reasoning.requests import Part


@runtime_checkable
class ChatModel(Protocol):
    """A model on a server; `HttpProvider` is one."""

    host: str | None
    model: str

    def capabilities(self) -> Capabilities:
        """What the server takes in; asked of it once."""
        ...

    def complete(
        self,
        system: str,
        parts: Sequence[Part],
        *,
        schema: Mapping[str, Any] | None,
        temperature: float,
        seed: int | None,
        max_tokens: int,
    ) -> Reply:
        """The reply to one question; raises `ServerFailed` where nobody answers."""
        ...
