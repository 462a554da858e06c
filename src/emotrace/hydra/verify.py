"""Verify: every hypothesis meets every observation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from emotrace.evidence.observation import Modality

Mark = Literal["supports", "contradicts", "silent"]


@dataclass(frozen=True, kw_only=True)
class Verification:
    """How one hypothesis fared against every observation of the sheet."""

    number: int
    """The hypothesis's number."""
    marks: Mapping[str, Mark]
    """Observation id -> mark, one for every observation, in the sheet's order."""
    quotes: Mapping[str, str]
    """Observation id -> the 3 to 8 words of it that were judged."""
    missing: tuple[Modality, ...]
    unexplained: tuple[str, ...]
    """Ids that are informative and not supported."""
    log_phi: float
    """Σ s_o max(0, ln ρ_o): how much of the evidence the hypothesis explains."""
    log_psi: float
    """Σ s_o min(0, ln ρ_o) − γ(|S|−1): what speaks against it, and the price of its labels."""
    phi: float
    """0..1: share of the explainable evidence that it explains."""
    psi: float
    """0..1: exp(log_psi / number of observations)."""

    @property
    def supporting(self) -> tuple[str, ...]:
        """Ids of the observations that are likelier under the hypothesis than usual."""
        return tuple(id for id, mark in self.marks.items() if mark == "supports")

    @property
    def contradicting(self) -> tuple[str, ...]:
        """Ids of the observations that speak against it."""
        return tuple(id for id, mark in self.marks.items() if mark == "contradicts")
