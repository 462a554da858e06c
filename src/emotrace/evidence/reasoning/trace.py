"""`ReasoningTrace`: what was written about one clip, in four sections that can be trusted, or left out, one by one.

Schema `emotrace.trace/1`. That reasoning traces are fine-grained and separable by modality is the paper's idea
(arXiv 2508.03722) [paper]; every field here is [ours].
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from enum import StrEnum
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from emotrace.evidence.observation import (
    MODALITIES,
    EvidenceSheet,
    MissingReason,
    Modality,
    Observation,
    numbered,
)
from emotrace.evidence.store import TraceKey
from emotrace.span import Span

SCHEMA: Final = "emotrace.trace/1"
MAX_SECTION_OBSERVATIONS: Final = 6
"""Four sections fit the 24 observations of a sheet."""
MAX_TEXT_CHARACTERS: Final = 800
Calls = Literal["four", "one"]
Language = Literal["en", "zh"]


class Status(StrEnum):
    """How a section came to be."""

    OK = "ok"
    """The observer answered, and the answer could be read."""
    ABSENT = "absent"
    """The clip lacks the modality, or the observer cannot take it in; `reason` says which."""
    REFUSED = "refused"
    """The observer declined to answer, or its service blocked the answer."""
    MALFORMED = "malformed"
    """The answer is not what the schema demands, and could not be repaired without guessing."""
    FAILED = "failed"
    """The server turned this request down for good; asking again would change nothing."""


class Record(BaseModel):
    """Base of what a trace is made of: frozen, unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _read_span(value: Any) -> Any:
    return Span(**value) if isinstance(value, Mapping) else value


def _read_observation(value: Any) -> Any:
    return Observation(**{**value, "span": _read_span(value["span"])}) if isinstance(value, Mapping) else value


KeptSpan = Annotated[Span, BeforeValidator(_read_span), PlainSerializer(asdict)]
KeptObservation = Annotated[Observation, BeforeValidator(_read_observation), PlainSerializer(asdict)]


class Usage(Record):
    """What a call took, as the server reported it; None where it did not say."""

    calls: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    image_tokens: int | None = None
    """How many of the prompt's tokens are pictures."""
    seconds: float | None = None
    cost: float | None = None
    """In the currency of the prices that the user gave; None without prices."""

    def __add__(self, other: Usage) -> Usage:
        """The sum; what either side does not know stays unknown only where both do not."""
        seconds = total(self.seconds, other.seconds)
        return Usage(
            calls=self.calls + other.calls,
            prompt_tokens=total(self.prompt_tokens, other.prompt_tokens),
            completion_tokens=total(self.completion_tokens, other.completion_tokens),
            image_tokens=total(self.image_tokens, other.image_tokens),
            seconds=None if seconds is None else round(seconds, 3),
            cost=total(self.cost, other.cost),
        )


Number = TypeVar("Number", int, float)


def total(a: Number | None, b: Number | None) -> Number | None:
    """The sum of what is known; None where neither is."""
    return b if a is None else a if b is None else a + b


class Settings(Record):
    """What an answer depends on besides the clip, the model and the prompt."""

    fps: float
    """Pictures per second that were shown at most; fewer where a long clip would have given more than `max_frames`."""
    max_frames: int
    longest_pixels: int
    """Longest side of a picture."""
    temperature: float = 0.0
    seed: int | None = 0
    samples: int = 1
    calls: Calls = "four"
    language: Language = "en"
    """Of the prompt and of the answer."""
    labels: tuple[str, ...] = ()
    """The label set that scores were asked over; empty for none."""
    delexicalise: bool = False
    """Whether the vocal call heard the sound below 400 Hz only, so that words cannot be understood."""
    joint_from: Literal["material", "sections"] = "material"
    """What the joint call was given: the clip, or (for servers that read text alone) the three answers."""

    @property
    def sha256(self) -> str:
        """Of the settings' canonical JSON."""
        return digest(self.model_dump(mode="json"))


class Grounding(Record):
    """How a section's claims compare with measurements; claims that nobody measured do not count."""

    supported: int = 0
    contradicted: int = 0


class SectionReliability(Record):
    """How far one section can be trusted; see `evidence/reliability.py`."""

    rho: Annotated[float, Field(ge=0.0, le=1.0)]
    failed: tuple[str, ...] = ()
    """Codes of the hard checks that failed; any one makes `rho` 0."""
    soft: dict[str, float] = Field(default_factory=dict)
    """The soft scores that are defined, 0..1."""


