"""Small media files made on the spot: colour bars with a 440 Hz tone, and the oddities that real recordings have.

Every picture carries its own number as black and white squares, so that a test can tell which frame it got, whatever
the codec did to the colours. Nothing here shows or imitates a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Float32, UInt8

BAR_COLORS = (
    (191, 191, 191),
    (191, 191, 0),
    (0, 191, 191),
    (0, 191, 0),
    (191, 0, 191),
    (191, 0, 0),
    (0, 0, 191),
)
"""From left to right, as RGB: the 75 % bars of SMPTE EG 1."""
_NUMBER_BITS = 12
_VIDEO_CLOCK_HZ = 50_000  # MPEG-4 part 2 has no finer clock than 65,535 Hz


@dataclass(frozen=True, kw_only=True)
class Tone:
    """One sound track: a sine in every channel, or digital silence."""

    duration_seconds: float = 2.0
    start_seconds: float = 0.0
    pitch_hz: float = 440.0
    amplitude: float = 0.5
    """0 is digital silence."""
    sample_rate_hz: int = 48_000
    channels: int = 2
    codec: str = "aac"
    is_default: bool = True


@dataclass(frozen=True, kw_only=True)
class Bars:
    """One picture track: numbered colour bars."""

    frame_times_seconds: tuple[float, ...] = tuple(number / 25 for number in range(50))
    """When each frame comes on screen; uneven steps make a variable frame rate."""
    width: int = 160
    height: int = 120
    codec: str = "libx264"
    pixel_format: str = "yuv420p"
    rotation_degrees: float = 0.0
    """Of the display matrix, counter-clockwise. The stored pixels stay as they are."""
    is_mirrored: bool = False
    """Whether the display matrix mirrors left and right."""
    pixel_aspect: Fraction = Fraction(1)
    is_default: bool = True
    most_reordered: int | None = None
    """How many pictures in a row may be coded after a later one (B-frames); None: the codec's own choice."""


@dataclass(frozen=True, kw_only=True)
class Caption:
    """One cue of an embedded subtitle track."""

    text: str
    start_seconds: float
    end_seconds: float


def color_bars(width: int, height: int, number: int = 0) -> UInt8[np.ndarray, "height width 3"]:
    """Seven bars; the lowest quarter holds `number` in squares, the highest bit at the left."""
    bars = np.array(BAR_COLORS, dtype=np.uint8)[np.arange(width) * len(BAR_COLORS) // width]
    image = np.broadcast_to(bars, (height, width, 3)).copy()
    bits = [number >> bit & 1 for bit in reversed(range(_NUMBER_BITS))]
    squares = np.array(bits, dtype=np.uint8)[np.arange(width) * _NUMBER_BITS // width] * 255
    image[height - height // 4 :] = squares[:, np.newaxis]
    return image


def number_of(image: UInt8[np.ndarray, "height width 3"]) -> int:
    """The number that `color_bars` put into a picture, read back at the middle of each square."""
    height, width, _ = image.shape
    centers = (np.arange(_NUMBER_BITS) * 2 + 1) * width // (2 * _NUMBER_BITS)
    bits = image[height - height // 8, centers].mean(axis=1) > 127
    return int(bits @ (1 << np.arange(_NUMBER_BITS)[::-1]))


def tone(spec: Tone) -> Float32[np.ndarray, "channel time"]:
    """The samples of a sound track, -1..1."""
    time = np.arange(round(spec.duration_seconds * spec.sample_rate_hz)) / spec.sample_rate_hz
    wave = (spec.amplitude * np.sin(2 * np.pi * spec.pitch_hz * time)).astype(np.float32)
    return np.tile(wave, (spec.channels, 1))


def write_clip(
    path: Path,
    *,
    pictures: Sequence[Bars] = (Bars(),),
    sounds: Sequence[Tone] = (Tone(),),
    captions: Sequence[Caption] = (),
    caption_codec: str = "mov_text",
    options: dict[str, str] | None = None,
) -> Path:
    """Writes a media file; its ending chooses the container.

    Args:
        path: Where to.
        pictures: Video streams, in order. None makes a sound file.
        sounds: Sound tracks, in order.
        captions: Cues of one embedded text track; none leaves it out.
        caption_codec: `mov_text` (MP4), `subrip` or `webvtt` (Matroska).
        options: Of the muxer, such as `{"movflags": "faststart"}`.

    Returns:
        The path.
    """
    with av.open(str(path), "w", options=options or {}) as container:
        videos = [(_add_video(container, spec), spec) for spec in pictures]
        audios = [(_add_audio(container, spec), spec) for spec in sounds]
        texts = container.add_mux_stream(caption_codec) if captions else None
        for video, bars in videos:
            container.mux(list(_encoded_video(video, bars)))
        for audio, sound in audios:
            container.mux(list(_encoded_audio(audio, sound)))
        if texts is not None:
            container.mux([_text_packet(texts, caption, caption_codec) for caption in captions])
    return path


def _add_video(container: OutputContainer, spec: Bars) -> VideoStream:
    stream = cast(VideoStream, container.add_stream(spec.codec, rate=25))
    stream.width, stream.height, stream.pix_fmt = spec.width, spec.height, spec.pixel_format
    stream.codec_context.time_base = Fraction(1, _VIDEO_CLOCK_HZ)
    stream.codec_context.sample_aspect_ratio = spec.pixel_aspect
    stream.disposition = Disposition.default if spec.is_default else Disposition(0)
    if spec.most_reordered is not None:
        stream.codec_context.max_b_frames = spec.most_reordered
    if spec.rotation_degrees or spec.is_mirrored:
        stream.set_display_rotation(spec.rotation_degrees, hflip=spec.is_mirrored)
    return stream


def _encoded_video(stream: VideoStream, spec: Bars) -> Iterator[Packet[VideoStream]]:
    for number, seconds in enumerate(spec.frame_times_seconds):
        frame = VideoFrame.from_ndarray(color_bars(spec.width, spec.height, number), format="rgb24")
        frame.pts, frame.time_base = round(seconds * _VIDEO_CLOCK_HZ), Fraction(1, _VIDEO_CLOCK_HZ)
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _add_audio(container: OutputContainer, spec: Tone) -> AudioStream:
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[spec.channels]
    stream = cast(AudioStream, container.add_stream(spec.codec, rate=spec.sample_rate_hz, layout=layout))
    stream.disposition = Disposition.default if spec.is_default else Disposition(0)
    return stream


def _encoded_audio(stream: AudioStream, spec: Tone) -> Iterator[Packet[AudioStream]]:
    frame = AudioFrame.from_ndarray(tone(spec), format="fltp", layout=stream.layout.name)
    frame.sample_rate, frame.time_base = spec.sample_rate_hz, Fraction(1, spec.sample_rate_hz)
    frame.pts = round(spec.start_seconds * spec.sample_rate_hz)
    yield from stream.encode(frame)
    yield from stream.encode(None)


def _text_packet(stream: Stream, caption: Caption, codec: str) -> Packet[Stream]:
    text = caption.text.encode()
    packet: Packet[Stream] = Packet(len(text).to_bytes(2, "big") + text if codec == "mov_text" else text)
    packet.stream, packet.time_base = stream, Fraction(1, 1000)
    packet.pts = packet.dts = round(caption.start_seconds * 1000)
    packet.duration = round((caption.end_seconds - caption.start_seconds) * 1000)
    return packet
