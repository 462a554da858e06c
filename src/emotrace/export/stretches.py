"""The walks that exports take: each person's whole clip, then their segments in time order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from emotrace.results import Analysis, Person, Segment


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """One segment of one person, with its number."""

    person: Person
    number: int
    """0 is the whole clip; 1, 2, ... are the segments."""
    segment: Segment


def stretches(analysis: Analysis) -> Iterator[Stretch]:
    """Every person and segment of a result, in order."""
    for person in analysis.persons:
        for number, segment in enumerate((person.overall, *person.segments)):
            yield Stretch(person=person, number=number, segment=segment)


def judged_segments(person: Person) -> tuple[Segment, ...]:
    """What a timeline of a person shows: the segments, or the whole clip where there are none."""
    return person.segments or (person.overall,)
