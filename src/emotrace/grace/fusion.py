"""The parts around the transport: attention over time, the clip's feature, and gates that start at 0.

Every arm of a study owns the same parameters, and with all gates at 0 every arm starts as the plain baseline [ours].
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


class TimeAttention(nn.Module):
    """X + g·Attention(LN X) along time, at every patch of its own; g = 0 at the start."""

    def __init__(self, dim: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attention = nn.MultiheadAttention(dim, heads, dropout=dropout, batch_first=True)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], frame_mask: Bool[Tensor, "batch frame"]
    ) -> Float[Tensor, "batch token dim"]:
        """Tokens in frame order, N = T·P."""
        frames = frame_mask.shape[1]
        patches = tokens.shape[1] // frames
        tracks = tokens.view(-1, frames, patches, tokens.shape[2]).transpose(1, 2).flatten(0, 1)
        hidden = ~_never_empty(frame_mask).repeat_interleave(patches, dim=0)
        normed = self.norm(tracks)
        mixed, _ = self.attention(normed, normed, normed, key_padding_mask=hidden, need_weights=False)
        back: Tensor = mixed.view(-1, patches, *mixed.shape[1:]).transpose(1, 2).flatten(1, 2)
        return tokens + self.gate * back


class TimeTransformer(nn.Module):
    """One feature of a clip from one per frame: a layer with a class token [field: zengqunzhao/DFER-CLIP]."""

    def __init__(self, dim: int, frames: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.summary = nn.Parameter(torch.randn(1, 1, dim) * 0.02)
        self.position = nn.Parameter(torch.randn(1, frames + 1, dim) * 0.02)
        self.layer = nn.TransformerEncoderLayer(dim, heads, 4 * dim, dropout, "gelu", batch_first=True, norm_first=True)
        self.norm = nn.LayerNorm(dim)

    def forward(
        self, frames: Float[Tensor, "batch frame dim"], frame_mask: Bool[Tensor, "batch frame"]
    ) -> Float[Tensor, "batch dim"]:
        """Masked frames are not attended to."""
        batch, count, _ = frames.shape
        tokens = torch.cat([self.summary.expand(batch, -1, -1), frames], dim=1) + self.position[:, : count + 1]
        hidden = torch.cat([frame_mask.new_zeros(batch, 1), ~frame_mask], dim=1)
        pooled: Tensor = self.norm(self.layer(tokens, src_key_padding_mask=hidden)[:, 0])
        return pooled


class Fusion(nn.Module):
    """z = z_g + s_l·LN(W_l z_l) + s_t·LN(z_t), s = 0 at the start; then the class scores."""

    def __init__(self, dim: int, labels: int, dropout: float) -> None:
        super().__init__()
        self.local = nn.Linear(dim, dim)
        self.local_norm, self.text_norm = nn.LayerNorm(dim), nn.LayerNorm(dim)
        self.local_gate, self.text_gate = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(dim, labels)

    def forward(
        self,
        whole: Float[Tensor, "batch dim"],
        local: Float[Tensor, "batch dim"],
        text: Float[Tensor, "batch dim"] | None,
    ) -> Float[Tensor, "batch label"]:
        """Logits from the clip's feature, the feature under the map, and the words' feature where they may be read."""
        z = whole + self.local_gate * self.local_norm(self.local(local))
        if text is not None:
            z = z + self.text_gate * self.text_norm(text)
        logits: Tensor = self.head(self.dropout(z))
        return logits


def _never_empty(mask: Bool[Tensor, "batch frame"]) -> Bool[Tensor, "batch frame"]:
    """A clip without a frame attends to its padding, or softmax over nothing would be nan."""
    return mask | ~mask.any(dim=1, keepdim=True)
