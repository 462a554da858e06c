"""Opening a file with FFmpeg so that it can read that file's bytes and nothing else.

FFmpeg gets the bytes, never the name: a name such as `face%03d.png` would make it read a whole folder. It may open no
further file and no address, and only the formats below, none of which is a playlist or plain text. What FFmpeg reports
comes back as an error of `errors.py`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, TypeVar, cast

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import Container, InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition, Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from emotrace.errors import EmptyMedia, MediaNotFound, UnreadableMedia

if TYPE_CHECKING:
    from av.audio.codeccontext import AudioCodecContext
    from av.video.codeccontext import VideoCodecContext

    AnyPacket = Packet[Any]
else:
    AnyPacket = Packet

FrameT = TypeVar("FrameT", AudioFrame, VideoFrame)

MAX_SIDE_PIXELS = 8192
"""Longest side of a picture that is read. At this size one RGB picture takes 201 MB."""

_FORMATS = (
    "mov matroska avi mpeg mpegts mpegvideo m4v h264 hevc ivf obu flv asf ogg rm nut mxf dv wtv gif apng "  # moving
    "wav w64 rf64 aiff caf au flac mp3 aac amr ac3 eac3 dts ape wv tta "  # sound
    "jpeg_pipe png_pipe webp_pipe webp bmp_pipe tiff_pipe jpegxl_pipe j2k_pipe pgm_pipe ppm_pipe"  # still
)
_OPTIONS = {
    "format_whitelist": _FORMATS.replace(" ", ","),
    "protocol_whitelist": "none",  # no such protocol: whatever a file refers to stays closed
    "max_pixels": str(MAX_SIDE_PIXELS**2),  # decoders refuse a larger picture before they allocate it
}
_GUESSES_DURATION = {"aac", "mp3", "amr", "ac3", "eac3", "dts", "h264", "hevc", "m4v", "mpegvideo", "obu"}
"""Formats without an index: FFmpeg guesses their length from the bit rate."""
_READ_BYTES = 1 << 20
_MAX_THREADS = 4  # each decoding thread keeps pictures of its own in memory
_MEDIA_STARTS = re.compile(
    rb"....(ftyp|moov|mdat|free|skip|wide)|\x1aE\xdf\xa3|RIFF|RF64|\x00\x00\x01[\xba\xb3]|FLV|OggS|fLaC|ID3"
    rb"|\x89PNG|\xff\xd8\xff|GIF8|\x30\x26\xb2\x75|FORM",
    re.DOTALL,
)


class _Anonymous:
    """A file's bytes without its name; all that FFmpeg is given."""

    def __init__(self, file: BinaryIO) -> None:
        self.read, self.seek, self.tell = file.read, file.seek, file.tell


def check_is_file(path: Path) -> None:
    """Raises the error that fits a path which cannot hold media.

    Raises:
        MediaNotFound: Nothing is there, or something that is not a file.
        UnreadableMedia: It may not be read.
        EmptyMedia: It has no bytes.
    """
    try:
        found = path.exists()
    except OSError as error:  # a closed folder, or a name longer than the system takes
        raise UnreadableMedia(
            f"it cannot be looked up ({error.strerror})", where=path, hint="Check the path and its permissions"
        ) from None
    if not found:
        raise MediaNotFound("there is no such file", where=path, hint="Check the path")
    if not path.is_file():
        kind = "a folder" if path.is_dir() else "not a regular file"
        raise MediaNotFound(f"this is {kind}", where=path, hint="Give the path of one video, sound or picture file")
    if not os.access(path, os.R_OK):
        raise UnreadableMedia("the file may not be read", where=path, hint="Check its permissions")
    if path.stat().st_size == 0:
        raise EmptyMedia("the file has 0 bytes", where=path, hint="Copy or record it again")


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """The opened file, closed again at the end; FFmpeg's errors inside the block become typed ones.

    Raises:
        MediaNotFound, EmptyMedia, UnreadableMedia: As for `check_is_file`; also for bytes that are no known media.
    """
    check_is_file(path)
    with path.open("rb") as file:
        try:
            container = av.open(
                _Anonymous(file), "r", options=_OPTIONS, buffer_size=_READ_BYTES, metadata_errors="replace"
            )
        except (av.FFmpegError, OSError) as error:
            raise _unreadable(path, error) from None
        with container:
            try:
                yield container
            except (av.FFmpegError, OSError) as error:
                raise UnreadableMedia(
                    f"reading failed: {error.strerror}", where=path, hint="Convert the file to MP4 and try again"
                ) from None


