"""What each modality and each section of a trace did to a clip's logits: the network asked again without it.

Effects need not add up to the whole: two modalities may say the same. So the remainder is always given with them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float32
from torch import Tensor

from emotrace.priors.config import FEATURES, SECTIONS
from emotrace.priors.fusion import PriorFusion
from emotrace.priors.inputs import PriorBatch
from emotrace.priors.outputs import PriorOutput


@dataclass(frozen=True, kw_only=True, eq=False)
class Contributions:
    """Effects on the logits; positive speaks for a label."""

    output: PriorOutput
    """All that the network says with everything the clip has."""
    logits: Float32[np.ndarray, "clip label"]
    """Of that output."""
    base: Float32[np.ndarray, "clip label"]
    """With nothing at all: what the network says of an empty clip."""
    modalities: Float32[np.ndarray, "clip modality label"]
    """logits minus those without the modality; 0 where it is absent."""
    sections: Float32[np.ndarray, "clip section label"]
    """The same of each section of the trace; 0 where it is absent."""

    @property
    def sum(self) -> Float32[np.ndarray, "clip label"]:
        """Of all effects."""
        return np.asarray(self.modalities.sum(axis=1) + self.sections.sum(axis=1))

    @property
    def remainder(self) -> Float32[np.ndarray, "clip label"]:
        """What the effects leave unexplained: logits - base - sum."""
        return np.asarray(self.logits - self.base - self.sum)

    def of_label(self, clip: int, label: int) -> dict[str, float]:
        """Effects on one label of one clip, by name, with their sum and the remainder."""
        effects = {name: float(self.modalities[clip, m, label]) for m, name in enumerate(FEATURES)}
        effects |= {f"{name} trace": float(self.sections[clip, s, label]) for s, name in enumerate(SECTIONS)}
        return effects | {"sum": float(self.sum[clip, label]), "remainder": float(self.remainder[clip, label])}


@torch.no_grad()
def contributions(model: PriorFusion, batch: PriorBatch) -> Contributions:
    """Masks each modality and each section in turn: at most nine passes, since what no clip has is not asked about."""
    model.eval()
    output: PriorOutput = model(batch)
    full = output.logits.float().numpy()

    def logits(clips: PriorBatch) -> Float32[np.ndarray, "clip label"]:
        found: Float32[np.ndarray, "clip label"] = model(clips).logits.float().numpy()
        return found

    def effect(there: Bool[Tensor, " clip"], without: PriorBatch) -> Float32[np.ndarray, "clip label"]:
        return full - logits(without) if there.any() else np.zeros_like(full)

    nothing = replace(batch, present=torch.zeros_like(batch.present), rho=torch.zeros_like(batch.rho))
    return Contributions(
        output=output,
        logits=full,
        base=logits(nothing),
        modalities=np.stack(
            [effect(batch.present[:, m], batch.without(modality=m)) for m in range(len(FEATURES))], axis=1
        ),
        sections=np.stack(
            [effect(batch.rho[:, s] > 0, batch.without(section=s)) for s in range(len(SECTIONS))], axis=1
        ),
    )
