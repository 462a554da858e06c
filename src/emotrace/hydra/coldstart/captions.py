"""`sheet_from_caption`: a sheet from the description of a clip and its subtitle, through a text model on any server.

With it demonstrations can be made from a corpus whose videos are not at hand. The paper's evidence is one JSON object
of observed cues per clip, written by a text model of which only the name is known [paper]; all that follows is ours
[ours]: the model splits the description, and what it lists is checked against the material (`caption_checks.py`).

A sheet of this kind says less than a measured one. A description tells no times, so every observation spans the whole
clip, whose length nobody knows: `Span(0, 0)`. It tells nothing of what it is silent about, so a modality of which no
observation is left is `not_found`; that the clip has no such track is never claimed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

from emotrace.errors import MalformedCompletion, ServerFailed
from emotrace.evidence.observation import (
    MAX_OBSERVATIONS,
    EvidenceSheet,
    Finding,
    MissingReason,
    Modality,
    clean,
    numbered,
)
from emotrace.evidence.reasoning.trace import Record, Usage
from emotrace.evidence.store import TraceKey, TraceStore
from emotrace.hydra.asking.dialogue import EARLIER_CHARACTERS
from emotrace.hydra.asking.model import ChatModel
from emotrace.hydra.asking.prompts import Form
from emotrace.hydra.coldstart.caption_checks import Doubts, Loss, Material, checked
from emotrace.hydra.coldstart.caption_question import (
    CaptionQuestion,
    Said,
    UnusableReplyError,
    prompts_sha256,
    read_split,
    reply_schema,
)
from emotrace.span import Span

STRENGTH: Final = 0.5
"""[ours] Of what is seen or heard, where the model does not say how marked it is."""
CERTAINTY: Final = 0.7
"""[ours] The probability that what a description says is so."""
CERTAINTY_OF_WORDS: Final = 0.9
"""[ours] The same of words of a subtitle."""
MOST_CHARACTERS: Final = 8000
"""[ours] Of description and subtitle together: a longer one is left out, as a server that takes none would stop all."""
MOST_TOKENS: Final = 1536
"""[ours] Of a reply: 24 observations of 100 characters."""

_NO_TIMES: Final = Span(0.0, 0.0)
_TOLD: Final[tuple[Modality, ...]] = ("visual", "vocal", "verbal")


@dataclass(frozen=True, kw_only=True)
class CaptionSheet:
    """What came of one description."""

    sheet: EvidenceSheet
    lost: Mapping[Loss, int] = field(default_factory=dict)
    """Why observations of the model are not on it, or not whole -> how many."""


class KeptSplit(Record):
    """One reply, and what it was the reply to."""

    clip_id: str
    asked_of: str
    """`host/model`."""
    question_sha256: str
    form: Form
    text: str
    refused: bool
    usage: Usage

    @property
    def key(self) -> TraceKey:
        """Clip, model, question."""
        return TraceKey(clip_id=self.clip_id, provider=self.asked_of, prompt_sha256=self.question_sha256)

    @property
    def made_from(self) -> Mapping[str, str]:
        """Nothing else: the question's hash holds all of it."""
        return {}

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return self.model_dump(mode="json")


