"""WebVTT (https://www.w3.org/TR/webvtt1/): the verdicts as captions under the playing video, with what is said."""

from __future__ import annotations

from collections.abc import Iterator

from emotrace.export.channels import Interval
from emotrace.export.stretches import judged_segments
from emotrace.export.wording import one_line, worded
from emotrace.results import Analysis


def to_webvtt(analysis: Analysis) -> str:
    """A result as WebVTT: one cue per person and segment in order of time, its text what is perceived and what is said.

    The first line of a cue names person and verdict, in a voice span of that person; an abstention says so and why.
    The second is the transcript. Notes at the top name the file and the verdict on each whole clip.
    """
    cues = sorted(_cues(analysis), key=lambda cue: (cue[1].start_ms, cue[1].end_ms))
    blocks = ["WEBVTT", *_notes(analysis)]
    blocks += [f"{name}\n{_clock(time.start_ms)} --> {_clock(time.end_ms)}\n{time.text}" for name, time in cues]
    return "\n\n".join(blocks) + "\n"


def _notes(analysis: Analysis) -> Iterator[str]:
    yield f"NOTE file: {_escaped(analysis.source.name)}"
    if not analysis.persons:
        yield f"NOTE nobody: {worded(analysis.verdict)}"
    for person in analysis.persons:
        yield f"NOTE {_escaped(person.id)}, whole clip: {_escaped(worded(person.overall.verdict))}"


def _cues(analysis: Analysis) -> Iterator[tuple[str, Interval]]:
    for person in analysis.persons:
        name = _escaped(person.id)
        for number, segment in enumerate(judged_segments(person), start=1):
            said = _escaped(segment.text or "")
            text = f"<v {name}>{name}: {_escaped(worded(segment.verdict))}</v>" + (f"\n{said}" if said else "")
            yield f"{name}-{number}", Interval.of(segment.span, text)


def _escaped(text: str) -> str:
    """Text on one line without `&`, `<` and `>`, and so without an arrow, which only a cue's times may hold."""
    return one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _clock(ms: int) -> str:
    """Milliseconds as a time stamp.

    >>> _clock(3_723_004)
    '01:02:03.004'
    """
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{ms:03}"