def _unreadable(path: Path, error: Exception) -> UnreadableMedia:
    with path.open("rb") as file:
        head = file.read(4096)
    if _MEDIA_STARTS.match(head):
        return UnreadableMedia(
            "begins like a media file but cannot be opened: it was probably cut short",
            where=path,
            hint="Copy or record it again; a recording that was stopped hard may have lost its index",
        )
    if b"\0" not in head and head.decode("utf-8", "replace").count("�") <= 1:  # the cut may split a character
        return UnreadableMedia(
            "this is text, not a video, sound or picture",
            where=path,
            hint="Give the media file itself; playlists and subtitle files are not opened as media",
        )
    reason = getattr(error, "strerror", None) or str(error)
    return UnreadableMedia(f"not a media file that FFmpeg can open ({reason})", where=path, hint="Convert it to MP4")


def video_stream(container: InputContainer) -> VideoStream | None:
    """The picture: the default one, else the first. Cover art of a sound file is not a picture that was filmed."""
    return min((s for s in container.streams.video if _is_playable(s)), key=_by_default, default=None)


def audio_stream(container: InputContainer) -> AudioStream | None:
    """The sound: the default track, else the first."""
    return min((s for s in container.streams.audio if _is_playable(s)), key=_by_default, default=None)


def _is_playable(stream: Stream) -> bool:
    has_decoder = stream.codec_context is not None
    return has_decoder and not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)


def _by_default(stream: Stream) -> tuple[bool, int]:
    return (not stream.disposition & Disposition.default, stream.index)


def is_still(container: InputContainer) -> bool:
    """Whether the file is one photograph."""
    return container.format.name.endswith("_pipe")


def counts_packets(container: Container) -> bool:
    """Whether the file holds no times, as AVI: a packet's `dts` is then its number, and what `pts` says is a guess."""
    return container.format.name == "avi"


def origin_seconds(container: InputContainer) -> Fraction:
    """When the file starts on its own clock: the first timestamp of the earliest picture or sound stream.

    Every time that emotrace states is counted from here, so that streams which start apart stay apart.
    """
    playable = [s for s in (*container.streams.video, *container.streams.audio) if _is_playable(s)]
    starts = [s.start_time * s.time_base for s in playable if s.start_time is not None and s.time_base]
    return min(starts, default=Fraction(0))


def header_end_seconds(container: InputContainer, stream: Stream | None = None) -> float | None:
    """When the file, or one stream of it, ends according to its header; None where that does not say."""
    origin = origin_seconds(container)
    if stream is not None and stream.duration is not None and stream.time_base is not None:
        end = (stream.start_time or 0) * stream.time_base + stream.duration * stream.time_base - origin
    elif stream is not None and (stated := _matroska_duration(stream)) is not None:
        end = stated - origin
    elif container.duration is not None:
        start = Fraction(container.start_time, av.time_base) if container.start_time is not None else origin
        end = start + Fraction(container.duration, av.time_base) - origin
    else:
        return None
    return float(end) if end > 0 else None


def _matroska_duration(stream: Stream) -> Fraction | None:
    """Matroska has no duration per stream; most writers put it into a tag."""
    if (tag := re.fullmatch(r"(\d+):(\d\d):(\d\d\.\d+)", stream.metadata.get("DURATION", ""))) is None:
        return None
    return int(tag[1]) * 3600 + int(tag[2]) * 60 + Fraction(tag[3])


def ends_early(container: InputContainer, stream: Stream, end_seconds: float) -> bool:
    """Whether a stream that was read up to `end_seconds` was promised longer: by half a second and by 2 %. [ours]."""
    promised = header_end_seconds(container, stream)
    if promised is None or container.format.name in _GUESSES_DURATION:
        return False
    return promised - end_seconds > max(0.5, 0.02 * promised)


class Decoder(Generic[FrameT]):
    """Iterates over the decoded frames of one stream. Damaged packets are passed over and counted, not raised."""

    def __init__(
        self, container: InputContainer, stream: Stream, decode: Callable[[AnyPacket | None], list[FrameT]]
    ) -> None:
        for other in container.streams:
            if other.index != stream.index:
                other.discard = Discard.all  # the demuxer passes over their bytes
        codec = cast("AudioCodecContext | VideoCodecContext", stream.codec_context)
        codec.thread_type = "AUTO"
        codec.thread_count = min(_MAX_THREADS, os.cpu_count() or 1)
        self._packets: Iterator[AnyPacket] = container.demux(stream)
        self._decode: Callable[[AnyPacket | None], list[FrameT]] = decode
        self.damaged_packets = 0

    def __iter__(self) -> Iterator[FrameT]:
        while (packet := self._next_packet()) is not None:
            try:
                frames = self._decode(packet)
            except av.FFmpegError:
                self.damaged_packets += 1
            else:
                yield from frames

    def _next_packet(self) -> AnyPacket | None:
        try:
            return next(self._packets, None)  # the last one is empty and flushes the decoder
        except av.FFmpegError:
            self.damaged_packets += 1
            self._packets = iter(())
            return Packet()
