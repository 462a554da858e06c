"""A provider for tests and examples: it answers from a table or by a function, and remembers what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emotrace.errors import ServerFailed
from emotrace.evidence.providers.interface import Reply
from emotrace.evidence.reasoning.requests import SHOWN, Request, Sense


class ScriptedProvider:
    """A fake that says so: no model is asked.

    Args:
        script: Call -> the text of the answer, or a function of the request.
        senses: What it can take in.
    """

    name = "scripted"
    model = "script"
    host: str | None = None
    writes = True

    def __init__(
        self,
        script: Mapping[str, str] | Callable[[Request], str | Reply],
        *,
        senses: tuple[Sense, ...] = SHOWN["joint"],
    ) -> None:
        self._script = script
        self._senses = senses
        self.asked: list[Request] = []

    def senses(self) -> tuple[Sense, ...]:
        """What it was made with."""
        return self._senses

    def ask(self, request: Request) -> Reply:
        """The scripted answer.

        Raises:
            ServerFailed: The table has no answer to this call.
        """
        self.asked.append(request)
        if not isinstance(self._script, Mapping):
            answer = self._script(request)
        elif request.call in self._script:
            answer = self._script[request.call]
        else:
            raise ServerFailed(f"the script has no answer to {request.call!r}", where="scripted provider")
        return answer if isinstance(answer, Reply) else Reply(text=answer)
