"""The clips of the controlled study, seen once: tokens of a frozen encoder and motion maps, as plain arrays on disk.

All arms of a seed learn from the same arrays, so whatever differs between them is the arm. Used by `grace_synth.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch

from emotrace.datasets.synth_dfer import Split, SynthDfer, SynthSplit
from emotrace.encoders.encoded import PatchEncoded
from emotrace.grace.clips import Order, load, sample_indices
from emotrace.grace.inputs import SeenClips
from emotrace.grace.learner import GraceLearner
from emotrace.grace.model import Grace
from emotrace.grace.motion import Motion, Rigid, Source, affine_fit, motion_weights
from emotrace.training.learner import Item

FRAMES, GRID, DIM, PIXELS = 8, (14, 14), 64, 112
TOKENS = FRAMES * GRID[0] * GRID[1]
SPLITS: tuple[Split, ...] = ("train", "test", "paired")
MOTIONS: tuple[tuple[Source, Rigid], ...] = (
    ("off", "off"),
    ("pixel", "off"),
    ("pixel", "affine"),
    ("feature", "off"),
    ("feature", "affine"),
)
_AT_ONCE = 16


def items_of(data: SynthDfer, split: Split) -> list[Item]:
    """The clips of a split; a face is a group."""
    part = data.split(split)
    return [
        Item(key=key, label=label, group=str(face))
        for key, label, face in zip(part.ids, part.labels, part.identity, strict=True)
    ]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Arrays of one seed (tokens, feature motion) and of all seeds (pixel motion), memory-mapped."""

    folder: Path
    seed: int
    order: Order
    keys: tuple[str, ...]

    def path(self, name: str) -> Path:
        """Where an array lies: pixel motion does not depend on the seed."""
        shared = name.startswith(("pixel", "off"))
        return self.folder / self.order / ("all_seeds" if shared else f"seed{self.seed}") / f"{name}.npy"

    @cached_property
    def _place(self) -> dict[str, int]:
        return {key: place for place, key in enumerate(self.keys)}

    @cached_property
    def _arrays(self) -> dict[str, np.ndarray]:
        return {}

    def rows(self, name: str, places: Sequence[int]) -> torch.Tensor:
        """Rows of an array, in float32."""
        if name not in self._arrays:
            self._arrays[name] = np.load(self.path(name), mmap_mode="r")
        return torch.from_numpy(self._arrays[name][list(places)].astype(np.float32))

    def clips(self, keys: Sequence[str], motion: tuple[Source, Rigid]) -> tuple[PatchEncoded, Motion]:
        """What was seen of some clips, with one kind of motion."""
        places = [self._place[key] for key in keys]
        tokens = PatchEncoded(
            features=self.rows("tokens", places),
            mask=torch.ones(len(places), TOKENS, dtype=torch.bool),
            grid=(FRAMES, *GRID),
            frame_features=self.rows("frames", places),
        )
        name = name_of(*motion)
        moved = Motion(
            weights=self.rows(f"{name}.weights", places),
            map=self.rows(f"{name}.map", places),
            refused=torch.zeros(len(places), dtype=torch.long),
        )
        return tokens, moved


class SeenLearner(GraceLearner):
    """A learner that takes its clips from the arrays instead of looking at frames."""

    seen: Seen
    data: SynthDfer

    def clips(self, items: Sequence[Item], *, epoch: int, training: bool) -> SeenClips:
        """The clips as they were seen, with the words of this epoch."""
        config = self.module.config
        keys = [item.key for item in items]
        tokens, moved = self.seen.clips(keys, (config.motion, config.rigid))
        shown = sample_indices(self.data.frame_count(keys[0]), FRAMES, None)[0].tolist()
        times = torch.tensor([self.data.times_seconds(key, shown) for key in keys])
        return SeenClips(
            tokens=tokens,
            motion=moved,
            frame_times_seconds=times,
            texts=self.words(items, epoch=epoch, training=training),
        )


def prepare(data: SynthDfer, seeds: Sequence[int], folder: Path, order: Order) -> None:
    """Makes the arrays, empty, for several processes to fill."""
    keys = all_keys(data)
    shapes = {"tokens": ((TOKENS, DIM), np.float16), "frames": ((FRAMES, DIM), np.float32)}
    for source, rigid in MOTIONS:
        shapes[f"{name_of(source, rigid)}.weights"] = ((TOKENS,), np.float32)
        shapes[f"{name_of(source, rigid)}.map"] = ((FRAMES, *GRID), np.float16)
    for seed in seeds:
        for name, (shape, dtype) in shapes.items():
            path = Seen(folder=folder, seed=seed, order=order, keys=keys).path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(len(keys), *shape)).flush()


@torch.no_grad()
def see(data: SynthDfer, models: dict[int, Grace], folder: Path, *, order: Order, part: int, parts: int) -> None:
    """Looks at one of `parts` shares of all clips with the encoders of all seeds and fills the arrays.

    The affine fit of a pair of frames, which takes most of the time, serves all encoders.
    """
    keys = all_keys(data)
    for number, (source, places) in enumerate(_blocks(data)):
        if number % parts != part:
            continue
        read = load(source, list(keys[places]), frames=FRAMES, pixels=PIXELS, order=order)
        fit = affine_fit(read.frames, read.frame_mask)
        for seed, model in models.items():
            seen = Seen(folder=folder, seed=seed, order=order, keys=keys)
            tokens = model.visual.encode_frames(read.frames, read.frame_mask)
            _write(seen.path("tokens"), places, tokens.features)
            _write(seen.path("frames"), places, tokens.frame_features)
            for what, rigid in MOTIONS:
                if what != "feature" and seed != min(models):
                    continue
                moved = motion_weights(
                    frames=read.frames,
                    tokens=tokens,
                    frame_mask=read.frame_mask,
                    grid=tokens.grid,
                    source=what,
                    rigid=rigid,
                    fit=fit,
                )
                _write(seen.path(f"{name_of(what, rigid)}.weights"), places, moved.weights)
                _write(seen.path(f"{name_of(what, rigid)}.map"), places, moved.map)


def all_keys(data: SynthDfer) -> tuple[str, ...]:
    """Ids of all splits, in the order of the arrays."""
    return tuple(key for split in SPLITS for key in data.split(split).ids)


def name_of(source: str, rigid: str) -> str:
    """Name of a kind of motion."""
    return "off" if source == "off" else f"{source}-{rigid}"


def _blocks(data: SynthDfer) -> Iterator[tuple[SynthSplit, slice]]:
    """A few clips of one split at a time, as places in the arrays."""
    first = 0
    for split in SPLITS:
        part = data.split(split)
        for start in range(0, len(part), _AT_ONCE):
            yield part, slice(first + start, first + min(start + _AT_ONCE, len(part)))
        first += len(part)


def _write(path: Path, places: slice, values: torch.Tensor) -> None:
    np.lib.format.open_memmap(path, mode="r+")[places] = values.numpy()
