"""What a clip's features are, and what an encoder for them must offer.

    frames      one row per picture, stretch of sound or token        MERTools calls files of them FRA
    utterance   one row for the clip                                  MERTools calls files of them UTT

What a clip does not have (no face, no sound, no word) gives no features at all: None, never zeros.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.encoders.text import SentenceEncoder
from emotrace.media.audio import Waveform

Level = Literal["utt", "fra"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ClipFeatures:
    """One modality of one clip. The two widths differ where an utterance holds more than a mean."""

    frames: Float32[np.ndarray, "time width"]
    utterance: Float32[np.ndarray, " size"]

    @classmethod
    def mean_of(cls, frames: Float32[np.ndarray, "time width"]) -> ClipFeatures | None:
        """With the mean row as the utterance; None without rows."""
        if not len(frames):
            return None
        return cls(frames=frames, utterance=frames.mean(axis=0, dtype=np.float64).astype(np.float32))


@runtime_checkable
class PictureEncoder(Protocol):
    """Looks at crops of one face, each by itself."""

    modality: Literal["visual"]
    name: str
    width: int
    fingerprint: str
    """Of whatever the numbers depend on: code, settings, weights."""
    pixels: int
    """Side of the crops that it takes."""

    def encode(self, crops: UInt8[np.ndarray, "picture side side 3"]) -> Float32[np.ndarray, "picture width"]:
        """One row per RGB crop."""
        ...


@runtime_checkable
class SoundEncoder(Protocol):
    """Listens to a clip's sound, given in consecutive blocks of 16 kHz mono."""

    modality: Literal["vocal"]
    name: str
    width: int
    """Of the utterance."""
    fingerprint: str

    def encode_sound(self, blocks: Iterable[Waveform]) -> ClipFeatures | None:
        """The features of the whole sound; None where there is nothing to measure."""
        ...


FeatureEncoder = PictureEncoder | SoundEncoder | SentenceEncoder
