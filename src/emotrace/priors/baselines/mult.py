"""`MulT`: cross-modal transformers over frame features, after arXiv 1906.00295 [field], where not said otherwise.

Frames of each modality are projected to d; each modality attends to each other one (six transformers); what it found is
concatenated and passes a self-attention memory; a masked mean over frames follows [ours: the reference reads the last
step of sequences padded in front, and masks the future], then a residual MLP. Utterance features are refused: a
sequence of one frame has nothing to attend to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from emotrace.encoders.initialise import drawn_for
from emotrace.errors import UsageError
from emotrace.priors.config import FEATURES, PriorsConfig
from emotrace.priors.inputs import PriorBatch
from emotrace.priors.outputs import PriorOutput

NETWORK = "mult"
GRADIENT_CLIP = 0.8
"""Largest norm of the gradient in the reference."""


class MulT(nn.Module):
    """The network.

    Args:
        config: Labels, valence, and which terms of the loss are used.
        widths: Columns of each modality's frames.
        dim: d; 64 or 128.
        layers: Of each transformer; 2 to 4.
        heads: Of each attention.
        dropout: In the transformers and the MLP.
        causal: Whether frames are hidden from earlier ones, as in the reference.
        last_step: Whether the last frame is read instead of the mean over frames, as in the reference.
        seed: Draws the weights.
    """

    def __init__(
        self,
        config: PriorsConfig,
        widths: Mapping[str, int],
        *,
        dim: int = 64,
        layers: int = 2,
        heads: int = 8,
        dropout: float = 0.1,
        causal: bool = False,
        last_step: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.config, self.causal, self.last_step = config, causal, last_step
        self._options = {"dim": dim, "layers": layers, "heads": heads, "dropout": dropout}
        pairs = [(own, other) for own in FEATURES for other in FEATURES if own != other]
        wide = 2 * dim * len(FEATURES)
        with drawn_for("baselines.mult", seed=seed):
            self.project = nn.ModuleDict({name: nn.Linear(widths[name], dim, bias=False) for name in FEATURES})
            self.cross = nn.ModuleDict(
                {f"{a}<{b}": nn.ModuleList(Layer(dim, heads, dropout) for _ in range(layers)) for a, b in pairs}
            )
            self.memory = nn.ModuleDict(
                {a: nn.ModuleList(Layer(2 * dim, heads, dropout) for _ in range(layers)) for a in FEATURES}
            )
            self.residual = nn.Sequential(nn.Linear(wide, wide), nn.ReLU(), nn.Dropout(dropout), nn.Linear(wide, wide))
            self.classifier = nn.Linear(wide, len(config.labels))
            self.valence = nn.Linear(wide, 1) if config.has_valence else None

    def forward(self, batch: PriorBatch) -> PriorOutput:
        """What the clips look like.

        Raises:
            UsageError: Utterance features, or frames of some modalities only.
        """
        if lacking := [name for name in FEATURES if name not in batch.frames]:
            raise UsageError(
                f"needs frames, and {', '.join(lacking)} has one vector a clip: there is nothing to attend to",
                where="mult",
                hint="Give frame features (FRA), or use the attention baseline",
            )
        masks = {name: batch.frames[name].mask & batch.present[:, [m]] for m, name in enumerate(FEATURES)}
        frames = {name: self._placed(name, batch.frames[name].values) for name in FEATURES}
        summaries = [self._summary(name, frames, masks) for name in FEATURES]
        joined = torch.cat(summaries, dim=1)
        fused = joined + self.residual(joined)
        return PriorOutput(
            logits=self.classifier(fused), valence=None if self.valence is None else self.valence(fused).squeeze(1)
        )

    def description(self) -> dict[str, Any]:
        """Plain values for a checkpoint."""
        options = {**self._options, "causal": self.causal, "last_step": self.last_step}
        return {"network": NETWORK, "config": self.config.to_dict(), **options}

    def _placed(self, name: str, frames: Float[Tensor, "clip frame width"]) -> Float[Tensor, "clip frame dim"]:
        projected: Tensor = self.project[name](frames)
        placed: Tensor = projected * math.sqrt(projected.shape[-1]) + _positions(projected)
        return placed

    def _summary(
        self, name: str, frames: Mapping[str, Tensor], masks: Mapping[str, Tensor]
    ) -> Float[Tensor, "clip wide"]:
        """One modality, told by the two others: a vector per clip, zeros where it is absent."""
        found = []
        for other in FEATURES:
            if other != name:
                own = frames[name]
                for layer in cast(nn.ModuleList, self.cross[f"{name}<{other}"]):
                    own = layer(own, frames[other], masks[name], masks[other], causal=self.causal)
                found.append(own)
        memory = torch.cat(found, dim=-1)
        for layer in cast(nn.ModuleList, self.memory[name]):
            memory = layer(memory, memory, masks[name], masks[name], causal=self.causal)
        mask = masks[name]
        if self.last_step:
            last = (mask.sum(dim=1) - 1).clamp_min(0)
            read: Tensor = memory[torch.arange(len(memory)), last] * mask.any(dim=1, keepdim=True)
            return read
        mean: Tensor = torch.einsum("bt,btd->bd", mask / mask.sum(dim=1, keepdim=True).clamp_min(1), memory)
        return mean


class Layer(nn.Module):
    """x + attention from x to the source, then x + MLP, each behind a norm; a source without frames adds nothing."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.before, self.source, self.between = (nn.LayerNorm(dim) for _ in range(3))
        self.attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        self.mlp = nn.Sequential(nn.Linear(dim, 4 * dim), nn.ReLU(), nn.Dropout(dropout), nn.Linear(4 * dim, dim))

    def forward(
        self,
        x: Float[Tensor, "clip frame dim"],
        source: Float[Tensor, "clip other dim"],
        own: Bool[Tensor, "clip frame"],
        mask: Bool[Tensor, "clip other"],
        *,
        causal: bool,
    ) -> Float[Tensor, "clip frame dim"]:
        """Frames of one modality, told by those of another, or of their own."""
        there = mask.any(dim=1)
        hidden = ~(mask | ~there[:, None])
        future = _future(own, mask).repeat_interleave(self.attention.num_heads, dim=0) if causal else None
        keys = self.source(source)
        told, _ = self.attention(
            self.before(x), keys, keys, key_padding_mask=hidden, attn_mask=future, need_weights=False
        )
        x = x + told * there[:, None, None]
        added: Tensor = self.mlp(self.between(x))
        return x + added


def _future(own: Bool[Tensor, "clip frame"], source: Bool[Tensor, "clip other"]) -> Bool[Tensor, "clip frame other"]:
    """Which source frames come later than a frame, by their place in the clip: sequences may differ in length.

    The first source frame is never hidden, so that there is always one to look at. The reference compares places in
    the batch's padding, so that a clip's answer would depend on its batch mates.
    """
    lengths = [mask.sum(dim=1).clamp_min(1)[:, None, None] for mask in (own, source)]
    mine = torch.arange(1, own.shape[1] + 1, device=own.device)[None, :, None] * lengths[1]
    theirs = torch.arange(1, source.shape[1] + 1, device=own.device)[None, None, :] * lengths[0]
    later = theirs > mine
    later[..., 0] = False
    return later


def _positions(like: Float[Tensor, "clip frame dim"]) -> Float[Tensor, "frame dim"]:
    """Sines and cosines [field: arXiv 1706.03762]."""
    frames, dim = like.shape[1:]
    slowness = 10_000 ** (torch.arange(0, dim, 2, device=like.device) / dim)
    place = torch.arange(frames, device=like.device)[:, None] / slowness
    return torch.stack([place.sin(), place.cos()], dim=-1).flatten(1)[:, :dim].to(like.dtype)
