"""The voice head: how a stretch of speech sounds -> perceived arousal, valence and seven emotions, with uncertainty.

A window of one to four seconds becomes 97 statistics (`voice_statistics.py`), which a small network turns into
calibrated probabilities. When the rest of the speaker's voice is known, his mean is moved towards that of the training
speakers first (MAP adaptation of means; Gauvain & Lee 1994 [field]), at most by a quarter: a clip may hold one mood.

The further a window lies from the voices of the training, the closer its probabilities are to even ones [ours].
Arousal and valence follow from the probabilities: each emotion has a place on the circumplex, the mean of the places is
the reading and their spread its uncertainty [ours]. Trained on acted German sentences: elsewhere it is a weak prior.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
from jaxtyping import Float32

from emotrace.heads.runtime import Network
from emotrace.heads.voice_features import FRAMES_PER_SECOND, VoiceFeatureMeter
from emotrace.heads.voice_statistics import STATISTICS, statistics, voiced
from emotrace.media.audio import SAMPLE_RATE_HZ, Waveform
from emotrace.span import Span

EMOTIONS: Final = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
AROUSAL: Final = (0.59, -0.62, 0.35, 0.60, 0.51, 0.0, -0.27)
VALENCE: Final = (-0.51, -0.65, -0.60, -0.64, 0.81, 0.0, -0.63)
"""Where each emotion lies, -1..1: means of Russell & Mehrabian 1977, "Evidence for a three-factor theory of emotions"
(angry, bored, disgusted, fearful, happy, sad) [field]; neutral in the middle [ours]."""

SHORTEST_SECONDS: Final = 1.0
LONGEST_SECONDS: Final = 4.0
LEAST_VOICED_FRAMES: Final = 15
"""0.3 s with a pitch: in less there is no voice to read."""
REFERENCE_SECONDS: Final = (10.0, 30.0)
MOST_TRUST: Final = 0.25
"""[ours] From so much of a speaker's voice on its mean begins to count, and from so much on it counts in full:
a quarter and no more, for if all of the clip is angry, its mean is anger too."""
_BLOCK_SAMPLES = 10 * SAMPLE_RATE_HZ


@dataclass(frozen=True, kw_only=True, eq=False)
class VoiceReading:
    """What the head says about each window in which there was enough voice."""

    spans: tuple[Span, ...]
    """The windows that were read, in the order asked for; those without voice are left out."""
    arousal: Float32[np.ndarray, " window"]
    """Calm -1 to excited 1."""
    arousal_sd: Float32[np.ndarray, " window"]
    """Standard deviation: how far apart the emotions lie between which the head hesitates."""
    valence: Float32[np.ndarray, " window"]
    """Unpleasant -1 to pleasant 1."""
    valence_sd: Float32[np.ndarray, " window"]
    emotions: Float32[np.ndarray, "window 7"]
    """Calibrated probabilities in the order of `EMOTIONS`."""

    def __len__(self) -> int:
        return len(self.spans)


def voice_windows(speech: Iterable[Span]) -> tuple[Span, ...]:
    """Stretches of speech cut into equal windows of one to four seconds; shorter stretches are left out.

    >>> voice_windows([Span(0.0, 0.5), Span(1.0, 7.0)])
    (Span(start_seconds=1.0, end_seconds=4.0), Span(start_seconds=4.0, end_seconds=7.0))
    """
    windows: list[Span] = []
    for stretch in speech:
        if stretch.duration_seconds >= SHORTEST_SECONDS:
            count = int(np.ceil(stretch.duration_seconds / LONGEST_SECONDS - 1e-9))
            ends = np.linspace(stretch.start_seconds, stretch.end_seconds, count + 1).tolist()
            windows += [Span(start, end) for start, end in pairwise(ends)]
    return tuple(windows)


def trust_in(reference_seconds: float) -> float:
    """How far a speaker's mean is moved, 0..0.25, by how much of his voice is known.

    >>> trust_in(10.0), trust_in(20.0), trust_in(600.0)
    (0.0, 0.125, 0.25)
    """
    least, enough = REFERENCE_SECONDS
    return MOST_TRUST * min(max((reference_seconds - least) / (enough - least), 0.0), 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class UsualVoice:
    """How a speaker sounds on average, for normalisation; `usual_voice` makes it once for many windows."""

    statistics: Float32[np.ndarray, " statistic"]
    trust: float
    """How far the speaker's mean is moved towards that of the training speakers, 0..1."""


