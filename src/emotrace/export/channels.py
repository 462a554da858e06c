"""A result as tiers on one time axis, in milliseconds: what ELAN and Praat show. No two intervals of a tier overlap."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from emotrace.evidence.observation import Modality, Observation
from emotrace.export.stretches import judged_segments
from emotrace.export.wording import one_line, worded
from emotrace.results import Analysis, Person
from emotrace.span import Span

Channel = Literal["overall", "verdict", "face", "voice", "words", "joint", "transcript"]
CHANNELS: dict[Channel, str] = {
    "overall": "the verdict on the whole clip",
    "verdict": "the labels of each segment with their confidence, or `abstains:` and the reason",
    "face": "what was observed of the face",
    "voice": "what was observed of the voice",
    "words": "what was observed of the words",
    "joint": "what was observed of several of them together; only where there is any",
    "transcript": "what is said",
}
_CHANNEL_OF: dict[Modality, Channel] = {"visual": "face", "vocal": "voice", "verbal": "words", "joint": "joint"}


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A text with its time; it lasts a millisecond at least, for no such format knows instants on these tiers."""

    start_ms: int
    end_ms: int
    text: str

    @classmethod
    def of(cls, span: Span, text: str) -> Interval:
        """The interval of a span, to the nearest millisecond."""
        start_ms = round(span.start_seconds * 1000)
        return cls(start_ms=start_ms, end_ms=max(round(span.end_seconds * 1000), start_ms + 1), text=text)


@dataclass(frozen=True, kw_only=True)
class Tier:
    """Intervals in order of time that do not overlap."""

    name: str
    """`channel@person`, as is the custom in ELAN; `channel@person-2` takes what would overlap, and so on."""
    person: str
    """Empty when there is nobody."""
    channel: Channel
    intervals: tuple[Interval, ...]


def end_ms(analysis: Analysis, tiers: Iterable[Tier]) -> int:
    """Where the time axis ends: at the file's end, or with the last interval; it is a millisecond long at least."""
    ends = (interval.end_ms for tier in tiers for interval in tier.intervals)
    return max(1, round(analysis.source.duration_seconds * 1000), *ends)


def tiers(analysis: Analysis) -> tuple[Tier, ...]:
    """The tiers of a result: one per person and channel, in the order of `CHANNELS`, some of them empty.

    When there is nobody, one tier says so.
    """
    if not analysis.persons:
        whole = Interval.of(Span(0.0, analysis.source.duration_seconds), worded(analysis.verdict))
        return (Tier(name="verdict", person="", channel="verdict", intervals=(whole,)),)
    return tuple(tier for person in analysis.persons for tier in _tiers_of(person))


def _tiers_of(person: Person) -> Iterator[Tier]:
    name = one_line(person.id)
    for channel, intervals in _intervals(person).items():
        if channel == "joint" and not intervals:
            continue
        for number, layer in enumerate(_layers(intervals), start=1):
            suffix = "" if number == 1 else f"-{number}"
            yield Tier(name=f"{channel}@{name}{suffix}", person=name, channel=channel, intervals=layer)


def _intervals(person: Person) -> dict[Channel, list[Interval]]:
    found: dict[Channel, list[Interval]] = {channel: [] for channel in get_args(Channel)}
    found["overall"].append(Interval.of(person.overall.span, worded(person.overall.verdict)))
    for segment in person.segments:
        found["verdict"].append(Interval.of(segment.span, worded(segment.verdict)))
    for observation in _observations(person):
        found[_CHANNEL_OF[observation.modality]].append(Interval.of(observation.span, one_line(observation.text)))
    for segment in judged_segments(person):
        if segment.text and (said := one_line(segment.text)):
            found["transcript"].append(Interval.of(segment.span, said))
    return found


def _observations(person: Person) -> list[Observation]:
    """Those of the segments, and those of the whole clip that no segment holds too."""
    kept = [observation for segment in person.segments for observation in segment.sheet.observations]
    known: dict[tuple[Modality, str], list[Span]] = {}
    for observation in kept:
        known.setdefault((observation.modality, observation.text), []).append(observation.span)
    for observation in person.overall.sheet.observations:
        spans = known.get((observation.modality, observation.text), [])
        if not any(observation.span & span for span in spans):
            kept.append(observation)
    return kept


def _layers(intervals: list[Interval]) -> list[tuple[Interval, ...]]:
    """The intervals on as few layers as keep them from overlapping; one empty layer for none."""
    layers: list[list[Interval]] = [[]]
    for interval in sorted(intervals, key=lambda each: (each.start_ms, each.end_ms)):
        for layer in layers:
            if not layer or layer[-1].end_ms <= interval.start_ms:
                layer.append(interval)
                break
        else:
            layers.append([interval])
    return [tuple(layer) for layer in layers]
