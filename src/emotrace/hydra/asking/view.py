"""What a language model may see and hear of a clip beside the sheet: frames, sound and words of one stretch of time.

The clip is decoded once, when the first frame is asked for; small pictures are kept, of which each question takes a
few. Everything is encoded anew, so that neither a name nor a tag of the file travels.
"""

from __future__ import annotations

import io
import wave
from dataclasses import replace
from typing import Final

import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.evidence.observation import EvidenceSheet, clean
from emotrace.evidence.providers.once import Once
from emotrace.evidence.reasoning.material import Picture
from emotrace.media.audio import SAMPLE_RATE_HZ
from emotrace.media.clip import Clip
from emotrace.span import Span

FRAMES: Final = 8
"""[field] Frames per question, uniform over the stretch."""
LONGEST_PIXELS: Final = 448
"""[ours] Longest side of a frame."""
MAX_SOUND_SECONDS: Final = 30.0
"""[ours]"""
KEPT_RATE_HZ: Final = 4.0
MAX_KEPT: Final = 2400
"""[ours] Pictures are kept at 4 per second; of clips longer than ten minutes fewer, so that memory stays bounded."""
_JPEG_QUALITY: Final = 85


class ClipView:
    """Shows stretches of one clip.

    Args:
        clip: The clip. Its path and name stay on this side.
        frames: Most frames per question; 0 shows none.
        sound: Whether the sound may be sent.
        words: Whether what is said may be sent.
    """

    def __init__(self, clip: Clip, *, frames: int = FRAMES, sound: bool = False, words: bool = True) -> None:
        rate_hz = min(KEPT_RATE_HZ, MAX_KEPT / max(clip.span.end_seconds, 1e-3))
        self.clip_id = clip.sha256
        self.frames = frames if clip.has_video else 0
        self.sound = sound and clip.has_audio
        self.words = words
        self._clip = replace(clip, rate_hz=rate_hz).anonymous()
        self._pictures = Once[list[Picture]]()

    def pictures_of(self, sheet: EvidenceSheet) -> tuple[Picture, ...]:
        """At most `frames` pictures, uniform over the sheet's span; none for a sheet of another clip."""
        if not self.frames or sheet.clip_id != self.clip_id:
            return ()
        span = sheet.span
        pictures = self._pictures.get(self._small_pictures)
        nearest = min(pictures, key=lambda each: abs(each.time_seconds - span.middle_seconds))
        inside = [each for each in pictures if _meets(each.time_seconds, span)] or [nearest]
        count = min(self.frames, len(inside))
        return tuple(inside[(2 * number + 1) * len(inside) // (2 * count)] for number in range(count))

    def sound_of(self, sheet: EvidenceSheet) -> bytes | None:
        """The first 30 s of the stretch as a 16 kHz mono WAV file; None where there is none, or it must not be sent."""
        if not self.sound or sheet.clip_id != self.clip_id:
            return None
        start = sheet.span.start_seconds
        end = min(sheet.span.end_seconds, start + MAX_SOUND_SECONDS)
        pieces: list[Float32[np.ndarray, " time"]] = []
        for block in self._clip.audio():
            if block.span.start_seconds >= end:
                break
            first, last = (round((t - block.span.start_seconds) * SAMPLE_RATE_HZ) for t in (start, end))
            pieces.append(block.samples[max(first, 0) : max(last, 0)])
        samples = np.concatenate(pieces) if pieces else np.zeros(0, np.float32)
        return wav_of(samples) if len(samples) else None

    def said_in(self, sheet: EvidenceSheet) -> tuple[str, ...]:
        """What is said in the stretch, by anybody, a clean line per utterance."""
        said = self._clip.transcript
        if not self.words or said is None or sheet.clip_id != self.clip_id:
            return ()
        return tuple(clean(u.text) for u in said.utterances if (u.span & sheet.span) is not None)

    @property
    def sound_seconds(self) -> float:
        """How much sound may be sent in all."""
        return self._clip.span.duration_seconds if self.sound else 0.0

    @property
    def word_count(self) -> int:
        """How many words of transcript may be sent."""
        said = self._clip.transcript
        return len(said.words) if self.words and said is not None else 0

    def _small_pictures(self) -> list[Picture]:
        return [
            Picture(time_seconds=round(frame.time_seconds, 2), jpeg=jpeg_of(frame.image))
            for frame in self._clip.frames()
        ]


def _meets(time_seconds: float, span: Span) -> bool:
    return span.start_seconds <= time_seconds <= span.end_seconds


def jpeg_of(image: UInt8[np.ndarray, "height width 3"]) -> bytes:
    """The picture as JPEG, at most `LONGEST_PIXELS` on its longest side, without metadata."""
    import cv2

    longest = max(image.shape[:2])
    if longest > LONGEST_PIXELS:
        share = LONGEST_PIXELS / longest
        size = (max(1, round(image.shape[1] * share)), max(1, round(image.shape[0] * share)))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    bgr = np.ascontiguousarray(image[:, :, ::-1])
    return bytes(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])[1].tobytes())


def wav_of(samples: Float32[np.ndarray, " time"]) -> bytes:
    """Sound at 16 kHz as a mono WAV file of 16 bits."""
    written = io.BytesIO()
    with wave.open(written, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE_HZ)
        file.writeframes(np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes())
    return written.getvalue()
