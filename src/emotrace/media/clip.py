"""A media file as one value: what it is, what it holds, and how its pictures, sound and words are read.

clip = Clip.open("talk.mp4")
for frame in clip.frames(): ...
for block in clip.audio(): ...
clip.transcript.words
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

from av.container import InputContainer

from emotrace.errors import EmptyMedia, MediaError, MediaTooLong, UnreadableMedia, UsageError
from emotrace.files import sha256_of
from emotrace.media._container import (
    audio_stream,
    header_end_seconds,
    is_still,
    open_container,
    origin_seconds,
    video_stream,
)
from emotrace.media.audio import AudioReader, Waveform
from emotrace.media.transcript import Transcript, load_transcript
from emotrace.media.video import Frame, FrameReader, check_size
from emotrace.span import Span

MAX_DURATION_SECONDS = 7200.0
"""Default limit: two hours, longer than most recorded sessions."""

Part = Literal["visual", "vocal", "verbal"]
Absence = Literal["not_recorded", "switched_off"]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """A media file, probed but not decoded. Make one with `Clip.open`; it keeps no file open.

    What the clip lacks is in `missing`: absent is not silent. A track of digital silence is there.
    """

    path: Path
    sha256: str
    """Of the file's bytes."""
    bytes: int
    span: Span
    """From 0 to the end that the header states, or that the packets' timestamps show where it states none; an instant
    for a photograph. A damaged file may end earlier: the readers measure where."""
    transcript: Transcript | None
    missing: Mapping[Part, Absence]
    """visual, vocal, verbal -> why there is none."""
    rate_hz: float
    """Pictures per second that `frames` gives."""
    max_duration_seconds: float
    """Limit that both readers enforce, whatever the header says."""

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        text: str | None = None,
        transcript_path: str | Path | None = None,
        encoding: str | None = None,
        rate_hz: float = 5.0,
        max_duration_seconds: float = MAX_DURATION_SECONDS,
        use_video: bool = True,
        use_audio: bool = True,
    ) -> Clip:
        """Probes a file and reads its words.

        Args:
            path: A video, a sound file or a photograph.
            text: What is said, without times; goes before every transcript file.
            transcript_path: A .srt, .vtt or .txt file; see `load_transcript` for what is looked for without it.
            encoding: Of the transcript file; None reads Unicode.
            rate_hz: Pictures per second.
            max_duration_seconds: Longest clip that is read.
            use_video: False leaves the picture unread, and says so in `missing`.
            use_audio: The same for the sound.

        Raises:
            MediaNotFound: No file is there.
            EmptyMedia: It has 0 bytes, or neither picture nor sound.
            UnreadableMedia: It cannot be opened or is cut short before its index, or its picture is too large.
            MediaTooLong: It is longer than `max_duration_seconds`.
            TranscriptError, UsageError: As for `load_transcript`.
        """
        path = Path(path)
        if not max_duration_seconds > 0:
            raise UsageError(f"the longest duration must be greater than 0 s, got {max_duration_seconds}")
        with open_container(path) as container:
            has_video, has_audio = _probe(container, path)
            span = _span(container)
        if span.end_seconds > max_duration_seconds:
            raise MediaTooLong(
                f"{span.end_seconds:.1f} s are longer than the limit of {max_duration_seconds:g} s",
                where=path,
                hint="Cut the file, or raise the limit (--max-duration)",
            )
        transcript = load_transcript(path, text=text, transcript_path=transcript_path, encoding=encoding, span=span)
        missing: dict[Part, Absence] = {}
        if not (has_video and use_video):
            missing["visual"] = "switched_off" if has_video else "not_recorded"
        if not (has_audio and use_audio):
            missing["vocal"] = "switched_off" if has_audio else "not_recorded"
        if transcript is None:
            missing["verbal"] = "not_recorded"
        return cls(
            path=path,
            sha256=sha256_of(path),
            bytes=path.stat().st_size,
            span=span,
            transcript=transcript,
            missing=missing,
            rate_hz=rate_hz,
            max_duration_seconds=max_duration_seconds,
        )

    @property
    def has_video(self) -> bool:
        """Whether `frames` may be called."""
        return "visual" not in self.missing

    @property
    def has_audio(self) -> bool:
        """Whether `audio` may be called."""
        return "vocal" not in self.missing

    def frames(self) -> FrameReader:
        """A new reader of the pictures.

        Raises:
            EmptyMedia: There are none, or they are switched off.
        """
        self._check_present("visual", "picture", "Clip.has_video")
        return FrameReader(self.path, rate_hz=self.rate_hz, max_duration_seconds=self.max_duration_seconds)

    def audio(self) -> AudioReader:
        """A new reader of the sound.

        Raises:
            EmptyMedia: There is none, or it is switched off.
        """
        self._check_present("vocal", "sound", "Clip.has_audio")
        return AudioReader(self.path, max_duration_seconds=self.max_duration_seconds)

    def anonymous(self) -> AnonymousClip:
        """The clip as a provider or a model may see it: pictures, sound and words, without its name and its tags."""
        return AnonymousClip(self)

    def _check_present(self, part: Part, name: str, question: str) -> None:
        if (why := self.missing.get(part)) is not None:
            raise EmptyMedia(
                f"no {name} to read: {why.replace('_', ' ')}", where=self.path, hint=f"Ask {question} first"
            )


