"""Windows of a face as the model takes them: as many pictures as it was trained on, a new window every half of them.

Each crop goes through the encoder once, and how the head moved since the crop before is fitted once; the windows that
hold it share both. Only crops that a later window may need are kept: memory does not grow with the clip [ours].

Pictures stand on a grid of 8 a second. Where one is missing, because the clip has fewer, or is damaged there, the
window has fewer pictures and its last places are masked repeats, as for the short clips of training.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from emotrace.encoders.encoded import PatchEncoded
from emotrace.grace.affine import AffineFit
from emotrace.grace.inputs import SeenClips
from emotrace.grace.model import Grace
from emotrace.grace.motion import affine_fit, motion_weights
from emotrace.grace.pooling import pool_motion, pool_patches
from emotrace.grace.video.crops import FaceCrop
from emotrace.grace.video.expression import SeenFrame
from emotrace.span import Span


@dataclass(frozen=True, kw_only=True)
class Window:
    """One face through one window, seen but not yet read with any word."""

    person: str
    frames: tuple[SeenFrame, ...]
    """The pictures that are there, in order of time."""
    seen: SeenClips
    """A batch of one; places beyond `frames` are masked."""

    @property
    def span(self) -> Span:
        """From the first picture to the last."""
        return Span(self.frames[0].time_seconds, self.frames[-1].time_seconds)


def windows(crops: Iterable[FaceCrop], model: Grace) -> Iterator[Window]:
    """The windows of everybody, as the crops arrive. None reaches over a break in the following of a face.

    The last window of a stretch ends with its last picture; a stretch that is shorter than a window makes one.
    """
    reels: dict[str, _Reel] = {}
    for crop in crops:
        reel = reels.get(crop.person)
        if reel is None or reel.stretch != crop.stretch:
            if reel is not None:
                yield from reel.rest()
            reel = reels[crop.person] = _Reel(crop, model)
        yield from reel.add(crop)
    for reel in reels.values():
        yield from reel.rest()


@dataclass(kw_only=True)
class _Shot:
    """A crop with what the encoder made of it."""

    crop: FaceCrop
    tokens: Float[Tensor, "patch dim"]
    feature: Float[Tensor, " dim"]
    is_there: bool
    """False where the encoder left the picture out."""
    moved: AffineFit | None
    """How the whole picture moved since the crop before; None where nobody asks, or one of the two is not there."""


class _Reel:
    """One stretch of one face, as it grows: the crops that a window still needs."""

    def __init__(self, first: FaceCrop, model: Grace) -> None:
        self.stretch = first.stretch
        self._model, self._places = model, model.config.frames
        self._start = first.slot
        self._new: list[FaceCrop] = []
        self._shots: list[_Shot] = []

    def add(self, crop: FaceCrop) -> Iterator[Window]:
        while crop.slot >= self._start + self._places:
            yield from self._window(self._start)
            self._start += max(1, self._places // 2)
        if not self._new and not any(shot.crop.slot >= self._start for shot in self._shots):
            self._start = crop.slot  # after a gap the windows begin anew
        self._new.append(crop)

    def rest(self) -> Iterator[Window]:
        """The window that ends with the last picture, if that was in none yet."""
        if self._new:
            yield from self._window(self._new[-1].slot - self._places + 1)

    def _window(self, start: int) -> Iterator[Window]:
        """The window of these places, if it has a picture that no earlier one had."""
        if not any(start <= crop.slot for crop in self._new):
            return
        self._shots += _encoded(self._new, self._shots[-1] if self._shots else None, self._model)
        self._shots = [shot for shot in self._shots if shot.crop.slot >= start]
        self._new = []
        yield _as_window(self._shots, self._model)


def _encoded(crops: list[FaceCrop], before: _Shot | None, model: Grace) -> list[_Shot]:
    seen = model.visual.encode_frames(_as_tensor(crops), torch.ones(1, len(crops), dtype=torch.bool))
    tokens = seen.features[0].reshape(len(crops), -1, seen.features.shape[2])
    is_there = seen.frame_mask[0].tolist()
    moved = _moved(crops, is_there, before) if model.config.rigid == "affine" else [None] * len(crops)
    return [
        _Shot(crop=crop, tokens=tokens[k], feature=seen.frame_features[0, k], is_there=is_there[k], moved=moved[k])
        for k, crop in enumerate(crops)
    ]


def _moved(crops: list[FaceCrop], is_there: list[bool], before: _Shot | None) -> list[AffineFit | None]:
    """The fit of every crop to the one before it."""
    row = crops if before is None else [before.crop, *crops]
    there = is_there if before is None else [before.is_there, *is_there]
    fits = affine_fit(_as_tensor(row), torch.tensor([there]))
    pairs = [a and b for a, b in itertools.pairwise(there)]
    places = np.cumsum(pairs) - 1
    found = [fits.of(slice(n, n + 1)) if exists else None for exists, n in zip(pairs, places.tolist(), strict=True)]
    return found if before is not None else [None, *found]


def _as_window(shots: list[_Shot], model: Grace) -> Window:
    places, count = model.config.frames, len(shots)
    order = [min(place, count - 1) for place in range(places)]
    there = torch.tensor([[place < count and shots[place].is_there for place in range(places)]])
    patches = torch.stack([shots[place].tokens for place in order])
    features = torch.stack([shots[place].feature for place in order])
    patches[count:], features[count:] = 0.0, 0.0  # as encoders leave what they do not look at
    tokens = PatchEncoded(
        features=patches.flatten(0, 1)[None],
        mask=there.repeat_interleave(patches.shape[1], dim=1),
        grid=(places, *model.visual.patch_grid),
        frame_features=features[None],
    )
    crops = [shots[place].crop for place in order]
    times = torch.tensor([[crop.frame.time_seconds for crop in crops]], dtype=torch.float64)
    return Window(
        person=crops[0].person,
        frames=tuple(shot.crop.frame for shot in shots),
        seen=_seen(model, tokens, _as_tensor(crops), there, times, _joined([shot.moved for shot in shots[1:]])),
    )


def _seen(
    model: Grace,
    tokens: PatchEncoded,
    pictures: Float[Tensor, "1 frame 3 height width"],
    there: Bool[Tensor, "1 frame"],
    times_seconds: Float[Tensor, "1 frame"],
    fit: AffineFit | None,
) -> SeenClips:
    """`Grace.see` for frames whose tokens and fits are known."""
    config = model.config
    motion = motion_weights(
        frames=pictures,
        tokens=tokens,
        frame_mask=there,
        grid=tokens.grid,
        source=config.motion,
        rigid=config.rigid,
        group=config.motion_group,
        fit=fit,
    )
    return SeenClips(
        tokens=pool_patches(tokens, config.token_pool),
        motion=pool_motion(motion, tokens.grid, config.token_pool),
        frame_times_seconds=times_seconds,
        texts=(None,),
    )


def _joined(fits: list[AffineFit | None]) -> AffineFit | None:
    known = [fit for fit in fits if fit is not None]
    if not known:
        return None
    return AffineFit(**{name: torch.cat([getattr(fit, name) for fit in known]) for name in vars(known[0])})


def _as_tensor(crops: list[FaceCrop]) -> Float[Tensor, "1 frame 3 height width"]:
    stack = torch.from_numpy(np.stack([crop.picture for crop in crops]))
    return stack.permute(0, 3, 1, 2)[None].to(torch.float32) / 255.0
