"""A language model as the reasoner of a batch: what a worker needs to know to ask it, and the pace that all share."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from emotrace.errors import UsageError
from emotrace.evidence.providers.http import HttpProvider, Prices
from emotrace.evidence.providers.retries import Gate, Patience
from emotrace.hydra.asking.prompts import Form, prompts_sha256
from emotrace.hydra.asking.replies import Replies
from emotrace.hydra.asking.view import ClipView
from emotrace.hydra.reasoners.embedded import EmbeddedReasoner
from emotrace.hydra.reasoners.mllm import MllmReasoner
from emotrace.media.clip import Clip


@dataclass(frozen=True, kw_only=True)
class Asking:
    """A model on a server, and how it is asked; the fields are those of `HttpProvider` and `MllmReasoner`."""

    url: str
    model: str
    mode: Literal["one", "steps"] = "one"
    swap_check: bool | None = None
    form: Form | Literal["auto"] = "auto"
    frames: int = 8
    sound: bool = False
    words: bool = True
    samples: int = 1
    prompt_price: float | None = None
    completion_price: float | None = None
    permission: str | None = None
    reserve: bool = False
    """Whether the embedded reasoner steps in where replies cannot be used."""
    concurrency: int = 8
    """About how many sheets of one clip are asked about at once."""
    tries: int = 4
    timeout_seconds: float = 120.0

    def server(self, gate: Gate | None = None) -> HttpProvider:
        """The server; asked for nothing yet.

        Raises:
            UsageError: Not an http address, no model, or one price without the other.
            MissingExtra: The package `openai` is not installed.
        """
        if (self.prompt_price is None) != (self.completion_price is None):
            raise UsageError("one price without the other", hint="Name --prompt-price and --completion-price")
        prices = None
        if self.prompt_price is not None and self.completion_price is not None:
            prices = Prices(prompt=self.prompt_price, completion=self.completion_price)
        return HttpProvider(
            base_url=self.url,
            model=self.model,
            patience=Patience(tries=self.tries),
            prices=prices,
            timeout_seconds=self.timeout_seconds,
            gate=gate,
        )

    def arguments(self, server: HttpProvider, clip: Clip, replies: Path) -> dict[str, Any]:
        """What `pipeline.analyze` takes for a clip.

        Raises:
            UnreadableTrace: The file of replies is damaged.
        """
        view = ClipView(clip, frames=self.frames, sound=self.sound, words=self.words)
        mind = MllmReasoner(
            server,
            view=view,
            form=self.form,
            samples=self.samples,
            replies=Replies(replies),
            permission=self.permission,
        )
        return {
            "reasoner": mind,
            "reserve": EmbeddedReasoner() if self.reserve else None,
            "mode": self.mode,
            "swap_check": self.swap_check,
            "concurrency": self.concurrency,
        }

    def settings(self) -> dict[str, Any]:
        """What can change a result; how patiently and how fast it is asked cannot."""
        left_out = ("concurrency", "tries", "timeout_seconds")
        kept = {name: value for name, value in asdict(self).items() if name not in left_out}
        return {**kept, "prompts_sha256": prompts_sha256()}
