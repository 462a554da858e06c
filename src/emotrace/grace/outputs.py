"""What GRACE returns: one rich object, whatever the arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from emotrace.grace.heat import WordLink
from emotrace.grace.transport import TransportPlan

HeatSource = Literal["transport", "motion", "none"]


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Transport costs of clips with their own words and with another clip's, for the alignment loss."""

    matched: Float[Tensor, " batch"]
    """F(V_i, E_i), in standard deviations of the matched pair's cost."""
    mismatched: Float[Tensor, " batch"]
    """F(V_i, E_j), j of another class, in the same unit."""
    valid: Bool[Tensor, " batch"]
    """False for a clip without affect words or without a rival in the batch."""
    pictures: Float[Tensor, "batch dim"]
    """Mean token under the matched map."""
    words: Float[Tensor, "batch dim"]
    """Mean affect word."""


@dataclass(frozen=True, kw_only=True)
class GraceOutput:
    """The distribution over the labels, and where and when it was looked for."""

    logits: Float[Tensor, "batch label"]
    transport: TransportPlan | None
    """None in the arm `none`."""
    motion: Float[Tensor, "batch frame row column"]
    """How much each patch moves beyond what the whole picture does, before it becomes a weight."""
    heat: Float[Tensor, "batch frame row column"]
    """At least 0; sums to 1, or to 0 for a clip without a frame."""
    heat_source: tuple[HeatSource, ...]
    """Per clip: words and picture, motion alone, or nothing."""
    links: tuple[tuple[WordLink, ...], ...]
    """Per clip; empty unless asked for."""
    gates: dict[str, float]
    """The branches' gates, all 0 at the start of training."""
    matching: Matching | None = None
    """In training, where clips have words."""

    @property
    def probabilities(self) -> Float[Tensor, "batch label"]:
        """Softmax of the logits."""
        return self.logits.softmax(dim=1)
