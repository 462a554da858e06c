"""`PriorsReading`: what a network of priors makes of one person, in any stretch of the clip."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import torch

from emotrace.evidence.observation import EvidenceSheet, Finding
from emotrace.evidence.reasoning.trace import ReasoningTrace
from emotrace.evidence.sheets import Witness
from emotrace.priors.video.fused import FusedReading
from emotrace.priors.video.material import Material, Row
from emotrace.priors.video.observer import Observer
from emotrace.span import Span

READING: Final = "reading:priors"
READING_TEXT: Final = "what a trained model makes of face, voice and words together"
WHOLE: Final = 0.9
"""A stretch of at least this share of the clip is what was written about the clip [ours]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PriorsReading:
    """One person; stretches are fused when they are asked for, and then kept."""

    fuse: Callable[[Mapping[str, Row | None], ReasoningTrace | None, Span], FusedReading | None]
    observer: Observer
    trust: float
    """Confidence of the reading, 0..1."""
    material: Material
    sheet_of: Callable[[Witness, Span], EvidenceSheet]
    clip_seconds: float
    is_main: bool
    _kept: dict[Span, FusedReading | None] = field(default_factory=dict)

    expressions = ()
    """It reads no windows."""

    def fusion(self, span: Span) -> FusedReading | None:
        """What the network makes of a stretch; None where the person gives it nothing there."""
        if span not in self._kept:
            sheet = self.sheet_of(self.material.witness, span)
            whole = span.duration_seconds >= WHOLE * self.clip_seconds
            trace = self.observer.trace(sheet, of_main_person=self.is_main, of_whole_clip=whole)
            with torch.no_grad():
                self._kept[span] = self.fuse(self.material.rows_in(span), trace, span.rounded())
        return self._kept[span]

    def findings(self, span: Span) -> list[Finding]:
        """The distribution as a reading."""
        fused = self.fusion(span)
        if fused is None:
            return []
        return [
            Finding(
                modality="joint",
                span=fused.span,
                text=READING_TEXT,
                strength=max(fused.distribution.values()),
                confidence=self.trust,
                source=fused.source,
                cue=READING,
                scores=fused.distribution,
                scheme=fused.scheme,
            )
        ]
