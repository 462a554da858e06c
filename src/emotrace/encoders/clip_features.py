"""One clip -> its features: the face longest on screen, the sound, the words. Pictures are read once for all encoders.

Every face is cropped and encoded as it is followed, a batch at a time, because who is longest on screen is known only
at the end; memory holds one batch of crops and the rows, whatever the clip's length. In a folder of pictures, as
corpora hold face crops, each picture is the crop: its largest centred square.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.encoders.features import ClipFeatures, PictureEncoder, SoundEncoder
from emotrace.encoders.text import SentenceEncoder
from emotrace.errors import UnreadableMedia
from emotrace.files import sha256_of
from emotrace.media.audio import SAMPLE_RATE_HZ, Waveform
from emotrace.media.clip import Clip
from emotrace.media.faces import FaceDetector
from emotrace.media.tracking import FaceTrack, FaceTracker, TimedFrame
from emotrace.span import Span

_BATCH: Final = 32
"""Crops that wait for an encoder."""

Crop = UInt8[np.ndarray, "side side 3"]


@dataclass(frozen=True, kw_only=True)
class ClipSource:
    """A clip to encode."""

    name: str
    """Of its feature files: unique among the clips of a run. It plays no part in the features."""
    media: Path
    """A media file, or a folder of pictures."""
    pictures: tuple[Path, ...] = ()
    """The pictures of a folder, in order; empty for a media file."""
    text: str | None = None
    """What is said; without it, a transcript beside or inside the file is looked for."""
    span: Span | None = None
    """The part of the file that is meant; None for all of it."""


class OpenClip:
    """A source, opened: its content's hash, its words, and its features by any encoder.

    Raises:
        MediaError, TranscriptError: As `Clip.open`.
    """

    def __init__(self, source: ClipSource, *, rate_hz: float) -> None:
        self._source = source
        self._clip = None if source.pictures else Clip.open(source.media, text=source.text, rate_hz=rate_hz)
        words = self._clip.transcript if self._clip is not None else None
        self.text = source.text if words is None else _said(words.text, source)

    @cached_property
    def content(self) -> str:
        """Hash of the pictures and the sound that are meant."""
        if self._clip is not None:
            span = self._source.span
            part = "" if span is None else f"|{span.start_seconds!r}|{span.end_seconds!r}"
            return self._clip.sha256 + part
        return hashlib.sha256("".join(sha256_of(path) for path in self._source.pictures).encode()).hexdigest()

    def seen_by(self, encoders: Sequence[PictureEncoder], detector: FaceDetector) -> dict[str, ClipFeatures | None]:
        """What each encoder makes of the face; None for a clip without one.

        Raises:
            MediaError: The pictures cannot be read.
        """
        faces = _Faces(encoders)
        if self._clip is None:
            for path in self._source.pictures:
                picture = _square(_read_picture(path))
                faces.add(0, {size: _resized(picture, size) for size in faces.sizes})
            return faces.rows_of((0,))
        if not self._clip.has_video:
            return dict.fromkeys((encoder.name for encoder in encoders), None)
        tracker = FaceTracker(detector, still=self._clip.span.end_seconds == 0.0)
        for frame in _within(self._clip.frames(), self._source.span):
            for face in tracker.update(frame):
                faces.add(face.track_id, {size: face.pose.crop(frame.image, size) for size in faces.sizes})
        return faces.rows_of(_longest(tracker.finish()))

    def heard_by(self, encoder: SoundEncoder) -> ClipFeatures | None:
        """What the encoder makes of the sound; None for a clip without one.

        Raises:
            MediaError: The sound cannot be read.
        """
        if self._clip is None or not self._clip.has_audio:
            return None
        return encoder.encode_sound(_cut(self._clip.audio(), self._source.span))

    def read_by(self, encoder: SentenceEncoder) -> ClipFeatures | None:
        """What the encoder makes of the words; None for a clip without any."""
        if not self.text:
            return None
        tokens = encoder.encode_tokens(self.text)
        return ClipFeatures(frames=tokens, utterance=encoder.encode([self.text])[0]) if len(tokens) else None


class _Faces:
    """Rows of every face that is followed, by encoder and number of the stretch."""

    def __init__(self, encoders: Sequence[PictureEncoder]) -> None:
        self._encoders = encoders
        self.sizes = sorted({encoder.pixels for encoder in encoders})
        self._waiting: list[tuple[int, dict[int, Crop]]] = []
        self._rows: dict[str, dict[int, list[Float32[np.ndarray, " width"]]]] = {e.name: {} for e in encoders}

    def add(self, stretch: int, crops: dict[int, Crop]) -> None:
        self._waiting.append((stretch, crops))
        if len(self._waiting) == _BATCH:
            self._encode()

    def rows_of(self, stretches: Iterable[int]) -> dict[str, ClipFeatures | None]:
        """The rows of these stretches, one after the other."""
        self._encode()
        wanted = tuple(stretches)
        found = {name: [row for number in wanted for row in rows.get(number, ())] for name, rows in self._rows.items()}
        return {name: ClipFeatures.mean_of(np.stack(rows)) if rows else None for name, rows in found.items()}

    def _encode(self) -> None:
        if not self._waiting:
            return
        for encoder in self._encoders:
            rows = encoder.encode(np.stack([crops[encoder.pixels] for _, crops in self._waiting]))
            for (stretch, _), row in zip(self._waiting, rows, strict=True):
                self._rows[encoder.name].setdefault(stretch, []).append(row)
        self._waiting = []


def _longest(tracks: Sequence[FaceTrack]) -> tuple[int, ...]:
    """The stretches of whoever is longest on screen; of several, who came first."""
    return max(tracks, key=lambda track: len(track.squares)).track_ids if tracks else ()


def _within(frames: Iterable[TimedFrame], span: Span | None) -> Iterator[TimedFrame]:
    for frame in frames:
        if span is not None and frame.time_seconds > span.end_seconds:
            return
        if span is None or frame.time_seconds >= span.start_seconds:
            yield frame


def _cut(blocks: Iterable[Waveform], span: Span | None) -> Iterator[Waveform]:
    for block in blocks:
        shared = block.span if span is None else block.span & span
        if shared is None:
            continue
        first, last = (
            round((time - block.span.start_seconds) * SAMPLE_RATE_HZ)
            for time in (shared.start_seconds, shared.end_seconds)
        )
        yield replace(block, samples=block.samples[first:last], span=shared)


def _said(text: str, source: ClipSource) -> str | None:
    """The words of a file. Those of a part are known only where the corpus gives them."""
    return (source.text if source.span is not None else text) or None


def _read_picture(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    picture = cv2.imdecode(np.frombuffer(path.read_bytes() or b"\0", np.uint8), cv2.IMREAD_COLOR)
    if picture is None:
        raise UnreadableMedia("not a picture that can be read", where=path)
    return np.asarray(picture[..., ::-1], np.uint8)


def _square(picture: UInt8[np.ndarray, "height width 3"]) -> Crop:
    height, width, _ = picture.shape
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return picture[top : top + side, left : left + side]


def _resized(picture: Crop, pixels: int) -> UInt8[np.ndarray, "{pixels} {pixels} 3"]:
    how = cv2.INTER_AREA if len(picture) > pixels else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(np.ascontiguousarray(picture), (pixels, pixels), interpolation=how), np.uint8)
