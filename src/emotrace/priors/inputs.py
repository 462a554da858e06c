"""`PriorBatch`: what a network of priors is given, and the table of tensors that batches are cut from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from emotrace.priors.clips import PriorClips
from emotrace.priors.config import FEATURES, PriorsConfig


@dataclass(frozen=True, kw_only=True)
class FrameSequence:
    """Frames of each clip, filled up to the longest."""

    values: Float[Tensor, "clip frame dim"]
    mask: Bool[Tensor, "clip frame"]


@dataclass(frozen=True, kw_only=True)
class PriorBatch:
    """Clips. Every number is finite, also where something is absent; what is absent is not looked at."""

    features: Mapping[str, Float[Tensor, "clip _"]]
    """By modality, each of its own width."""
    present: Bool[Tensor, "clip modality"]
    traces: Float[Tensor, "clip section width"] | None
    rho: Float[Tensor, "clip section"]
    labels: Int64[Tensor, " clip"]
    weights: Float[Tensor, " clip"]
    """1 for a labelled clip, less for one whose label was guessed."""
    valence: Float[Tensor, " clip"] | None = None
    frames: Mapping[str, FrameSequence] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def without(self, *, modality: int | None = None, section: int | None = None) -> PriorBatch:
        """The same clips with one modality, or one section of their traces, taken away."""
        present, rho = self.present.clone(), self.rho.clone()
        if modality is not None:
            present[:, modality] = False
        if section is not None:
            rho[:, section] = 0.0
        return replace(self, present=present, rho=rho)

    def doubled(self) -> PriorBatch:
        """Every clip twice: under two dropout masks they become two views."""

        def twice(x: Tensor) -> Tensor:
            return torch.cat([x, x])

        return PriorBatch(
            features={name: twice(x) for name, x in self.features.items()},
            present=twice(self.present),
            traces=None if self.traces is None else twice(self.traces),
            rho=twice(self.rho),
            labels=twice(self.labels),
            weights=twice(self.weights),
            valence=None if self.valence is None else twice(self.valence),
            frames={name: FrameSequence(values=twice(x.values), mask=twice(x.mask)) for name, x in self.frames.items()},
        )


def partly_hidden(batch: PriorBatch, config: PriorsConfig) -> PriorBatch:
    """Modality and trace dropout: the same clips, some of what they have hidden at random.

    Each present modality goes with its chance, unless that would leave a clip with none; all sections together with
    theirs; and each section with its own. Drawn before anything else of a step and in one size, so that two arms that
    share seeds hide the same [ours].
    """
    clips, modalities = batch.present.shape
    draws = torch.rand(clips, modalities + 1 + batch.rho.shape[1], device=batch.rho.device)
    kept = batch.present & (draws[:, :modalities] >= config.modality_dropout)
    kept = torch.where(kept.any(dim=1, keepdim=True), kept, batch.present)
    seen = (draws[:, modalities, None] >= config.trace_dropout) & (draws[:, modalities + 1 :] >= config.section_dropout)
    return replace(batch, present=kept, rho=batch.rho * seen)


class PriorTable:
    """All clips of a set as tensors; a batch is a few rows of it.

    Args:
        clips: Shared, not copied, unless a masked entry is not finite.
    """

    def __init__(self, clips: PriorClips) -> None:
        self._clips = clips
        self._features = {name: _tensor(clips.features[name]) for name in FEATURES}
        self._present = _tensor(clips.present)
        self._traces = None if clips.traces is None else _tensor(clips.traces)
        self._rho = _tensor(clips.rho)
        self._labels = _tensor(clips.labels)
        self._valence = None if clips.valence is None else torch.from_numpy(clips.valence.copy())

    def rows(
        self,
        rows: Int64[np.ndarray, " chosen"],
        *,
        labels: Int64[Tensor, " chosen"] | None = None,
        weights: Float[Tensor, " chosen"] | None = None,
    ) -> PriorBatch:
        """Some clips, with their own labels and the weight 1 unless others are given."""
        chosen = torch.from_numpy(rows)
        return PriorBatch(
            features={name: x.index_select(0, chosen) for name, x in self._features.items()},
            present=self._present[chosen],
            traces=None if self._traces is None else self._traces.index_select(0, chosen),
            rho=self._rho[chosen],
            labels=self._labels[chosen] if labels is None else labels,
            weights=torch.ones(len(rows)) if weights is None else weights,
            valence=None if self._valence is None else self._valence[chosen],
            frames={name: self._filled_up(name, rows) for name in self._clips.frames},
        )

    def _filled_up(self, name: str, rows: Int64[np.ndarray, " chosen"]) -> FrameSequence:
        sequences, width = self._clips.frames[name], self._clips.widths[name]
        lengths = np.array([len(sequences[row]) for row in rows], np.int64)
        values = np.zeros((len(rows), max(1, lengths.max(initial=1)), width), np.float32)
        present = self._clips.present[rows, FEATURES.index(name)]
        for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
            if present[place]:
                values[place, :length] = sequences[row]
        mask = (np.arange(values.shape[1]) < lengths[:, None]) & present[:, None]
        return FrameSequence(values=torch.from_numpy(values), mask=torch.from_numpy(mask))


def _tensor(values: np.ndarray) -> Tensor:
    """A tensor on the same memory where that may be; masked entries that are not finite become 0."""
    finite = (
        values if values.dtype != np.float32 or np.isfinite(values).all() else np.nan_to_num(values, posinf=0, neginf=0)
    )
    return torch.from_numpy(np.require(finite, requirements=["C", "W"]))
