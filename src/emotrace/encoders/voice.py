"""The embedded encoder of voices: what `evidence/` measures of the sound, as columns of numbers. No download, no torch.

    utterance   the functionals of `evidence/functionals.py` (names of eGeMAPS), speaking share and seconds of speech,
                then for each functional 1 where it could be measured and 0 where it could not
    frames      25 a second: means of what was measured in 40 ms

It hears all speech of the clip, whoever speaks. Values are in their own units: who trains on them standardises [ours].
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

import numpy as np
from jaxtyping import Float32

from emotrace.encoders.features import ClipFeatures
from emotrace.evidence.functionals import functionals
from emotrace.evidence.voice_series import HOP_SECONDS, VoiceSeries
from emotrace.evidence.voice_signals import VoiceMeter
from emotrace.media.audio import Waveform
from emotrace.span import Span

_PITCH, _LOUD = "F0semitoneFrom27.5Hz_sma3nz", "loudness_sma3"
_SHAPES: Final = ("amean", "stddevNorm", "percentile20.0", "percentile50.0", "percentile80.0", "pctlrange0-2")
_QUALITIES: Final = (*("jitterLocal_sma3nz", "shimmerLocaldB_sma3nz", "HNRdBACF_sma3nz", "alphaRatioV_sma3nz"),)
FUNCTIONALS: Final = (
    *(f"{name}_{shape}" for name in (_PITCH, _LOUD) for shape in _SHAPES),
    *(f"{name}_{shape}" for name in _QUALITIES for shape in _SHAPES[:2]),
    *("MeanVoicedSegmentLengthSec", "StddevVoicedSegmentLengthSec"),
    *("MeanUnvoicedSegmentLength", "StddevUnvoicedSegmentLength"),
    *("VoicedSegmentsPerSec", "loudnessPeaksPerSec", "equivalentSoundLevel_dBp"),
)
COLUMNS: Final = (*FUNCTIONALS, "speechShare", "speechSeconds", *(f"measured:{name}" for name in FUNCTIONALS))
FRAME_COLUMNS: Final = (
    *("speech", "voiced", "semitones", "loudness", "level_dbfs"),
    *("harmonicity_db", "alpha_ratio_db", "flux", "jitter", "shimmer_db"),
)
_HOPS: Final = 4
"""Rows of 10 ms in one frame."""


class VoiceMeasures:
    """The encoder `voice`; see `SoundEncoder`."""

    modality: Literal["vocal"] = "vocal"
    name = "voice"
    width = len(COLUMNS)
    fingerprint = f"voice-{len(COLUMNS)}-{len(FRAME_COLUMNS)}-1"

    def encode_sound(self, blocks: Iterable[Waveform]) -> ClipFeatures | None:
        """What the voice is like; None where nobody speaks."""
        meter = VoiceMeter()
        for block in blocks:
            meter.feed(block)
        return voice_features(meter.finish())


def voice_features(series: VoiceSeries) -> ClipFeatures | None:
    """The features of a voice that was measured before; None where nobody speaks."""
    if not series.speech.any():
        return None
    first, last = float(series.time_seconds[0]), float(series.time_seconds[-1])
    measured = functionals(series, Span(max(first - HOP_SECONDS, 0.0), last + HOP_SECONDS))
    values = [measured.get(name, 0.0) for name in FUNCTIONALS]
    known = [float(name in measured) for name in FUNCTIONALS]
    utterance = np.array([*values, float(series.speech.mean()), series.speech_seconds, *known], np.float32)
    return ClipFeatures(frames=_frames(series), utterance=utterance)


def _frames(series: VoiceSeries) -> Float32[np.ndarray, "time width"]:
    """Means over what is known of each 40 ms; 0 where nothing is, which the column `voiced` tells apart."""
    columns = np.stack([np.asarray(getattr(series, name), np.float64) for name in FRAME_COLUMNS], axis=1)
    count = -(-len(columns) // _HOPS)
    padded = np.full((count * _HOPS, len(FRAME_COLUMNS)), np.nan)
    padded[: len(columns)] = columns
    grouped = padded.reshape(count, _HOPS, -1)
    known = np.isfinite(grouped)
    total = np.where(known, grouped, 0.0).sum(axis=1)
    return np.asarray(total / np.maximum(known.sum(axis=1), 1), np.float32)
