"""Sound as 16 kHz mono blocks with their times: streamed, in flat memory whatever the length of the file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from av.audio.resampler import AudioResampler
from jaxtyping import Float32

from emotrace.errors import EmptyMedia, MediaTooLong, UsageError
from emotrace.media._container import (
    Decoder,
    audio_stream,
    ends_early,
    header_end_seconds,
    open_container,
    origin_seconds,
)
from emotrace.span import Span

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer

SAMPLE_RATE_HZ = 16_000
"""What speech models expect, and enough for the voice: it holds everything below 8 kHz."""
_JUMP_SECONDS = 0.1
"""[ours] Timestamps that differ by less are jitter of the container; beyond it sound is missing, or repeated."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Waveform:
    """A stretch of mono sound and when it is heard."""

    samples: Float32[np.ndarray, " time"]
    """-1..1, the mean of the channels."""
    sample_rate_hz: int = SAMPLE_RATE_HZ
    span: Span
    """From the start of the file, on the same clock as the pictures."""

    def __repr__(self) -> str:
        return f"Waveform({len(self.samples)} samples at {self.sample_rate_hz} Hz, {self.span})"


@dataclass(frozen=True, kw_only=True)
class AudioStats:
    """What was measured while the sound was read."""

    end_seconds: float
    """When the last decoded sample ends."""
    duration_seconds_from_header: float | None
    """What the file claims. A file that was cut short claims more than it holds."""
    source_rate_hz: int
    source_channels: int
    codec: str


class AudioReader:
    """Iterates over consecutive blocks of a file's sound, 16 kHz mono. Each iteration reads the file anew.

    The first block starts where the sound starts, which may be after the picture; blocks then follow without a gap.
    Sound that is missing inside the file comes as zeros, so that later sound keeps its time. A track of digital
    silence gives blocks of zeros: it is present. Of several tracks the default one is read, else the first.

    Args:
        path: A video or a sound file.
        block_seconds: Length of a block, greater than 0; the last one is shorter.
        max_duration_seconds: Where to stop with an error; None reads to the end.

    Raises (while iterating):
        MediaNotFound, EmptyMedia, UnreadableMedia: The file cannot be read, or has no sound track.
        MediaTooLong: The sound goes on beyond `max_duration_seconds`, whatever the header says.

    Raises:
        UsageError: `block_seconds` is not greater than 0.
    """

    def __init__(
        self, path: str | Path, *, block_seconds: float = 10.0, max_duration_seconds: float | None = None
    ) -> None:
        if not (math.isfinite(block_seconds) and block_seconds * SAMPLE_RATE_HZ >= 1):
            raise UsageError(f"a block must hold at least one sample, got {block_seconds} s")
        self.path = Path(path)
        self.block_seconds = block_seconds
        self.max_duration_seconds = max_duration_seconds
        self.truncated = False
        """Whether the last iteration met damage, or ended well before the header said."""
        self._info: AudioStats | None = None

    @property
    def info(self) -> AudioStats:
        """What the last complete iteration measured; RuntimeError before one."""
        if self._info is None:
            raise RuntimeError("AudioReader.info is known once the sound has been read to the end")
        return self._info

    def __iter__(self) -> Iterator[Waveform]:
        self._info, self.truncated = None, False
        with open_container(self.path) as container:
            stream = audio_stream(container)
            if stream is None:
                raise EmptyMedia("there is no sound in this file", where=self.path, hint="Ask Clip.has_audio first")
            yield from self._blocks(container, stream)

    def _blocks(self, container: InputContainer, stream: AudioStream) -> Iterator[Waveform]:
        decoder = Decoder(container, stream, stream.decode)
        line = TimeLine(origin_seconds(container))
        block = round(self.block_seconds * SAMPLE_RATE_HZ)
        waiting: list[Float32[np.ndarray, " time"]] = []
        waiting_samples = given_samples = 0

        for piece in line.pieces(decoder):
            self._check_time(line.start_seconds + (given_samples + waiting_samples) / SAMPLE_RATE_HZ)
            waiting.append(piece)
            waiting_samples += len(piece)
            while waiting_samples >= block:
                joined = np.concatenate(waiting)
                yield _waveform(joined[:block], line.start_seconds, given_samples)
                waiting, waiting_samples = [joined[block:]], waiting_samples - block
                given_samples += block
        if waiting_samples:
            yield _waveform(np.concatenate(waiting), line.start_seconds, given_samples)

        end_seconds = line.start_seconds + (given_samples + waiting_samples) / SAMPLE_RATE_HZ
        self.truncated = decoder.damaged_packets > 0 or ends_early(container, stream, end_seconds)
        self._info = AudioStats(
            end_seconds=end_seconds,
            duration_seconds_from_header=header_end_seconds(container, stream),
            source_rate_hz=stream.rate,
            source_channels=stream.channels,
            codec=stream.codec.canonical_name,
        )

    def _check_time(self, seconds: float) -> None:
        if self.max_duration_seconds is not None and seconds > self.max_duration_seconds:
            raise MediaTooLong(
                f"the sound goes on beyond the limit of {self.max_duration_seconds:g} s",
                where=self.path,
                hint="Cut the file, or raise the limit (--max-duration)",
            )


