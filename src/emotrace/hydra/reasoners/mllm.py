"""A multimodal language model as the reasoner: the whole protocol over any OpenAI-compatible server.

In one generation (`reason`) or step by step (`propose`, `verify`, `decide`); the swap check of the protocol asks
`decide` again with the hypotheses in another order. A reply that cannot be read, or that contradicts itself, is asked
for once more with its faults named; if that fails too, it is an error that keeps the text, never a guess. Hydra
specification, section 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, Protocol, runtime_checkable

from emotrace.errors import MalformedCompletion, ServerFailed
from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.providers.http import Capabilities
from emotrace.evidence.providers.interface import Reply
from emotrace.evidence.reasoning.requests import Part
from emotrace.evidence.reasoning.trace import Usage
from emotrace.evidence.store import TraceKey
from emotrace.hydra.asking.prompts import Form, Step, prompts_sha256
from emotrace.hydra.asking.question import Question
from emotrace.hydra.asking.reading import Asked, Reading, Status, read_reply
from emotrace.hydra.asking.replies import KeptReply, Replies
from emotrace.hydra.asking.view import ClipView
from emotrace.hydra.decide import Decision, decision_of
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.trace import Trace
from emotrace.hydra.verify import Verification, from_marks
from emotrace.results import Usage as VerdictUsage

MAX_TOKENS: Final = 2048
"""[ours] Most tokens of a reply; the paper's 1,024 [paper] are enough for tags, JSON takes more."""
EARLIER_CHARACTERS: Final = 400
"""[ours] How much of a faulty reply the model is shown again."""


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


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One reply, and how it was read: for audits, and for who counts how often a model keeps to the form."""

    sheet_id: str
    step: Step
    again: bool
    """Whether this was the second asking."""
    status: Status
    faults: tuple[str, ...]
    text: str
    """As it came."""
    cached: bool
    usage: Usage


class MllmReasoner:
    """Proposes, verifies and decides by asking a model.

    Args:
        model: Who is asked.
        view: What may be shown of the clip beside the sheets; None shows sheets alone.
        form: How replies are to be written: `json` under a schema, `tags` in the grammar, `auto` for JSON where the
            server takes schemas and tags elsewhere.
        temperature: 0 for replies as repeatable as the server allows.
        seed: Sent with every question; None sends none.
        max_tokens: Most tokens of a reply.
        replies: Where replies are kept, and looked up before anything is asked.
        permission: The owner's permission to send a clip that its corpus forbids to send; kept in the settings.
    """

    order_free = False

    def __init__(
        self,
        model: ChatModel,
        *,
        view: ClipView | None = None,
        form: Form | Literal["auto"] = "auto",
        temperature: float = 0.0,
        seed: int | None = 0,
        max_tokens: int = MAX_TOKENS,
        replies: Replies | None = None,
        permission: str | None = None,
    ) -> None:
        self.name = f"mllm/{model.model}@1"
        self.exchanges: list[Exchange] = []
        self._model, self._view, self._replies = model, view, replies or Replies()
        self._form: Form | Literal["auto"] = form
        self._sampling: dict[str, Any] = {"temperature": temperature, "seed": seed, "max_tokens": max_tokens}
        self._permission = permission
        self._taken = 0

    @property
    def settings(self) -> dict[str, Any]:
        """What decides its replies, for the provenance."""
        shown = {} if self._view is None else {"frames": self._view.frames, "sound": self._view.sound}
        return {
            "host": self._model.host,
            "model": self._model.model,
            "prompts_sha256": prompts_sha256(),
            "form": self._form,
            **self._sampling,
            **shown,
            "words": self._words,
            "permission": self._permission,
        }

    @property
    def spent(self) -> Usage:
        """What all questions took so far, as the server reported it; replies that were kept cost nothing."""
        return sum((each.usage for each in self.exchanges if not each.cached), Usage())

    def take_usage(self) -> VerdictUsage:
        """What was asked since this was last called."""
        recent, self._taken = self.exchanges[self._taken :], len(self.exchanges)
        asked = [each for each in recent if not each.cached]
        used = sum((each.usage for each in asked), Usage())
        return VerdictUsage(
            calls=len(asked),
            cached=len(recent) - len(asked),
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
            seconds=used.seconds,
        )

    def reason(self, sheet: EvidenceSheet, k: int) -> Trace:
        """One whole trajectory with exactly K hypotheses, in one generation.

        Raises:
            MalformedCompletion: The second reply could not be read either; `raw` is that reply.
            ServerFailed: Nobody answered.
        """
        trace = self._ask(Asked(step="reason", k=k, sheet=sheet))
        return replace(trace, missing=tuple(sheet.missing))

    def propose(self, sheet: EvidenceSheet, k: int, held: tuple[Hypothesis, ...] = ()) -> tuple[Hypothesis, ...]:
        """K hypotheses, numbered after those held. Raises as `reason` does."""
        trace = self._ask(Asked(step="propose", k=k, sheet=sheet), held=held)
        in_order = sorted(trace.hypotheses, key=lambda hypothesis: hypothesis.number)
        return tuple(replace(each, number=each.number + len(held)) for each in in_order)

    def verify(self, sheet: EvidenceSheet, hypothesis: Hypothesis) -> Verification:
        """One hypothesis against every observation; the model sees no rival. Raises as `reason` does."""
        alone = replace(hypothesis, number=1)
        trace = self._ask(Asked(step="verify", k=1, sheet=sheet, hypotheses=(alone,)))
        checks = [check for check in trace.checks if check.id in sheet]
        return from_marks(
            sheet,
            number=hypothesis.number,
            marks={check.id: check.marks[1] for check in checks if 1 in check.marks},
            quotes={check.id: check.quote for check in checks},
        )

    def decide(
        self, sheet: EvidenceSheet, hypotheses: tuple[Hypothesis, ...], verifications: tuple[Verification, ...]
    ) -> Decision:
        """The winner and the labels, from the marks; with K = 0 from the sheet alone. Raises as `reason` does."""
        if not hypotheses:
            return decision_of(self.reason(sheet, 0), sheet, ())
        asked = Asked(step="decide", k=len(hypotheses), sheet=sheet, hypotheses=hypotheses, verifications=verifications)
        return decision_of(self._ask(asked), sheet, verifications)

    def _ask(self, asked: Asked, held: tuple[Hypothesis, ...] = ()) -> Trace:
        """The trace of a reply, of the second one where the first was no good."""
        view, sheet = self._view, asked.sheet
        question = Question(
            asked=asked,
            pictures=() if view is None else view.pictures_of(sheet),
            sound=None if view is None else view.sound_of(sheet),
            said=() if view is None else view.said_in(sheet),
            held=held,
            words=self._words,
        )
        reading, text = self._read(question)
        if reading.trace is None and reading.status is not Status.REFUSED:
            earlier = " ".join(text.split())[:EARLIER_CHARACTERS]
            reading, text = self._read(replace(question, faults=reading.faults, earlier=earlier))
        if reading.trace is None:
            raise MalformedCompletion(
                f"the reply of {self._model.model} could not be used ({asked.step}: {reading.status}): "
                f"{' '.join(reading.faults)[:300]}",
                raw=text,
                where=f"{self._model.host}",
                hint="Try another model, or --form tags; the reply is in the error's `raw` and in the file of replies",
            )
        return reading.trace

    def _read(self, question: Question) -> tuple[Reading, str]:
        """The reply to a question, kept or new, and what it says."""
        kept, cached = self._reply(question)
        if kept.refused:
            reading = Reading(status=Status.REFUSED, faults=(Status.REFUSED.sentence,))
        else:
            reading = read_reply(kept.text, question.asked, form=kept.form, cut_off=kept.cut_off)
        self.exchanges.append(
            Exchange(
                sheet_id=kept.sheet_id,
                step=kept.step,
                again=bool(question.faults),
                status=reading.status,
                faults=reading.faults,
                text=kept.text,
                cached=cached,
                usage=kept.usage,
            )
        )
        return reading, kept.text

    def _reply(self, question: Question) -> tuple[KeptReply, bool]:
        """The reply, and whether it was kept from before. Nothing is sent where it was, not even a greeting."""
        sheet_id, asked_of = question.asked.sheet.sheet_id, f"{self._model.host}/{self._model.model}"
        question_sha256 = question.sha256(form=self._form, **self._sampling)
        key = TraceKey(clip_id=sheet_id, provider=asked_of, prompt_sha256=question_sha256)
        if (kept := self._replies.get(key)) is not None:
            return kept, True
        takes = self._model.capabilities()
        form: Form = self._form if self._form != "auto" else "json" if takes.json_mode == "schema" else "tags"
        reply = self._model.complete(
            question.system(form),
            question.parts(vision=takes.vision, audio=takes.audio),
            schema=question.schema if form == "json" else None,
            **self._sampling,
        )
        if reply.finish == "failed":
            raise ServerFailed(str(reply.reason), where=f"{self._model.host}", hint="Try --form tags, or --frames 0")
        shown = [("pictures", takes.vision and question.pictures), ("sound", takes.audio and question.sound)]
        kept = KeptReply(
            sheet_id=sheet_id,
            asked_of=asked_of,
            question_sha256=question_sha256,
            step=question.asked.step,
            form=form,
            shown=tuple(name for name, there in shown if there),
            text=reply.text,
            cut_off=reply.cut_off,
            refused=reply.finish == "refused",
            usage=reply.usage,
        )
        self._replies.keep(kept)
        return kept, False

    @property
    def _words(self) -> bool:
        return self._view is None or self._view.words
