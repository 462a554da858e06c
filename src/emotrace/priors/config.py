"""`PriorsConfig`: every choice that decides what a network of priors is. Kept in its checkpoint, compared on loading.

Defaults are [ours]: the paper says that traces enter "during the fusion stage" and that the network is light [paper];
its sizes, formulas and weights are unknown to us.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from emotrace.evidence.observation import MODALITIES

FEATURES: tuple[str, ...] = MODALITIES[:3]
"""The modalities that have features, in the order of every array: visual, vocal, verbal."""
SECTIONS: tuple[str, ...] = MODALITIES
"""The sections of a trace, in the order of every array: the three, and joint."""

InjectionMode = Literal["none", "concat", "expert", "gated"]
FusionMode = Literal["attention", "attention_raw", "concat"]
Contrast = Literal["both", "features", "bcl", "supcon", "dualcl"]
Positive = Annotated[float, Field(gt=0.0)]
Weight = Annotated[float, Field(ge=0.0)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]

DISCLAIMER = (
    "Our reconstruction from the abstract and keywords of arXiv 2508.03722; "
    "formulas, prompts and settings are emotrace's own."
)
"""Every card and result carries it."""


class PriorsConfig(BaseModel):
    """What a fusion network is made of and what it is trained for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[str, ...] = Field(min_length=2)
    """In the order of the logits."""

    dim: Annotated[int, Field(ge=4)] = 128
    """d: width of every token."""
    embedding_dim: Annotated[int, Field(ge=2)] = 128
    """Width of the embedding z and of the prototypes."""
    heads: Annotated[int, Field(ge=1)] = 4
    injection: InjectionMode = "gated"
    keys: Literal["all", "own+joint"] = "all"
    """Which sections a modality may look at in `gated`."""
    fusion: FusionMode = "attention"
    prototypes: Literal["classifier", "free"] = "classifier"
    """From the classifier's rows [field: FlamieZhu/Balanced-Contrastive-Learning], or parameters of their own."""
    has_valence: bool = False
    frames: tuple[Literal["visual", "vocal", "verbal"], ...] = ()
    """Modalities that are read as sequences: attention over their frames takes the place of the clip's vector."""

    column_dropout: bool = True
    """Train on one random half of the columns a step, the same for the whole batch."""
    hidden_dropout: Share = 0.5
    modality_dropout: Share = 0.1
    """Chance of each present modality to be hidden while training; never all of them."""
    trace_dropout: Share = 0.2
    """Chance of all sections together to be hidden while training."""
    section_dropout: Share = 0.1
    """Chance of each section to be hidden while training."""

    logit_adjustment: Weight = 0.0
    """κ of CE(o + κ ln π) [field: arXiv 2007.07314]."""
    auxiliary_weight: Weight = 0.3
    """Of the heads on single modalities and sections."""
    contrast: Contrast = "both"
    contrastive_weight: Weight = 0.35
    """λ [field: BCL's default]."""
    temperature: Positive = 0.1
    inter_weight: Weight = 1.0
    intra_weight: Weight = 1.0
    outer: Literal["sample", "class"] = "sample"
    views: Literal[1, 2] = 1
    """Dropout masks under which each clip is seen in a step."""
    valence_weight: Weight = 1.0
    crossmodal_weight: Weight = 0.0
    """Of the contrast between two modalities of one clip."""

    @model_validator(mode="after")
    def _fits(self) -> PriorsConfig:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must differ, got {self.labels}")
        if self.dim % self.heads:
            raise ValueError(f"dim must be a multiple of heads, got {self.dim} and {self.heads}")
        return self

    def pretraining(self) -> PriorsConfig:
        """The same network before traces: no injection, no contrast. Stage 1 trains it."""
        return self.model_copy(update={"injection": "none", "contrastive_weight": 0.0})

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return self.model_dump(mode="json")