class AnonymousClip:
    """Pictures, sound and words of a clip that cannot be asked for its path or its container's tags.

    File names of several corpora spell the label, and so may a title tag or the name of a subtitle file. Nothing of
    them is in its attributes, its `repr`, its frames or the messages of the errors that reading it raises.
    """

    __slots__ = ("__clip", "has_audio", "has_video", "span", "transcript")

    def __init__(self, clip: Clip) -> None:
        self.__clip = clip
        self.span = clip.span
        self.has_video, self.has_audio = clip.has_video, clip.has_audio
        words = clip.transcript
        self.transcript = None if words is None else replace(words, source=words.source.partition(":")[0])

    def __repr__(self) -> str:
        return f"AnonymousClip({self.span})"

    def __reduce__(self) -> str:
        raise TypeError("an anonymous clip cannot be pickled: its path would travel with it")

    def frames(self) -> Iterator[Frame]:
        """The pictures, as `Clip.frames` gives them."""
        with _nameless_errors():
            yield from self.__clip.frames()

    def audio(self) -> Iterator[Waveform]:
        """The sound, as `Clip.audio` gives it."""
        with _nameless_errors():
            yield from self.__clip.audio()


@contextmanager
def _nameless_errors() -> Iterator[None]:
    try:
        yield
    except MediaError as error:
        raise type(error)(error.what, where="the clip", hint=error.hint) from None


def _probe(container: InputContainer, path: Path) -> tuple[bool, bool]:
    """Whether there is a picture and a sound that can be decoded."""
    video, audio = video_stream(container), audio_stream(container)
    if video is not None:
        check_size(video.width, video.height, path)
    elif audio is None:
        if any(stream.codec_context is None for stream in (*container.streams.video, *container.streams.audio)):
            raise UnreadableMedia(
                "its codec is not known here", where=path, hint="Convert the file to MP4 (H.264, AAC)"
            )
        raise EmptyMedia(
            "neither a picture nor a sound is in it", where=path, hint="Give a video, sound or picture file"
        )
    return video is not None, audio is not None


def _span(container: InputContainer) -> Span:
    if is_still(container):
        return Span(0.0, 0.0)
    end_seconds = header_end_seconds(container)
    return Span(0.0, _last_packet_end_seconds(container) if end_seconds is None else end_seconds)


def _last_packet_end_seconds(container: InputContainer) -> float:
    """When the last packet ends: read, not decoded. Recordings that browsers make state no duration."""
    origin, end = origin_seconds(container), Fraction(0)
    for packet in container.demux(*container.streams.video, *container.streams.audio):
        if packet.pts is not None and packet.time_base is not None:
            end = max(end, (packet.pts + (packet.duration or 0)) * packet.time_base - origin)
    return float(end)
