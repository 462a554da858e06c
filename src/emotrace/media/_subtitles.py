"""Subtitle files and tracks taken apart: who says what between which times, and which sounds are described.

Formats: SubRip as players read it (it has no standard), WebVTT (W3C, 2019), and the payloads of embedded mov_text,
SubRip, ASS and WebVTT tracks. The text is data: markup is removed, nothing in it is carried out.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Line:
    """What one voice says in one cue, markup removed."""

    text: str
    speaker: str | None
    sounds: tuple[str, ...]
    """Described, not said: `laughs` of "[laughs]", and sung text between music notes."""
    anchors: tuple[tuple[int, float], ...] = ()
    """(number of a token of `text`, when it starts in seconds), where the file times words."""


@dataclass(frozen=True, kw_only=True)
class Cue:
    """A stretch of time with the lines shown in it; the times are as written, right or wrong."""

    start_seconds: float
    end_seconds: float
    lines: tuple[Line, ...]


_STAMP = r"(-?)\s*(?:(\d+):)?(\d{1,3}):(\d{1,2})(?:[.,:](\d{1,9}))?"
_TIMING = re.compile(rf"^\s*{_STAMP}\s*-{{1,2}}>\s*{_STAMP}(?:\s.*)?$")
_INLINE_STAMP = re.compile(rf"<{_STAMP}>")
_RUBY = re.compile(r"<rt>[^<]*(?:</rt>)?", re.IGNORECASE)
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?\s+([^<>]+)>", re.IGNORECASE)
_VTT_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|</>|<>")
_SRT_TAG = re.compile(r"</?(?:b|i|u|s|em|strong|font|span|c|v|p|ruby|rt|lang)(?:[\s.][^<>]*)?/?>", re.IGNORECASE)
_LINE_BREAK_TAG = re.compile(r"<br\s*/?>", re.IGNORECASE)
_OVERRIDE = re.compile(r"\{\\[^{}]*\}|\{[a-zA-Z]:[^{}]*\}")
_SOUND = re.compile(r"\[([^\[\]]*)\]|\(([^()]*)\)|（([^（）]*)）|【([^【】]*)】")
_MUSIC = re.compile(r"[♪♫]+([^♪♫]*)[♪♫]*")
_LABEL = re.compile(r"^(?:>>+\s*)?([A-Z][A-Z0-9 .'\-]{0,30}[A-Z0-9.]|[A-Z]):(?:\s+|$)")
"""[field] Captioning guidelines write the speaker in capitals before a colon."""
_DASH = re.compile(r"^\s*(?:[-–—‐]|>>+)\s*(?=\S)")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_SAID = re.compile(r"\w")


def parse_srt(text: str) -> list[Cue]:
    """The cues of a SubRip file, in the file's order. Numbers may be missing or wrong; blank lines may be, too."""
    rows = text.splitlines()
    timings = [(i, match) for i, row in enumerate(rows) if (match := _TIMING.match(row))]
    cues = []
    for at, (i, match) in enumerate(timings):
        last = timings[at + 1][0] if at + 1 < len(timings) else len(rows)
        body = rows[i + 1 : last]
        if last < len(rows) and body and body[-1].strip().isdigit():
            body.pop()  # the next cue's number
        cues.append(_cue(match, "\n".join(body), voices=False))
    return cues


def parse_vtt(text: str) -> list[Cue]:
    """The cues of a WebVTT file, in the file's order; notes, styles, regions and settings are left out."""
    timings: list[re.Match[str]] = []
    bodies: list[list[str]] = []
    for block in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n").replace("\r", "\n")):
        rows = block.strip("\n").split("\n")
        if re.match(r"(?:NOTE|STYLE|REGION)(?:\s|$)", rows[0]):
            continue
        at = next((i for i, row in enumerate(rows[:2]) if _TIMING.match(row)), None)
        if at is None and rows[0].startswith("WEBVTT"):  # a header without the blank line after it
            at = next((i for i, row in enumerate(rows) if _TIMING.match(row)), None)
        if at is not None and (match := _TIMING.match(rows[at])):
            timings.append(match)
            bodies.append(rows[at + 1 :])
    bodies = _without_rolling_repeats(bodies)
    return [_cue(match, "\n".join(rows), voices=True) for match, rows in zip(timings, bodies, strict=True)]


