"""What is printed: one line of JSON for each person and window."""

from __future__ import annotations

from typing import Literal

from emotrace.evidence.observation import EvidenceSheet, MissingReason, Modality
from emotrace.results import AbstainCode, Label, Record, Unit, Verdict
from emotrace.span import Span

LINE_VERSION: Literal["live-1.0"] = "live-1.0"


class Seen(Record):
    """One observation of the window's evidence sheet."""

    id: str
    """As in `Label.observation_ids`: V1, A2, T3, numbered anew in each window."""
    modality: Modality
    span: Span
    text: str
    strength: Unit
    confidence: Unit


class LiveVerdict(Record):
    """What a viewer would perceive in one person over the last seconds, or the reason for not saying so."""

    schema_version: Literal["live-1.0"] = LINE_VERSION
    window: int
    """0, 1, 2, ...: lines of one window share it."""
    span: Span
    """The window, in seconds from the beginning of the stream."""
    person: str | None
    """P1, P2, ..., the same while the person stays on screen; `voice` for someone heard only; None for nobody."""
    labels: tuple[Label, ...]
    """Empty exactly when `abstain` is set."""
    distribution: dict[str, Unit] | None
    """Affect -> probability, summing to 1."""
    confidence: Unit
    confidence_basis: str
    """`none`, `simulated` or `fitted:<id>`: what the number was calibrated on."""
    conflict: Unit | None
    """How far face, voice and words disagree; None when fewer than two of them give a reading."""
    abstain: AbstainCode | None
    best_guess: tuple[str, ...]
    """Where it abstains, the words it would have chosen: to be read, never exported as a label."""
    explanation: tuple[str, ...]
    """In sentences: what speaks for the labels, what against, what is missing."""
    evidence: tuple[Seen, ...]
    missing: dict[Modality, MissingReason]
    """What the window lacks of this person: absent is not silent."""
    dropped_frames: int
    """Pictures that came too late to be looked at, since the beginning."""
    latency_seconds: float | None
    """From the moment at which the window's end had arrived to the handing over of this line; None where a file is
    not played at real speed.
    """

    def to_json(self) -> str:
        """The line, without its end."""
        return self.model_dump_json()


def line_of(
    verdict: Verdict,
    sheet: EvidenceSheet,
    *,
    window: int,
    person: str | None,
    dropped_frames: int,
    latency_seconds: float | None,
) -> LiveVerdict:
    """The line for one verdict."""
    return LiveVerdict(
        window=window,
        span=sheet.span,
        person=person,
        labels=verdict.labels,
        distribution=verdict.distribution,
        confidence=verdict.confidence,
        confidence_basis=verdict.confidence_basis,
        conflict=verdict.conflict,
        abstain=verdict.abstain,
        best_guess=verdict.best_guess,
        explanation=verdict.explanation,
        evidence=tuple(
            Seen(id=o.id, modality=o.modality, span=o.span, text=o.text, strength=o.strength, confidence=o.confidence)
            for o in sheet.observations
        ),
        missing=dict(sheet.missing),
        dropped_frames=dropped_frames,
        latency_seconds=None if latency_seconds is None else round(latency_seconds, 3),
    )
