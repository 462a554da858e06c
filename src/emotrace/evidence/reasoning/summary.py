"""How far a file of traces can be trusted, section by section: counts, mean ρ, and which checks failed how often."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from emotrace.evidence.observation import Modality
from emotrace.evidence.reasoning.trace import SECTIONS, ReasoningTrace


@dataclass(frozen=True, kw_only=True)
class SectionSummary:
    """One section over all clips."""

    statuses: Mapping[str, int]
    rho: float | None
    """Mean over the clips that have the section; None where none has."""
    zero: int
    """How many answered sections are not trusted at all."""
    soft: Mapping[str, float]
    """Mean of each soft score where it is defined."""
    failed: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All sections."""

    clips: tuple[str, ...]
    again: int
    """Traces that a newer one of the same clip replaces."""
    sections: Mapping[Modality, SectionSummary]


def summarise(traces: Iterable[ReasoningTrace]) -> Summary:
    """The newest trace of every clip counts."""
    newest: dict[str, ReasoningTrace] = {}
    count = 0
    for trace in traces:
        newest[trace.clip_sha256] = trace
        count += 1
    return Summary(
        clips=tuple(newest),
        again=count - len(newest),
        sections={part: _of_section(part, list(newest.values())) for part in SECTIONS},
    )


def _of_section(part: Modality, traces: list[ReasoningTrace]) -> SectionSummary:
    answered = [trace.reliability[part] for trace in traces if trace.sections[part].is_ok and part in trace.reliability]
    names = sorted({name for each in answered for name in each.soft})
    values = {name: [each.soft[name] for each in answered if name in each.soft] for name in names}
    return SectionSummary(
        statuses=dict(sorted(Counter(str(trace.sections[part].status) for trace in traces).items())),
        rho=sum(each.rho for each in answered) / len(answered) if answered else None,
        zero=sum(each.rho == 0.0 for each in answered),
        soft={name: sum(known) / len(known) for name, known in values.items()},
        failed=dict(sorted(Counter(code for each in answered for code in each.failed).items())),
    )
