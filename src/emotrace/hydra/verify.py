"""Verify: every hypothesis meets every observation."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from emotrace.errors import InvalidTrace
from emotrace.evidence.observation import EvidenceSheet, Modality
from emotrace.hydra.propose import Hypothesis
from emotrace.hydra.quotes import true_quote

Mark = Literal["supports", "contradicts", "silent"]
MARKS: tuple[Mark, ...] = get_args(Mark)


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

    def __post_init__(self) -> None:
        if unknown := set(self.marks.values()) - set(MARKS):
            raise InvalidTrace(f"a mark is one of {', '.join(MARKS)}, got {sorted(unknown)}")
        if not (math.isfinite(self.log_phi) and math.isfinite(self.log_psi)):
            raise InvalidTrace(f"log phi and log psi must be finite, got {self.log_phi} and {self.log_psi}")
        if not (0.0 <= self.phi <= 1.0 and 0.0 <= self.psi <= 1.0):
            raise InvalidTrace(f"phi and psi must lie in 0..1, got {self.phi} and {self.psi}")

    @property
    def supporting(self) -> tuple[str, ...]:
        """Ids of the observations that are likelier under the hypothesis than usual."""
        return tuple(id for id, mark in self.marks.items() if mark == "supports")

    @property
    def contradicting(self) -> tuple[str, ...]:
        """Ids of the observations that speak against it."""
        return tuple(id for id, mark in self.marks.items() if mark == "contradicts")


def verify(
    sheet: EvidenceSheet,
    hypotheses: tuple[Hypothesis, ...],
    ask: Callable[[EvidenceSheet, Hypothesis], Verification],
) -> tuple[Verification, ...]:
    """Each hypothesis against every observation, judged alone so that the judgements are independent.

    Raises:
        InvalidTrace: The reasoner left an observation without a mark, or marked one that is not on the sheet.
    """
    verifications = tuple(ask(sheet, hypothesis) for hypothesis in hypotheses)
    ids = [observation.id for observation in sheet.observations]
    for hypothesis, verification in zip(hypotheses, verifications, strict=True):
        if verification.number != hypothesis.number or list(verification.marks) != ids:
            got = f"{verification.number}: {dict(verification.marks)}"
            raise InvalidTrace(f"hypothesis {hypothesis.number} needs one mark for each of {ids}, got {got}")
    return verifications


def from_marks(
    sheet: EvidenceSheet, *, number: int, marks: Mapping[str, Mark], quotes: Mapping[str, str]
) -> Verification:
    """The verification of a reasoner that has no likelihood table: an unmarked observation is silent [ours].

    A quote that is not in its observation is replaced by the observation's own words.

    phi = weight judged `supports` / all weight; psi = 1 − weight judged `contradicts` / weight judged either. A mark
    counts as a likelihood ratio of e, so log phi is the supporting weight and −log psi the contradicting one.
    """
    every: dict[str, Mark] = {o.id: marks.get(o.id, "silent") for o in sheet.observations}
    weight: dict[Mark, float] = dict.fromkeys(MARKS, 0.0)
    for observation in sheet.observations:
        weight[every[observation.id]] += sheet.weight(observation)
    judged = weight["supports"] + weight["contradicts"]
    return Verification(
        number=number,
        marks=every,
        quotes={o.id: true_quote(quotes.get(o.id), o.text) for o in sheet.observations},
        missing=tuple(sheet.missing),
        unexplained=tuple(id for id, mark in every.items() if mark != "supports"),
        log_phi=round(weight["supports"], 2),
        log_psi=-round(weight["contradicts"], 2) + 0.0,
        phi=round(weight["supports"] / max(sum(weight.values()), 1e-9), 2),
        psi=round(1.0 - weight["contradicts"] / judged, 2) if judged else 1.0,
    )
