"""`GraceInput`: a batch of clips as the model takes them."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from emotrace.grace.affect_text import AffectText


@dataclass(frozen=True, kw_only=True)
class GraceInput:
    """B clips of T frames. Padding frames repeat the last real one and are masked, so a short clip costs no branch."""

    frames: Float[Tensor, "batch frame 3 height width"]
    """RGB in 0..1. A frame that could not be read is 0 and masked."""
    frame_mask: Bool[Tensor, "batch frame"]
    frame_times_seconds: Float[Tensor, "batch frame"]
    """nan where the source has no times."""
    texts: tuple[AffectText | None, ...]
    """The clips' own words; None for a clip without."""