class Section(Record):
    """What was written about one modality."""

    status: Status
    reason: str | None = None
    """Why there is no answer; None for `ok`."""
    observations: tuple[KeptObservation, ...] = ()
    """At most six, checkable by looking or listening, without emotion words outside quoted speech."""
    text: str = ""
    """The reasoning, at most 800 characters; emotion words may stand here."""
    scores: dict[str, float] | None = None
    """Label -> 0..1 as the observer gave it; it need not sum to 1."""
    label: str | None = None
    """The observer's own first choice."""
    samples: tuple[dict[str, float], ...] = ()
    """Scores of further samples of the same question."""
    contribution: dict[str, float] | None = None
    """Joint section alone: visual, vocal, verbal in percent."""
    issues: tuple[str, ...] = ()
    """What had to be left out while the answer was read, as codes of `parsing.py`."""

    @property
    def is_ok(self) -> bool:
        """Whether there is an answer."""
        return self.status is Status.OK


class ReasoningTrace(Record):
    """One clip, one observer, one set of prompts: four sections, and what would have to be the same to get them again.

    It fits `TraceStore`: `key`, `made_from`, `to_dict`, `from_dict`.
    """

    schema_version: Literal["emotrace.trace/1"] = SCHEMA
    clip_sha256: str
    """Of the file's bytes: never its name, which may spell the label."""
    span: KeptSpan
    language: str | None
    """Of the words that are said, where it could be told: en, zh or de."""
    transcript_sha256: str | None
    provider: str
    model: str
    prompt_sha256: dict[str, str]
    """Call -> hash of the question's fixed words; empty for observers that are asked none."""
    settings: Settings
    capabilities: dict[str, bool] = Field(default_factory=dict)
    """What the server was found to take in; empty where nobody had to ask."""
    usage: Usage = Usage()
    permission: str | None = None
    """Under which permission a corpus whose card forbids it left the machine; None where none was needed."""
    visual: Section
    vocal: Section
    verbal: Section
    joint: Section
    grounding: dict[Modality, Grounding] = Field(default_factory=dict)
    """Claims against what the embedded observers measured; empty where nobody compared."""
    reliability: dict[Modality, SectionReliability] = Field(default_factory=dict)

    @property
    def sections(self) -> dict[Modality, Section]:
        """visual, vocal, verbal, joint, in this order."""
        return {"visual": self.visual, "vocal": self.vocal, "verbal": self.verbal, "joint": self.joint}

    @property
    def key(self) -> TraceKey:
        """Clip, observer, prompts."""
        return trace_key(self.clip_sha256, self.provider, self.model, self.prompt_sha256)

    @property
    def made_from(self) -> Mapping[str, str]:
        """The words and the settings."""
        return made_from(self.settings, self.transcript_sha256)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return self.model_dump(mode="json")

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> ReasoningTrace:
        """The trace of `to_dict`'s record.

        Raises:
            ValueError: Another schema, unknown keys, or a broken rule (pydantic's `ValidationError` is one).
        """
        return cls.model_validate(record)

    def to_sheet(self, *, person: str | None = None) -> EvidenceSheet:
        """The evidence sheet that every system reads. Scores, label and contribution never enter it."""
        missing: dict[Modality, MissingReason] = {
            part: "not_recorded" for part, section in self.sections.items() if section.status is Status.ABSENT
        }
        inside = [
            replace(each, span=shared)
            for section in self.sections.values()
            for each in section.observations
            if (shared := each.span & self.span) is not None
        ]
        return EvidenceSheet(
            clip_id=self.clip_sha256,
            person=person,
            span=self.span,
            observations=numbered(inside),
            missing=missing,
            reliability={
                part: round(self.reliability[part].rho, 3) for part in self.reliability if part not in missing
            },
        )


def trace_key(clip_sha256: str, provider: str, model: str, prompt_sha256: Mapping[str, str]) -> TraceKey:
    """What a store finds a trace by; it can be told before anything is asked."""
    return TraceKey(clip_id=clip_sha256, provider=f"{provider}/{model}", prompt_sha256=digest(dict(prompt_sha256)))


def made_from(settings: Settings, transcript_sha256: str | None) -> Mapping[str, str]:
    """What else a trace depends on."""
    return {"settings_sha256": settings.sha256, "transcript_sha256": transcript_sha256 or ""}


def digest(values: Any) -> str:
    """SHA-256 of canonical JSON."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


SECTIONS: Final = MODALITIES
"""visual, vocal, verbal, joint: the order of every array of traces."""
