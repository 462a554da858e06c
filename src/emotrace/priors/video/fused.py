"""`FusedReading`: what a fusion network says of one person in one stretch, and what each part did to it. No torch."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from emotrace.evidence.observation import MODALITIES, Modality
from emotrace.evidence.reasoning.trace import KeptObservation, KeptSpan

TRACE = " trace"
"""After a section's name, where its effect stands beside those of the modalities."""
PARTS: tuple[str, ...] = (*MODALITIES[:3], *(f"{name}{TRACE}" for name in MODALITIES))
"""Whose effects are given: face, voice, words, and the four sections of the trace."""

Unit = Annotated[float, Field(ge=0.0, le=1.0)]
ByLabel = dict[str, float]


class Part(BaseModel):
    """Base: frozen, unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SectionUse(Part):
    """One section of the trace, and how far it was trusted."""

    status: str
    """As `evidence.reasoning.trace.Status`."""
    reason: str | None = None
    """Why there is no answer; None where there is one."""
    rho: Unit
    """Reliability: 0 keeps the section out altogether."""
    failed: tuple[str, ...] = ()
    """Codes of the hard checks that failed, as `evidence.reliability.HARD_CODES` explains them."""
    soft: dict[str, Unit] = Field(default_factory=dict)
    """The soft scores that are defined, by name."""
    text: str = ""
    observations: tuple[KeptObservation, ...] = ()


class FusedReading(Part):
    """A distribution over the labels, with the effect of each part on the logits: the network asked without it.

    Effects need not add up: two parts may say the same. What they leave over is `remainder`. They say what moved the
    network, not what is true of the person.
    """

    span: KeptSpan
    source: str
    """`priors/` and the first 12 digits of the weights' SHA-256."""
    scheme: str
    """The label scheme of the distribution, as in `labels/schemes.py`; `source` where the labels are of none."""
    distribution: dict[str, Unit]
    """Label -> probability, in the order of the weights; sums to 1."""
    present: tuple[Modality, ...]
    """The modalities that the network was given."""
    observer: str | None
    """Who wrote the trace; None: the reading is prior-free."""
    base: ByLabel
    """Label -> logit of an empty clip."""
    effects: dict[str, ByLabel]
    """Part -> label -> logit with the part minus without it; parts that were not given are left out."""
    remainder: ByLabel
    """Label -> logit - base - sum of the effects."""
    sections: dict[Modality, SectionUse] = Field(default_factory=dict)
    valence: float | None = None
    """Where the corpus of the weights has one, in its unit."""

    @model_validator(mode="after")
    def _adds_up(self) -> FusedReading:
        if abs(sum(self.distribution.values()) - 1.0) > 1e-3:
            raise ValueError(f"a distribution sums to 1, got {self.distribution}")
        for name, effects in {"base": self.base, "remainder": self.remainder, **self.effects}.items():
            if set(effects) != set(self.distribution):
                raise ValueError(f"{name} must speak of {', '.join(self.distribution)}")
        if unknown := sorted(self.effects.keys() - set(PARTS)):
            raise ValueError(f"no such part: {', '.join(unknown)}")
        return self

    @property
    def is_prior_free(self) -> bool:
        """Whether no section of a trace was let in."""
        return self.observer is None
