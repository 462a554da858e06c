"""Words with their times: from an option, a sidecar file, an embedded subtitle track, or plain text.

A transcript is data, whatever it says. Nothing here guesses: an encoding that cannot be read is an error that names the
byte, and a word that the source did not time is marked as such (`Word.measured`).
"""

from __future__ import annotations

import codecs
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from emotrace.errors import UnreadableTranscript, UsageError
from emotrace.media._container import open_container, origin_seconds
from emotrace.media._subtitles import (
    Cue,
    Line,
    parse_payload,
    parse_plain,
    parse_srt,
    parse_vtt,
)
from emotrace.span import Span

MAX_BYTES = 10_000_000
"""Largest transcript that is read: about 150 hours of speech."""

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark begins the same
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)
_TEXT_TRACKS = ("mov_text", "subrip", "text", "webvtt", "ass", "ssa")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:[-_.][a-z0-9]{2,8})*")
_SAID = re.compile(r"\w")


@dataclass(frozen=True, kw_only=True)
class Word:
    """One word as it was written, punctuation included."""

    text: str
    span: Span
    measured: bool
    """Whether the source timed its start. Otherwise it is interpolated inside its cue, by character count."""


@dataclass(frozen=True, kw_only=True)
class Utterance:
    """What one voice says in one cue."""

    text: str
    span: Span
    words: tuple[Word, ...]
    speaker: str | None = None
    """As the source names it; None where it does not."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """A sound that the source describes, such as `laughs` of "[laughs]", or a line that is sung. Not words said."""

    text: str
    span: Span


@dataclass(frozen=True, kw_only=True)
class Transcript:
    """What is said, in time order. Without utterances: the source is there, and nothing is said."""

    utterances: tuple[Utterance, ...]
    source: str
    """`option`, `sidecar:NAME` or `embedded:STREAM`."""
    timed: bool
    """False for plain text: every span is then that of the whole clip."""
    sounds: tuple[Sound, ...] = ()
    issues: Mapping[str, int] = field(default_factory=dict)
    """How often something had to be mended: `end_before_start` (left out), `beyond_clip` (left out), `cut_to_clip`."""

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """All words, utterance by utterance."""
        return tuple(word for utterance in self.utterances for word in utterance.words)

    @property
    def text(self) -> str:
        """All that is said, one utterance a line."""
        return "\n".join(utterance.text for utterance in self.utterances)

    def within(self, measured: Span) -> Transcript:
        """The transcript of a clip that, once read, turned out to last this long; headers are often a little off.

        Every time lies inside then. A cue that only begins after the end is left out and counted as `beyond_clip`.
        """
        kept = [u for u in self.utterances if not self.timed or _meets(u.span, measured)]
        heard = [sound for sound in self.sounds if not self.timed or _meets(sound.span, measured)]
        issues = Counter(self.issues)
        issues["beyond_clip"] += len(self.utterances) - len(kept)

        def clamped(span: Span) -> Span:
            start, end = (min(t, measured.end_seconds) for t in (span.start_seconds, span.end_seconds))
            return Span(start, end) if self.timed else measured

        return replace(
            self,
            utterances=tuple(
                replace(u, span=clamped(u.span), words=tuple(replace(w, span=clamped(w.span)) for w in u.words))
                for u in kept
            ),
            sounds=tuple(replace(sound, span=clamped(sound.span)) for sound in heard),
            issues={issue: count for issue, count in sorted(issues.items()) if count},
        )


def load_transcript(
    media_path: str | Path,
    *,
    text: str | None = None,
    transcript_path: str | Path | None = None,
    encoding: str | None = None,
    span: Span,
) -> Transcript | None:
    """The words of a clip from the first source that is there; None where there is none.

    The order: `text`; `transcript_path`; beside the media file `NAME.srt`, `NAME.vtt`, then `NAME.LANG.srt` and
    `NAME.LANG.vtt` by name; a text track inside the file (the default one, else the first); `NAME.txt`.

    Args:
        media_path: The media file; also opened for its tracks where no earlier source is there.
        text: The words themselves, without times.
        transcript_path: A .srt, .vtt or .txt file.
        encoding: Of the transcript file. None reads UTF-8, and UTF-16 and UTF-32 with a byte order mark.
        span: The clip's. Cues are cut to it, and left out beyond it.

    Raises:
        UnreadableTranscript: Wrong encoding (names the byte), a .srt or .vtt file without a cue, or more than 10 MB.
        UsageError: Both `text` and `transcript_path`, or an encoding that Python does not know.
        MediaError: The media file had to be opened and cannot be.
    """
    media_path = Path(media_path)
    if text is not None:
        if transcript_path is not None:
            raise UsageError("text and a transcript file were both given", hint="Give one of them")
        _check_size(len(text.encode("utf-8", "replace")), "the text given as option")
        return _untimed(readable(text), "option", span)
    if transcript_path is not None:
        return _read(Path(transcript_path), "option", encoding, span)
    timed, plain = _sidecars(media_path)
    if timed is not None:
        return _read(timed, f"sidecar:{readable(timed.name)}", encoding, span)
    if (embedded := _embedded(media_path, span)) is not None:
        return embedded
    return None if plain is None else _read(plain, f"sidecar:{readable(plain.name)}", encoding, span)


def readable(text: str) -> str:
    """Text from the system, such as a file's name, with bytes that are no UTF-8 as question marks."""
    return text.encode("utf-8", "replace").decode()