def parse_payload(payload: bytes, codec: str, start_seconds: float, end_seconds: float) -> Cue:
    """One packet of an embedded text track.

    Args:
        payload: The packet's bytes. Undecodable ones are replaced: no option could name another encoding.
        codec: `mov_text`, `subrip`, `text`, `webvtt`, `ass` or `ssa`.
        start_seconds: When it is shown.
        end_seconds: When it is no longer shown.
    """
    speaker = None
    if codec == "mov_text":
        payload = payload[2 : 2 + int.from_bytes(payload[:2], "big")]  # 3GPP TS 26.245: length, text, style boxes
    text = payload.decode("utf-8", "replace")
    if codec in ("ass", "ssa"):
        fields = text.split(",", 8)  # ReadOrder, Layer, Style, Name, three margins, Effect, Text
        speaker, text = (fields[3].strip() or None, fields[8]) if len(fields) == 9 else (None, "")
        text = re.sub(r"\\[Nn]", "\n", text).replace(r"\h", " ")
    lines = tuple(_lines(text, start_seconds, voices=codec == "webvtt", speaker=speaker))
    return Cue(start_seconds=start_seconds, end_seconds=end_seconds, lines=lines)


def parse_plain(text: str) -> tuple[Line, ...]:
    """Text without times: one line of it after the other."""
    return tuple(line for row in text.splitlines() for line in _lines(row, 0.0, voices=False))


def _without_rolling_repeats(bodies: list[list[str]]) -> list[list[str]]:
    """Rows of automatic captions, where each cue shows the previous row again above its own, with each row once.

    Only files that time single words are such; in others a row that comes twice was said twice.
    """
    if not any(_INLINE_STAMP.search(row) for rows in bodies for row in rows):
        return bodies
    once, before = [], set[str]()
    for rows in bodies:
        once.append([row for row in rows if _INLINE_STAMP.search(row) or _plain(row) not in before])
        before = {_plain(row) for row in rows}
    return once


def _seconds(sign: str, hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    value = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction or 0}")
    return -value if sign else value


def _cue(timing: re.Match[str], body: str, *, voices: bool) -> Cue:
    parts = timing.groups()
    start, end = _seconds(*parts[:5]), _seconds(*parts[5:])
    return Cue(start_seconds=start, end_seconds=end, lines=tuple(_lines(body, start, voices=voices)))


def _lines(body: str, start_seconds: float, *, voices: bool, speaker: str | None = None) -> Iterator[Line]:
    """The lines of a cue's body: a new one begins with each voice and each dialogue dash."""
    body = _RUBY.sub("", _LINE_BREAK_TAG.sub("\n", _OVERRIDE.sub("", _CONTROL.sub(" ", body))))
    for who, spoken in _by_voice(body, speaker):
        for label, text in _by_dash(spoken):
            yield from _line(text, who or label, start_seconds, voices=voices)


def _by_voice(body: str, speaker: str | None) -> Iterator[tuple[str | None, str]]:
    parts = _VOICE.split(body)  # text, name, text, name, text ...
    yield speaker, parts[0]
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        yield _plain(name) or speaker, text


def _by_dash(text: str) -> Iterator[tuple[str | None, str]]:
    """Rows joined to what one person says, with the name that stands before it in capitals."""
    said: list[str] = []
    label: str | None = None
    for row in text.split("\n"):
        bare = _VTT_TAG.sub("", row).strip()
        dashed, named = _DASH.match(bare), _LABEL.match(_DASH.sub("", bare))
        if (dashed or named) and said:
            yield label, "\n".join(said)
            said, label = [], None
        if named:
            label = named[1].strip()
            row = row.replace(named[0].strip(), "", 1)
        said.append(_DASH.sub("", row) if dashed else row)
    yield label, "\n".join(said)


def _line(text: str, speaker: str | None, start_seconds: float, *, voices: bool) -> Iterator[Line]:
    sounds: list[str] = []

    def keep(match: re.Match[str]) -> str:
        described = _plain(next((group for group in match.groups() if group), ""))
        if _SAID.search(described):
            sounds.append(described)
        return " "

    text = _SOUND.sub(keep, _MUSIC.sub(keep, text))
    tokens: list[str] = []
    anchors: dict[int, float] = {}
    pieces = _INLINE_STAMP.split(text)  # text, (sign, h, m, s, fraction), text ...
    for i in range(0, len(pieces), 6):
        tag = _VTT_TAG if voices else _SRT_TAG
        words = html.unescape(tag.sub("", pieces[i])).split()
        if i > 0 and words:
            anchors[len(tokens)] = _seconds(*pieces[i - 5 : i])
        elif words and len(pieces) > 1:
            anchors[0] = start_seconds  # in a cue that times its words the first one starts with the cue
        tokens.extend(words)
    if tokens and not _SAID.search(" ".join(tokens)):
        tokens, anchors = [], {}
    if tokens or sounds:
        yield Line(text=" ".join(tokens), speaker=speaker, sounds=tuple(sounds), anchors=tuple(anchors.items()))


def _plain(text: str) -> str:
    """Text without markup, single-spaced."""
    return " ".join(html.unescape(_INLINE_STAMP.sub("", _VTT_TAG.sub("", text))).split())
