"""Face, voice and words together: what each part did to the likeliest labels, and how far it was trusted.

Effects are on logits: +1 multiplies the odds of a label by e. Bars of one table share one scale.
"""

from __future__ import annotations

from dataclasses import dataclass

from emotrace.evidence.reliability import HARD_CODES
from emotrace.priors.config import DISCLAIMER
from emotrace.priors.video.fused import PARTS, FusedReading, SectionUse
from emotrace.report.words import MODALITY_NAMES
from emotrace.results import Segment

_MOST_LABELS = 3
_STATUS = {
    "absent": "absent",
    "refused": "the observer declined",
    "malformed": "the answer could not be read",
    "failed": "the server failed",
}
_SOFT = {
    "margin": "decided",
    "joint": "agrees with the joint section",
    "model": "agrees with the model without priors",
    "self": "agrees with itself",
    "ground": "claims borne out by measurement",
}


@dataclass(frozen=True, kw_only=True)
class EffectRow:
    """One part of the evidence."""

    name: str
    effects: tuple[float, ...]
    """On each shown label, in logits."""


@dataclass(frozen=True, kw_only=True)
class SectionRow:
    """One section of the trace."""

    name: str
    rho: float
    why: str
    text: str


@dataclass(frozen=True, kw_only=True)
class FusionPanel:
    """What one stretch's panel shows."""

    source: str
    observer: str | None
    shares: dict[str, float]
    labels: tuple[str, ...]
    """The likeliest ones, whose effects are shown."""
    rows: tuple[EffectRow, ...]
    remainder: EffectRow
    most: float
    """The largest effect, either way: what a full bar stands for."""
    sections: tuple[SectionRow, ...]
    disclaimer: str = DISCLAIMER


def panel(segment: Segment) -> FusionPanel | None:
    """The panel of a stretch; None where nothing was fused."""
    fused = segment.fusion
    if fused is None:
        return None
    labels = tuple(sorted(fused.distribution, key=lambda label: -fused.distribution[label])[:_MOST_LABELS])
    rows = tuple(
        EffectRow(name=_name(part), effects=tuple(fused.effects[part][label] for label in labels))
        for part in PARTS
        if part in fused.effects
    )
    remainder = EffectRow(name="left over", effects=tuple(fused.remainder[label] for label in labels))
    return FusionPanel(
        source=fused.source,
        observer=fused.observer,
        shares=fused.distribution,
        labels=labels,
        rows=rows,
        remainder=remainder,
        most=max([0.1, *(abs(effect) for row in (*rows, remainder) for effect in row.effects)]),
        sections=_sections(fused),
    )


def _sections(fused: FusedReading) -> tuple[SectionRow, ...]:
    return tuple(
        SectionRow(name=MODALITY_NAMES[name], rho=use.rho, why=_why(use), text=use.text)
        for name, use in fused.sections.items()
    )


def _why(use: SectionUse) -> str:
    if use.status in _STATUS:
        return _STATUS[use.status] + (f": {use.reason}" if use.reason else "")
    if use.failed:
        return "; ".join(HARD_CODES.get(code, code) for code in use.failed)
    if not use.soft:
        return "no scores to check: counts half"
    return "; ".join(f"{_SOFT.get(name, name)} {score:.2f}" for name, score in use.soft.items())


def _name(part: str) -> str:
    modality, _, trace = part.partition(" ")
    name = MODALITY_NAMES[modality]  # type: ignore[index]
    return f"{name}, as written" if trace else name
