"""What is known of a stream's recent past: every face and the voice, measured as they come, and forgotten in time.

The meters are those of `emotrace analyze`, and a person's evidence is put together by the same functions. Only the
past counts: a person's rest, and how the voice usually sounds, are those of the seconds that are remembered.
"""

from __future__ import annotations

import numpy as np

from emotrace.evidence.face_signals import FaceMeter
from emotrace.evidence.segments import segment
from emotrace.evidence.sheets import Witness
from emotrace.evidence.voice_activity import speech_turns
from emotrace.evidence.voice_series import HOP_SECONDS
from emotrace.evidence.voice_signals import VoiceMeter
from emotrace.evidence.witnesses import Face, Voice, witnesses
from emotrace.heads.voice_features import VoiceFeatureMeter
from emotrace.live.people import People
from emotrace.live.stream import Item
from emotrace.live.words import Words
from emotrace.media.audio import SAMPLE_RATE_HZ, Waveform
from emotrace.media.faces import FaceDetector
from emotrace.media.tracking import FaceTracker
from emotrace.media.video import Frame
from emotrace.span import Span

_MARGIN_SECONDS = 3.0
"""`VoiceMeter` forgets two seconds at a time; what the voice head hears must reach as far back."""


class Onlooker:
    """Looks and listens.

    Args:
        detector: Finds faces in a picture.
        words: What is said.
        history_seconds: How much of the past is remembered.
    """

    def __init__(self, detector: FaceDetector, words: Words, *, history_seconds: float) -> None:
        self._detector, self._words = detector, words
        self._history_seconds = history_seconds
        self._tracker, self._faces, self._people = FaceTracker(detector), FaceMeter(), People()
        self._voice: VoiceMeter | None = None
        self._features = VoiceFeatureMeter()
        self._voice_starts, self._samples = 0.0, 0
        self.frames_seen = 0

    @property
    def rows(self) -> dict[str, int]:
        """How much is remembered: what memory depends on."""
        return {
            "face": len(self._faces),
            "voice features": len(self._features),
            "voice": 0 if self._voice is None else len(self._voice),
            "persons": len(self._people),
            "stretches": len(self._tracker.so_far()),
        }

    def take(self, item: Item) -> None:
        """Looks at a picture, or listens to a block of sound."""
        if isinstance(item, Frame):
            self._faces.feed(self._tracker.update(item))
            self.frames_seen += 1
        else:
            self._hear(item)

    def witnesses(self, until_seconds: float) -> tuple[Witness, ...]:
        """The people of the remembered past, with what was measured of each."""
        past = Span(max(0.0, until_seconds - self._history_seconds), until_seconds)
        tracks = self._people.named(self._tracker.so_far())
        faces = [Face(track=track, series=self._faces.series(track)) for track in tracks]
        voice = None if self._voice is None else Voice(series=self._voice.so_far(), features=self._features.so_far())
        turns = () if voice is None else speech_turns(voice.series)
        transcript = self._words.within(past)
        return witnesses(faces, voice, turns, segment(past, transcript, turns), transcript)

    def forget(self, now_seconds: float) -> None:
        """Drops what lies further back than the history reaches."""
        before = now_seconds - self._history_seconds
        self._tracker.forget(before)
        self._faces.forget(before)
        if self._voice is not None:
            self._voice.forget(before)
            self._features.forget(before - _MARGIN_SECONDS)

    def _hear(self, block: Waveform) -> None:
        """Listens; sound that is missing in between counts as silence, and after a long gap listening begins anew."""
        heard_until = self._voice_starts + self._samples / SAMPLE_RATE_HZ
        gap = block.span.start_seconds - heard_until
        if self._voice is not None and gap < -HOP_SECONDS:
            return
        if self._voice is None or gap > self._history_seconds:
            self._voice, self._features = VoiceMeter(), VoiceFeatureMeter()
            self._voice_starts, self._samples = block.span.start_seconds, 0
        elif gap > HOP_SECONDS:
            silence = np.zeros(round(gap * SAMPLE_RATE_HZ), np.float32)
            self._feed(Waveform(samples=silence, span=Span(heard_until, block.span.start_seconds)))
        self._feed(block)

    def _feed(self, block: Waveform) -> None:
        if self._voice is not None:
            self._voice.feed(block)
        self._features.feed(block)
        self._samples += len(block.samples)
