"""Praat's TextGrid in its long form (https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html)."""

from __future__ import annotations

from collections.abc import Iterator

from emotrace.export.channels import Interval, Tier, end_ms, tiers
from emotrace.results import Analysis


def to_textgrid(analysis: Analysis) -> str:
    """A result as a TextGrid of interval tiers, each of which covers the whole time without gap or overlap.

    The tiers are those of `channels.tiers`; where nothing is, stands an interval with an empty text. Praat knows no
    empty stretch of time, so the grid of a photograph is a millisecond long.
    """
    made, last_ms = tiers(analysis), end_ms(analysis, tiers(analysis))
    head = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0 ",
        f"xmax = {_seconds(last_ms)} ",
        "tiers? <exists> ",
        f"size = {len(made)} ",
        "item []: ",
    ]
    body = (line for number, tier in enumerate(made, start=1) for line in _tier(number, tier, last_ms))
    return "\n".join([*head, *body]) + "\n"


def _tier(number: int, tier: Tier, last_ms: int) -> Iterator[str]:
    intervals = tuple(_covering(tier.intervals, last_ms))
    yield f"    item [{number}]:"
    yield '        class = "IntervalTier" '
    yield f"        name = {_quoted(tier.name)} "
    yield "        xmin = 0 "
    yield f"        xmax = {_seconds(last_ms)} "
    yield f"        intervals: size = {len(intervals)} "
    for place, interval in enumerate(intervals, start=1):
        yield f"        intervals [{place}]:"
        yield f"            xmin = {_seconds(interval.start_ms)} "
        yield f"            xmax = {_seconds(interval.end_ms)} "
        yield f"            text = {_quoted(interval.text)} "


def _covering(intervals: tuple[Interval, ...], last_ms: int) -> Iterator[Interval]:
    """The intervals, with empty ones in all gaps."""
    cursor = 0
    for interval in intervals:
        if interval.start_ms > cursor:
            yield Interval(start_ms=cursor, end_ms=interval.start_ms, text="")
        yield interval
        cursor = interval.end_ms
    if cursor < last_ms:
        yield Interval(start_ms=cursor, end_ms=last_ms, text="")


def _seconds(ms: int) -> str:
    return f"{ms // 1000}.{ms % 1000:03}".rstrip("0").rstrip(".")


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
