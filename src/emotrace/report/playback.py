"""What the page plays: the file itself (embedded or linked), a copy that browsers can play, or nothing, and why."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal
from urllib.parse import quote

from emotrace.errors import MediaError, MediaNotFound
from emotrace.files import sha256_of
from emotrace.media._container import is_still, open_container
from emotrace.report.redact import FaceCover, photo_copy
from emotrace.report.transcode import transcode
from emotrace.results import Analysis

Kind = Literal["video", "audio", "photo", "none"]

_MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
_PLAYABLE: tuple[tuple[str, str, frozenset[str], frozenset[str]], ...] = (
    # container of FFmpeg, what comes after "video/" or "audio/", picture codecs, sound codecs
    (_MP4, "mp4", frozenset({"h264", "av1", "vp9"}), frozenset({"aac", "mp3", "opus"})),
    ("matroska,webm", "webm", frozenset({"vp8", "vp9", "av1"}), frozenset({"opus", "vorbis"})),
    ("mp3", "mpeg", frozenset(), frozenset({"mp3"})),
    ("wav", "wav", frozenset(), frozenset({"pcm_s16le", "pcm_u8", "pcm_s24le", "pcm_f32le"})),
    ("ogg", "ogg", frozenset(), frozenset({"opus", "vorbis"})),
    ("flac", "flac", frozenset(), frozenset({"flac"})),
)
_PHOTOS = {
    "jpeg_pipe": "image/jpeg",
    "png_pipe": "image/png",
    "webp_pipe": "image/webp",
}


@dataclass(frozen=True, kw_only=True)
class Playback:
    """What stands in the page's player."""

    kind: Kind
    source: str = ""
    """A data URI or a relative address; empty when there is nothing to play."""
    linked: bool = False
    redacted: bool = False
    note: str | None = None
    """What the reader should know about it."""
    cover: FaceCover | None = None
    """What hides the faces, here and in every other picture of the page; None where they are shown."""

    @property
    def has_picture(self) -> bool:
        """Whether pictures of the file may stand in the page."""
        return self.kind in ("video", "photo")


def prepare(
    analysis: Analysis, media: Path | None, *, limit_bytes: int, redact: bool, keep_sound: bool, folder: Path | None
) -> Playback:
    """Chooses how the media of `analysis` is shown, and makes the copy that this takes.

    Raises:
        MediaNotFound: `media` is not a file.
    """
    if media is None:
        return Playback(kind="none", note="This report was made without its media file.")
    if not media.is_file():
        raise MediaNotFound("no such file", where=media, hint="Give the file that was analysed, or none")
    if sha256_of(media) != analysis.source.sha256:
        return Playback(
            kind="none", note="The file that was given is not the one that was analysed, so it is not shown."
        )
    try:
        if redact:
            return _redacted(analysis, media, limit_bytes, keep_sound)
        return _shown(analysis, media, limit_bytes, folder or media.parent)
    except MediaError:
        return Playback(kind="none", note="The file could not be copied into a form that browsers play.")


def _shown(analysis: Analysis, media: Path, limit_bytes: int, folder: Path) -> Playback:
    kind, mime = _form(analysis, media)
    if mime is not None:
        if media.stat().st_size <= limit_bytes:
            return Playback(kind=kind, source=_data_uri(mime, media.read_bytes()))
        return Playback(kind=kind, source=_address(media, folder), linked=True, note=_LINKED)
    if kind == "photo":
        return _embedded(kind, "image/jpeg", photo_copy(media, None), limit_bytes, _COPIED)
    copy = transcode(media, limit_bytes=limit_bytes, picture=kind == "video", sound=analysis.source.audio is not None)
    return _embedded(kind, f"{kind}/mp4", copy, limit_bytes, _COPIED)


def _redacted(analysis: Analysis, media: Path, limit_bytes: int, keep_sound: bool) -> Playback:
    kind, _ = _form(analysis, media)
    has_sound = analysis.source.audio is not None
    note = _ONLY_SOUND
    if kind != "audio":
        cover = FaceCover.of(analysis.persons, media)
        if cover and kind == "photo":
            return _embedded(kind, "image/jpeg", photo_copy(media, cover), limit_bytes, _BLURRED, cover=cover)
        if cover:
            copy = transcode(
                media, limit_bytes=limit_bytes, picture=True, sound=has_sound and keep_sound, retouch=cover.hide
            )
            note = _BLURRED if keep_sound or not has_sound else _BLURRED + _SILENT
            return _embedded(kind, "video/mp4", copy, limit_bytes, note, cover=cover)
        note = _NO_FACE
    if not (has_sound and keep_sound):
        return Playback(kind="none", redacted=True, note=note + _SILENT if has_sound else note)
    copy = transcode(media, limit_bytes=limit_bytes, picture=False, sound=True)
    return replace(_embedded("audio", "audio/mp4", copy, limit_bytes, note), redacted=True)


_LINKED = "The media is linked, not embedded: it plays here as long as it stays where it is, seen from this page."
_COPIED = "Browsers cannot play the original, so this is a smaller copy of it."
_BLURRED = "Every face that was found is blurred. Look through it before you share it: a face that was missed is not."
_NO_FACE = "No face was found that could be blurred, so the picture is left out."
_ONLY_SOUND = "There is no picture to blur; this is a copy of the sound."
_SILENT = " The sound is left out too."


def _embedded(
    kind: Kind, mime: str, content: bytes | None, limit_bytes: int, note: str, *, cover: FaceCover | None = None
) -> Playback:
    redacted = cover is not None
    if content is None or len(content) > limit_bytes:
        limit = f"{limit_bytes / 1_000_000:g} MB"
        reason = f"The copy to be shown here would be larger than the limit of {limit}, so nothing is shown."
        return Playback(kind="none", redacted=redacted, note=reason)
    return Playback(kind=kind, source=_data_uri(mime, content), redacted=redacted, note=note, cover=cover)


def _form(analysis: Analysis, media: Path) -> tuple[Kind, str | None]:
    """What the file is, and its media type where browsers can play it."""
    with open_container(media) as container:
        if is_still(container):
            return "photo", _PHOTOS.get(container.format.name)
        kind: Kind = "audio" if analysis.source.video is None else "video"
        pictures = {(s.codec.canonical_name, s.codec_context.pix_fmt) for s in container.streams.video}
        sounds = {s.codec.canonical_name for s in container.streams.audio}
    for name, subtype, picture_codecs, sound_codecs in _PLAYABLE:
        plays = kind == "audio" or {codec for codec, _ in pictures} <= picture_codecs
        plain = kind == "audio" or {colours for _, colours in pictures} <= {"yuv420p", "yuvj420p"}
        if container.format.name == name and plays and plain and sounds <= sound_codecs:
            return kind, f"{kind}/{subtype}"
    return kind, None


def _address(media: Path, folder: Path) -> str:
    """The way from the page to the file, safe to stand in an attribute whatever the file is called."""
    return quote(Path(os.path.relpath(media.resolve(), folder.resolve())).as_posix())


def _data_uri(mime: str, content: bytes) -> str:
    return f"data:{mime};base64,{base64.b64encode(content).decode()}"
