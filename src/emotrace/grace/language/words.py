"""Words become columns: the features, weights and marginals of a batch of `AffectText`s, padded to one length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emotrace.encoders.interface import TextEncoder
from emotrace.grace.language.affect_text import AffectText, Phrase


@dataclass(frozen=True, kw_only=True)
class WordColumns:
    """L columns of B clips. Padding columns have marginal 0 and feature 0; the transport leaves them out."""

    features: Float[Tensor, "batch column dim"]
    affect: Float[Tensor, "batch column"]
    """γ: 1 for action words down to 0 for background."""
    marginal: Float[Tensor, "batch column"]
    """b, sums to 1."""
    has_affect: Bool[Tensor, " batch"]
    """False where a clip has no affect phrase; its columns are background only."""

    def __getitem__(self, rows: Tensor) -> WordColumns:
        return WordColumns(
            features=self.features[rows],
            affect=self.affect[rows],
            marginal=self.marginal[rows],
            has_affect=self.has_affect[rows],
        )

    def pooled(self) -> Float[Tensor, "batch dim"]:
        """Σγe / Σγ; 0 where there is no affect word."""
        weight = self.affect / self.affect.sum(dim=1, keepdim=True).clamp_min(1e-12)
        return torch.einsum("bl,bld->bd", weight, self.features)


def embed(texts: Sequence[AffectText], encoder: TextEncoder) -> WordColumns:
    """The columns of a batch of texts; every phrase and every text is read once, however often it occurs."""
    phrases = {phrase: place for place, phrase in enumerate(dict.fromkeys(p for text in texts for p in _alone(text)))}
    prompts = {ids: place for place, ids in enumerate(dict.fromkeys(t.token_ids for t in texts if t.token_ids))}
    read_alone = encoder.encode_phrases(list(phrases)) if phrases else None
    read_together = encoder.encode_tokens(list(prompts)) if prompts else []

    def columns(text: AffectText) -> Float[Tensor, "column dim"]:
        parts = [read_together[prompts[text.token_ids]][list(text.positions)]] if text.token_ids else []
        if read_alone is not None:
            parts.append(read_alone[[phrases[phrase] for phrase in _alone(text)]])
        return torch.cat(parts)

    features = torch.nn.utils.rnn.pad_sequence([columns(text) for text in texts], batch_first=True)
    return WordColumns(
        features=features,
        affect=_padded([text.affect for text in texts], features),
        marginal=_padded([text.marginal for text in texts], features),
        has_affect=torch.tensor([not text.is_empty for text in texts], device=features.device),
    )


def repeated(columns: WordColumns, count: int) -> WordColumns:
    """The columns of one text for `count` clips, without copying them."""
    return WordColumns(
        features=columns.features.expand(count, -1, -1),
        affect=columns.affect.expand(count, -1),
        marginal=columns.marginal.expand(count, -1),
        has_affect=columns.has_affect.expand(count),
    )


def drop_phrases(text: AffectText, share: float, rng: np.random.Generator) -> AffectText:
    """The text with a share of its phrases silenced. One phrase at least stays [ours]."""
    if share == 0.0 or len(text.phrases) < 2:
        return text
    kept = rng.random(len(text.phrases)) >= share
    kept[rng.integers(len(text.phrases))] = True
    return speaking(text, [phrase for phrase, stays in zip(text.phrases, kept, strict=True) if stays])


def of_label(bank: AffectText, label: str | None) -> AffectText:
    """The class bank with one class's phrases speaking; with None, background alone."""
    own = dict(bank.class_columns).get(label or "", slice(0, 0))
    return speaking(bank, [phrase for phrase in bank.phrases if own.start <= phrase.columns.start < own.stop])


def speaking(text: AffectText, phrases: Sequence[Phrase]) -> AffectText:
    """The text with only these of its phrases having weight and mass; the columns of the others stay empty.

    Words and background keep their shares of the mass; without a phrase, background has all of it.
    """
    heard = np.zeros(text.column_count, bool)
    for phrase in phrases:
        heard[phrase.columns] = True
    words = np.zeros(text.column_count, bool)
    words[: text.column_count - len(text.background)] = True
    marginal = np.where(words & ~heard, 0.0, text.marginal)
    if (left := marginal[words].sum()) > 0.0:
        marginal[words] *= text.marginal[words].sum() / left
    return replace(
        text,
        affect=np.where(heard, text.affect, 0.0).astype(np.float32),
        marginal=(marginal / marginal.sum()).astype(np.float32),
    )


def _alone(text: AffectText) -> tuple[str, ...]:
    """The phrases that are read alone, in the order of their columns."""
    own = tuple(phrase.text for phrase in text.phrases) if text.units == "phrase" else ()
    return own + text.background


def _padded(rows: Sequence[np.ndarray], like: Tensor) -> Float[Tensor, "batch column"]:
    padded = np.zeros((len(rows), like.shape[1]), np.float32)
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    return torch.from_numpy(padded).to(like.device)
