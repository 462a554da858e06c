"""`GraceInput`: a batch of clips as the model takes them; `SeenClips`: what is left of them before any word."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor

from emotrace.encoders.encoded import PatchEncoded
from emotrace.grace.language.affect_text import AffectText
from emotrace.grace.motion import Motion


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


@dataclass(frozen=True, kw_only=True)
class SeenClips:
    """What the encoder and the motion step made of B clips, before any word is looked at."""

    tokens: PatchEncoded
    motion: Motion
    frame_times_seconds: Float[Tensor, "batch frame"]
    texts: tuple[AffectText | None, ...]