def _sidecars(media_path: Path) -> tuple[Path | None, Path | None]:
    """The subtitle file and the text file that lie beside a media file under its name."""
    stem = media_path.stem.casefold()
    timed, plain = [], []
    try:
        with os.scandir(media_path.parent) as entries:  # names first: a corpus has thousands of files in one folder
            beside = [media_path.parent / entry.name for entry in entries if entry.name.casefold().startswith(stem)]
    except PermissionError:  # a folder whose files may be opened but not listed
        return None, None
    for path in beside:
        name, suffix = path.stem.casefold(), path.suffix.casefold()
        if not name.startswith(stem) or suffix not in (".srt", ".vtt", ".txt") or not path.is_file():
            continue
        language = name[len(stem) :]
        if suffix == ".txt" and not language:
            plain.append(path)
        elif suffix != ".txt" and (not language or (language[0] == "." and _LANGUAGE.fullmatch(language[1:]))):
            timed.append(((language != "", name, suffix, path.name), path))
    return min(timed, default=(None, None))[1], min(plain, default=None)


def _read(path: Path, source: str, encoding: str | None, span: Span) -> Transcript:
    try:
        if not path.is_file():
            what = "this is not a file" if path.exists() else "there is no such file"
            raise UnreadableTranscript(what, where=path, hint="Check the path of the transcript")
        _check_size(path.stat().st_size, path)
        data = path.read_bytes()
    except OSError as error:
        reason = f"it cannot be read ({error.strerror})"
        raise UnreadableTranscript(reason, where=path, hint="Check its path and permissions") from None
    text = _decode(data, path, encoding)
    kind = path.suffix.casefold()
    if kind == ".txt":
        return _untimed(text, source, span)
    if kind not in (".srt", ".vtt"):
        raise UnreadableTranscript(f"a transcript is .srt, .vtt or .txt, not {kind or 'without ending'}", where=path)
    is_vtt = text.lstrip().startswith("WEBVTT")  # what the file is counts, not how it is called
    cues = parse_vtt(text) if is_vtt else parse_srt(text)
    if not cues and text.strip() and not is_vtt:
        raise UnreadableTranscript(
            "not a single cue (00:00:01,000 --> 00:00:02,000) is in it",
            where=path,
            hint="Save it as SubRip or WebVTT, or name it .txt if it is plain text",
        )
    return _timed(cues, source, span)


def _decode(data: bytes, path: Path, encoding: str | None) -> str:
    if encoding is None:
        encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except LookupError:
        raise UsageError(
            f"unknown encoding {encoding!r}", hint="Name one such as cp1252, latin-1 or shift_jis"
        ) from None
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        raise UnreadableTranscript(
            f"not {encoding.removesuffix('-sig')} text: byte {at} cannot be decoded",
            where=path,
            hint="Save it as UTF-8, or name its encoding, for example --encoding cp1252",
        ) from None
    if (at := text.find("\0")) >= 0:
        raise UnreadableTranscript(
            f"not {encoding} text: a zero byte at character {at}",
            where=path,
            hint="Save it as UTF-8, or name its encoding, for example --encoding utf-16-le",
        )
    return text.removeprefix("\ufeff")


def _check_size(size: int, where: str | Path) -> None:
    if size > MAX_BYTES:
        raise UnreadableTranscript(
            f"{size:,} bytes are more than the limit of {MAX_BYTES:,}",
            where=where,
            hint="Cut the transcript to the clip",
        )


