"""Where everything lies on the timeline: per person a band of verdicts, then one lane per modality.

Across, positions are per cent of the clip, so that the drawing stretches with the page; down, they are pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emotrace.evidence.observation import LETTERS, Modality
from emotrace.report.words import MODALITY_NAMES, clock, missing_reason, short_verdict
from emotrace.results import Analysis, Person
from emotrace.span import Span

AXIS_PIXELS = 22
VERDICT_PIXELS = 26
ROW_PIXELS = 14
_LANE_GAP_PIXELS = 8
_PERSON_GAP_PIXELS = 14
_ROWS_PER_LANE = 4
_TICK_STEPS_SECONDS = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
_MOST_TICKS = 8
_THINNEST_BAR_PERCENT = 0.15


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One observation: from onset to offset, as high as it is strong, as opaque as it is sure."""

    key: str
    span: Span
    x_percent: float
    width_percent: float
    y_pixels: float
    height_pixels: float
    opacity: float


@dataclass(frozen=True, kw_only=True)
class Block:
    """One segment's verdict on the band."""

    key: str
    x_percent: float
    width_percent: float
    text: str
    abstained: bool


@dataclass(frozen=True, kw_only=True)
class Lane:
    """What one modality shows of one person."""

    modality: Modality
    letter: str
    name: str
    y_pixels: float
    height_pixels: float
    missing: str | None
    bars: tuple[Bar, ...]


@dataclass(frozen=True, kw_only=True)
class Track:
    """One person's part of the timeline."""

    person: str
    y_pixels: float
    height_pixels: float
    blocks: tuple[Block, ...]
    lanes: tuple[Lane, ...]


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The whole drawing."""

    duration_seconds: float
    height_pixels: float
    ticks: tuple[tuple[float, str], ...]
    """Place in per cent, and the time written there."""
    tracks: tuple[Track, ...]


def lay_out(analysis: Analysis) -> Timeline:
    """Places every observation and verdict of a result."""
    duration = analysis.source.duration_seconds
    y: float = AXIS_PIXELS
    tracks = []
    for number, person in enumerate(analysis.persons):
        track = _track(person, number, duration, y)
        tracks.append(track)
        y += track.height_pixels + _PERSON_GAP_PIXELS
    return Timeline(duration_seconds=duration, height_pixels=y, ticks=_ticks(duration), tracks=tuple(tracks))


def segment_key(person: int, segment: int | None) -> str:
    """The name of a segment within the page; None is the whole clip."""
    return f"p{person}{'w' if segment is None else f's{segment}'}"


def _track(person: Person, number: int, duration: float, top: float) -> Track:
    blocks = []
    for index, segment in enumerate(person.segments):
        x, width = across(segment.span, duration)
        abstained = segment.verdict.abstain is not None
        blocks.append(
            Block(
                key=segment_key(number, index),
                x_percent=x,
                width_percent=width,
                text=short_verdict(segment),
                abstained=abstained,
            )
        )
    y = top + VERDICT_PIXELS + _LANE_GAP_PIXELS
    lanes = []
    for modality in ("visual", "vocal", "verbal", "joint"):
        lane = _lane(person, number, modality, duration, y)
        if lane is not None:
            lanes.append(lane)
            y += lane.height_pixels + _LANE_GAP_PIXELS
    return Track(person=person.id, y_pixels=top, height_pixels=y - top, blocks=tuple(blocks), lanes=tuple(lanes))


def _lane(person: Person, number: int, modality: Modality, duration: float, top: float) -> Lane | None:
    seen = [
        (f"{segment_key(number, index)}{observation.id}", observation)
        for index, segment in enumerate(person.segments)
        for observation in segment.sheet.of_modality(modality)
    ]
    if modality == "joint" and not seen:
        return None
    rows = _rows(observation.span for _, observation in seen)
    bars = []
    for (key, observation), row in zip(seen, rows, strict=True):
        x, width = across(observation.span, duration)
        height = 4.0 + (ROW_PIXELS - 6.0) * observation.strength
        bars.append(
            Bar(
                key=key,
                span=observation.span,
                x_percent=x,
                width_percent=width,
                y_pixels=round(top + (row + 1) * ROW_PIXELS - height, 1),
                height_pixels=round(height, 1),
                opacity=round(0.4 + 0.6 * observation.confidence, 2),
            )
        )
    reason = person.overall.sheet.missing.get(modality)
    return Lane(
        modality=modality,
        letter=LETTERS[modality],
        name=MODALITY_NAMES[modality],
        y_pixels=top,
        height_pixels=(1 + max(rows, default=0)) * ROW_PIXELS,
        missing=None if reason is None or bars else missing_reason(modality, reason),
        bars=tuple(bars),
    )


def _rows(spans: Iterable[Span]) -> list[int]:
    """The row of each span, so that few cover each other: the first free one, else the one that is free soonest."""
    ends: list[float] = []
    rows = []
    for span in spans:
        free = next((row for row, end in enumerate(ends) if end <= span.start_seconds), None)
        if free is None and len(ends) < _ROWS_PER_LANE:
            ends.append(0.0)
            free = len(ends) - 1
        elif free is None:
            free = min(range(len(ends)), key=ends.__getitem__)
        ends[free] = max(ends[free], span.end_seconds)
        rows.append(free)
    return rows


def across(span: Span, duration: float) -> tuple[float, float]:
    """Where a span begins and how wide it is, in per cent of the clip; never thinner than a line."""
    if duration <= 0.0:
        return 0.0, 100.0
    start = min(100.0 * span.start_seconds / duration, 100.0 - _THINNEST_BAR_PERCENT)
    width = min(max(100.0 * span.duration_seconds / duration, _THINNEST_BAR_PERCENT), 100.0 - start)
    return round(start, 3), round(width, 3)


def _ticks(duration: float) -> tuple[tuple[float, str], ...]:
    if duration <= 0.0:
        return ()
    step = next((s for s in _TICK_STEPS_SECONDS if duration / s <= _MOST_TICKS), _TICK_STEPS_SECONDS[-1])
    times = [k * step for k in range(int(duration / step) + 1)]
    return tuple((round(100.0 * t / duration, 3), clock(t).removesuffix(".0")) for t in times)