class CaptionReader:
    """Splits descriptions through one model; for several threads.

    Every reply is kept, be it usable or not, and never asked for again: the same file of replies gives the same sheets.

    Args:
        model: Who is asked.
        form: How replies are written; `auto` is JSON where the server takes schemas.
        replies: A `.jsonl` file, which need not exist; None keeps replies in memory.
        permission: The owner's permission to send descriptions away; kept in the settings.

    Raises:
        UnreadableTrace: A line of the file is damaged, other than an unfinished last one.
    """

    def __init__(
        self,
        model: ChatModel,
        *,
        form: Form | Literal["auto"] = "auto",
        replies: Path | None = None,
        permission: str | None = None,
    ) -> None:
        self._model, self._form, self._permission = model, form, permission
        self._store = None if replies is None else TraceStore(replies, KeptSplit.model_validate)
        self._here: dict[TraceKey, KeptSplit] = {}
        self._one_at_a_time = Lock()
        self.spent = Usage()
        """What the server was asked so far, as it reported it."""
        self.name = f"captions/{model.model}#{prompts_sha256()[:8]}"
        """Source of the observations."""

    @property
    def settings(self) -> dict[str, Any]:
        """What decides the sheets, for a manifest."""
        return {
            "model": self._model.model,
            "host": self._model.host,
            "form": self._form,
            "temperature": 0.0,
            "prompts_sha256": prompts_sha256(),
            "permission": self._permission,
        }

    def read(
        self, caption: str, subtitle: str | None = None, *, clip_id: str, withheld: Sequence[str] = ()
    ) -> CaptionSheet:
        """The sheet of one description.

        Args:
            caption: What somebody wrote about the clip.
            subtitle: What is said in it, where that is known.
            clip_id: A hash that stands for the clip, never its name.
            withheld: Gold words. They are not sent; no observation of the description may hold one.

        Raises:
            MalformedCompletion: Neither reply could be used; `raw` is the last.
            ServerFailed: Nobody answered; what was answered before is kept.
        """
        material = Material(
            caption=_sendable(caption),
            subtitle=_sendable(subtitle or ""),
            withheld=tuple(withheld),
            name=self.name,
        )
        return sheet_of(self._split(material, clip_id), material, clip_id=clip_id)

    def _split(self, material: Material, clip_id: str) -> tuple[Said, ...]:
        """The model's observations, be they of its second reply."""
        question = CaptionQuestion(caption=material.caption, subtitle=material.subtitle)
        first = self._reply(question, clip_id)
        try:
            return _read(first)
        except UnusableReplyError as error:
            if first.refused:
                raise self._unusable(first, error) from None
            earlier = clean(first.text)[:EARLIER_CHARACTERS]
            second = self._reply(replace(question, faults=error.faults, earlier=earlier), clip_id)
        try:
            return _read(second)
        except UnusableReplyError as error:
            raise self._unusable(second, error) from None

    def _unusable(self, reply: KeptSplit, error: UnusableReplyError) -> MalformedCompletion:
        return MalformedCompletion(
            f"the reply of {self._model.model} to a caption could not be used: {str(error)[:300]}",
            raw=reply.text,
            where=f"{self._model.host}",
            hint="Try another model, or --form tags; the reply is in the error's `raw` and in the file of replies",
        )

    def _reply(self, question: CaptionQuestion, clip_id: str) -> KeptSplit:
        """The kept reply, or a new one, which is kept."""
        asked = {"form": self._form, "temperature": 0.0, "max_tokens": MOST_TOKENS}
        key = TraceKey(
            clip_id=clip_id,
            provider=f"{self._model.host}/{self._model.model}",
            prompt_sha256=question.sha256(**asked),
        )
        with self._one_at_a_time:
            kept = self._here.get(key) if self._store is None else self._store.get(key)
        if kept is not None:
            return kept
        form = self._form if self._form != "auto" else self._form_of_server()
        reply = self._model.complete(
            question.system(form),
            question.parts(),
            schema=reply_schema() if form == "json" else None,
            temperature=0.0,
            seed=None,
            max_tokens=MOST_TOKENS,
        )
        if reply.finish == "failed":
            raise ServerFailed(str(reply.reason), where=f"{self._model.host}", hint="Try --form tags")
        kept = KeptSplit(
            clip_id=clip_id,
            asked_of=key.provider,
            question_sha256=key.prompt_sha256,
            form=form,
            text=reply.text,
            refused=reply.finish == "refused",
            usage=reply.usage,
        )
        self._keep(kept)
        return kept

    def _form_of_server(self) -> Form:
        return "json" if self._model.capabilities().json_mode == "schema" else "tags"

    def _keep(self, reply: KeptSplit) -> None:
        with self._one_at_a_time:
            self.spent += reply.usage
            if self._store is None:
                self._here[reply.key] = reply
            else:
                self._store.append(reply)


def sheet_from_caption(
    caption: str,
    subtitle: str | None = None,
    *,
    model: ChatModel,
    clip_id: str,
    withheld: Sequence[str] = (),
    form: Form | Literal["auto"] = "auto",
    replies: Path | None = None,
) -> EvidenceSheet:
    """The sheet of one description; a `CaptionReader` reads many. Arguments and errors are those of its `read`."""
    return (
        CaptionReader(model, form=form, replies=replies)
        .read(caption, subtitle, clip_id=clip_id, withheld=withheld)
        .sheet
    )


def sheet_of(split: Sequence[Said], material: Material, *, clip_id: str) -> CaptionSheet:
    """What of a model's observations holds, as a sheet, and what was lost."""
    doubts = Doubts(strength=STRENGTH, described=CERTAINTY, spoken=CERTAINTY_OF_WORDS, span=_NO_TIMES)
    findings: dict[tuple[Modality, str], Finding] = {}
    lost = Counter[Loss]()
    for said in split:
        finding, losses = checked(said, material, doubts)
        lost.update(losses)
        if finding is not None:
            findings.setdefault((finding.modality, finding.text.casefold()), finding)
    kept = list(findings.values())[:MAX_OBSERVATIONS]
    if len(findings) > len(kept):
        lost[Loss.TOO_MANY] += len(findings) - len(kept)
    there = {finding.modality for finding in kept} | ({"verbal"} if material.subtitle else set())
    missing: dict[Modality, MissingReason] = {each: "not_found" for each in _TOLD if each not in there}
    sheet = EvidenceSheet(clip_id=clip_id, person=None, span=_NO_TIMES, observations=numbered(kept), missing=missing)
    return CaptionSheet(sheet=sheet, lost={loss: lost[loss] for loss in Loss if lost[loss]})


def _read(reply: KeptSplit) -> tuple[Said, ...]:
    if reply.refused:
        raise UnusableReplyError("The model declined to answer.")
    return read_split(reply.text, reply.form)


def _sendable(text: str) -> str:
    """Clean text that can be written as UTF-8: a table may hold half a character."""
    return clean(text.encode("utf-8", "replace").decode("utf-8"))
