"""`GraceConfig`: every choice that decides what a GRACE model is. Kept in its checkpoint and compared on loading.

Defaults are [ours]: the paper names the parts (refined text, motion difference, entropy-regularised transport), and we
do not know its settings.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from emotrace.grace.language.affect_text import TextUnits

Alignment = Literal["none", "softmax", "balanced", "unbalanced"]
TextMode = Literal["train_only", "train_and_test"]
ClipText = Literal["none", "coarse", "fine"]
MotionUse = Literal["marginal", "topk", "scale"]
Positive = Annotated[float, Field(gt=0.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]

DISCLAIMER = (
    "Reimplementation from the abstract and one figure caption of arXiv 2507.11892; "
    "formulas, prompts and settings are emotrace's own."
)
"""Every card and result carries it."""


class GraceConfig(BaseModel):
    """What a GRACE model is made of."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: tuple[str, ...] = Field(min_length=2)
    """In the order of the logits."""
    encoder: str = "openai/clip-vit-base-patch16"
    """`tiny`, `embedded`, or a CLIP checkpoint of transformers (hub name or folder)."""
    adaptation: Literal["frozen", "lora", "last_k", "full"] = "lora"
    frames: Annotated[int, Field(ge=1)] = 16
    token_pool: Annotated[int, Field(ge=1)] = 1
    """Patches that become one token along each axis; 2 makes a 14 x 14 grid 7 x 7."""

    text: ClipText = "fine"
    """What the alignment loss reads of a clip: refined phrases, the raw text, or only the class bank of its label."""
    text_mode: TextMode = "train_only"
    """Whether clip text reaches the classifier. The paper's mode is not known to us; never mix the two in a table."""
    text_units: TextUnits = "token"
    """Alignment is at token level [paper]."""
    phrase_dropout: Share = 0.2
    background_mass: Share = 0.5

    motion: Literal["off", "pixel", "feature"] = "pixel"
    rigid: Literal["off", "median", "affine"] = "affine"
    motion_group: Literal["clip", "frame", "time"] = "clip"
    motion_use: tuple[MotionUse, ...] = ("marginal",)
    """Which of the three the paper's "filtering" means is not known to us."""
    motion_emphasis: Share = 0.5
    """α of `scale`."""

    alignment: Alignment = "balanced"
    epsilon: Positive = 0.3
    """In standard deviations of the clip's cost, or as it is with `epsilon_mode="absolute"`."""
    epsilon_mode: Literal["relative", "absolute"] = "relative"
    row_strictness: Share = 0.9
    """ρ of the visual marginal in the `unbalanced` arm."""
    centre: bool = True
    """Subtract running means: image and text vectors lie in separate cones [field: arXiv 2203.02053]."""

    time_attention: bool = True
    heads: Annotated[int, Field(ge=1)] = 8
    dropout: Share = 0.1

    label_smoothing: Share = 0.1
    logit_adjustment: Annotated[float, Field(ge=0.0)] = 0.0
    """κ of train logits + κ log prior [field: arXiv 2007.07314]; smoothing is 0 where it is set."""
    alignment_loss: Literal["hinge", "positive"] = "hinge"
    alignment_weight: Annotated[float, Field(ge=0.0)] = 0.5
    margin: Annotated[float, Field(ge=0.0)] = 0.5
    alignment_warmup: Share = 0.1
    """Share of all steps over which the alignment weight rises from 0."""
    contrastive_weight: Annotated[float, Field(ge=0.0)] = 0.0
    temperature: Positive = 0.07

    @model_validator(mode="after")
    def _labels_differ(self) -> GraceConfig:
        if len(set(self.labels)) != len(self.labels):
            raise ValueError(f"labels must differ, got {self.labels}")
        return self

    @property
    def strictness(self) -> tuple[float, float]:
        """ρ of the visual and of the word marginal: 1 hard, 0 free. All arms share one code path: exact controls."""
        return {"softmax": 0.0, "balanced": 1.0, "unbalanced": self.row_strictness, "none": 1.0}[self.alignment], 1.0

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return self.model_dump(mode="json")
