"""Observations and the sheet they stand on: the middle of the house.

An `Observation` says what was seen or heard, when, how strongly, by whom, and how sure: a sentence that a person could
check by looking at the clip. An `EvidenceSheet` holds what was observed of one person in one stretch of time; every
system enters or leaves through it. Definitions: hydra specification, section 2.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal, get_args

from emotrace.errors import InvalidObservation
from emotrace.labels.vocabulary import emotion_words_in
from emotrace.span import Span

Modality = Literal["visual", "vocal", "verbal", "joint"]
MissingReason = Literal["not_recorded", "not_found", "switched_off"]
SegmentKind = Literal["utterance", "speech", "window", "whole"]
"""What a judgement is about: an utterance of the transcript, a speech turn by ear, a fixed window, the whole clip."""

MODALITIES: tuple[Modality, ...] = get_args(Modality)
LETTERS: dict[Modality, str] = {"visual": "V", "vocal": "A", "verbal": "T", "joint": "J"}
MAX_OBSERVATIONS = 24
"""Keeps a prompt made from the sheet under the paper's 1,024 tokens (hydra specification, section 2)."""
MAX_REPEATS = 3
"""A cue seen again adds nothing to a verdict and little to a reader. [ours]"""

ID_PATTERN = r"[VATJ][1-9][0-9]?"
"""An observation's id: a modality's letter and a number from 1 to 99."""
_QUOTED = re.compile(r"(?<!\w)'.*'(?!\w)")
_CLEANING = str.maketrans({"<": "‹", ">": "›", "[": "(", "]": ")", "|": "/", '"': "'", "\n": " ", "\r": " "})
_CLEAN_WORD = r'[^<>\[\]|"\s]+'
_CLEAN = re.compile(f"(?:{_CLEAN_WORD}(?: {_CLEAN_WORD})*)?")


def clean(text: str) -> str:
    """Text without the characters that the reasoning grammar uses, single-spaced.

    >>> clean('she said "<ans>"  twice')
    "she said '‹ans›' twice"
    """
    return " ".join(text.translate(_CLEANING).split())


def is_clean(text: str) -> bool:
    """Whether `clean` would leave the text as it is."""
    return _CLEAN.fullmatch(text) is not None