def read_waveform(path: str | Path) -> Waveform:
    """The whole sound of a short clip in one piece: 64 kB per second. Errors as for `AudioReader`.

    A track without a single sample gives an empty waveform at 0 s.
    """
    blocks = list(AudioReader(path))
    if not blocks:
        return Waveform(samples=np.zeros(0, dtype=np.float32), span=Span(0.0, 0.0))
    samples = np.concatenate([block.samples for block in blocks])
    return Waveform(samples=samples, span=blocks[0].span | blocks[-1].span)


def _waveform(samples: Float32[np.ndarray, " time"], start_seconds: float, at: int) -> Waveform:
    start = start_seconds + at / SAMPLE_RATE_HZ
    end = start_seconds + (at + len(samples)) / SAMPLE_RATE_HZ
    return Waveform(samples=np.clip(samples, -1.0, 1.0), span=Span(start, end))


class TimeLine:
    """Lays decoded sound on the file's clock: resampled pieces that follow each other without a gap.

    Args:
        origin: When the file starts on its own clock, in seconds.
    """

    def __init__(self, origin: Fraction) -> None:
        self._origin = origin
        self._resampler: AudioResampler | None = None
        self._layout: tuple[str, str, int] | None = None
        self._heard_until: Fraction | None = None
        self.start_seconds = 0.0
        """When the first sample is heard; known from the first piece on."""

    def pieces(self, frames: Decoder[AudioFrame]) -> Iterator[Float32[np.ndarray, " time"]]:
        """All sound of the frames at 16 kHz mono, with zeros where the timestamps leave a gap."""
        for frame in frames:
            yield from self.take(frame)
        yield from self.flush()

    def take(self, frame: AudioFrame) -> Iterator[Float32[np.ndarray, " time"]]:
        """The sound that the next frame completes, with zeros before it where the timestamps leave a gap."""
        time = self._start_of(frame)
        if self._heard_until is None:
            time = max(time, Fraction(0))
            self._heard_until, self.start_seconds = time, float(time)
        missing = time - self._heard_until
        if missing < -_JUMP_SECONDS:
            return  # sound that was heard already: only a damaged file goes back
        if missing > _JUMP_SECONDS:
            yield from self.flush()
            yield from _zeros(round(missing * SAMPLE_RATE_HZ))
            self._heard_until = time
        self._heard_until += Fraction(frame.samples, frame.sample_rate)
        yield from self._resampled(frame)

    def _start_of(self, frame: AudioFrame) -> Fraction:
        if frame.pts is None or frame.time_base is None:
            return self._heard_until or Fraction(0)
        return frame.pts * frame.time_base - self._origin

    def _resampled(self, frame: AudioFrame) -> Iterator[Float32[np.ndarray, " time"]]:
        layout = (frame.format.name, frame.layout.name, frame.sample_rate)
        if layout != self._layout:  # a stream may change its rate or channels midway
            yield from self.flush()
            self._layout = layout
        if self._resampler is None:
            # Without the bound a mix of equal channels comes out 3 dB too loud and is clipped.
            options = {"rematrix_maxval": "1.0"}
            self._resampler = AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE_HZ, options=options)
        frame.pts = None  # the clock is kept here
        for resampled in self._resampler.resample(frame):
            yield resampled.to_ndarray()[0]

    def flush(self) -> Iterator[Float32[np.ndarray, " time"]]:
        """What the resampler still holds."""
        if self._resampler is not None:
            for resampled in self._resampler.resample(None):
                yield resampled.to_ndarray()[0]
            self._resampler = None


def _zeros(count: int) -> Iterator[Float32[np.ndarray, " time"]]:
    """`count` zeros, a second at a time: a wrong timestamp may ask for hours."""
    for start in range(0, count, SAMPLE_RATE_HZ):
        yield np.zeros(min(SAMPLE_RATE_HZ, count - start), dtype=np.float32)