class VoiceHead:
    """Reads voices with the shipped network, or with another file of the same inputs and outputs.

    >>> head = VoiceHead()
    >>> len(head.read(head.features(np.zeros(32_000, np.float32)), [Span(0.0, 2.0)]))  # silence says nothing
    0
    """

    def __init__(self, model: Path | None = None) -> None:
        self._network = Network("voice", model)

    def features(self, samples: Float32[np.ndarray, " sample"]) -> Float32[np.ndarray, "frame feature"]:
        """50 rows a second of 16 kHz mono sound that starts at 0 s; for long sound feed a `VoiceFeatureMeter`."""
        meter = VoiceFeatureMeter()
        for first in range(0, len(samples), _BLOCK_SAMPLES):
            block = samples[first : first + _BLOCK_SAMPLES]
            start = first / SAMPLE_RATE_HZ
            meter.feed(Waveform(samples=block, span=Span(start, start + len(block) / SAMPLE_RATE_HZ)))
        return meter.finish()

    def read(
        self,
        features: Float32[np.ndarray, "frame feature"],
        spans: Sequence[Span],
        *,
        reference: Sequence[Span] | UsualVoice | None = None,
    ) -> VoiceReading:
        """How the voice sounds in each span.

        Args:
            features: Of the whole file, from 0 s.
            spans: Windows of one to four seconds in which somebody speaks, as `voice_windows` cuts them.
            reference: All speech of this speaker, for normalisation; it counts from ten seconds of voice on.
        """
        rows = [(span, row) for span in spans if (row := _row(features, span)) is not None]
        if not rows:
            nothing = np.zeros(0, np.float32)
            return VoiceReading(
                spans=(),
                arousal=nothing,
                arousal_sd=nothing,
                valence=nothing,
                valence_sd=nothing,
                emotions=np.zeros((0, len(EMOTIONS)), np.float32),
            )
        usual = reference
        if not isinstance(usual, UsualVoice):
            usual = usual_voice(features, usual or ())
        inputs = {
            "statistics": np.stack([row for _, row in rows]),
            "speaker": usual.statistics,
            "trust": np.array([usual.trust], np.float32),
        }
        (emotions,) = self._network.run(["emotions"], inputs)
        arousal, arousal_sd = _placed(emotions, AROUSAL)
        valence, valence_sd = _placed(emotions, VALENCE)
        return VoiceReading(
            spans=tuple(span for span, _ in rows),
            arousal=arousal,
            arousal_sd=arousal_sd,
            valence=valence,
            valence_sd=valence_sd,
            emotions=emotions,
        )


def _row(features: Float32[np.ndarray, "frame feature"], span: Span) -> Float32[np.ndarray, " statistic"] | None:
    first, last = (round(moment * FRAMES_PER_SECOND) for moment in (span.start_seconds, span.end_seconds))
    frames = features[first:last]
    return statistics(frames) if np.count_nonzero(voiced(frames)) >= LEAST_VOICED_FRAMES else None


def usual_voice(features: Float32[np.ndarray, "frame feature"], reference: Sequence[Span]) -> UsualVoice:
    """Mean statistics of a speaker's windows, weighed by their lengths, and how far to trust them.

    Args:
        features: As for `VoiceHead.read`.
        reference: All speech of this speaker.
    """
    rows = [
        (row, span.duration_seconds) for span in voice_windows(reference) if (row := _row(features, span)) is not None
    ]
    trust = trust_in(sum((seconds for _, seconds in rows), start=0.0))
    if trust == 0.0:
        return UsualVoice(statistics=np.zeros(STATISTICS, np.float32), trust=0.0)
    known, seconds = zip(*rows, strict=True)
    mean = np.average(np.stack(known), axis=0, weights=seconds)
    return UsualVoice(statistics=np.asarray(mean, np.float32), trust=trust)


def _placed(
    emotions: Float32[np.ndarray, "window 7"], places: tuple[float, ...]
) -> tuple[Float32[np.ndarray, " window"], Float32[np.ndarray, " window"]]:
    """Mean and standard deviation of the places of the emotions, under their probabilities."""
    at = np.array(places, np.float32)
    mean = emotions @ at
    spread = np.sqrt(np.sum(emotions * (at - mean[:, None]) ** 2, axis=1))
    return mean.astype(np.float32), spread.astype(np.float32)
