"""What of a clip may be shown to an observer: pictures, sound and words, encoded anew, so that no name or tag travels.

Everything is made when it is first asked for, and made once: the joint question shows the same bytes as the others.
"""

from __future__ import annotations

import hashlib
import io
import wave
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
from jaxtyping import Float32, UInt8

from emotrace.errors import MediaTooLong
from emotrace.evidence.reasoning.trace import Settings
from emotrace.evidence.verbal import language_of
from emotrace.media.audio import SAMPLE_RATE_HZ
from emotrace.media.clip import AnonymousClip, Clip
from emotrace.span import Span

if TYPE_CHECKING:
    from av.video.stream import VideoStream

MAX_INLINE_BYTES: Final = 14_000_000
"""Bound of one inline part before base64, below what Gemini's API takes in one request [field: API reference]."""
LOW_PASS_HZ: Final = 400.0
"""Below it melody and rhythm remain and words do not: content-filtered speech [field: Rogers, Scherer & Rosenthal
1971]; the figure is [ours]."""
_JPEG_QUALITY: Final = 85
_VIDEO_CLOCK_HZ: Final = 1000


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One picture, as JPEG, and when it came on screen."""

    time_seconds: float
    jpeg: bytes


class Material:
    """A clip without its name, and what is shown of it under some settings.

    Args:
        clip: The clip. Its path and its hash stay on this side.
        settings: How many pictures, how large, and whether words are taken out of the sound.
    """

    def __init__(self, clip: Clip, settings: Settings) -> None:
        rate_hz = min(settings.fps, settings.max_frames / max(clip.span.end_seconds, 1e-3))
        self.clip: AnonymousClip = replace(clip, rate_hz=rate_hz).anonymous()
        self.settings = settings

    @property
    def span(self) -> Span:
        """From 0 to the end of the clip."""
        return self.clip.span

    @property
    def has_words(self) -> bool:
        """Whether anything is said, as far as a transcript tells."""
        return self.clip.transcript is not None and bool(self.clip.transcript.utterances)

    @cached_property
    def lines(self) -> list[str]:
        """What is said, a line per utterance, with its times in seconds where they are known."""
        said = self.clip.transcript
        if said is None:
            return []
        if not said.timed:
            return [utterance.text for utterance in said.utterances]
        return [f"{u.span.start_seconds:.2f}-{u.span.end_seconds:.2f} s: {u.text}" for u in said.utterances]

    @property
    def transcript(self) -> str | None:
        """All that is said; None without a transcript."""
        return None if self.clip.transcript is None else self.clip.transcript.text

    @property
    def transcript_sha256(self) -> str | None:
        """Of the lines, times included."""
        return None if self.transcript is None else hashlib.sha256("\n".join(self.lines).encode()).hexdigest()

    @property
    def language(self) -> str | None:
        """Of the words: en, zh or de; None where it cannot be told."""
        return None if self.transcript is None else language_of(self.transcript)

    @cached_property
    def pictures(self) -> tuple[Picture, ...]:
        """At most `max_frames` pictures, in order of time."""
        import cv2

        made = []
        for time_seconds, image in self._images():
            quality = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
            _, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(image[:, :, ::-1]), quality)
            made.append(Picture(time_seconds=time_seconds, jpeg=jpeg.tobytes()))
        return tuple(made)

    @cached_property
    def video(self) -> bytes:
        """The same pictures as an MP4 file that never had a sound track.

        Raises:
            MediaTooLong: It is larger than one request may carry.
        """
        import av

        written = io.BytesIO()
        with av.open(written, "w", format="mp4") as container:
            stream: VideoStream | None = None
            for time_seconds, image in self._images():
                even = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
                if stream is None:
                    stream = container.add_stream("libx264", rate=25, options={"threads": "1"})
                    stream.height, stream.width, stream.pix_fmt = even.shape[0], even.shape[1], "yuv420p"
                    stream.codec_context.time_base = Fraction(1, _VIDEO_CLOCK_HZ)
                frame = av.VideoFrame.from_ndarray(even, format="rgb24")
                frame.pts, frame.time_base = round(time_seconds * _VIDEO_CLOCK_HZ), Fraction(1, _VIDEO_CLOCK_HZ)
                container.mux(stream.encode(frame))
            if stream is not None:
                container.mux(stream.encode(None))
        return self._bounded(written.getvalue(), "pictures")

    @cached_property
    def sound(self) -> bytes:
        """The sound as a 16 kHz mono WAV file, 16 bits, from the clip's start.

        Raises:
            MediaTooLong: It is larger than one request may carry: about seven minutes.
        """
        blocks: list[Float32[np.ndarray, " time"]] = []
        length = 0
        for block in self.clip.audio():
            if not blocks:
                blocks.append(np.zeros(round(block.span.start_seconds * SAMPLE_RATE_HZ), np.float32))
            blocks.append(block.samples)
            length += 2 * len(block.samples)
            if length > MAX_INLINE_BYTES:
                break
        samples = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
        if self.settings.delexicalise:
            samples = without_words(samples)
        written = io.BytesIO()
        with wave.open(written, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(SAMPLE_RATE_HZ)
            file.writeframes(np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes())
        return self._bounded(written.getvalue(), "sound")

    def _images(self) -> Iterator[tuple[float, UInt8[np.ndarray, "height width 3"]]]:
        import cv2

        for number, frame in enumerate(self.clip.frames()):
            if number == self.settings.max_frames:
                return
            image, longest = frame.image, max(frame.image.shape[:2])
            if longest > self.settings.longest_pixels:
                share = self.settings.longest_pixels / longest
                size = (max(1, round(image.shape[1] * share)), max(1, round(image.shape[0] * share)))
                image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            yield round(frame.time_seconds, 3), image

    def _bounded(self, data: bytes, what: str) -> bytes:
        if len(data) > MAX_INLINE_BYTES:
            raise MediaTooLong(
                f"its {what} take more than {MAX_INLINE_BYTES / 1e6:g} MB, which one request cannot carry",
                where="the clip",
                hint="Cut it into utterances",
            )
        return data


def without_words(samples: Float32[np.ndarray, " time"]) -> Float32[np.ndarray, " time"]:
    """Sound with nothing above 400 Hz: who cannot make out words cannot report them."""
    if not len(samples):
        return samples
    spectrum = np.fft.rfft(samples)
    hz = np.fft.rfftfreq(len(samples), 1.0 / SAMPLE_RATE_HZ)
    gain = np.clip(1.0 - (hz - LOW_PASS_HZ) / 100.0, 0.0, 1.0)  # falls to nothing within 100 Hz: no ringing edge
    return np.asarray(np.fft.irfft(spectrum * gain, len(samples)), np.float32)
