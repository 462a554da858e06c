"""Sheets for the tests of the reasoning room."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from emotrace.evidence.observation import EvidenceSheet, Finding, MissingReason, Modality
from emotrace.hydra.likelihood import NAMES, shipped_table
from emotrace.span import Span

MakeFinding = Callable[..., Finding]
MakeSheet = Callable[..., EvidenceSheet]


def finding(cue: str, strength: float = 0.6, confidence: float = 0.8, start: float = 1.0) -> Finding:
    """A finding of one cue of the table."""
    table = shipped_table()
    modality: Modality = "verbal" if cue.startswith(NAMES) else table.cues[table.index[cue]].modality
    return Finding(
        modality=modality,
        span=Span(start, start + 1.0),
        text=f"one thing noted at {start:.2f} s",
        strength=1.0 if modality == "verbal" else strength,
        confidence=confidence,
        source="test@1",
        cue=cue,
    )


def sheet_of(
    *findings: Finding | str,
    missing: dict[Modality, MissingReason] | None = None,
    reliability: dict[Modality, float] | None = None,
) -> EvidenceSheet:
    """A sheet of findings, or of cues at their defaults."""
    made = [finding(f) if isinstance(f, str) else f for f in findings]
    return EvidenceSheet.of(
        made, clip_id="0" * 64, person="P1", span=Span(0.0, 6.0), missing=missing, reliability=reliability
    )


@pytest.fixture
def make_finding() -> MakeFinding:
    return finding


@pytest.fixture
def make_sheet() -> MakeSheet:
    return sheet_of
