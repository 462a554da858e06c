"""`PriorOutput`: what a fusion network says about a batch of clips."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class PriorOutput:
    """A distribution and how it came about. What a network does not have is None."""

    logits: Float[Tensor, "clip label"]
    modality_logits: Float[Tensor, "clip modality label"] | None = None
    """Of each modality alone, before any trace."""
    trace_logits: Float[Tensor, "clip section label"] | None = None
    """Of each section alone."""
    valence: Float[Tensor, " clip"] | None = None
    embedding: Float[Tensor, "clip embedding"] | None = None
    """z, of unit length."""
    modality_tokens: Float[Tensor, "clip modality dim"] | None = None
    """h, before any trace."""
    prototypes: Float[Tensor, "label embedding"] | None = None
    """k, of unit length."""
    attention: Float[Tensor, "clip modality"] | None = None
    """a: how much of each modality the fused token holds."""
    trace_attention: Float[Tensor, "clip modality section"] | None = None
    """alpha, mean over heads: which section each modality looked at; 0 where it could look at none."""
    gates: Float[Tensor, "clip modality"] | None = None
    """Mean gate times the reliability of what could be looked at: how far a trace was let in, in [0, 1]."""

    @property
    def probabilities(self) -> Float[Tensor, "clip label"]:
        """In float32."""
        return self.logits.float().softmax(dim=1)
