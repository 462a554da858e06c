"""What a head answers about one file or text, the way `analyze` would read it; None where it abstains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Float64

from emotrace.evidence import readings
from emotrace.evidence.observation import Finding
from emotrace.evidence.voice_activity import speech_turns
from emotrace.evidence.witnesses import hear_voice, watch_faces
from emotrace.labels.schemes import scheme
from emotrace.media.clip import Clip
from emotrace.media.faces import FaceDetector, detector
from emotrace.progress import Watch
from emotrace.span import Span

Head = Literal["face", "voice", "text"]
HEADS: tuple[Head, ...] = get_args(Head)
SCHEMES: dict[Head, str] = {"face": "basic-7", "voice": "emodb", "text": "goemotions"}
"""The label scheme of each head."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a head says of one item; labels are in the order of its scheme."""

    probabilities: Float64[np.ndarray, " label"]
    """Calibrated; a distribution for face and voice, each label for itself for text."""
    decided: Bool[np.ndarray, " label"]
    """The labels that it commits itself to."""

    @property
    def best(self) -> int:
        """The likeliest label."""
        return int(self.probabilities.argmax())

    @property
    def confidence(self) -> float:
        """Its probability."""
        return float(self.probabilities.max())


def answer(head: Head, content: str) -> Answer | None:
    """What the head says of a file's main face, of its speech, or of a text; None where there is nothing to read.

    Raises:
        MediaError: The file cannot be read.
    """
    return _ANSWERS[head](content)


def _face(path: str) -> Answer | None:
    clip = Clip.open(path, use_audio=False)
    if not clip.has_video:
        return None
    whole = Span(0.0, max(clip.span.end_seconds, 0.001))
    faces = watch_faces(clip.frames(), _detector(), total_seconds=clip.span.end_seconds, watch=Watch())
    if not faces:
        return None
    series = max((face.series for face in faces), key=lambda series: float(series.side.sum()))
    return _of(readings.of_face(series, whole), "face")


def _voice(path: str) -> Answer | None:
    clip = Clip.open(path, use_video=False)
    voice = hear_voice(clip.audio() if clip.has_audio else None, total_seconds=clip.span.end_seconds, watch=Watch())
    if voice is None:
        return None
    turns = speech_turns(voice.series)
    whole = Span(0.0, max(clip.span.end_seconds, 0.001))
    return _of(readings.of_voice(voice.features, whole, speech=turns), "voice")


def _text(text: str) -> Answer | None:
    read = readings.words_head().read([text])
    if float(read.known[0]) < readings.LEAST_KNOWN:
        return None
    return Answer(probabilities=read.probabilities[0].astype(np.float64), decided=read.decided[0])


_ANSWERS: dict[Head, Callable[[str], Answer | None]] = {"face": _face, "voice": _voice, "text": _text}


def _of(findings: Sequence[Finding], head: Head) -> Answer | None:
    scores = next((finding.scores for finding in findings if finding.scores is not None), None)
    if scores is None:
        return None
    shares = np.array([scores[label] for label in scheme(SCHEMES[head]).labels])
    return Answer(probabilities=shares / shares.sum(), decided=np.arange(len(shares)) == shares.argmax())


@cache
def _detector() -> FaceDetector:
    return detector("auto")
