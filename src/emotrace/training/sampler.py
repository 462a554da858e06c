"""Which clips are learned from in which step: a pure function of the list, the run, the fold and the epoch.

Two arms with the same list see the same batches in the same order, whatever their models, machines and interruptions.
Each batch is cut into pieces; a piece is what one process takes at once. [ours]
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from emotrace.training.learner import Item
from emotrace.training.seeds import generator_of
from emotrace.training.settings import SamplerName, TrainingSettings

SHARE_POWER: dict[SamplerName, float] = {"shuffled": 1.0, "sqrt_inverse": 0.5, "balanced": 0.0}
"""A class of n clips is seen in proportion to n to this power."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of one batch, taken at once by one process."""

    batch: int
    """Number of the batch in its epoch, from 0."""
    number: int
    """Number of the piece in its batch, from 0."""
    items: tuple[Item, ...]
    share: float
    """Of its batch's clips. 0 marks a stand-in that keeps a process company and teaches nothing."""


@dataclass(frozen=True, kw_only=True)
class Sampler:
    """The batches of every epoch of one run."""

    items: tuple[Item, ...]
    """Ordered by key, so that the order of a list on disk does not matter."""
    settings: TrainingSettings
    fold: str

    @classmethod
    def of(cls, items: Sequence[Item], *, settings: TrainingSettings, fold: str) -> Sampler:
        """A sampler of these clips."""
        return cls(items=tuple(sorted(items, key=lambda item: item.key)), settings=settings, fold=fold)

    @property
    def batches_per_epoch(self) -> int:
        """Batches in which every clip has a place: ⌈clips / batch size⌉."""
        return -(-len(self.items) // self.settings.batch_size)

    def batches(self, epoch: int) -> list[list[Item]]:
        """The batches of an epoch. They differ in size by one at most: no step rests on a handful of leftover clips."""
        order = epoch_order(
            self.items, sampler=self.settings.sampler, seed=self.settings.seed, fold=self.fold, epoch=epoch
        )
        return [[self.items[index] for index in batch] for batch in np.array_split(order, self.batches_per_epoch)]

    def pieces(self, epoch: int, *, processes: int) -> list[list[Piece]]:
        """The pieces of each batch of an epoch: as many for every process, round after round.

        Piece i is for process i modulo `processes`. With a `micro_batch_size` the pieces are the same for any number
        of processes, up to stand-ins behind the last.
        """
        return [
            cut(batch, number=number, micro_batch_size=self.settings.micro_batch_size, processes=processes)
            for number, batch in enumerate(self.batches(epoch))
        ]


def epoch_order(
    items: Sequence[Item], *, sampler: SamplerName, seed: int, fold: str, epoch: int
) -> Int64[np.ndarray, " clip"]:
    """Indices of an epoch's clips, as many as there are items, in the order in which they are seen.

    `shuffled` is a permutation. The others fill each class's quota with whole rounds of its clips, so that no clip is
    seen twice more often than another of its class, and draw the rest of the quota without replacement.
    """
    generator = generator_of(seed, fold, epoch, "order")
    chosen = np.arange(len(items))
    if sampler != "shuffled":
        chosen = np.concatenate(
            [
                _rounds(np.array([i for i, item in enumerate(items) if item.label == label]), quota, generator)
                for label, quota in class_quotas(Counter(item.label for item in items), sampler=sampler).items()
            ]
        )
    return generator.permutation(chosen)


def class_quotas(counts: Counter[str], *, sampler: SamplerName) -> dict[str, int]:
    """How often each class is seen in an epoch: the classes' shares of all clips, by largest remainder.

    >>> class_quotas(Counter(happy=81, disgust=9), sampler="balanced")
    {'disgust': 45, 'happy': 45}
    >>> class_quotas(Counter(happy=81, disgust=9), sampler="sqrt_inverse")
    {'disgust': 23, 'happy': 67}
    """
    labels = sorted(counts)
    weights = np.array([counts[label] for label in labels], dtype=np.float64) ** SHARE_POWER[sampler]
    exact = counts.total() * weights / weights.sum()
    quotas = np.floor(exact).astype(int)
    by_remainder = np.argsort(quotas - exact, kind="stable")
    quotas[by_remainder[: counts.total() - quotas.sum()]] += 1
    return dict(zip(labels, quotas.tolist(), strict=True))


def _rounds(
    members: Int64[np.ndarray, " member"], quota: int, generator: np.random.Generator
) -> Int64[np.ndarray, " quota"]:
    whole, rest = divmod(quota, len(members))
    return np.concatenate([np.tile(members, whole), generator.permutation(members)[:rest]])


def cut(batch: Sequence[Item], *, number: int, micro_batch_size: int | None, processes: int) -> list[Piece]:
    """The pieces of a batch, equal in size to one clip, and stand-ins until every process has as many."""
    size = micro_batch_size or -(-len(batch) // processes)
    parts = [[batch[i] for i in part] for part in np.array_split(np.arange(len(batch)), -(-len(batch) // size))]
    pieces = [
        Piece(batch=number, number=index, items=tuple(part), share=len(part) / len(batch))
        for index, part in enumerate(parts)
    ]
    stand_ins = range(len(pieces), -(-len(pieces) // processes) * processes)
    return pieces + [Piece(batch=number, number=index, items=tuple(batch[:1]), share=0.0) for index in stand_ins]