def _embedded(media_path: Path, span: Span) -> Transcript | None:
    """The text track inside a media file; None where there is none, or none with a cue."""
    with open_container(media_path) as container:
        tracks = [s for s in container.streams.subtitles if s.codec_context and s.codec.canonical_name in _TEXT_TRACKS]
        stream = min(tracks, key=lambda s: (not s.disposition.value & 1, s.index), default=None)
        if stream is None or stream.time_base is None:
            return None
        origin, cues, size = origin_seconds(container), [], 0
        for packet in container.demux(stream):
            if packet.pts is None or packet.size == 0:
                continue
            size += packet.size
            _check_size(size, f"{media_path}, track {stream.index}")
            start = float(packet.pts * stream.time_base - origin)
            end = start + float((packet.duration or 0) * stream.time_base)
            cues.append(parse_payload(bytes(packet), stream.codec.canonical_name, start, end))
        spoken = [cue for cue in cues if cue.lines]
        return _timed(spoken, f"embedded:{stream.index}", span) if spoken else None


def _untimed(text: str, source: str, span: Span) -> Transcript:
    utterances, sounds = [], []
    for line in parse_plain(text):
        sounds += [Sound(text=sound, span=span) for sound in line.sounds]
        if line.text:
            tokens = [token for token in line.text.split() if _SAID.search(token)]
            words = tuple(Word(text=token, span=span, measured=False) for token in tokens)
            utterances.append(Utterance(text=line.text, span=span, words=words, speaker=line.speaker))
    return Transcript(utterances=tuple(utterances), source=source, timed=False, sounds=tuple(sounds))


def _timed(cues: Iterable[Cue], source: str, clip: Span) -> Transcript:
    issues: Counter[str] = Counter()
    utterances, sounds = [], []
    for cue in sorted(
        cues, key=lambda cue: (cue.start_seconds, cue.end_seconds)
    ):  # stable: equal times keep their order
        if cue.end_seconds < cue.start_seconds:
            issues["end_before_start"] += 1
            continue
        span = _inside(cue, clip)
        if span is None:
            issues["beyond_clip"] += 1
            continue
        if (span.start_seconds, span.end_seconds) != (cue.start_seconds, cue.end_seconds):
            issues["cut_to_clip"] += 1
        for line in cue.lines:
            sounds += [Sound(text=sound, span=span) for sound in line.sounds]
        utterances += _utterances([line for line in cue.lines if line.text], span)
    utterances.sort(key=lambda utterance: utterance.span)
    return Transcript(
        utterances=tuple(utterances),
        source=source,
        timed=True,
        sounds=tuple(sounds),
        issues=dict(sorted(issues.items())),
    )


def _inside(cue: Cue, clip: Span) -> Span | None:
    """What of a cue lies in the clip; a cue that only touches its end does not."""
    start, end = max(cue.start_seconds, clip.start_seconds), min(cue.end_seconds, clip.end_seconds)
    shown = None if start > end else Span(start, end)
    return shown if shown is not None and _meets(shown, clip) else None


def _meets(span: Span, clip: Span) -> bool:
    """Whether a span begins before the clip ends; in a photograph, which lasts no time, at that instant."""
    return span.start_seconds < clip.end_seconds or span.start_seconds == clip.end_seconds == clip.start_seconds


def _utterances(lines: list[Line], span: Span) -> list[Utterance]:
    """The lines of one cue. They share its span: it does not say who speaks when."""
    return [Utterance(text=line.text, span=span, words=_words(line, span), speaker=line.speaker) for line in lines]


def _words(line: Line, span: Span) -> tuple[Word, ...]:
    """Tokens between their anchors, each as long as its share of the characters."""
    tokens = line.text.split()
    starts = {0: span.start_seconds} | {
        index: min(max(seconds, span.start_seconds), span.end_seconds) for index, seconds in line.anchors
    }
    measured = {index for index, _ in line.anchors}
    words: list[Word] = []
    latest = span.start_seconds
    for first, after in pairwise([*sorted(starts), len(tokens)]):
        start = max(latest, starts[first])
        end = max(start, starts.get(after, span.end_seconds))
        total, passed = sum(len(token) for token in tokens[first:after]), 0
        for index in range(first, after):
            begin = start + (end - start) * passed / total
            passed += len(tokens[index])
            latest = min(end, start + (end - start) * passed / total)
            if _SAID.search(tokens[index]):
                words.append(Word(text=tokens[index], span=Span(begin, latest), measured=index in measured))
    return tuple(words)
