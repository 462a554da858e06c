"""Questions and replies: looks up what was kept, asks where nothing usable was, and once more where a reply is no good.

A usable reply is never asked for again. One that could not be used is, in a later run: a server's bad moment must not
last. What was tried before stays in the file of replies.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from emotrace.errors import MalformedCompletion, ServerFailed
from emotrace.evidence.reasoning.trace import Usage
from emotrace.evidence.store import TraceKey
from emotrace.hydra.asking.abilities import Abilities
from emotrace.hydra.asking.model import ChatModel
from emotrace.hydra.asking.prompts import Form, Step
from emotrace.hydra.asking.question import Question
from emotrace.hydra.asking.reading import Reading, Status, read_reply
from emotrace.hydra.asking.replies import KeptReply, Replies
from emotrace.hydra.trace import Trace

EARLIER_CHARACTERS: Final = 400
"""[ours] How much of a faulty reply the model is shown again."""


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """One reply, and how it was read: for audits, and for who counts how often a model keeps to the form."""

    sheet_id: str
    step: Step
    again: bool
    """Whether this was the second asking."""
    anew: bool
    """Whether it was asked for because the reply kept from an earlier run could not be used."""
    status: Status
    faults: tuple[str, ...]
    text: str
    """As it came."""
    cached: bool
    usage: Usage


class _Heard(NamedTuple):
    reading: Reading
    exchange: Exchange


class Dialogue:
    """With one model.

    Args:
        model: Who is asked.
        form: How replies are to be written; None: JSON where the server takes schemas, else tags.
        temperature: 0 for replies as repeatable as the server allows.
        seed: Of the first sample; the next one has the next seed. None sends none.
        max_tokens: Most tokens of a reply.
        replies: Where replies are kept, and looked up before anything is asked.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        form: Form | None,
        temperature: float,
        seed: int | None,
        max_tokens: int,
        replies: Replies,
    ) -> None:
        self.exchanges: list[Exchange] = []
        self._whole: Dialogue | None = None
        self.settings: dict[str, Any] = {
            "form": form or "auto",
            "temperature": temperature,
            "seed": seed,
            "max_tokens": max_tokens,
        }
        self._model, self._replies = model, replies
        self._abilities = Abilities(model, form)

    def session(self) -> Dialogue:
        """The same dialogue with exchanges of its own, which are told to this one too."""
        session = copy(self)
        session.exchanges, session._whole = [], self
        return session

    def trace(self, question: Question, *, sample: int = 0) -> Trace:
        """The trace of a usable reply, kept or new, be it to the second asking.

        Args:
            question: What is asked.
            sample: Which of several replies to the same question.

        Raises:
            MalformedCompletion: The second reply could not be read either; `raw` is that reply.
            ServerFailed: Nobody answered.
        """
        reading, exchange = self._from_before(question, sample) or self._asked_now(question, sample)
        if reading.trace is None:
            raise MalformedCompletion(
                f"the reply of {self._model.model} could not be used ({exchange.step}: {reading.status}): "
                f"{' '.join(reading.faults)[:300]}",
                raw=exchange.text,
                where=f"{self._model.host}",
                hint="Try another model, or --form tags; the reply is in the error's `raw` and in the file of replies",
            )
        return reading.trace

    def _from_before(self, question: Question, sample: int) -> _Heard | None:
        """The usable reply that was kept; None where there is none."""
        heard = [first] if (first := self._kept(question, sample)) is not None else []
        if first is not None and not first.reading.status.is_read:
            second = self._kept(_second(question, first), sample)
            heard += [second] if second is not None else []
        if not heard or not heard[-1].reading.status.is_read:
            return None
        self._note(*(each.exchange for each in heard))
        return heard[-1]

    def _asked_now(self, question: Question, sample: int) -> _Heard:
        """The reply to a question that is sent, or to its second asking."""
        first = self._send(question, sample)
        if first.reading.status.is_read or first.reading.status is Status.REFUSED:
            return first
        again = _second(question, first)
        kept = self._kept(again, sample)
        if kept is not None and kept.reading.status.is_read:
            self._note(kept.exchange)
            return kept
        return self._send(again, sample)

    def _kept(self, question: Question, sample: int) -> _Heard | None:
        """What is kept of a question, read anew. Nothing is sent for it, not even a greeting."""
        kept = self._replies.get(self._key(question, sample))
        return None if kept is None else _heard(question, kept, cached=True)

    def _send(self, question: Question, sample: int) -> _Heard:
        """The server's reply, which is kept."""
        key = self._key(question, sample)
        before = self._replies.get(key)
        takes = self._abilities.for_question(question)
        form = self._abilities.form_of(takes)
        seed = self.settings["seed"]
        reply = self._model.complete(
            question.system(form),
            question.parts(vision=takes.vision, audio=takes.audio),
            schema=question.schema if form == "json" else None,
            temperature=self.settings["temperature"],
            seed=None if seed is None else seed + sample,
            max_tokens=self.settings["max_tokens"],
        )
        if reply.finish == "failed":
            raise ServerFailed(str(reply.reason), where=f"{self._model.host}", hint="Try --form tags, or --frames 0")
        shown = [("pictures", takes.vision and question.pictures), ("sound", takes.audio and question.sound)]
        kept = KeptReply(
            sheet_id=key.clip_id,
            asked_of=key.provider,
            question_sha256=key.prompt_sha256,
            attempt=0 if before is None else before.attempt + 1,
            step=question.asked.step,
            form=form,
            shown=tuple(name for name, there in shown if there),
            text=reply.text,
            cut_off=reply.cut_off,
            refused=reply.finish == "refused",
            usage=reply.usage,
        )
        self._replies.keep(kept)
        heard = _heard(question, kept, cached=False)
        self._note(heard.exchange)
        return heard

    def _note(self, *exchanges: Exchange) -> None:
        self.exchanges.extend(exchanges)
        if self._whole is not None:
            self._whole._note(*exchanges)

    def _key(self, question: Question, sample: int) -> TraceKey:
        settings = {**self.settings, **({"sample": sample} if sample else {})}
        return TraceKey(
            clip_id=question.asked.sheet.sheet_id,
            provider=f"{self._model.host}/{self._model.model}",
            prompt_sha256=question.sha256(**settings),
        )


def _heard(question: Question, kept: KeptReply, *, cached: bool) -> _Heard:
    if kept.refused:
        reading = Reading(status=Status.REFUSED, faults=(Status.REFUSED.sentence,))
    else:
        reading = read_reply(kept.text, question.asked, form=kept.form, cut_off=kept.cut_off)
    exchange = Exchange(
        sheet_id=kept.sheet_id,
        step=kept.step,
        again=bool(question.faults),
        anew=kept.attempt > 0 and not cached,
        status=reading.status,
        faults=reading.faults,
        text=kept.text,
        cached=cached,
        usage=kept.usage,
    )
    return _Heard(reading, exchange)


def _second(question: Question, first: _Heard) -> Question:
    """The same question, with what was wrong with the first reply."""
    earlier = " ".join(first.exchange.text.split())[:EARLIER_CHARACTERS]
    return replace(question, faults=first.reading.faults, earlier=earlier)