def _unit(name: str, value: float) -> None:
    if not (isinstance(value, int | float) and math.isfinite(value) and 0.0 <= value <= 1.0):
        raise InvalidObservation(f"{name} must lie in 0..1, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What an observer noticed, before it has a number on a sheet. Checked once, when it is made."""

    modality: Modality
    span: Span
    text: str
    """3 to 120 clean characters; no emotion word outside quoted speech, unless `scores` is set."""
    strength: float
    """0..1: how marked it is, not how sure. 1 for words."""
    confidence: float
    """0..1: the probability that the statement is true."""
    source: str
    """`observer@version`, or `provider/model#prompt-hash`."""
    cue: str | None = None
    """Key of the cue table of `hydra/tables/likelihood.toml`; None for free prose."""
    scores: Mapping[str, float] | None = None
    """Only for a *reading*: a learned head's distribution over the labels of `scheme`."""
    scheme: str | None = None
    """Name of the label scheme of `scores`, as in `labels/schemes.py`."""

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise InvalidObservation(f"modality must be one of {', '.join(MODALITIES)}, got {self.modality!r}")
        if not (3 <= len(self.text) <= 120 and is_clean(self.text)):
            raise InvalidObservation(f"text must be 3 to 120 clean characters, got {self.text!r}")
        for name in ("strength", "confidence"):
            _unit(name, getattr(self, name))
            object.__setattr__(self, name, round(float(getattr(self, name)), 3))
        if not self.source:
            raise InvalidObservation("source must say who observed, got an empty string")
        if self.scores is None:
            self._check_names_no_emotion()
        else:
            self._check_scores(self.scores)

    def _check_names_no_emotion(self) -> None:
        if found := emotion_words_in(_QUOTED.sub(" ", self.text)):
            raise InvalidObservation(f"an observation must not name emotions, got {found} in {self.text!r}")

    def _check_scores(self, scores: Mapping[str, float]) -> None:
        if self.scheme is None:
            raise InvalidObservation("a reading must name its label scheme")
        if not scores or min(scores.values()) < 0.0 or not abs(sum(scores.values()) - 1.0) <= 1e-3:
            raise InvalidObservation(f"scores must be a distribution (non-negative, summing to 1), got {dict(scores)}")

    def weight(self, reliability: float = 1.0) -> float:
        """[ours] s_o = confidence * reliability * (0.5 + 0.5 * strength): a faint but certain cue counts half."""
        return self.confidence * reliability * (0.5 + 0.5 * self.strength)


@dataclass(frozen=True, kw_only=True)
class Observation(Finding):
    """A finding with its number on a sheet."""

    id: str
    """V1, A2, T3 or J1: the modality's letter, numbered from 1 in time order."""

    def __post_init__(self) -> None:
        if not re.fullmatch(ID_PATTERN, self.id) or self.id[0] != LETTERS.get(self.modality):
            raise InvalidObservation(f"id must be a {self.modality} number such as V1, got {self.id!r}")
        super().__post_init__()


@dataclass(frozen=True, kw_only=True)
class EvidenceSheet:
    """What was observed of one person in one stretch of time. No field can hold a gold label.

    A modality that is not in `missing` and has no observation means "nothing noticed", which differs from "not there".
    """

    clip_id: str
    """SHA-256 of the file's bytes: never its name, which in some corpora spells the label."""
    person: str | None
    span: Span
    observations: tuple[Observation, ...] = ()
    """At most 24, in the order V, A, T, J, each in time order."""
    missing: Mapping[Modality, MissingReason] = field(default_factory=dict)
    reliability: Mapping[Modality, float] = field(default_factory=dict)
    """0..1 per modality; 1 where nothing is known against it."""

    def __post_init__(self) -> None:
        if len(self.observations) > MAX_OBSERVATIONS:
            count = len(self.observations)
            raise InvalidObservation(f"a sheet holds at most {MAX_OBSERVATIONS} observations, got {count}")
        ids = [observation.id for observation in self.observations]
        if ids != [o.id for o in numbered(self.observations)]:
            raise InvalidObservation(f"observations must be numbered from 1 in time order per modality, got {ids}")
        for observation in self.observations:
            if observation.span not in self.span:
                raise InvalidObservation(f"{observation.id} at {observation.span} lies outside the sheet's {self.span}")
            if observation.modality in self.missing:
                raise InvalidObservation(f"{observation.id} is {observation.modality}, which the sheet calls missing")
        for modality, value in self.reliability.items():
            _unit(f"reliability of {modality}", value)

    @classmethod
    def of(
        cls,
        findings: Iterable[Finding],
        *,
        clip_id: str,
        span: Span,
        person: str | None = None,
        missing: Mapping[Modality, MissingReason] | None = None,
        reliability: Mapping[Modality, float] | None = None,
    ) -> EvidenceSheet:
        """A sheet of the most telling findings that meet `span`, cut to it and numbered.

        Where there are more than fit, every cue's weightiest finding goes first; no cue stands more than three times.
        """
        missing, reliability, span = missing or {}, reliability or {}, span.rounded()
        inside = [
            replace(finding, span=shared.rounded())
            for finding in findings
            if finding.modality not in missing and (shared := finding.span & span) is not None
        ]
        inside.sort(key=lambda f: (-f.weight(reliability.get(f.modality, 1.0)), *_time_order(f)))
        kept = numbered(_most_telling(inside))
        return cls(
            clip_id=clip_id, person=person, span=span, observations=kept, missing=missing, reliability=reliability
        )

    def __getitem__(self, observation_id: str) -> Observation:
        """The observation of that id; KeyError when the sheet has none."""
        return self._by_id[observation_id]

    def __contains__(self, observation_id: object) -> bool:
        return observation_id in self._by_id

    @cached_property
    def _by_id(self) -> dict[str, Observation]:
        return {observation.id: observation for observation in self.observations}

    def of_modality(self, modality: Modality) -> tuple[Observation, ...]:
        """The observations of one modality, in time order."""
        return tuple(o for o in self.observations if o.modality == modality)

    def without(self, ids: Iterable[str]) -> EvidenceSheet:
        """The sheet without some observations, the others numbered anew.

        A modality that loses its last one has then "nothing noticed".
        """
        gone = set(ids)
        return replace(self, observations=numbered(o for o in self.observations if o.id not in gone))

    def weight(self, observation: Observation) -> float:
        """s_o of an observation under this sheet's reliability, in 0..1."""
        return observation.weight(self.reliability.get(observation.modality, 1.0))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "clip_id": self.clip_id,
            "person": self.person,
            "span": asdict(self.span),
            "observations": [_plain(observation) for observation in self.observations],
            "missing": dict(self.missing),
            "reliability": dict(self.reliability),
        }

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> EvidenceSheet:
        """The sheet of `to_dict`'s record.

        Raises:
            InvalidObservation: An unknown or missing key (a gold label, say), or a broken rule.
        """
        _refuse_other_keys(record, {f.name for f in fields(cls)}, "the sheet")
        observations = []
        for item in record["observations"]:
            _refuse_other_keys(item, {f.name for f in fields(Observation)}, "an observation")
            observations.append(Observation(**{**item, "span": Span(**item["span"])}))
        return cls(**{**record, "span": Span(**record["span"]), "observations": tuple(observations)})

    @cached_property
    def sheet_id(self) -> str:
        """SHA-256 of the sheet's canonical JSON."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(canonical.encode()).hexdigest()


def _most_telling(findings_by_weight: Iterable[Finding]) -> list[Finding]:
    """At most 24 findings: first of each cue and head, then seconds, then thirds, each round by weight [ours]."""
    rounds: list[list[Finding]] = [[] for _ in range(MAX_REPEATS)]
    seen: dict[tuple[str, str | None], int] = {}
    for finding in findings_by_weight:
        key = (finding.modality, finding.cue if finding.scores is None else finding.source)
        if (turn := seen.get(key, 0)) < MAX_REPEATS:
            rounds[turn].append(finding)
        seen[key] = turn + 1
    return [finding for turn in rounds for finding in turn][:MAX_OBSERVATIONS]


def _time_order(finding: Finding) -> tuple[Any, ...]:
    """Where a finding stands on a sheet; what it measured breaks ties, so that no order of arrival shows."""
    measured = (finding.strength, finding.confidence, sorted((finding.scores or {}).items()), finding.scheme or "")
    who = (finding.cue or "", finding.text, finding.source)
    return (MODALITIES.index(finding.modality), finding.span, *who, *measured)


def numbered(findings: Iterable[Finding]) -> tuple[Observation, ...]:
    """The findings in sheet order, each with the id that order gives it."""
    numbers = dict.fromkeys(MODALITIES, 0)
    numbered = []
    for finding in sorted(findings, key=_time_order):
        numbers[finding.modality] += 1
        values = {f.name: getattr(finding, f.name) for f in fields(Finding)}
        numbered.append(Observation(id=f"{LETTERS[finding.modality]}{numbers[finding.modality]}", **values))
    return tuple(numbered)


def _plain(observation: Observation) -> dict[str, Any]:
    record = {f.name: getattr(observation, f.name) for f in fields(observation)}
    record["span"] = asdict(observation.span)
    record["scores"] = None if observation.scores is None else dict(observation.scores)
    return record


def _refuse_other_keys(record: Mapping[str, Any], known: set[str], what: str) -> None:
    if set(record) != known:
        extra, lacking = sorted(set(record) - known), sorted(known - set(record))
        raise InvalidObservation(f"{what} has unknown keys {extra} and lacks {lacking}")
