"""A multimodal language model as the reasoner: the whole protocol over any OpenAI-compatible server.

In one generation (`reason`) or step by step (`propose`, `verify`, `decide`); the swap check of the protocol asks
`decide` again with the hypotheses in another order. A reply that cannot be read, or that contradicts itself, is asked
for once more with its faults named; if that fails too, it is an error that keeps the text, never a guess. Hydra
specification, section 6.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Any, Final, Literal

from emotrace.errors import MalformedCompletion, UsageError
from emotrace.evidence.observation import EvidenceSheet
from emotrace.evidence.reasoning.trace import Usage
from emotrace.hydra.asking.dialogue import Dialogue
from emotrace.hydra.asking.dialogue import Exchange as Exchange
from emotrace.hydra.asking.model import ChatModel as ChatModel
from emotrace.hydra.asking.prompts import Form, prompts_sha256
from emotrace.hydra.asking.question import Question
from emotrace.hydra.asking.reading import Asked
from emotrace.hydra.asking.replies import Replies
from emotrace.hydra.asking.view import ClipView
from emotrace.hydra.asking.votes import elect
from emotrace.hydra.decide import Decision, decision_of
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.trace import Trace
from emotrace.hydra.verify import Verification, from_marks
from emotrace.results import Usage as VerdictUsage

MAX_TOKENS: Final = 2048
"""[ours] Most tokens of a reply; the paper's 1,024 [paper] are enough for tags, JSON takes more."""
SAMPLES_TEMPERATURE: Final = 0.7
"""[ours] Temperature where several samples are asked for; one is asked for at 0."""


class MllmReasoner:
    """Proposes, verifies and decides by asking a model.

    Args:
        model: Who is asked.
        view: What may be shown of the clip beside the sheets; None shows sheets alone.
        form: How replies are to be written: `json` under a schema, `tags` in the grammar, `auto` for JSON where the
            server takes schemas and tags elsewhere.
        samples: How many replies give an answer by their votes (`asking/votes.py`); steps before the answer have one.
        temperature: 0 for replies as repeatable as the server allows; None: 0, or 0.7 where several samples vote.
        seed: Sent with every question, one more with each sample; None sends none.
        max_tokens: Most tokens of a reply.
        replies: Where replies are kept, and looked up before anything is asked.
        permission: The owner's permission to send a clip that its corpus forbids to send; kept in the settings.

    Raises:
        UsageError: Less than one sample.
    """

    order_free = False

    def __init__(
        self,
        model: ChatModel,
        *,
        view: ClipView | None = None,
        form: Form | Literal["auto"] = "auto",
        samples: int = 1,
        temperature: float | None = None,
        seed: int | None = 0,
        max_tokens: int = MAX_TOKENS,
        replies: Replies | None = None,
        permission: str | None = None,
    ) -> None:
        if samples < 1:
            raise UsageError(f"at least one sample is needed, got {samples}", where="samples")
        if temperature is None:
            temperature = 0.0 if samples == 1 else SAMPLES_TEMPERATURE
        self.name = f"mllm/{model.model}@1"
        self._model, self._view, self._samples, self._permission = model, view, samples, permission
        self._dialogue = Dialogue(
            model,
            form=None if form == "auto" else form,
            temperature=temperature,
            seed=seed,
            max_tokens=max_tokens,
            replies=replies or Replies(),
        )
        self._agreements: list[float] = []

    @property
    def exchanges(self) -> list[Exchange]:
        """Every reply so far, usable or not, in the order in which they came."""
        return self._dialogue.exchanges

    @property
    def settings(self) -> dict[str, Any]:
        """What decides its replies, for the provenance."""
        shown = {} if self._view is None else {"frames": self._view.frames, "sound": self._view.sound}
        return {
            "host": self._model.host,
            "model": self._model.model,
            "prompts_sha256": prompts_sha256(),
            "samples": self._samples,
            **self._dialogue.settings,
            **shown,
            "words": self._words,
            "permission": self._permission,
        }

    @property
    def spent(self) -> Usage:
        """What all questions took so far, as the server reported it; replies that were kept cost nothing."""
        return sum((each.usage for each in self.exchanges if not each.cached), Usage())

    def session(self) -> MllmReasoner:
        """The same reasoner with exchanges and usage of its own; they count for this one too."""
        session = copy(self)
        session._dialogue, session._agreements = self._dialogue.session(), []
        return session

    def usage(self) -> VerdictUsage:
        """What was asked in this session; the agreement is that of its first vote."""
        asked, used = sum(not each.cached for each in self.exchanges), self.spent
        return VerdictUsage(
            calls=asked,
            cached=len(self.exchanges) - asked,
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
            image_tokens=used.image_tokens,
            seconds=used.seconds,
            cost=used.cost,
            agreement=round(self._agreements[0], 2) if self._agreements else None,
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
        """The trace of a usable reply, or of the one that several elect."""
        view, sheet = self._view, asked.sheet
        question = Question(
            asked=asked,
            pictures=() if view is None else view.pictures_of(sheet),
            sound=None if view is None else view.sound_of(sheet),
            said=() if view is None else view.said_in(sheet),
            held=held,
            words=self._words,
        )
        if self._samples > 1 and asked.step in ("reason", "decide"):
            return self._voted(question)
        return self._dialogue.trace(question)

    def _voted(self, question: Question) -> Trace:
        """The sample that the others agree with most. One that cannot be used agrees with none."""
        traces, failures = [], []
        for sample in range(self._samples):
            try:
                traces.append(self._dialogue.trace(question, sample=sample))
            except MalformedCompletion as error:
                failures.append(error)
        if not traces:
            raise failures[-1]
        trace, agreement = elect(traces, of=self._samples)
        self._agreements.append(agreement)
        return trace

    @property
    def _words(self) -> bool:
        return self._view is None or self._view.words
