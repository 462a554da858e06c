"""What any stretch of one person gives a fusion network: rows of the face, of the voice, and of the words.

Faces are cut out where tracking saw them, as `encoders/clip_features.py` does for training, and encoded once for the
whole clip; a stretch takes the mean of its rows. What a stretch does not have is None, never zeros.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import radians

import numpy as np
from jaxtyping import Float32, Float64

from emotrace.encoders.features import PictureEncoder, SoundEncoder
from emotrace.encoders.text import SentenceEncoder
from emotrace.encoders.voice import VoiceMeasures, voice_features
from emotrace.evidence.sheets import Witness
from emotrace.media.align import Pose
from emotrace.media.audio import SAMPLE_RATE_HZ, Waveform
from emotrace.media.tracking import TimedFrame
from emotrace.span import Span

Row = Float32[np.ndarray, " width"]
_BATCH = 32
_SAME_TIME_SECONDS = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class FaceRows:
    """One person's face through the clip, encoded."""

    times_seconds: Float64[np.ndarray, " picture"]
    rows: Float32[np.ndarray, "picture width"]

    def mean_in(self, span: Span) -> Row | None:
        """The mean row of a stretch; None without a picture in it."""
        inside = (self.times_seconds >= span.start_seconds) & (self.times_seconds <= span.end_seconds)
        return self.rows[inside].mean(axis=0, dtype=np.float64).astype(np.float32) if inside.any() else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Material:
    """One person, and the encoders that the network was trained with; None for a modality that it never saw."""

    witness: Witness
    face: FaceRows | None
    sound: Waveform | None
    """All of the clip's sound, where an encoder wants to hear it; the embedded one reads what was measured."""
    hearer: SoundEncoder | None
    reader: SentenceEncoder | None

    def rows_in(self, span: Span) -> dict[str, Row | None]:
        """The features of a stretch, by modality."""
        return {
            "visual": None if self.face is None else self.face.mean_in(span),
            "vocal": self._voice_in(span),
            "verbal": self._words_in(span),
        }

    def _voice_in(self, span: Span) -> Row | None:
        """That of a stretch in which this person speaks."""
        if self.hearer is None or self.witness.voice is None or not self.witness.speaks_in(span):
            return None
        if isinstance(self.hearer, VoiceMeasures):
            part = self.witness.voice.cut(span)
            found = voice_features(part) if len(part) else None
        else:
            found = None if self.sound is None else self.hearer.encode_sound([_cut(self.sound, span)])
        return None if found is None else found.utterance

    def _words_in(self, span: Span) -> Row | None:
        text = " ".join(each.text for each in self.witness.utterances if each.span in span)
        if self.reader is None or not text or not len(self.reader.encode_tokens(text)):
            return None
        row: Row = self.reader.encode([text])[0]
        return row


def encode_faces(
    frames: Iterable[TimedFrame], people: Sequence[Witness], encoder: PictureEncoder
) -> Mapping[str, FaceRows]:
    """The faces of everybody who is seen, by person; the pictures are read once, and a batch of crops is kept.

    Args:
        frames: At the times at which the people were looked for.
        people: With what was measured of their faces.
        encoder: Looks at the crops.
    """
    faces = {person.id: person.face for person in people if person.face is not None}
    waiting: list[tuple[str, float, np.ndarray]] = []
    found: dict[str, list[tuple[float, Row]]] = {}

    def encode() -> None:
        if waiting:
            rows = encoder.encode(np.stack([crop for _, _, crop in waiting]))
            for (person, time_seconds, _), row in zip(waiting, rows, strict=True):
                found.setdefault(person, []).append((time_seconds, row))
            waiting.clear()

    for frame in frames:
        for person, face in faces.items():
            place = int(np.searchsorted(face.times_seconds, frame.time_seconds - _SAME_TIME_SECONDS))
            if place == len(face.times_seconds) or face.times_seconds[place] > frame.time_seconds + _SAME_TIME_SECONDS:
                continue
            x, y, side, roll = (float(each[place]) for each in (face.x, face.y, face.side, face.roll_degrees))
            crop = Pose(x=x, y=y, side=side, roll=radians(roll)).crop(frame.image, encoder.pixels)
            waiting.append((person, frame.time_seconds, crop))
        if len(waiting) >= _BATCH:
            encode()
    encode()
    return {
        person: FaceRows(times_seconds=np.array([time for time, _ in own]), rows=np.stack([row for _, row in own]))
        for person, own in found.items()
    }


def whole_sound(blocks: Iterable[Waveform]) -> Waveform | None:
    """A clip's sound in one piece, gaps as silence; None without any."""
    kept = list(blocks)
    if not kept:
        return None
    start, end = kept[0].span.start_seconds, kept[-1].span.end_seconds
    samples = np.zeros(round((end - start) * SAMPLE_RATE_HZ) + 1, np.float32)
    for block in kept:
        first = round((block.span.start_seconds - start) * SAMPLE_RATE_HZ)
        samples[first : first + len(block.samples)] = block.samples[: len(samples) - first]
    return replace(kept[0], samples=samples, span=Span(start, end))


def _cut(sound: Waveform, span: Span) -> Waveform:
    first, last = (
        max(round((time - sound.span.start_seconds) * SAMPLE_RATE_HZ), 0)
        for time in (span.start_seconds, span.end_seconds)
    )
    return replace(sound, samples=sound.samples[first:last], span=(sound.span & span) or span)
