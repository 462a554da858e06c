"""What a fusion network is trained for, and what it answers: the total loss and prediction. Section 6, last part.

    CE_kappa(o) + 0.3·mean_m CE(modality head) + 0.3·mean_s rho_s CE(trace head) + lambda·L_BDCL + MSE(valence)

The terms and their weights are [ours], but for the logit adjustment, and lambda = 0.35 [field: BCL's default].
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn
from torch.nn import functional

from emotrace.errors import CheckpointMismatch
from emotrace.priors.bdcl import bdcl
from emotrace.priors.clips import PriorClips
from emotrace.priors.config import PriorsConfig
from emotrace.priors.fusion import PriorFusion
from emotrace.priors.gather import gather_clips
from emotrace.priors.inputs import PriorBatch, PriorTable
from emotrace.priors.losses.cross_entropy import cross_entropy
from emotrace.priors.losses.crossmodal import crossmodal
from emotrace.priors.outputs import PriorOutput
from emotrace.training.checkpoint import load_checkpoint

NETWORK = "fusion"
"""What a checkpoint of a `PriorFusion` calls its network."""


def total_loss(
    output: PriorOutput, batch: PriorBatch, config: PriorsConfig, log_shares: Float[Tensor, " label"] | None = None
) -> tuple[Float[Tensor, ""], dict[str, float]]:
    """The loss of a batch, and its terms as numbers, before their weights.

    Args:
        output: What the network said about `batch`. Terms of what it does not have are left out.
        batch: Labelled clips, or clips with a guessed label and a smaller weight.
        config: Which terms, and how much each counts.
        log_shares: ln of the class shares of the labelled training clips, for the logit adjustment.
    """
    parts = {
        "classification": (
            1.0,
            cross_entropy(
                output.logits,
                batch.labels,
                log_shares=log_shares,
                strength=config.logit_adjustment,
                weights=batch.weights,
            ),
        )
    }
    if output.modality_logits is not None:
        parts["modalities"] = config.auxiliary_weight, _of_modalities(output.modality_logits, batch)
    if output.trace_logits is not None:
        parts["traces"] = config.auxiliary_weight, _of_sections(output.trace_logits, batch)
    if config.contrastive_weight > 0 and output.embedding is not None and output.prototypes is not None:
        embedding, labels, weights = gather_clips(output.embedding, batch.labels, batch.weights)
        contrast = bdcl(
            embedding,
            labels,
            output.prototypes,
            temperature=config.temperature,
            inter=config.inter_weight,
            intra=config.intra_weight,
            variant=config.contrast,
            outer=config.outer,
            weights=weights,
        )
        parts["contrast"] = config.contrastive_weight, contrast
    if output.valence is not None and batch.valence is not None:
        parts["valence"] = config.valence_weight, _of_valence(output.valence, batch.valence)
    if config.crossmodal_weight > 0 and output.modality_tokens is not None:
        parts["crossmodal"] = config.crossmodal_weight, _between_modalities(output.modality_tokens, batch, config)
    total = sum((weight * value for weight, value in parts.values()), torch.zeros_like(output.logits[0, 0]))
    return total, {name: value.item() for name, (_, value) in parts.items()}


def _of_modalities(logits: Float[Tensor, "clip modality label"], batch: PriorBatch) -> Float[Tensor, ""]:
    """Mean over the modalities that are there."""
    modalities = logits.shape[1]
    weights = batch.weights[:, None] * batch.present
    return cross_entropy(logits.flatten(0, 1), batch.labels.repeat_interleave(modalities), weights=weights.flatten())


def _of_sections(logits: Float[Tensor, "clip section label"], batch: PriorBatch) -> Float[Tensor, ""]:
    """Mean over clips and all four sections of rho_s·CE: an untrusted section counts little, an absent one nothing."""
    sections = logits.shape[1]
    costs = functional.cross_entropy(
        logits.flatten(0, 1).float(), batch.labels.repeat_interleave(sections), reduction="none"
    )
    weighted = costs.view(-1, sections) * batch.rho * batch.weights[:, None]
    return weighted.sum() / (sections * batch.weights.sum())


def _of_valence(found: Float[Tensor, " clip"], wanted: Float[Tensor, " clip"]) -> Float[Tensor, ""]:
    """Squared error, mean over the clips that were rated; 0 without one."""
    rated = ~wanted.isnan()
    squares = (found - torch.where(rated, wanted, found)).square()
    return squares.sum() / rated.sum().clamp_min(1)


def _between_modalities(
    tokens: Float[Tensor, "clip modality dim"], batch: PriorBatch, config: PriorsConfig
) -> Float[Tensor, ""]:
    unit = functional.normalize(tokens, dim=-1)
    pairs = [
        crossmodal(
            unit[:, a],
            unit[:, b],
            temperature=config.temperature,
            weights=batch.weights * (batch.present[:, a] & batch.present[:, b]),
        )
        for a, b in combinations(range(tokens.shape[1]), 2)
    ]
    return torch.stack(pairs).mean()


@dataclass(frozen=True, kw_only=True, eq=False)
class PriorAnswers:
    """What a network says of a set of clips."""

    logits: Float32[np.ndarray, "clip label"]
    valence: Float32[np.ndarray, " clip"] | None
    """None where the network has no such head."""


@torch.no_grad()
def answers(model: nn.Module, clips: PriorClips, *, batch_size: int = 512) -> PriorAnswers:
    """Answers for all clips, in their order; labels are not looked at, and the model is left in evaluation mode."""
    model.eval()
    table, rows = PriorTable(clips), np.arange(len(clips))
    outputs: list[PriorOutput] = [
        model(table.rows(rows[start : start + batch_size])) for start in range(0, len(rows), batch_size)
    ]
    logits = [output.logits.float().cpu().numpy() for output in outputs]
    valence = [output.valence.float().cpu().numpy() for output in outputs if output.valence is not None]
    return PriorAnswers(
        logits=np.concatenate([np.zeros((0, len(clips.label_names)), np.float32), *logits]),
        valence=np.concatenate(valence) if valence else None,
    )


def predict_logits(model: nn.Module, clips: PriorClips, *, batch_size: int = 512) -> Float32[np.ndarray, "clip label"]:
    """The logits of `answers`."""
    return answers(model, clips, batch_size=batch_size).logits


def description_of(model: PriorFusion) -> dict[str, object]:
    """Plain values from which `load_prior_fusion` builds the same network."""
    return {
        "network": NETWORK,
        "config": model.config.to_dict(),
        "widths": dict(model.widths),
        "trace_width": model.trace_width,
    }


def load_prior_fusion(folder: Path | str) -> PriorFusion:
    """The network of a checkpoint, in evaluation mode, with the scales of its training clips.

    Raises:
        ModelFileError: The folder is missing or damaged.
        CheckpointMismatch: It holds another kind of network.
    """
    checkpoint = load_checkpoint(folder)
    learner: Mapping[str, object] = checkpoint.config.learner
    if learner.get("network") != NETWORK:
        raise CheckpointMismatch(f"holds a network {learner.get('network')!r}, not {NETWORK!r}", where=folder)
    config = PriorsConfig.model_validate(learner["config"])
    model = PriorFusion(config, learner["widths"], learner["trace_width"])  # type: ignore[arg-type]
    checkpoint.load_into(model)
    return model.eval()
